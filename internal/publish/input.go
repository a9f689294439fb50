package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"larder/asset"
	"larder/internal/packing"
	"larder/internal/site"
	"larder/pack"
)

// input is a pack to be published.
type input struct {
	name    string // as the caller named it
	file    *os.File
	size    int64
	hash    string // SHA-256 of the archive
	archive *pack.Archive
	row     asset.Pack
	deltas  []*made    // for the store
	fine    *pack.Fine // made for this publication; nil for none
}

func (p *publication) close() {
	for _, in := range p.inputs {
		_ = in.file.Close() // only read
		for _, d := range in.deltas {
			_ = d.file.Close() // it is in the store, or of no use
		}
	}
}

// take opens an input, after building it if it is a packaging manifest.
func (p *publication) take(ctx context.Context, name string) error {
	file := name
	if strings.EqualFold(filepath.Ext(name), ".json") {
		var err error
		if file, err = p.build(ctx, name); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return told(name, err)
	}
	in := &input{name: name, file: f}
	p.inputs = append(p.inputs, in)
	info, err := f.Stat()
	if err != nil {
		return told(name, err)
	}
	if !info.Mode().IsRegular() {
		return fault(asset.CodeConfiguration, name, "it is no regular file", "name packaging manifests and packs")
	}
	in.size = info.Size()
	if in.archive, err = pack.Open(f, in.size); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, in.size)); err != nil {
		return told(name, err)
	}
	in.hash = hex.EncodeToString(sum.Sum(nil))
	if in.row, err = packing.Offer(f, in.size, "", 0); err != nil {
		return err
	}
	in.row.URL, in.row.AppVersions = site.BlobURL(in.hash), p.AppVersions
	for _, other := range p.inputs[:len(p.inputs)-1] {
		if strings.EqualFold(string(other.row.ID), string(in.row.ID)) {
			return fault(asset.CodePathCollision, name, "it is the pack "+string(in.row.ID)+", as is "+other.name, "name one of the two")
		}
	}
	return nil
}

// build makes the pack of a packaging manifest in the scratch directory.
func (p *publication) build(ctx context.Context, name string) (file string, err error) {
	m, err := packing.Read(name)
	if err != nil {
		return "", err
	}
	sel, err := packing.Select(ctx, m)
	if err != nil {
		return "", err
	}
	defer sel.Close()
	tree := sel.Tree()
	if p.Events.Building != nil {
		advance, end := p.Events.Building(name, sel.Bytes())
		defer end()
		open := tree.Open
		tree.Open = func(name string) (io.ReadCloser, error) {
			r, err := open(name)
			return counted{r, advance}, err
		}
	}
	f, err := os.CreateTemp(p.Scratch, "*.assetpack")
	if err != nil {
		return "", told(p.Scratch, err)
	}
	_, err = pack.Build(ctx, f, tree, pack.BuildOptions{Metadata: m.Canonical(), Compress: p.Compress})
	return f.Name(), errors.Join(err, f.Close())
}

type counted struct {
	io.ReadCloser
	advance func(int)
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.advance(n)
	return n, err
}

// put gives an input its version and its place in the next manifest.
func (p *publication) put(ctx context.Context, in *input) error {
	row := Row{ID: in.row.ID, Size: in.size, Action: New}
	highest, known := int64(-1), (*asset.Pack)(nil)
	for _, m := range p.live {
		for i := range m.Packs {
			live := &m.Packs[i]
			if live.ID != in.row.ID {
				continue
			}
			highest = max(highest, live.Version)
			if live.Content == in.row.Content && live.Index == in.row.Index && (known == nil || live.Version > known.Version) {
				known = live
			}
		}
	}
	in.row.Version = highest + 1
	if known != nil { // published before, perhaps in another context: the same version
		in.row.Version, in.row.Deltas = known.Version, known.Deltas
	}
	at := -1
	for i, live := range p.next.Packs {
		if live.ID == in.row.ID && sameRange(live.AppVersions, in.row.AppVersions) {
			at = i
		}
	}
	if at < 0 {
		at = len(p.next.Packs)
		p.next.Packs = append(p.next.Packs, in.row)
	} else {
		live := p.next.Packs[at]
		row.Action = Updated
		switch {
		case live.Version == in.row.Version:
			row.Action, in.row.Deltas = Unchanged, live.Deltas
		case live.Version > in.row.Version: // the old tree again: devices take only what rises
			in.row.Version, in.row.Deltas = highest+1, nil
		}
		in.row.Rollout, in.row.Extra, in.row.Host = live.Rollout, live.Extra, live.Host
	}
	row.Version = in.row.Version
	err := p.updates(ctx, in, &row)
	p.next.Packs[at] = in.row
	p.report.Packs = append(p.report.Packs, row)
	return err
}

func sameRange(a, b *asset.AppVersions) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
