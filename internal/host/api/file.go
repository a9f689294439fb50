package api

import (
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/process"
	"larder/internal/host/staging"
)

// maxFile bounds an archive, in bytes; maxManifest a packaging manifest.
const (
	maxFile     = 1 << 40
	maxManifest = 1 << 20
)

// file is the file with an ID, if the caller may see it.
func (c *call) file(tx catalog.Tx, id string) (f catalog.File, err error) {
	f, err = tx.File(id)
	if errors.Is(err, catalog.ErrNone) {
		return f, jsonapi.NotFound("there is no upload file %q", shortened(id))
	}
	if err == nil {
		var fault *jsonapi.Fault
		if _, _, err = c.version(tx, f.Version); errors.As(err, &fault) {
			err = jsonapi.NotFound("there is no upload file %q", shortened(id))
		}
	}
	return f, err
}

func (c *call) createFile() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeFiles, "", []string{"assetType", "fileName", "fileSize"}, []string{"backgroundAssetVersion"})
	if err != nil {
		return nil, err
	}
	f := catalog.File{Created: c.Now()}
	for name, at := range map[string]any{"assetType": &f.Type, "fileName": &f.Name, "fileSize": &f.Size} {
		if err := e.Required(name, at); err != nil {
			return nil, err
		}
	}
	limit := int64(maxFile)
	if f.Type == catalog.Manifest {
		limit = maxManifest
	}
	switch {
	case f.Type != catalog.Asset && f.Type != catalog.Manifest:
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/assetType", "%q is not one of ASSET, MANIFEST", shortened(f.Type))
	case f.Name == "" || len(f.Name) > 255 || strings.ContainsAny(f.Name, "/\\\x00"):
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/fileName", "it is no name of a file, or longer than 255 bytes")
	case f.Size < 1 || f.Size > limit:
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/fileSize", "%d is not a size from 1 to %d", f.Size, limit)
	}
	const mebi = 1 << 20
	f.Part = c.Limits.Part
	if least := (f.Size + int64(c.Limits.Parts) - 1) / int64(c.Limits.Parts); least > f.Part {
		f.Part = (least + mebi - 1) / mebi * mebi
	}
	at, err := e.Relation("backgroundAssetVersion", typeVersions)
	if err != nil {
		return nil, err
	}
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		v, p, err := c.version(tx, at)
		if err != nil {
			return blamed(err, "/data/relationships/backgroundAssetVersion")
		}
		files, err := tx.Files(v.ID)
		switch {
		case err != nil:
			return err
		case p.Archived:
			return jsonapi.State("the pack %s is archived", p.Identifier)
		case v.State != catalog.AwaitingUpload:
			return jsonapi.State("the version is %s: it takes no files any more", v.State)
		case slices.ContainsFunc(files, func(other catalog.File) bool { return other.Type == f.Type }):
			return jsonapi.State("the version has a file of the type %s already", f.Type)
		}
		if err := c.room(tx, p, f.Size); err != nil {
			return err
		}
		f.Version = v.ID
		if f, err = tx.AddFile(f); err != nil {
			return err
		}
		doc = c.document(c.showFile(f, nil))
		return nil
	})
	c.At("file reserved")
	return doc, err
}

// room holds an app to its quota, which the largest version of each pack counts against (managed
// §8.5), and all that is announced; and the host to its disk.
func (c *call) room(tx catalog.Tx, p catalog.Pack, size int64) error {
	a, err := tx.App(p.App)
	if err != nil {
		return err
	}
	packs, err := tx.Packs(a.ID)
	if err != nil {
		return err
	}
	var used, awaited int64
	for _, other := range packs {
		v, err := readPack(tx, other)
		if err != nil {
			return err
		}
		largest := v.used
		if other.ID == p.ID {
			largest = max(largest, size)
		}
		used += largest
	}
	open, err := tx.FilesIn(catalog.AwaitingUpload)
	if err != nil {
		return err
	}
	for _, f := range open {
		awaited += f.Size
	}
	if used > a.Quota {
		return jsonapi.Quota("the app's packs would use %d bytes, and its quota is %d", used, a.Quota).Help("archive packs that are not needed, or have the quota raised")
	}
	free, err := c.Free()
	if err != nil {
		return err
	}
	if awaited+size > free {
		return jsonapi.Quota("the host has room for %d more bytes, and %d are announced already", free, awaited).Help("whoever runs the host can free its disk")
	}
	return nil
}

// showFile is a file with the operations that bring it, while it is awaited.
func (c *call) showFile(f catalog.File, parts map[int]string) jsonapi.Resource {
	r := c.resource(typeFiles, f.ID)
	state := map[string]any{"state": f.State, "errors": nonNil(f.Problems.Errors), "warnings": nonNil(f.Problems.Warnings)}
	r.Attributes = map[string]any{"assetDeliveryState": state, "assetType": f.Type, "fileName": f.Name, "fileSize": f.Size, "uploadOperations": []operation{}}
	if f.Checksums.Plain != "" {
		r.Attributes["sourceFileChecksum"] = f.Checksums.Plain
	}
	if f.Checksums.File != nil || f.Checksums.Composite != nil {
		sums := map[string]any{}
		if f.Checksums.File != nil {
			sums["file"] = f.Checksums.File
		}
		if f.Checksums.Composite != nil {
			sums["composite"] = f.Checksums.Composite
		}
		r.Attributes["sourceFileChecksums"] = sums
	}
	if f.State == catalog.AwaitingUpload {
		r.Attributes["uploadOperations"] = c.operations(f, parts)
	}
	return r
}

func nonNil(list []catalog.Detail) []catalog.Detail {
	if list == nil {
		return []catalog.Detail{}
	}
	return list
}

