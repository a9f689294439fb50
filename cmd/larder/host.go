package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host"
	"larder/internal/host/access"
	"larder/internal/host/certificate"
	"larder/internal/host/trace"
	"larder/internal/host/webhook"
)

type hostOptions struct {
	dir     string
	listen  string
	url     string
	cert    string
	key     string
	admin   string
	metrics string
	hooks   []string
	logJSON bool
	acme    bool
	from    certificate.ACME // where the certificate comes from
}

// otlpEndpoint is the environment variable by which programs are told where their traces go.
const otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

func (c *cli) hostCommand() *cobra.Command {
	var o hostOptions
	cmd := &cobra.Command{
		Use: "host --dir DIR", Short: "Host apps' packs: uploads, releases, delivery", Args: takes(0, 0),
		Long: `Host apps' packs, until Ctrl-C: what publishers upload is judged, signed, released and delivered to devices. Everything
lies in one directory, which this command makes. It may be killed at any moment, and goes on where it was.

The first start makes the administrator's key and prints it, once: the host keeps only its public half. Publishers
set LARDER_API_KEY to it; with --admin-key it is written to a file instead.

Devices take packs over HTTPS alone, unless the host is on their own machine. With --acme the host gets a certificate for
the name in --url and renews it: port 443 of that name has to lead to it, and you accept the terms of the authority.
Or give a certificate with --cert and --key, which is read again when it was replaced; or say with --url alone by which
https URL a proxy in front makes the host reachable.`,
		Example: "  larder host --dir host\n  larder host --dir host --listen :443 --url https://packs.example.org --acme\n  larder host --dir host --listen :443 --cert host.pem --key host.key --url https://packs.example.org",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.host(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "the host's directory `DIR`")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8470", "`ADDRESS` to listen on; port 0 is any that is free")
	f.StringVar(&o.url, "url", "", "the `URL` by which publishers and devices reach the host")
	f.StringVar(&o.cert, "cert", "", "certificate and chain, `FILE` in PEM form")
	f.StringVar(&o.key, "key", "", "private key of the certificate, `FILE` in PEM form")
	f.BoolVar(&o.acme, "acme", false, "get a certificate by ACME for the name in --url, and renew it")
	f.StringVar(&o.from.Directory, "acme-directory", "", "ask the authority with this directory `URL`, and not Let's Encrypt")
	f.StringVar(&o.from.Roots, "acme-ca", "", "PEM `FILE` with who vouches for the authority's own server, if the system does not know it")
	f.StringVar(&o.from.Email, "acme-email", "", "`ADDRESS` that the authority may write to")
	f.StringVar(&o.admin, "admin-key", "", "write the key that the first start makes to `FILE`, and do not print it")
	f.BoolVar(&o.logJSON, "log-json", false, "write the log as JSON")
	f.StringArrayVar(&o.hooks, "allow-webhooks", nil, "also send webhooks to `TARGET`, a name or a network that is not public; may be repeated")
	f.StringVar(&o.metrics, "metrics", "", "serve /metrics, /healthz and /readyz at `ADDRESS`, without a key")
	cmd.AddCommand(c.hostDoctorCommand(), c.hostBackupCommand(), c.hostRestoreCommand(), c.hostExportCommand(), c.hostKeyCommand())
	return withExits(c.printsJSON(cmd, "print where it is as one line of JSON"), exitData, exitNotNow)
}

func (c *cli) host(cmd *cobra.Command, o hostOptions) (err error) {
	if o.dir == "" {
		return wrongUse(cmd, "--dir is missing")
	}
	if (o.cert == "") != (o.key == "") {
		return wrongUse(cmd, "--cert and --key go together")
	}
	if o.acme && (o.cert != "" || !strings.HasPrefix(o.url, "https://")) {
		return wrongUse(cmd, "--acme goes with an https --url, and without --cert")
	}
	hooks, err := webhook.ParseAllowed(o.hooks)
	if err != nil {
		return err
	}
	var handler slog.Handler = slog.NewTextHandler(c.err, nil)
	if o.logJSON {
		handler = slog.NewJSONHandler(c.err, nil)
	}
	log := slog.New(handler)
	l, base, err := o.open(cmd.Context(), log)
	if err != nil {
		return err
	}
	defer l.Close() // again, if it was served from
	var tracer *trace.Tracer
	if endpoint := os.Getenv(otlpEndpoint); endpoint != "" {
		if tracer, err = trace.New(endpoint, log); err != nil {
			return err
		}
	}
	limitMemory()
	made := &madeKey{}
	h, err := host.Open(cmd.Context(), host.Options{Dir: o.dir, Base: base, Log: log, Webhooks: hooks, Trace: tracer,
		Admin: func(k access.Credential) error { return made.take(k, o.admin) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if o.metrics != "" {
		end, err := o.measure(cmd.Context(), h)
		if err != nil {
			return err
		}
		defer end()
	}
	if err := c.tellHost(base, o, made); err != nil {
		return err
	}
	limitHostMemory()
	return h.Run(cmd.Context(), l)
}

// measure serves the metrics beside the host.
func (o hostOptions) measure(ctx context.Context, h *host.Host) (end func(), err error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", o.metrics)
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeConfiguration, Op: "host", Subject: o.metrics, Message: "it cannot be listened on: " + err.Error(), Help: "name an address of this machine, and a free port"}
	}
	server := &http.Server{Handler: h.Metrics(), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l) // it ends with the host
	return func() { _ = server.Close() }, nil
}

// open listens, and finds out by which URL the host is reached.
func (o hostOptions) open(ctx context.Context, log *slog.Logger) (l net.Listener, base string, err error) {
	wrong := func(subject, message, help string) error {
		return &asset.Error{Code: asset.CodeConfiguration, Op: "host", Subject: subject, Message: message, Help: help}
	}
	name, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, "", wrong(o.listen, "it is no address to listen on", "for example 127.0.0.1:8470, or :443 for all addresses")
	}
	if o.url != "" {
		u, err := url.Parse(o.url)
		if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !asset.IsLoopback(u.Hostname())) {
			return nil, "", wrong(o.url, "devices cannot take packs from this URL", "name scheme, host and port alone, for example https://packs.example.org")
		}
	}
	if o.cert == "" && o.url == "" && !asset.IsLoopback(name) {
		return nil, "", wrong(o.listen, "plain HTTP is for this machine alone", "say --cert and --key, or --url if a proxy in front speaks HTTPS")
	}
	var config net.ListenConfig
	if l, err = config.Listen(ctx, "tcp", o.listen); err != nil {
		return nil, "", wrong(o.listen, "it cannot be listened on: "+err.Error(), "name an address of this machine, and a free port")
	}
	base = strings.TrimSuffix(o.url, "/")
	if base == "" {
		base = "http://" + l.Addr().String()
	}
	var speak *tls.Config
	switch {
	case o.acme:
		o.from.Dir, o.from.Log = filepath.Join(o.dir, "acme"), log
		o.from.Name, _, _ = strings.Cut(strings.TrimPrefix(base, "https://"), ":")
		speak, err = o.from.TLS()
	case o.cert != "":
		if speak, err = certificate.Files(o.cert, o.key, log); o.url == "" {
			base = "https://" + l.Addr().String()
		}
	default:
		return l, base, nil
	}
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return tls.NewListener(l, speak), base, nil
}

