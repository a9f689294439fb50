package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/packing"
	"larder/internal/policy"
)

func (c *cli) manifestCommand() *cobra.Command {
	cmd := c.group("manifest", "Make the download manifest that devices read", c.manifestCreateCommand(), c.manifestUpdateCommand())
	cmd.Long = "Make the download manifest that devices read: the list of packs with their versions, sizes, policies and\n" +
		"URLs. Publish the packs first and the manifest last. A pack that is no longer in it is removed from devices."
	return cmd
}

// offerOptions are what both commands need to offer packs.
type offerOptions struct {
	base      string
	versions  []string
	platforms map[asset.Platform]*bool
	packs     []string // of update
}

func (o *offerOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.base, "download-base-url", "", "`URL` below which each pack lies under its identifier")
	o.platforms = map[asset.Platform]*bool{}
	for _, p := range asset.Platforms() {
		o.platforms[p] = f.Bool(strings.ToLower(string(p)), false, fmt.Sprintf("make it for %s; packs for other platforms only are refused", p))
	}
}

func (o *offerOptions) chosen() (out []asset.Platform) {
	for _, p := range asset.Platforms() {
		if *o.platforms[p] {
			out = append(out, p)
		}
	}
	return out
}

func (c *cli) manifestCreateCommand() *cobra.Command {
	var out output
	var opts offerOptions
	cmd := &cobra.Command{
		Use: "create PACK... --download-base-url URL", Short: "Make a download manifest from packs", Args: takes(1, 1<<16),
		Long: "Make a download manifest from packs. Each gets the version 0, or those of --asset-pack-versions in the same order.\n" +
			"The URL of a pack is the base URL and its identifier; you may edit it afterwards.",
		Example: "  larder manifest create tutorial.assetpack --asset-pack-versions 1 --download-base-url https://cdn.example.com -o manifest.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.createManifest(cmd, args, out, opts)
		},
	}
	out.flags(cmd, "write the manifest to `FILE` instead of standard output")
	opts.flags(cmd)
	cmd.Flags().StringSliceVar(&opts.versions, "asset-pack-versions", nil, "versions of the packs, in their order: `N,M...`")
	return withExits(cmd, exitData, exitNotFound, exitExists)
}

func (c *cli) manifestUpdateCommand() *cobra.Command {
	var opts offerOptions
	cmd := &cobra.Command{
		Use: "update MANIFEST PACK...", Short: "Put new versions of packs into a download manifest", Args: takes(1, 1<<16),
		Long: "Put new versions of packs into a download manifest, in place. Each pack that is there gets the next version, and\n" +
			"keeps its URL, unless --download-base-url names another; one that is not there is added. All else in the manifest\n" +
			"stays as it is, but for deltas of the packs named, which led to the old bytes.",
		Example: "  larder manifest update manifest.json tutorial.assetpack",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.updateManifest(cmd, args[0], append(args[1:], opts.packs...), opts)
		},
	}
	opts.flags(cmd)
	cmd.Flags().StringSliceVar(&opts.packs, "asset-pack-paths", nil, "more `PACKS`, as Apple's tool names them")
	return withExits(c.printsJSON(cmd, "print the packs that were put as JSON"), exitData, exitNotFound)
}

func (c *cli) createManifest(cmd *cobra.Command, names []string, out output, opts offerOptions) error {
	if opts.base == "" {
		return wrongUse(cmd, "--download-base-url is missing")
	}
	if err := packing.BaseURL(opts.base); err != nil {
		return err
	}
	versions, err := opts.numbers(cmd, len(names))
	if err != nil {
		return err
	}
	if out.name != "" {
		if err := out.free(); err != nil {
			return err
		}
	}
	m := asset.DownloadManifest{}
	from := map[string]string{}
	for i, name := range names {
		p, err := c.offer(cmd.Context(), name, opts, versions[i])
		if err != nil {
			return err
		}
		if other, twice := from[strings.ToLower(string(p.ID))]; twice {
			return &asset.Error{Code: asset.CodePathCollision, Op: "create manifest", Subject: name, Message: fmt.Sprintf("it is the pack %s, as is %s", p.ID, other), Help: "name one of the two"}
		}
		from[strings.ToLower(string(p.ID))] = name
		m.Packs = append(m.Packs, p)
	}
	text, err := indented(m)
	if err != nil {
		return err
	}
	if out.name == "" {
		_, err := c.out.Write(text)
		return err
	}
	return out.writeText(cmd.Context(), text)
}

// numbers are the versions of so many packs.
func (o *offerOptions) numbers(cmd *cobra.Command, packs int) ([]int64, error) {
	out := make([]int64, packs)
	if o.versions == nil {
		return out, nil
	}
	if len(o.versions) != packs {
		return nil, wrongUse(cmd, fmt.Sprintf("%s and %s were named", counted(len(o.versions), "version"), counted(packs, "pack")))
	}
	for i, text := range o.versions {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 || n > asset.MaxPackVersion {
			return nil, wrongUse(cmd, fmt.Sprintf("the version %q is not an integer from 0 to %d", text, asset.MaxPackVersion))
		}
		out[i] = n
	}
	return out, nil
}

// offer reads a pack and judges whether it belongs into the manifest.
func (c *cli) offer(ctx context.Context, name string, opts offerOptions, version int64) (asset.Pack, error) {
	if err := ctx.Err(); err != nil {
		return asset.Pack{}, err
	}
	p, err := openPack(name)
	if err != nil {
		return asset.Pack{}, err
	}
	defer p.file.Close()
	row, err := packing.Offer(p, p.size, opts.base, version)
	if err == nil && !packing.For(row, opts.chosen()) {
		err = &asset.Error{Code: asset.CodeDoesNotFit, Op: "offer pack", Message: "it is for " + platformText(row.Platforms) + " only", Help: "leave it out of this manifest"}
	}
	return row, named(name, err)
}

func (c *cli) updateManifest(cmd *cobra.Command, file string, names []string, opts offerOptions) error {
	if len(names) == 0 {
		return wrongUse(cmd, "no pack is named")
	}
	if opts.base != "" {
		if err := packing.BaseURL(opts.base); err != nil {
			return err
		}
	}
	data, err := packing.ReadBounded(file, asset.MaxDownloadManifest, "download manifest")
	if err != nil {
		return err
	}
	m, err := asset.ParseDownloadManifest(data)
	if err != nil {
		return c.faults(file, err)
	}
	if !json.Valid(data) {
		c.note("%s: its comments are not kept", file)
	}
	put := []asset.Pack{}
	for _, name := range names {
		row, err := c.offer(cmd.Context(), name, opts, 0)
		if err != nil {
			return err
		}
		if row, err = packing.Put(m, row, opts.base != ""); err != nil {
			return named(name, err)
		}
		put = append(put, row)
	}
	text, err := indented(m)
	if err != nil {
		return err
	}
	if err := (&output{name: file, force: true}).writeText(cmd.Context(), text); err != nil {
		return err
	}
	if c.json {
		return c.document(put)
	}
	for _, p := range put {
		c.say("%s: version %d, %s", p.ID, p.Version, policy.Bytes(p.DownloadSize))
	}
	return nil
}

// indented is v as a JSON document fit to be read and edited.
func indented(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