func (c *call) getFile() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		f, err := c.file(tx, c.id())
		if err != nil {
			return err
		}
		parts, err := tx.PartSums(f.ID)
		doc = c.document(c.showFile(f, parts))
		return err
	})
	return doc, err
}

// files are those of the version in the path.
func (c *call) files(tx catalog.Tx) ([]catalog.File, error) {
	v, _, err := c.version(tx, c.id())
	if err != nil {
		return nil, err
	}
	return tx.Files(v.ID)
}

func (c *call) listFiles() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		all, err := c.files(tx)
		if err != nil {
			return err
		}
		page, p := jsonapi.Page(c.query, all, func(f catalog.File) string { return f.ID })
		var out []jsonapi.Resource
		for _, f := range page {
			parts, err := tx.PartSums(f.ID)
			if err != nil {
				return err
			}
			out = append(out, c.query.Sparse(c.showFile(f, parts)))
		}
		doc = list(c, p, out, nil)
		return nil
	})
	return doc, err
}

func (c *call) linkFiles() (any, error) {
	return linked(c, typeFiles, c.files, func(f catalog.File) string { return f.ID })
}

// commitFile seals a file whose parts are all there, and has it processed.
func (c *call) commitFile() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeFiles, c.id(), []string{"sourceFileChecksum", "sourceFileChecksums", "uploaded"}, nil)
	if err != nil {
		return nil, err
	}
	var sums catalog.Checksums
	var uploaded bool
	if _, err := e.Attribute("uploaded", &uploaded); err != nil {
		return nil, err
	}
	given, err := e.Attribute("sourceFileChecksum", &sums.Plain)
	if err != nil {
		return nil, err
	}
	more, err := e.Attribute("sourceFileChecksums", &sums)
	if err != nil {
		return nil, err
	}
	if err := checkSums(&sums); err != nil {
		return nil, err
	}
	end, err := c.Staging.Seal(c.id())
	if err != nil {
		return nil, jsonapi.State("a part of the file is being sent, or the file is being committed").Help("commit when the answer to each part has come")
	}
	defer end()
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		f, err := c.file(tx, c.id())
		if err != nil {
			return err
		}
		if f.State != catalog.AwaitingUpload {
			if uploaded && !given && !more { // said again, since the answer was lost
				doc = c.document(c.showFile(f, nil))
				return nil
			}
			return jsonapi.State("the file is %s: it cannot be changed any more", f.State)
		}
		if given || more {
			f.Checksums = sums
		}
		parts, err := tx.PartSums(f.ID)
		if err != nil {
			return err
		}
		if !uploaded {
			doc = c.document(c.showFile(f, parts))
			return tx.SetFile(f)
		}
		v, p, err := c.version(tx, f.Version)
		switch {
		case err != nil:
			return err
		case p.Archived:
			return jsonapi.State("the pack %s is archived", p.Identifier)
		case v.State != catalog.AwaitingUpload:
			return jsonapi.State("the version is %s", v.State)
		case len(parts) < f.Parts():
			return jsonapi.State("%d of %d parts are missing, the first is part %d", f.Parts()-len(parts), f.Parts(), firstMissing(f, parts)).
				Help("send the missing parts, then commit again")
		}
		if err := process.Committed(tx, f, c.Now()); err != nil {
			return err
		}
		f.State = catalog.UploadComplete
		doc = c.document(c.showFile(f, nil))
		return nil
	})
	c.At("file committed")
	c.Wake()
	return doc, err
}

func firstMissing(f catalog.File, parts map[int]string) int {
	for n := 1; n <= f.Parts(); n++ {
		if _, ok := parts[n]; !ok {
			return n
		}
	}
	return 0
}

// checkSums holds checksums to their forms, and writes them in lower case.
func checkSums(s *catalog.Checksums) error {
	hash := func(at string, h *string, bytes int) error {
		*h = strings.ToLower(*h)
		if b, err := hex.DecodeString(*h); err != nil || len(b) != bytes {
			return jsonapi.Blame(jsonapi.CodeAttribute, at, "it is not %d hexadecimal digits", 2*bytes)
		}
		return nil
	}
	if s.Plain != "" {
		if err := hash("/data/attributes/sourceFileChecksum", &s.Plain, 16); err != nil {
			return err
		}
	}
	for name, sum := range map[string]*catalog.Checksum{"file": s.File, "composite": s.Composite} {
		if sum == nil {
			continue
		}
		at, bytes := "/data/attributes/sourceFileChecksums/"+name, map[string]int{"MD5": 16, "SHA_256": 32}[sum.Algorithm]
		if bytes == 0 || name == "composite" && bytes != 16 {
			return jsonapi.Blame(jsonapi.CodeAttribute, at+"/algorithm", "%q is not an algorithm for it", shortened(sum.Algorithm))
		}
		if err := hash(at+"/hash", &sum.Hash, bytes); err != nil {
			return err
		}
	}
	return nil
}

// errPart makes of an error of the staging area what its caller is told.
func errPart(err error) error {
	switch {
	case errors.Is(err, staging.ErrBusy):
		return jsonapi.Upload(409, jsonapi.CodePart, "this part is being sent already, by another request")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return jsonapi.Upload(408, jsonapi.CodePart, "nothing came of the part for too long").Help("send it again")
	case errors.Is(err, staging.ErrSealed):
		return jsonapi.Upload(409, jsonapi.CodePart, "the file was committed: it takes no parts any more")
	case errors.Is(err, staging.ErrLength):
		return jsonapi.Upload(400, jsonapi.CodePart, "the part does not have the length that its operation says")
	}
	return err
}
