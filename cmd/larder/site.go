package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/packing"
	"larder/internal/policy"
	"larder/internal/publish"
	"larder/internal/stick"
)

func (c *cli) siteCommand() *cobra.Command {
	cmd := c.group("site", "Carry a site by hand, to where no network leads", c.siteExportCommand(), c.siteImportCommand())
	cmd.Long = "Carry a site by hand, on a stick, a disc or as one file. What is carried is a site again: a folder can be delivered\n" +
		"as it is. Devices prove it as anything that a network brings, so whoever carries it need not be trusted."
	return cmd
}

// isArchive tells a file from a folder by what a person called it.
func isArchive(name string) bool { return strings.EqualFold(filepath.Ext(name), ".tar") }

func (c *cli) siteExportCommand() *cobra.Command {
	var where siteOptions
	var since int64
	cmd := &cobra.Command{
		Use: "export FOLDER|FILE.tar --from PLACE --app ID", Short: "Copy an app of a site onto a stick, or what is new since a version", Args: takes(1, 1),
		Long: "Copy an app of a site into a folder, as on a stick, or into one file. With --since only the packs and deltas are copied that\n" +
			"the site did not have at that version, which the export before told. Into a folder the same command goes on where it was cut off.",
		Example: "  larder site export /media/stick --from site --app org.example.game\n  larder site export update.tar --from s3://assets/larder/v1 --app org.example.game --since 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			if where.to == "" {
				return wrongUse(cmd, "--from is missing")
			}
			from, app, err := where.read(cmd)
			if err != nil {
				return err
			}
			if since < 0 {
				return wrongUse(cmd, "--since counts from 1")
			}
			var done *stick.Report
			if isArchive(args[0]) {
				out := output{name: args[0], force: true}
				err = out.write(cmd.Context(), func(w io.Writer) error {
					t := stick.NewTar(w)
					if done, err = stick.Export(cmd.Context(), from, app, t, since, c.bar("copying")); err != nil {
						return err
					}
					return t.Close()
				})
			} else {
				done, err = stick.Export(cmd.Context(), from, app, publish.Folder{Dir: args[0], Disk: fsx.OS()}, since, c.bar("copying"))
			}
			if err != nil {
				return err
			}
			if c.json {
				return c.document(done)
			}
			c.say("%s of %s: %d packs of %s; %d files copied (%s), %d left out", strings.Join(done.Contexts, ", "), done.App, done.Packs, from, done.Blobs, policy.Bytes(done.Copied), done.Left)
			if done.Signed {
				c.say("it is version %d; say --since %d next time", done.Version, done.Version)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&where.to, "from", "", "the site: a `PLACE`, a folder or s3://BUCKET/PREFIX")
	f.StringVar(&where.app, "app", "", "identifier of the app, `ID`")
	f.Int64Var(&since, "since", 0, "leave out what the site had at version `N`")
	where.bucketFlags(cmd)
	return withExits(c.printsJSON(cmd, "print what was copied as JSON"), exitData, exitNotFound)
}

func (c *cli) siteImportCommand() *cobra.Command {
	var where siteOptions
	var rootFile string
	cmd := &cobra.Command{
		Use: "import FOLDER|FILE.tar --to PLACE [--app ID]", Short: "Bring what was exported onto a site", Args: takes(1, 1),
		Long: "Bring what was exported onto a site, for the devices around it. Hashes and signatures are proved first, against what the site\n" +
			"has: an older state, another developer's or a damaged one changes nothing. Nothing is live before all of it is there, and the\n" +
			"same command goes on where it was cut off. No keys are needed.",
		Example: "  larder site import /media/stick --to /srv/site/larder/v1\n  larder site import update.tar --to /srv/site/larder/v1 --root root.json",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if where.to == "" {
				return wrongUse(cmd, "--to is missing")
			}
			to, err := where.store(cmd, where.to)
			if err != nil {
				return err
			}
			from, apps, end, err := openStick(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, end()) }()
			if where.app != "" {
				app, err := appID(cmd, where.app)
				if err != nil {
					return err
				}
				apps = []asset.AppID{app}
			}
			if len(apps) == 0 {
				return &asset.Error{Code: asset.CodeNotFound, Op: "carry site", Subject: args[0], Message: "there is no app in it", Help: "name what \"larder site export\" wrote"}
			}
			o := stick.ImportOptions{From: from, To: to, Now: time.Now(), Progress: c.bar("copying")}
			if rootFile != "" {
				if o.Root, err = packing.ReadBounded(rootFile, 256<<10, "root"); err != nil {
					return err
				}
			}
			var all []*stick.Report
			for _, app := range apps {
				done, err := c.importApp(cmd, o, app)
				if err != nil {
					return err
				}
				all = append(all, done)
			}
			if c.json {
				return c.document(all)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&where.to, "to", "", "the site: a `PLACE` that is delivered below larder/v1/, a folder or s3://BUCKET/PREFIX")
	f.StringVar(&where.app, "app", "", "import only the app `ID`")
	f.StringVar(&rootFile, "root", "", "`FILE` with the root that the app's bundle carries; it must have signed all")
	where.bucketFlags(cmd)
	return withExits(c.printsJSON(cmd, "print what was done as JSON"), exitData, exitNotFound, exitNotNow)
}

func (c *cli) importApp(cmd *cobra.Command, o stick.ImportOptions, app asset.AppID) (done *stick.Report, err error) {
	if o.Scratch, err = os.MkdirTemp("", "larder-import-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Scratch)) }()
	o.App = app
	if done, err = stick.Import(cmd.Context(), o); err != nil || c.json {
		return done, err
	}
	switch {
	case !done.Changed:
		c.say("nothing changed: %s at %s is as it was", app, o.To)
	default:
		c.say("live in %s of %s at %s; %d files copied (%s)", strings.Join(done.Contexts, ", "), app, o.To, done.Blobs, policy.Bytes(done.Copied))
	}
	if done.Signed {
		c.say("signed, version %d", done.Version)
	} else {
		c.note("nothing is signed: devices trust whoever delivers the site, and whoever carried it")
	}
	return done, nil
}

// openStick opens what was exported, and finds the apps in it.
func openStick(name string) (from stick.Source, apps []asset.AppID, end func() error, err error) {
	var names []string
	if isArchive(name) {
		a, err := stick.OpenArchive(name)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, f := range a.Names() {
			if part := strings.Split(f, "/"); len(part) > 2 && part[0] == "apps" {
				names = append(names, part[1])
			}
		}
		from, end = a, a.Close
	} else {
		entries, err := os.ReadDir(filepath.Join(name, "apps"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		from, end = publish.Folder{Dir: name, Disk: fsx.OS()}, func() error { return nil }
	}
	seen := map[string]bool{}
	for _, n := range names {
		if id, err := asset.ParseAppID(n); err == nil && !seen[n] {
			seen[n] = true
			apps = append(apps, id)
		}
	}
	return from, apps, end, nil
}
