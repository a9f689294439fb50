// Package api is the HTTP of a host: the resources of App Store Connect for asset packs
// (managed §8.2 to §8.4), and what Larder adds to them below /larder/v1.
//
// It promises that each request is one line of a table that says who may ask; that a key
// which is bound to an app sees and touches no other, and learns nothing of what there is;
// that a body is read within bounds and changes everything it says or nothing; and that
// errors have the form of App Store Connect's. It changes rows and takes parts of files;
// what follows from that is done by process.
//
// The host serves it. doc/host-api.yaml describes it for machines.
package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"larder/internal/host/access"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/staging"
	"larder/internal/host/trace"
	"larder/internal/host/webhook"
)

// API serves the requests of publishers. All fields are required.
type API struct {
	Catalog *catalog.Catalog
	Staging *staging.Area
	Issuer  string // who the host is, in tokens
	Secret  []byte // with which URLs of parts are signed
	Base    string // the URL of the host, as callers reach it
	Now     func() time.Time
	Log     *slog.Logger
	Wake    func() // has the worker look for jobs
	Free    func() (int64, error)
	Note    func(context.Context) error // has what devices fetched written to the catalog
	// At is told which step was just done: a test may let the host die there.
	At       func(point string)
	Limits   Limits
	Webhooks webhook.Allowed // receivers beside all public ones
	Trace    *trace.Tracer   // may be nil

	rates    rates
	failures failures
}

// Limits bound what callers may do; zero values are replaced.
type Limits struct {
	Part     int64         // bytes of a part
	Parts    int           // of a file, at most; parts grow when it has more
	Upload   time.Duration // that the URL of a part is good for
	Packs    int           // of an app, archived ones not counted
	Versions int           // of a pack
	Webhooks int           // of an app
	Quota    int64         // bytes of a new app
	Hourly   int           // requests of a key in an hour
	Failures int           // refused tokens of a network in a minute
	Patience time.Duration // that a sender may pause
}

func (l Limits) withDefaults() Limits {
	if l.Part == 0 {
		l.Part = 8 << 20
	}
	if l.Parts == 0 {
		l.Parts = 1000 // a list of them is still a small document
	}
	if l.Upload == 0 {
		l.Upload = 24 * time.Hour
	}
	if l.Packs == 0 {
		l.Packs = 200 // Apple's (managed §8.5)
	}
	if l.Versions == 0 {
		l.Versions = 10_000
	}
	if l.Webhooks == 0 {
		l.Webhooks = 10
	}
	if l.Quota == 0 {
		l.Quota = 200e9 // Apple's
	}
	if l.Hourly == 0 {
		l.Hourly = 3500 // Apple's
	}
	if l.Failures == 0 {
		l.Failures = 30
	}
	if l.Patience == 0 {
		l.Patience = time.Minute
	}
	return l
}

// call is one request.
type call struct {
	*API
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	key   catalog.Key
	query jsonapi.Query
}

// id is the last thing that the path names.
func (c *call) id() string { return c.r.PathValue("id") }

// may reports whether the caller may touch an app.
func (c *call) may(app int64) bool { return c.key.App == 0 || c.key.App == app }

// Handler serves all routes.
func (a *API) Handler() http.Handler {
	a.Limits = a.Limits.withDefaults()
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { a.serve(w, req, r) })
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, list := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(list, ", "))
			a.fail(w, r, jsonapi.Plain(http.StatusMethodNotAllowed, jsonapi.CodeMethod, "The method is not allowed", "%s is not among the methods of this path: %s", r.Method, strings.Join(list, ", ")))
		})
	}
	mux.HandleFunc("PUT "+partPath, a.part)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, jsonapi.NotFound("there is nothing at this path"))
	})
	// A browser has no token that it would send by itself; nevertheless no page of another
	// origin has anything changed here.
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, jsonapi.Forbidden("a page of another origin may not ask for this"))
	}))
	return cross.Handler(mux)
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, to route) {
	c := &call{API: a, w: w, r: r, ctx: r.Context()}
	r.Body = a.patient(w, r)
	err := c.admit(to)
	if err == nil {
		c.query, err = jsonapi.Read(r.URL.RawQuery, to.query)
	}
	end := a.Trace.Begin(to.method+" "+to.path, trace.Server, r.Header.Get("Traceparent"))
	var doc any
	if err == nil {
		doc, err = to.serve(c)
	}
	end(err != nil, "http.request.method", to.method, "http.route", to.path)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if to.method == http.MethodPost {
		status = http.StatusCreated
	}
	a.send(w, status, doc)
}

func (a *API) send(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(doc); err != nil {
		a.Log.Debug("an answer was not sent", "error", err)
	}
}

// fail answers with an error. What the caller is not to blame for is logged, without the request.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *jsonapi.Fault
	switch {
	case errors.As(err, &f):
	case errors.Is(err, context.Canceled) || r.Context().Err() != nil:
		return // nobody listens
	default:
		id := catalog.NewID()
		f = jsonapi.Unexpected(id)
		a.Log.Error("a request failed", "id", id, "method", r.Method, "route", r.Pattern, "error", err)
	}
	if f.HTTP() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	a.send(w, f.HTTP(), jsonapi.Faults{Errors: []*jsonapi.Fault{f}})
}

// admit finds out who asks and whether they may.
func (c *call) admit(to route) error {
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return jsonapi.Unauthorized("there is no token: send the header Authorization: Bearer with a token that your key signed")
	}
	now, from := c.Now(), network(c.r)
	if c.failures.count(from, 0, now) >= c.Limits.Failures {
		return c.tooMany()
	}
	_, err := access.Verify(token, c.Issuer, now, func(id string) ([]byte, error) {
		err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { c.key, err = tx.Key(id); return err })
		if errors.Is(err, catalog.ErrNone) || err == nil && !c.key.Revoked.IsZero() {
			err = access.ErrRefused
		}
		return c.key.Public, err
	})
	if errors.Is(err, access.ErrRefused) {
		c.failures.count(from, 1, now)
		return jsonapi.Unauthorized("%v", err)
	}
	if err != nil {
		return err
	}
	if left, ok := c.rates.take(c.key.ID, c.Limits.Hourly, now); c.limited(left, ok) {
		return jsonapi.Plain(http.StatusTooManyRequests, jsonapi.CodeRate, "The rate limit was passed", "this key has made its %d requests of this hour", c.Limits.Hourly)
	}
	if !access.May(c.key.Role, to.roles...) {
		return jsonapi.Forbidden("this takes a key with the role %s, and this one has %s", strings.Join(to.roles, " or "), c.key.Role)
	}
	if to.whole && c.key.App != 0 {
		return jsonapi.Forbidden("this takes a key for all apps, and this one is for one app")
	}
	return nil
}

// NewSecret gives a secret for [API.Secret], as text.
func NewSecret() string { return rand.Text() + rand.Text() }
