package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/bucket"
	"larder/internal/fsx"
	"larder/internal/policy"
	"larder/internal/publish"
)

// siteOptions are what all commands need that work on a site.
type siteOptions struct {
	to       string
	app      string
	keys     string
	endpoint string
	region   string
}

func (o *siteOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "the site: a `PLACE` that is delivered below larder/v1/, a folder or s3://BUCKET/PREFIX")
	f.StringVar(&o.app, "app", "", "identifier of the app, `ID`")
	f.StringVar(&o.keys, "keys", "", "directory `DIR` with the app's keys; without it nothing is signed")
	o.bucketFlags(cmd)
}

func (o *siteOptions) bucketFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.endpoint, "endpoint-url", "", "`URL` of the S3 server (else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, Amazon's)")
	f.StringVar(&o.region, "region", "", "`REGION` of the bucket (else AWS_REGION)")
}

func (o *siteOptions) read(cmd *cobra.Command) (publish.Store, asset.AppID, error) {
	switch {
	case o.to == "":
		return nil, "", wrongUse(cmd, "--to is missing")
	case o.app == "":
		return nil, "", wrongUse(cmd, "--app is missing")
	}
	app, err := appID(cmd, o.app)
	if err != nil {
		return nil, "", err
	}
	to, err := o.store(cmd, o.to)
	return to, app, err
}

// store is a place that a person named.
func (o *siteOptions) store(cmd *cobra.Command, place string) (publish.Store, error) {
	switch {
	case strings.HasPrefix(place, bucket.Scheme):
		return bucket.Open(bucket.Options{Place: place, Endpoint: o.endpoint, Region: o.region, Getenv: os.Getenv})
	case strings.Contains(place, "://"):
		return nil, wrongUse(cmd, fmt.Sprintf("%q is neither a folder nor s3://BUCKET/PREFIX", place))
	}
	return publish.Folder{Dir: place, Disk: fsx.OS()}, nil
}

// keyDir is the directory of keys. Passphrases come from the environment, so that they
// stand in no list of processes.
func keyDir(dir string) publish.KeyDir {
	return publish.KeyDir{Dir: dir, Passphrase: func(string) ([]byte, error) { return []byte(os.Getenv("LARDER_KEYS_PASSPHRASE")), nil }}
}

func (c *cli) publishCommand() *cobra.Command {
	var where siteOptions
	var o publish.Options
	var remove []string
	var fits asset.AppVersions
	var refresh bool
	var fine int64
	var host string
	var level int
	cmd := &cobra.Command{
		Use: "publish [MANIFEST|PACK]... --to PLACE --app ID", Short: "Bring packs onto a site, for devices to find", Args: takes(0, 1<<16),
		Long: "Bring packs onto a site, for devices to find. Each input is a packaging manifest, whose pack is built first, or a\n" +
			"pack. A pack whose content differs from the live one gets the next version; packs that are not named stay as\n" +
			"they are. PLACE is a folder, which any web server may deliver, or s3://BUCKET/PREFIX; credentials, region and server\n" +
			"of a bucket come from the usual AWS variables. The site is whole at every moment: what was cut off is taken up by\n" +
			"the same command, and of two that publish at once one is told to try again. A version that is live in another\n" +
			"context is released by publishing the same pack again. With --keys all is signed (\"larder keys init\" makes keys);\n" +
			"devices whose bundle has the root then take nothing else.",
		Example: "  larder publish tutorial.json level2.json --to site --app org.example.game --keys keys\n" +
			"  larder publish level2.json --to s3://assets/larder/v1 --app org.example.game --keys keys\n" +
			"  larder publish --refresh --to site --app org.example.game --keys keys",
		RunE: func(cmd *cobra.Command, args []string) error {
			debug.SetMemoryLimit(deltaMemory)
			if fits != (asset.AppVersions{}) {
				o.AppVersions = &fits
			}
			var err error
			if o.Compress, err = compressor(cmd, level); err != nil {
				return err
			}
			if host != "" {
				if len(remove) > 0 || refresh || o.DryRun || o.PrimaryLanguage != "" {
					return wrongUse(cmd, "--host goes without --remove, --refresh, --dry-run and --primary-language")
				}
				o.Inputs = args
				return c.publishToHost(cmd, host, where, o)
			}
			to, app, err := where.read(cmd)
			if err != nil {
				return err
			}
			o.To, o.App, o.Inputs, o.Now = to, app, args, time.Now()
			if !slices.Contains(publish.Contexts, o.Context) {
				return wrongUse(cmd, fmt.Sprintf("there is no context %q: it is %s", o.Context, strings.Join(publish.Contexts, ", ")))
			}
			if o.Deltas < 0 {
				return wrongUse(cmd, "--deltas is less than 0")
			}
			if fine < 0 || fine > 1<<20 {
				return wrongUse(cmd, "--fine is not between 0 and 1048576")
			}
			o.FineMost = fine << 20
			if len(args) == 0 && len(remove) == 0 && !refresh && !o.DryRun {
				return wrongUse(cmd, "nothing to publish is named")
			}
			for _, id := range remove {
				o.Remove = append(o.Remove, asset.PackID(id))
			}
			if where.keys != "" {
				if o.Signing, err = keyDir(where.keys).Signing(cmd.Context()); err != nil {
					return err
				}
				o.Signing.Refresh = refresh
			}
			return c.publish(cmd, o)
		},
	}
	where.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "publish to the Larder host at `URL`, with the key in LARDER_API_KEY")
	f.StringVar(&o.Context, "context", "production", "release `CONTEXT`: internal, external or production")
	f.StringSliceVar(&remove, "remove", nil, "`PACKS` that are offered no more: devices remove them")
	f.StringVar(&fits.Minimum, "app-versions-from", "", "the packs fit the app from `VERSION` on")
	f.StringVar(&fits.Below, "app-versions-below", "", "the packs fit the app before `VERSION`")
	f.StringVar(&o.PrimaryLanguage, "primary-language", "", "the app's `LANGUAGE` of last resort")
	zstdFlag(cmd, &level)
	f.IntVar(&o.Deltas, "deltas", 3, "make deltas from the newest `N` live versions of a pack, so that updates cost less; 0 makes none")
	f.Int64Var(&fine, "fine", publish.FineMost>>20, "make fine files of packs that install up to `MIB`, for devices that have other versions; 0 makes none")
	f.BoolVar(&refresh, "refresh", false, "sign the time again, and what is past half its life")
	f.BoolVar(&o.DryRun, "dry-run", false, "tell what would be done and what updates would cost, and do nothing")
	return withExits(c.printsJSON(cmd, "print what was done as JSON"), exitData, exitNotFound)
}

