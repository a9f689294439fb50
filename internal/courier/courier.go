// Package courier carries requests to an app's downloader extension and results
// back to it: it asks what to download and files the answer, and it hands over
// what finished or failed until that is acknowledged. It keeps the extension's
// daily budget. When to ask and when to deliver is the service's business.
package courier

import (
	"context"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/exthost"
	"larder/internal/fsx"
	"larder/internal/queue"
)

// Courier talks to extensions. DB, Dirs, FS, Locks, Allowances and Cancel are required.
type Courier struct {
	DB   *db.DB
	Dirs dirs.Dirs
	FS   fsx.FS
	// Locks are shared with the apps' own processes (classic §4.3).
	Locks *apps.Locks
	// Allowances bind until the first launch.
	Allowances Allowances
	// Cancel cancels a scheduled download on behalf of an extension.
	Cancel func(ctx context.Context, e queue.Entry) error
	// Scheduled is called when an extension scheduled a download.
	Scheduled func()
	// Log receives what extensions write to stderr; nil drops it.
	Log func(app asset.AppID, line string)
	// Deadline bounds each request; 0 means 60 s.
	Deadline time.Duration
	// Start begins a session with an extension; nil means exthost.Start.
	Start func(context.Context, exthost.Spec) (Extension, error)
	// Background says why nothing may be done for an app in the background, so
	// that its extension may schedule nothing (111); nil permits all.
	Background func(*db.Tx, *apps.App) (*asset.Reason, error)
}

// Extension is one session with an app's extension; exthost.Process is one. Used
// and Done are as there.
type Extension interface {
	Downloads(ctx context.Context, req extension.DownloadsRequest, each func(asset.Download) error) error
	BackgroundDownloadFinished(ctx context.Context, d asset.Download, filePath string) error
	BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error) error
	ReceivedChallenge(ctx context.Context, d asset.Download, ch asset.Challenge) (asset.ChallengeAnswer, error)
	Used() time.Duration
	Done() <-chan struct{}
	Close()
}

func startProcess(ctx context.Context, spec exthost.Spec) (Extension, error) {
	p, err := exthost.Start(ctx, spec)
	if err != nil {
		return nil, err // and no Extension: a nil *Process would be one
	}
	return p, nil
}

// session starts the app's extension, lets f use it, ends it, and books the time
// it used. The error is an *asset.Error 1007, or f's own.
func (c *Courier) session(ctx context.Context, app *apps.App, answering bool, f func(Extension) error) error {
	ext := app.Bundle.Extension
	container := c.Dirs.Container(app.Bundle.Group)
	inbox := c.Dirs.Inbox(app.Bundle.Group, app.ID())
	for _, dir := range []string{container, inbox} {
		if err := fsx.MkdirAll(c.FS, dir, 0o700); err != nil {
			return err
		}
	}
	left, err := c.budget(ctx, app.ID())
	if err != nil {
		return err
	}
	deadline := c.Deadline
	if deadline == 0 {
		deadline = time.Minute
	}
	h := &handler{courier: c, app: app, answering: answering}
	spec := exthost.Spec{Path: ext.Executable, Bundle: app.Bundle.Dir, AppID: app.ID(), Container: container, Inbox: inbox,
		Handler: h, Deadline: min(deadline, left)}
	if c.Log != nil {
		spec.Log = func(line string) { c.Log(app.ID(), line) }
	}
	start := c.Start
	if start == nil {
		start = startProcess
	}
	p, err := start(ctx, spec)
	if err != nil {
		return err
	}
	err = f(p)
	p.Close()
	c.Locks.Free(app.ID(), h)
	used := p.Used()
	if uerr := c.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error { return apps.Use(tx, app.ID(), time.Now(), used) }); err == nil {
		err = uerr
	}
	return err
}

// budget gives what is left of the day; none is an error that says until when.
func (c *Courier) budget(ctx context.Context, app asset.AppID) (left time.Duration, err error) {
	now := time.Now()
	err = c.DB.Read(ctx, func(tx *db.Tx) (err error) { left, err = apps.Budget(tx, app, now); return err })
	if err == nil && left <= 0 {
		err = &BudgetError{Until: apps.NextDay(now)}
	}
	return left, err
}

// BudgetError says that the extension has used up its day (classic §2.8).
type BudgetError struct{ Until time.Time }

// Error says until when, in UTC.
func (e *BudgetError) Error() string {
	return "the extension has run for 10 minutes today; it may run again from " + e.Until.Format(time.RFC3339)
}

// Unwrap gives the *asset.Error that crosses an API.
func (e *BudgetError) Unwrap() error {
	return &asset.Error{Code: asset.CodeExtensionFailed, Op: "run extension", Message: e.Error(),
		Help: "let it answer quickly; \"larder simulate\" resets the budget while you develop"}
}
