package publish

import (
	"bytes"
	"context"
	"encoding/json"

	"larder/asset"
)

// Set makes m the manifest of the context: for a host, which keeps books of its own and whose
// blobs are on the site already. Inputs, Remove and AppVersions of the options say nothing here.
func Set(ctx context.Context, o Options, m *asset.DownloadManifest) (*Report, error) {
	p := &publication{Options: o, live: map[string]*asset.DownloadManifest{}, next: m,
		report: &Report{App: o.App, Context: o.Context, Site: o.To.String()}}
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	p.text = append(text, '\n')
	if _, err := asset.ParseDownloadManifest(p.text); err != nil {
		return nil, err
	}
	p.report.Changed = !bytes.Equal(p.text, p.texts[p.Context])
	for _, row := range m.Packs {
		p.report.Packs = append(p.report.Packs, Row{ID: row.ID, Version: row.Version, Action: Kept, Size: row.DownloadSize})
	}
	return p.report, p.point(ctx)
}

// Build makes the pack of a packaging manifest in the scratch directory, and gives its file. Of the
// options, Scratch, Compress and Events count.
func Build(ctx context.Context, o Options, manifest string) (file string, err error) {
	return (&publication{Options: o}).build(ctx, manifest)
}
