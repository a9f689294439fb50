package publisher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/packing"
	"larder/internal/publish"
	"larder/pack"
)

// Publish brings the inputs to the host, and releases them as far as the context says.
func (h *Host) Publish(ctx context.Context, o Options) (*Report, error) {
	if o.Waiting == nil {
		o.Waiting = func(asset.PackID, string) {}
	}
	out := &Report{App: o.App, Host: h.URL, Context: o.Context}
	app, err := h.app(ctx, o.App)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Inputs {
		row, err := h.bring(ctx, o, app, name)
		if err != nil {
			return nil, err
		}
		out.Packs = append(out.Packs, row)
	}
	return out, nil
}

// app is the app on the host, which is made if the key may do that.
func (h *Host) app(ctx context.Context, id asset.AppID) (string, error) {
	return h.found(ctx, "/v1/apps?filter[bundleId]="+url.QueryEscape(string(id)), "/larder/v1/apps", body("apps", "", map[string]any{"bundleId": id}))
}

// found is the ID of the first resource of a list, or of the one that is made.
func (h *Host) found(ctx context.Context, list, path string, make any) (string, error) {
	a, err := h.ask(ctx, "GET", list, nil)
	if err != nil {
		return "", err
	}
	all, err := a.many()
	if err == nil && len(all) == 0 {
		if a, err = h.ask(ctx, "POST", path, make); err != nil {
			return "", err
		}
		all = []resource{{}}
		all[0], err = a.one()
	}
	if err != nil {
		return "", err
	}
	return all[0].ID, nil
}

// input is a pack to be published.
type input struct {
	file     *os.File
	size     int64
	hash     string // SHA-256 of the archive
	row      asset.Pack
	manifest []byte
}

// open opens an input, after building it if it is a packaging manifest.
func open(ctx context.Context, o Options, name string) (in input, err error) {
	file := name
	if strings.EqualFold(filepath.Ext(name), ".json") {
		if file, err = publish.Build(ctx, publish.Options{Scratch: o.Scratch, Compress: o.Compress, Events: o.Events}, name); err != nil {
			return in, err
		}
	}
	if in.file, err = os.Open(file); err != nil {
		return in, err
	}
	info, err := in.file.Stat()
	if err != nil {
		return in, err
	}
	in.size = info.Size()
	if in.row, err = packing.Offer(in.file, in.size, "", 0); err != nil {
		return in, err
	}
	a, err := pack.Open(in.file, in.size)
	if err != nil {
		return in, err
	}
	in.manifest = a.Metadata()
	sum := sha256.New()
	_, err = io.Copy(sum, io.NewSectionReader(in.file, 0, in.size))
	in.hash = hex.EncodeToString(sum.Sum(nil))
	return in, err
}

// bring brings one input.
func (h *Host) bring(ctx context.Context, o Options, app, name string) (row Row, err error) {
	in, err := open(ctx, o, name)
	if in.file != nil {
		defer in.file.Close()
	}
	if err != nil {
		return row, err
	}
	row = Row{ID: in.row.ID, Size: in.size, Action: publish.Updated}
	packID, err := h.found(ctx, "/v1/apps/"+app+"/backgroundAssets?filter[assetPackIdentifier]="+string(in.row.ID), "/v1/backgroundAssets",
		body("backgroundAssets", "", map[string]any{"assetPackIdentifier": in.row.ID}, jsonapi.Ref{Type: "apps", ID: app}))
	if err != nil {
		return row, err
	}
	version, file, err := h.newest(ctx, packID)
	if err != nil {
		return row, err
	}
	same := file.Attributes.FileName == in.name() && file.Attributes.FileSize == in.size
	switch state := version.Attributes.State; {
	case state == catalog.Complete && file.Attributes.Sums.File.Hash == in.hash:
		row.Action = publish.Unchanged
	case state == catalog.Processing && same, state == catalog.AwaitingUpload && (same || file.ID == ""): // begun, and cut off
	default:
		version, err = h.made(ctx, "/v1/backgroundAssetVersions", body("backgroundAssetVersions", "", nil, jsonapi.Ref{Type: "backgroundAssets", ID: packID}))
		if err != nil {
			return row, err
		}
	}
	if version.Attributes.State == catalog.AwaitingUpload {
		if row.Sent, err = h.upload(ctx, o, version.ID, in); err != nil {
			return row, err
		}
	}
	if row.Version, err = strconv.ParseInt(version.Attributes.Version, 10, 64); err != nil {
		return row, err
	}
	if row.Version == 1 && row.Action != publish.Unchanged {
		row.Action = publish.New
	}
	if row.Notes, err = h.processed(ctx, o, in.row.ID, version.ID); err != nil {
		return row, err
	}
	row.State, err = h.release(ctx, o, in.row.ID, version.ID)
	return row, err
}

