package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/packing"
	"larder/internal/publish"
	"larder/internal/site"
)

// Everything is published for one app in one context, whoever asks. The other context
// remembers which version each pack had, as devices may have it still.
const (
	anyApp  = asset.AppID("org.larder.serve")
	current = "production"
	history = "internal"
)

// stock is the folder that packs are published into, and what it was made from.
type stock struct {
	inputs  []string
	state   string // file that keeps the history; empty keeps none
	site    site.Folder
	scratch string

	building publish.Events
	told     func(*publish.Report) // of each change; nil tells nobody

	published map[asset.PackID]source
	before    map[string]print  // of the look before, to see what is being written still
	past      []map[string]bool // blobs of the newest manifests, the newest last
	manifest  *asset.DownloadManifest
}

// quickDelta is the most that an update may cost for a delta to be made: some seconds.
const quickDelta = 1 << 20

// quickFine is the most that a pack may install for a fine file to be made: some seconds too.
const quickFine = 8 << 20

// kept is how many manifests the blobs are kept of: devices may be fetching them still.
const kept = 3

// refresh publishes what has changed. A change that may still be going on is left for the next
// time, unless now is set. The error is Faults where sources are wrong; then all stays as it was.
func (s *stock) refresh(ctx context.Context, now bool) (changed bool, err error) {
	found, err := look(ctx, s.inputs)
	if err != nil {
		return false, err
	}
	o := publish.Options{To: publish.Folder{Dir: s.site.Dir, Disk: fsx.OS()}, App: anyApp, Context: current, Scratch: s.scratch, Now: time.Now(), Events: s.building,
		Deltas: 1, DeltaMost: quickDelta, FineMost: quickFine}
	next, seen, settled := map[asset.PackID]source{}, map[string]print{}, true
	for _, src := range found {
		seen[src.file] = src.print
		old, known := s.published[src.id]
		if known && old.file == src.file && old.print == src.print {
			next[src.id] = src
			continue
		}
		settled = settled && s.before[src.file] == src.print
		next[src.id] = src
		o.Inputs = append(o.Inputs, src.file)
	}
	s.before = seen
	if !settled && !now {
		return false, nil
	}
	for id := range s.published {
		if _, stays := next[id]; !stays {
			o.Remove = append(o.Remove, id)
		}
	}
	slices.Sort(o.Remove)
	if len(o.Inputs)+len(o.Remove) == 0 && s.manifest != nil {
		return false, nil
	}
	report, err := publish.Publish(ctx, o)
	if err = errors.Join(err, s.sweep()); err != nil {
		return false, err
	}
	s.published = next
	if err := s.remember(); err != nil {
		return false, err
	}
	if s.told != nil {
		s.told(report)
	}
	return true, nil
}

// sweep removes the packs and deltas that were made.
func (s *stock) sweep() (err error) {
	for _, suffix := range []string{packSuffix, publish.DeltaSuffix} {
		names, globErr := filepath.Glob(filepath.Join(s.scratch, "*"+suffix))
		err = errors.Join(err, globErr)
		for _, name := range names {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// remember reads what is published, forgets old blobs and keeps the versions.
func (s *stock) remember() (err error) {
	if s.manifest, err = s.site.Manifest(anyApp, current); err != nil {
		return err
	}
	blobs := map[string]bool{}
	for _, p := range s.manifest.Packs {
		for _, u := range append([]string{p.URL}, deltaURLs(p)...) {
			if name, ok := site.BlobOf(u); ok {
				blobs[filepath.FromSlash(name)] = true
			}
		}
	}
	s.past = append(s.past, blobs)
	s.past = s.past[max(0, len(s.past)-kept):]
	if err := s.forget(); err != nil {
		return err
	}
	return s.note(s.manifest.Packs)
}

func deltaURLs(p asset.Pack) (out []string) {
	for _, d := range p.Deltas {
		out = append(out, d.URL)
	}
	return out
}

// forget removes blobs that no manifest of late names.
func (s *stock) forget() error {
	return filepath.WalkDir(filepath.Join(s.site.Dir, "blobs"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rest, err := filepath.Rel(s.site.Dir, name)
		if err != nil || slices.ContainsFunc(s.past, func(m map[string]bool) bool { return m[rest] }) {
			return err
		}
		return os.Remove(name)
	})
}

// note puts versions into the history.
func (s *stock) note(packs []asset.Pack) error {
	rows := map[asset.PackID]asset.Pack{}
	old, err := s.site.Manifest(anyApp, history)
	if err != nil && asset.CodeOf(err) != asset.CodeNotFound {
		return err
	}
	if old != nil {
		for _, p := range old.Packs {
			rows[p.ID] = p
		}
	}
	for _, p := range packs {
		p.URL, p.Deltas = forgotten(p.ID), nil
		rows[p.ID] = p
	}
	return s.setHistory(rows)
}

// forgotten is the URL of a pack of the history, which nobody fetches.
func forgotten(id asset.PackID) string { return "https://larder.invalid/" + string(id) }

func (s *stock) setHistory(rows map[asset.PackID]asset.Pack) error {
	m := &asset.DownloadManifest{Packs: []asset.Pack{}}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		m.Packs = append(m.Packs, rows[id])
	}
	if err := s.site.SetManifest(anyApp, history, m); err != nil || s.state == "" {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := fsx.WriteFile(fsx.OS(), s.state, append(text, '\n'), 0o644); err != nil {
		return fault(asset.CodeInternal, s.state, "versions cannot be kept there: "+err.Error(), "name a file in a directory that you may write")
	}
	return nil
}

// begin reads the history, and arranges that the inputs get these versions.
func (s *stock) begin(versions []int64) error {
	rows, err := s.versions()
	if err != nil {
		return err
	}
	for i, version := range versions {
		src, err := lookAt(context.Background(), s.inputs[i])
		if err != nil {
			return Faults{{s.inputs[i], err}}
		}
		delete(rows, src.id)
		if version > 0 { // the next one is wanted
			rows[src.id] = asset.Pack{ID: src.id, Version: version - 1, DownloadSize: 1, URL: forgotten(src.id), DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}}
		}
	}
	return s.setHistory(rows)
}

// versions reads the file of the history.
func (s *stock) versions() (map[asset.PackID]asset.Pack, error) {
	rows := map[asset.PackID]asset.Pack{}
	if s.state == "" {
		return rows, nil
	}
	data, err := packing.ReadBounded(s.state, asset.MaxDownloadManifest, "versions")
	if asset.CodeOf(err) == asset.CodeNotFound {
		return rows, nil
	} else if err != nil {
		return nil, err
	}
	m, err := asset.ParseDownloadManifest(data)
	if err != nil {
		return nil, fault(asset.CodeConfiguration, s.state, "it does not hold the versions of packs: "+err.Error(), "name a file that \"larder serve --state\" wrote, or one that is not there")
	}
	for _, p := range m.Packs {
		rows[p.ID] = p
	}
	return rows, nil
}

// isSite reports whether a directory is a site already.
func isSite(dir string) bool {
	for _, name := range []string{"apps", "blobs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// onlySite checks that a site is the one input, and gives it.
func onlySite(inputs []string) (string, error) {
	for _, name := range inputs {
		if !isSite(name) {
			continue
		}
		if len(inputs) > 1 {
			return "", fault(asset.CodeBadRequest, name, fmt.Sprintf("it is a site, and is served alone, without %s", strings.Join(slices.DeleteFunc(slices.Clone(inputs), func(o string) bool { return o == name }), ", ")),
				"publish the packs onto the site, or name them without it")
		}
		return name, nil
	}
	return "", nil
}
