package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/chart"
	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packInspectCommand() *cobra.Command {
	var page output
	cmd := &cobra.Command{
		Use: "inspect PACK", Short: "Tell what a pack is and what lies in it", Args: takes(1, 1),
		Long: "Tell what a pack is and what lies in it. Only the index is read, and what it says is taken for true; \"larder pack\n" +
			"verify\" proves it.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.inspect(cmd.Context(), args[0], page) },
	}
	page.pageFlags(cmd)
	return withExits(c.printsJSON(cmd, "print as JSON"), exitData, exitNotFound, exitExists)
}

// inspected is what "pack inspect --json" prints.
type inspected struct {
	File          string          `json:"file"`
	Content       pack.Hash       `json:"content"`
	Size          int64           `json:"size"`
	IndexSize     int64           `json:"indexSize"`
	InstalledSize int64           `json:"installedSize"`
	IndexOnly     bool            `json:"indexOnly"` // the frames are elsewhere
	Chunks        int             `json:"chunks"`
	Frames        int             `json:"frames"`
	Manifest      json.RawMessage `json:"manifest"` // the packaging manifest; null when the pack has none
	Entries       []pack.Entry    `json:"entries"`
}

func (c *cli) inspect(ctx context.Context, name string, page output) error {
	p, err := openPack(name)
	if err != nil {
		return err
	}
	defer p.file.Close()
	t, m := p.Totals(), p.manifest()
	out := inspected{File: name, Content: t.Content, Size: t.Size, IndexSize: t.IndexSize, InstalledSize: t.InstalledSize, IndexOnly: !p.Whole(),
		Chunks: t.Chunks, Frames: t.Frames, Entries: []pack.Entry{}}
	if m != nil {
		out.Manifest = m.Canonical()
	}
	for e, err := range p.Entries() {
		if err != nil {
			return named(name, err)
		}
		out.Entries = append(out.Entries, e)
	}
	head := headOf(out, m)
	if page.name != "" {
		err := page.write(ctx, func(w io.Writer) error { return chart.Write(w, packPage(name, head, out.Entries)) })
		if err != nil {
			return err
		}
	}
	if c.json {
		return c.document(out)
	}
	var list table
	list.right = []int{0}
	for _, e := range out.Entries {
		size := ""
		if e.Kind.Regular() {
			size = policy.Bytes(e.Size)
		}
		mark := ""
		if e.Kind == pack.KindExecutable {
			mark = "*"
		}
		list.add(size, entryName(e)+mark)
	}
	for _, line := range append(append(head.lines(""), ""), list.lines("")...) {
		c.say("%s", line)
	}
	return nil
}

// headOf is what is said of the pack as a whole.
func headOf(out inspected, m *asset.PackagingManifest) (head table) {
	if m != nil {
		head.add("pack", string(m.AssetPackID))
		head.add("policy", policyText(m.DownloadPolicy))
		head.add("platforms", platformText(m.Platforms))
		if m.Language != "" {
			head.add("language", m.Language)
		}
	} else {
		head.add("pack", "without a packaging manifest")
	}
	head.add("content", out.Content.String())
	head.add("size", fmt.Sprintf("%s, %s of it the index", policy.Bytes(out.Size), policy.Bytes(out.IndexSize)))
	head.add("installed", policy.Bytes(out.InstalledSize)+", "+counted(len(out.Entries), "entry"))
	if out.IndexOnly {
		head.add("frames", "not here: this is the index alone")
	}
	return head
}

func packPage(name string, head table, entries []pack.Entry) chart.Page {
	p := chart.Page{Title: "What lies in " + name, Size: policy.Bytes, Legend: []chart.Legend{{Class: "file", Text: "file"}, {Class: "program", Text: "executable"}},
		Head: []string{"File", "Size", "Kind"}}
	for _, row := range head.rows {
		p.Facts = append(p.Facts, [2]string{row[0], row[1]})
	}
	largest := []pack.Entry{}
	for _, e := range entries {
		if !e.Kind.Regular() || e.Size == 0 {
			continue
		}
		class := "file"
		if e.Kind == pack.KindExecutable {
			class = "program"
		}
		p.Boxes = append(p.Boxes, chart.Box{Path: e.Path, Bytes: e.Size, Class: class})
		largest = append(largest, e)
	}
	slices.SortStableFunc(largest, func(a, b pack.Entry) int { return cmp.Compare(b.Size, a.Size) })
	for _, e := range largest[:min(len(largest), shownRows)] {
		p.Rows = append(p.Rows, []string{e.Path, policy.Bytes(e.Size), string(e.Kind)})
	}
	return p
}

// manifest is the packaging manifest in the pack, or nil: other builders may put
// something else there.
func (p *packFile) manifest() *asset.PackagingManifest {
	m, err := asset.ParsePackagingManifest(p.Metadata())
	if err != nil {
		return nil
	}
	return m
}

func policyText(p asset.DownloadPolicy) string {
	if p.Kind == asset.PolicyOnDemand {
		return "on demand"
	}
	text := string(p.Kind) + " at "
	for i, event := range p.Events {
		if i > 0 {
			text += " and "
		}
		text += map[asset.InstallationEvent]string{asset.EventFirstInstallation: "first installation", asset.EventSubsequentUpdate: "updates"}[event]
	}
	return text
}

func platformText(platforms []asset.Platform) string {
	if len(platforms) == 0 {
		return "all"
	}
	text := ""
	for i, p := range platforms {
		if i > 0 {
			text += ", "
		}
		text += string(p)
	}
	return text
}