// madeKey is the administrator's key, if this start made it.
type madeKey struct {
	key    access.Credential
	secret string
	file   string
}

// take keeps the key for the caller, or in a file, before the host accepts it.
func (m *madeKey) take(k access.Credential, file string) (err error) {
	m.key = k
	if m.secret, err = k.Secret(); err != nil || file == "" {
		return err
	}
	if m.file, err = filepath.Abs(file); err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil {
		return &asset.Error{Code: asset.CodeState, Op: "host", Subject: file, Message: "it is there already, and a new key was to be written to it", Help: "name another file, or remove this one if nobody needs it"}
	}
	return fsx.WriteFile(fsx.OS(), m.file, []byte(m.secret+"\n"), 0o600)
}

// hosted is what "host --json" prints when it is ready.
type hosted struct {
	URL    string `json:"url"`
	Issuer string `json:"issuerID,omitempty"`
	KeyID  string `json:"keyID,omitempty"`
	Key    string `json:"apiKey,omitempty"`  // the first start's, unless it is in a file
	File   string `json:"keyFile,omitempty"` // where it is
}

func (c *cli) tellHost(base string, o hostOptions, made *madeKey) error {
	out := hosted{URL: base, Issuer: made.key.Issuer, KeyID: made.key.KeyID, File: made.file}
	if made.file == "" {
		out.Key = made.secret
	}
	if c.json {
		return json.NewEncoder(c.out).Encode(out)
	}
	var t table
	t.add("hosting", base)
	t.add("directory", o.dir)
	if out.KeyID != "" {
		t.add("issuer", out.Issuer)
		t.add("admin key", out.KeyID)
		if out.File != "" {
			t.add("kept in", out.File)
		}
	}
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	if out.Key != "" {
		text, err := made.key.PEM()
		if err != nil {
			return err
		}
		c.say("this key is shown now and never again:\n")
		c.say("LARDER_API_KEY=%s\n", out.Key)
		c.say("The same for clients of App Store Connect:\n")
		fmt.Fprint(c.out, string(text))
	}
	return nil
}