// name is what the archive is called on the host: by it an upload that was cut off is known again.
func (in input) name() string { return fmt.Sprintf("%s-%s.assetpack", in.row.ID, in.hash[:16]) }

func (h *Host) made(ctx context.Context, path string, send any) (resource, error) {
	a, err := h.ask(ctx, "POST", path, send)
	if err != nil {
		return resource{}, err
	}
	return a.one()
}

// newest is the newest version of a pack, with its archive's file; both are empty if there is none.
func (h *Host) newest(ctx context.Context, packID string) (version, file resource, err error) {
	a, err := h.ask(ctx, "GET", "/v1/backgroundAssets/"+packID+"/versions?sort=-version&limit=1&include=assetFile", nil)
	if err != nil {
		return version, file, err
	}
	list, err := a.many()
	if err != nil || len(list) == 0 {
		return version, file, err
	}
	if len(a.Included) > 0 {
		file = a.Included[0]
	}
	return list[0], file, nil
}

// smallEnough archives are sent without their manifest before them: they are refused as soon.
const smallEnough = 16 << 20

// upload brings the archive of a version.
func (h *Host) upload(ctx context.Context, o Options, version string, in input) (sent int64, err error) {
	if in.size > smallEnough {
		if err := h.manifest(ctx, version, in.manifest); err != nil {
			return 0, err
		}
	}
	file, err := h.file(ctx, version, catalog.Asset, in.name(), in.size)
	if err != nil {
		return 0, err
	}
	advance, end := func(int) {}, func() {}
	if o.Events.Uploading != nil {
		advance, end = o.Events.Uploading(string(in.row.ID), in.size)
	}
	defer end()
	if sent, err = h.send(ctx, file, in.file, advance); err != nil {
		return 0, err
	}
	return sent, h.commit(ctx, file.ID, in.hash)
}

// file is the file of a type of a version, with fresh operations; it is announced if it was not.
func (h *Host) file(ctx context.Context, version, typ, name string, size int64) (f resource, err error) {
	a, err := h.ask(ctx, "GET", "/v1/backgroundAssetVersions/"+version+"/backgroundAssetUploadFiles", nil)
	if err != nil {
		return f, err
	}
	all, err := a.many()
	for _, f := range all {
		if f.Attributes.FileName == name {
			return f, nil
		}
	}
	if err != nil {
		return f, err
	}
	return h.made(ctx, "/v1/backgroundAssetUploadFiles", body("backgroundAssetUploadFiles", "", map[string]any{"assetType": typ, "fileName": name, "fileSize": size},
		jsonapi.Ref{Type: "backgroundAssetVersions", ID: version}))
}

func (h *Host) commit(ctx context.Context, file, hash string) error {
	_, err := h.ask(ctx, "PATCH", "/v1/backgroundAssetUploadFiles/"+file, body("backgroundAssetUploadFiles", file, map[string]any{"uploaded": true,
		"sourceFileChecksums": map[string]any{"file": map[string]any{"hash": hash, "algorithm": "SHA_256"}}}))
	if asset.CodeOf(err) != asset.CodeState {
		return err
	}
	// It may be that the answer to an earlier try was lost.
	a, lookErr := h.ask(ctx, "GET", "/v1/backgroundAssetUploadFiles/"+file, nil)
	if lookErr != nil {
		return lookErr
	}
	if f, lookErr := a.one(); lookErr == nil && f.Attributes.Delivery.State != catalog.AwaitingUpload {
		return nil
	}
	return err
}

// manifest has the packaging manifest judged before the archive is sent.
func (h *Host) manifest(ctx context.Context, version string, text []byte) error {
	sum := sha256.Sum256(text)
	file, err := h.file(ctx, version, catalog.Manifest, fmt.Sprintf("manifest-%x.json", sum[:8]), int64(len(text)))
	if err != nil {
		return err
	}
	if file.Attributes.Delivery.State == catalog.AwaitingUpload {
		if _, err := h.send(ctx, file, bytes.NewReader(text), func(int) {}); err != nil {
			return err
		}
		if err := h.commit(ctx, file.ID, hex.EncodeToString(sum[:])); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		a, err := h.ask(ctx, "GET", "/v1/backgroundAssetUploadFiles/"+file.ID, nil)
		if err != nil {
			return err
		}
		if file, err = a.one(); err != nil {
			return err
		}
		switch d := file.Attributes.Delivery; d.State {
		case catalog.Complete:
			return nil
		case catalog.Failed:
			return failed("the packaging manifest", d.Errors)
		}
		if err := rest(ctx, pace(n)); err != nil {
			return err
		}
	}
}

func failed(what string, why []fact) error {
	e := &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: what, Message: "the host does not accept it"}
	if len(why) > 0 {
		e.Message = why[0].Description
	}
	return e
}