func (c *cli) publish(cmd *cobra.Command, o publish.Options) (err error) {
	if o.Scratch, err = os.MkdirTemp("", "larder-publish-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Scratch)) }()
	o.Events = publish.Events{Building: c.bar("packing"), Patching: c.bar("making the delta"), Uploading: c.bar("uploading")}
	done, err := publish.Publish(cmd.Context(), o)
	if err != nil {
		return err
	}
	if c.json {
		return c.document(done)
	}
	c.tellPublished(done, o.Deltas > 0)
	return nil
}

func (c *cli) tellPublished(done *publish.Report, deltas bool) {
	var t table
	for _, row := range done.Packs {
		t.add(string(row.ID), fmt.Sprintf("version %d", row.Version), string(row.Action), policy.Bytes(row.Size))
	}
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	forecast := false // of more than it will be
	for _, row := range done.Packs {
		for _, u := range row.Updates {
			c.say("%s: a device with version %d fetches %s%s, writes %s and reuses %s", row.ID, u.From, policy.Bytes(u.Download), byDelta(u), policy.Bytes(u.Write), policy.Bytes(u.Reused))
			forecast = forecast || u.Delta == 0
		}
		for _, note := range row.Notes {
			c.say("%s: %s", row.ID, note)
		}
	}
	switch {
	case done.DryRun && !done.Changed:
		c.say("nothing would change in %s of %s at %s", done.Context, done.App, done.Site)
	case done.DryRun:
		if forecast && deltas {
			c.say("that is without the delta that publishing makes, which is kept if it is less")
		}
		c.say("%s would be uploaded; nothing was done", policy.Bytes(done.Uploaded))
	case !done.Changed:
		c.say("nothing changed: %s of %s at %s is as it was", done.Context, done.App, done.Site)
	default:
		c.say("live in %s of %s at %s; %s uploaded", done.Context, done.App, done.Site, policy.Bytes(done.Uploaded))
	}
	if s := done.Signed; s != nil {
		c.say("signed; devices follow it until %s", s.Expires.Format(time.DateOnly))
	} else if !done.DryRun {
		c.note("nothing is signed: devices trust whoever delivers the site (larder keys init makes keys)")
	}
}

// byDelta tells that an update comes by a delta.
func byDelta(u publish.Update) string {
	if u.Delta == 0 {
		return ""
	}
	return fmt.Sprintf(" by a delta (%s without it)", policy.Bytes(u.Without))
}
