package main

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/packing"
	"larder/internal/policy"
	"larder/pack"
)

// packSuffix ends the names of packs.
const packSuffix = ".assetpack"

type buildOptions struct {
	cold   bool
	dryRun bool
	zstd   int
}

func (o *buildOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.cold, "cold", false, "for a pack that hardly ever changes: some per cent smaller, dearer to update")
	zstdFlag(cmd, &o.zstd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "tell what would be packed, and write nothing")
}

func zstdFlag(cmd *cobra.Command, level *int) {
	cmd.Flags().IntVar(level, "zstd", 0, "compress with the zstd program at `LEVEL` (1 to 22): smaller at the high ones; other versions give other packs of the same content")
}

// compressor is what --zstd asks for; nil when it does not.
func compressor(cmd *cobra.Command, level int) (func(context.Context, []byte) ([]byte, error), error) {
	if !cmd.Flags().Changed("zstd") {
		return nil, nil
	}
	return packing.Zstd(level)
}

func (c *cli) packBuildCommand() *cobra.Command {
	var out output
	var opts buildOptions
	cmd := &cobra.Command{
		Use: "build MANIFEST -o OUT", Short: "Make a pack from a packaging manifest", Args: takes(1, 1),
		Long: "Make a pack from a packaging manifest. The same files and manifest give the same bytes, on every machine; no\n" +
			"time and no owner is kept. Paths in the manifest are relative to its sourceRoot, and that to the manifest. OUT\n" +
			"gets its name when it is whole, and is never replaced unless you say --force.",
		Example: "  larder pack build tutorial.json -o tutorial.assetpack",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.build(cmd, args[0], out, opts) },
	}
	out.flags(cmd, "write the pack to `FILE`")
	opts.flags(cmd)
	return withExits(c.printsJSON(cmd, "print what was made as JSON"), exitData, exitNotFound, exitExists)
}

// built is what "pack build --json" prints.
type built struct {
	AssetPackID asset.PackID `json:"assetPackID"`
	Output      string       `json:"output,omitempty"`
	pack.Summary
}

func (c *cli) build(cmd *cobra.Command, file string, out output, opts buildOptions) error {
	ctx := cmd.Context()
	if opts.dryRun {
		return c.evaluate(cmd, file)
	}
	if out.name == "" {
		return wrongUse(cmd, "no output is named: say -o "+strings.TrimSuffix(file, ".json")+packSuffix)
	}
	if err := out.free(); err != nil {
		return err
	}
	m, sel, err := c.selection(cmd, file)
	if err != nil {
		return err
	}
	defer sel.Close()
	building := pack.BuildOptions{Metadata: m.Canonical(), Cold: opts.cold}
	if building.Compress, err = compressor(cmd, opts.zstd); err != nil {
		return err
	}
	tree := sel.Tree()
	bar, open := c.gauge("packing", sel.Bytes()), tree.Open
	sel.Items = nil // a million of them are memory that building needs
	tree.Open = func(name string) (io.ReadCloser, error) {
		f, err := open(name)
		return countedFile{f, bar}, err
	}
	var sum pack.Summary
	err = out.write(ctx, func(w io.Writer) (err error) {
		sum, err = pack.Build(ctx, w, tree, building)
		return err
	})
	bar.end()
	if err != nil {
		return err
	}
	if !strings.HasSuffix(out.name, packSuffix) {
		c.note("%s does not end in %s, by which packs are known; it is a pack all the same", out.name, packSuffix)
	}
	if c.json {
		return c.document(built{m.AssetPackID, out.name, sum})
	}
	var t table
	t.add("pack", string(m.AssetPackID))
	t.add("file", out.name)
	t.add("size", policy.Bytes(sum.Size)+", "+policy.Bytes(sum.InstalledSize)+" installed, "+counted(sum.Entries, "entry"))
	t.add("content", sum.Content.String())
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	return nil
}

// countedFile counts what is read.
type countedFile struct {
	io.ReadCloser
	gauge *gauge
}

func (r countedFile) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.gauge.add(n)
	return n, err
}

// packingMemory is what a pack of a million files is to be made with. A limit this
// soft costs time only when reached.
const packingMemory = 440 << 20

// selection reads a manifest and finds its files. Faults are told here.
func (c *cli) selection(cmd *cobra.Command, file string) (*packing.Manifest, *packing.Selection, error) {
	debug.SetMemoryLimit(packingMemory)
	m, err := packing.Read(file)
	if err != nil {
		return nil, nil, c.faults(file, err)
	}
	sel, err := packing.Select(cmd.Context(), m)
	if err != nil {
		return nil, nil, c.faults(file, err)
	}
	for _, note := range sel.Notes {
		c.note("%s: %s", file, note)
	}
	return m, sel, nil
}

// faultList is what commands print as JSON of a document with faults.
type faultList struct {
	File   string        `json:"file"`
	Faults []asset.Fault `json:"faults"`
}

// faults tells every fault of a document, and ends the command. Other errors pass.
func (c *cli) faults(file string, err error) error {
	var all *asset.Faults
	if !errors.As(err, &all) {
		return err
	}
	if c.json {
		if err := c.document(faultList{file, all.List}); err != nil {
			return err
		}
	} else {
		for _, f := range all.List {
			c.say("%s: %s", file, f)
		}
	}
	c.note("%s %s: it has %s", all.Op, file, counted(len(all.List)+all.Omitted, "fault"))
	return told{exitData}
}
