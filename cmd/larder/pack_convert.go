package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/depot"
	"larder/internal/packing"
)

type convertOptions struct {
	id, language                  string
	onDemand, essential, prefetch bool
	content                       string
}

func (c *cli) packConvertCommand() *cobra.Command {
	var out output
	var opts convertOptions
	cmd := &cobra.Command{
		Use: "convert DEPOT.vdf", Short: "Make a packaging manifest from a depot build script of Steam's", Args: takes(1, 1),
		Long: "Make a packaging manifest from a depot build script of Steam's. What a manifest has no words for is noted, with its\n" +
			"line. Files that match a pattern and move elsewhere are named one by one, as they are in the content root now.",
		Example: "  larder pack convert depot_1001.vdf --asset-pack-id base-game --essential -o base-game.json",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.convert(cmd, args[0], out, opts) },
	}
	out.flags(cmd, "write the manifest to `FILE` instead of standard output")
	f := cmd.Flags()
	f.StringVar(&opts.id, "asset-pack-id", "", "`ID` of the pack (default: depot- and the depot's number)")
	f.StringVarP(&opts.language, "language", "l", "", "`TAG` of the language, of a localized pack")
	f.BoolVar(&opts.onDemand, "on-demand", false, "fetched when the app asks (the default)")
	f.BoolVar(&opts.essential, "essential", false, "fetched before the app may start, at installations and updates")
	f.BoolVar(&opts.prefetch, "prefetch", false, "fetched from installations and updates on")
	f.StringVar(&opts.content, "content-root", "", "`DIR` of the content, instead of the script's ContentRoot")
	return withExits(c.printsJSON(cmd, "print faults as JSON"), exitData, exitNotFound, exitExists)
}

func (c *cli) convert(cmd *cobra.Command, file string, out output, opts convertOptions) error {
	m := asset.PackagingManifest{DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}}
	both := []asset.InstallationEvent{asset.EventFirstInstallation, asset.EventSubsequentUpdate}
	switch {
	case opts.essential && (opts.prefetch || opts.onDemand) || opts.prefetch && opts.onDemand:
		return wrongUse(cmd, "only one of --on-demand, --essential and --prefetch can be said")
	case opts.essential:
		m.DownloadPolicy = asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: both}
	case opts.prefetch:
		m.DownloadPolicy = asset.DownloadPolicy{Kind: asset.PolicyPrefetch, Events: both}
	}
	if opts.language != "" {
		tag, err := asset.ParsePackLanguage(opts.language)
		if err != nil {
			return wrongArgument(cmd, err)
		}
		m.Language = tag
	}
	data, err := packing.ReadBounded(file, depot.MaxScript, "depot script")
	if err != nil {
		return err
	}
	root := opts.content
	if root == "" {
		root = fromScript(file, depot.ContentRoot(data))
	}
	var content fs.FS
	if isDir(root) {
		opened, openErr := os.OpenRoot(root)
		if openErr != nil {
			return openErr
		}
		defer opened.Close()
		content = opened.FS()
	}
	script, err := depot.Convert(data, content)
	if err != nil {
		return c.faults(file, err)
	}
	if opts.id == "" {
		opts.id = "depot-" + script.ID
	}
	if m.AssetPackID, err = asset.ParsePackID(opts.id); err != nil {
		return wrongArgument(cmd, err)
	}
	m.FileSelectors = script.Selectors
	if m.SourceRoot, err = toOutput(root, out.name); err != nil {
		return err
	}
	text, err := indented(m)
	if err != nil {
		return err
	}
	for _, note := range script.Notes {
		c.note("%s: %s", file, note)
	}
	if content == nil {
		c.note("%s: the content root %s is not at hand; no file was looked at", file, root)
	}
	if out.name == "" {
		_, err := c.out.Write(text)
		return err
	}
	return out.writeText(cmd.Context(), text)
}

// fromScript is the content root as this machine finds it: relative to the script.
func fromScript(file, root string) string {
	if filepath.IsAbs(root) || len(root) > 1 && root[1] == ':' {
		return root
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(root))
}

// toOutput is a source root relative to the manifest that is written, "" for its
// own directory. An absolute one stays absolute.
func toOutput(root, out string) (string, error) {
	if filepath.IsAbs(root) || len(root) > 1 && root[1] == ':' {
		return root, nil
	}
	dir, err := filepath.Abs(filepath.Dir(out))
	if err != nil {
		return "", err
	}
	from, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(dir, from)
	if err != nil || rel == "." {
		return "", err
	}
	return filepath.ToSlash(rel), nil
}

// wrongArgument is wrongUse with the help of a typed error.
func wrongArgument(cmd *cobra.Command, err error) error {
	wrong := wrongUse(cmd, err.Error())
	var typed *asset.Error
	if errors.As(err, &typed) {
		wrong.help = strings.TrimSpace(typed.Help)
	}
	return wrong
}
