package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/faulty"
	"larder/internal/policy"
	"larder/internal/publish"
	"larder/internal/serve"
)

type serveOptions struct {
	hosts    []string
	port     int
	app      string
	versions []string
	state    string
	https    bool
	caDir    string
	faults   []string
	seed     uint64
}

func (c *cli) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use: "serve PACK|MANIFEST|DIR...", Short: "Serve packs to the apps of this machine, to try them", Args: takes(1, 1<<16),
		Long: `Serve packs to the apps of this machine, to try them, until Ctrl-C. What is named are packs, packaging manifests
(whose packs are built, and built anew whenever a file of theirs changes), directories of these, or a site.

Any app may ask, in any release context. Point one here with "larder app install --url-override URL BUNDLE", or by
its Info.plist; the page /help has the lines to copy. The version of a pack rises when its content changes.
Devices take only what rises: with --state the versions go on from one run to the next. Each request is a line on
standard error.

Plain HTTP is for this machine alone. --https makes a certificate for all names of --host, signed by an authority
that is made once, is kept for you alone, and has to be trusted by whoever asks.

--fault has the server misbehave, in the same way each time:

` + indent(faulty.Syntax),
		Example: "  larder serve tutorial.json level2.json\n  larder serve packs --fault 'drop@1MiB,*.assetpack:status=503:3'\n  larder serve packs --https --host 192.168.1.5",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.servePacks(cmd, args, o) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.hosts, "host", []string{"127.0.0.1"}, "`NAMES` and addresses of this machine; the first is listened on")
	f.IntVar(&o.port, "port", 0, "`PORT` to listen on; 0 is any that is free")
	f.StringVar(&o.app, "app", "", "let only the app `ID` ask")
	f.StringSliceVar(&o.versions, "asset-pack-versions", nil, "first versions of the packs, in their order: `N,M...`")
	f.StringVar(&o.state, "state", "", "keep the versions in `FILE`")
	f.BoolVar(&o.https, "https", false, "serve with TLS, also to other machines")
	f.StringVar(&o.caDir, "ca-dir", "", "keep the certificate authority in `DIR`")
	f.StringArrayVar(&o.faults, "fault", nil, "misbehave as `SCRIPT` says; may be said again")
	f.Uint64Var(&o.seed, "seed", 0, "`NUMBER` from which chance follows")
	return withExits(c.printsJSON(cmd, "print where it is served as one line of JSON"), exitData, exitNotFound)
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func (c *cli) servePacks(cmd *cobra.Command, args []string, o serveOptions) (err error) {
	with, err := o.read(cmd, args)
	if err != nil {
		return err
	}
	var authority serve.Authority
	if o.https {
		if authority, err = c.authority(o.caDir); err != nil {
			return err
		}
	}
	l, url, err := serve.Listen(cmd.Context(), o.hosts, o.port, authority)
	if err != nil {
		return err
	}
	defer l.Close() // again, if it was served from
	if with.Scratch, err = os.MkdirTemp("", "larder-serve-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(with.Scratch)) }()
	with.Events = serve.Events{
		Building:  publish.Events{Building: c.bar("packing")},
		Stays:     c.tellStays,
		Answered:  func(r serve.Request) { c.note("%s", r) },
		Trouble:   func(line string) { c.note("%s", line) },
		Published: c.tellChanged,
	}
	s, err := serve.Open(cmd.Context(), with)
	if err != nil {
		return c.sourceFaults(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := c.tellServed(s, url, authority); err != nil {
		return err
	}
	return s.Serve(cmd.Context(), l, url, authority)
}

func (o *serveOptions) read(cmd *cobra.Command, args []string) (out serve.Options, err error) {
	out = serve.Options{Inputs: args, State: o.state}
	if len(o.hosts) == 0 {
		return out, wrongUse(cmd, "--host names nothing")
	}
	if o.port < 0 || o.port > 65535 {
		return out, wrongUse(cmd, "--port is a number from 0 to 65535")
	}
	if o.app != "" {
		if out.App, err = appID(cmd, o.app); err != nil {
			return out, err
		}
	}
	if o.versions != nil {
		offer := offerOptions{versions: o.versions}
		if out.Versions, err = offer.numbers(cmd, len(args)); err != nil {
			return out, err
		}
		for _, name := range args {
			if isDir(name) {
				return out, wrongUse(cmd, "--asset-pack-versions goes with packs and packaging manifests, and "+name+" is a directory")
			}
		}
	}
	var faults []faulty.Fault
	for _, script := range o.faults {
		more, err := faulty.Parse(script)
		if err != nil {
			return out, err
		}
		faults = append(faults, more...)
	}
	out.Faults = faulty.New(faults, o.seed)
	return out, nil
}

// authority is the certificate authority in dir, or in Larder's own place.
func (c *cli) authority(dir string) (serve.Authority, error) {
	if dir == "" {
		d, err := c.dirs()
		if err != nil {
			return serve.Authority{}, err
		}
		dir = d.Authority()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return serve.Authority{}, err
	}
	return serve.OpenAuthority(dir, time.Now())
}

// bar shows how a pack is built or sent.
func (c *cli) bar(what string) func(string, int64) (func(int), func()) {
	return func(_ string, total int64) (func(int), func()) {
		g := c.gauge(what, total)
		return g.add, g.end
	}
}

// served is what "serve --json" prints when it is ready.
type served struct {
	URL         string       `json:"url"`
	ManifestURL string       `json:"manifestURL,omitempty"`
	HelpURL     string       `json:"helpURL"`
	Authority   string       `json:"authority,omitempty"` // file of its certificate
	Packs       []asset.Pack `json:"packs"`
}

func (c *cli) tellServed(s *serve.Server, url string, authority serve.Authority) error {
	manifest := url + "/manifest.json"
	if s.IsSite() {
		manifest = ""
	}
	if c.json {
		out := served{URL: url, ManifestURL: manifest, HelpURL: url + "/help", Authority: authority.File, Packs: []asset.Pack{}}
		for _, p := range s.Packs() {
			out.Packs = append(out.Packs, p.Pack)
		}
		return json.NewEncoder(c.out).Encode(out)
	}
	var packs, about table
	for _, p := range s.Packs() {
		packs.add(string(p.ID), "version "+strconv.FormatInt(p.Version, 10), policy.Bytes(p.DownloadSize), string(p.DownloadPolicy.Kind), p.File)
	}
	about.add("serving", url)
	if manifest != "" {
		about.add("manifest", manifest)
	}
	about.add("help", url+"/help")
	if authority.File != "" {
		about.add("trust", "copy "+authority.File+" into the bundle and name it in LarderCertificateAuthorities, or have this system trust it:")
		about.add("", authority.Trust())
	}
	for _, line := range append(packs.lines(""), about.lines("")...) {
		c.say("%s", line)
	}
	return nil
}

func (c *cli) tellChanged(done *publish.Report) {
	for _, row := range done.Packs {
		switch row.Action {
		case publish.Kept:
		case publish.Removed:
			c.note("%s is served no more", row.ID)
		default:
			c.note("%s: %s, version %d, %s", row.ID, row.Action, row.Version, policy.Bytes(row.Size))
			for _, u := range row.Updates {
				c.note("%s: a device with version %d fetches %s%s", row.ID, u.From, policy.Bytes(u.Download), byDelta(u))
			}
		}
	}
}

// tellStays tells why a change was not taken, or that nothing is wrong any more.
func (c *cli) tellStays(err error) {
	if err == nil {
		c.note("nothing is wrong any more")
		return
	}
	var wrong serve.Faults
	if !errors.As(err, &wrong) {
		c.note("what is served stays as it was: %v", err)
		return
	}
	for _, w := range wrong {
		var all *asset.Faults
		if !errors.As(w.Err, &all) {
			c.note("%s: %v", w.File, w.Err)
			continue
		}
		for _, f := range all.List {
			c.note("%s: %s", w.File, f)
		}
	}
	c.note("what is served stays as it was")
}

// sourceFaults tells all that is wrong with what was to be served, and ends the command. Other
// errors pass.
func (c *cli) sourceFaults(err error) error {
	var wrong serve.Faults
	if !errors.As(err, &wrong) {
		return err
	}
	if len(wrong) == 1 {
		return c.faults(wrong[0].File, wrong[0].Err)
	}
	for _, w := range wrong {
		if err := c.faults(w.File, w.Err); exitOf(err) != exitData {
			c.report(err)
		}
	}
	return told{exitData}
}
