package extension

import (
	"context"
	"encoding/json"
	"time"

	"larder/asset"
)

// A Handler answers what an extension asks of the service during a session. Its
// methods may be called concurrently, with a context that ends with the session.
// Errors cross as *asset.Error. Whether a call is allowed at this moment
// (scheduling is refused while downloads is being answered, classic §2.5; the
// lock is not re-entrant) is the Handler's to judge, and so is letting go of the
// lock when the session has ended.
type Handler interface {
	// CurrentDownloads gives every scheduled or running download of the app.
	CurrentDownloads(ctx context.Context, each func(asset.Download) error) error
	// ScheduleDownload enqueues d; it has not been validated.
	ScheduleDownload(ctx context.Context, d asset.Download) error
	// CancelDownload cancels the app's download of that identifier.
	CancelDownload(ctx context.Context, identifier string) error
	// AcquireExclusiveControl waits for the lock shared with the app, until
	// deadline unless that is zero. A deadline not in the future means: try once.
	AcquireExclusiveControl(ctx context.Context, deadline time.Time) error
	// ReleaseExclusiveControl lets go of the lock.
	ReleaseExclusiveControl(ctx context.Context) error
}

// serveExtension reads a request of the extension and gives what will answer it.
func serveExtension(h Handler, m *message) (job, error) {
	if h == nil {
		return nil, unknownMethod(m.method)
	}
	switch m.method {
	case MethodCurrentDownloads:
		id := m.id
		return func(ctx context.Context) (any, error) { return listDownloads(ctx, h, id) }, nil
	case MethodScheduleDownload:
		d, err := scheduled(m)
		return func(ctx context.Context) (any, error) { return nil, h.ScheduleDownload(ctx, d) }, err
	case MethodCancelDownload:
		var c cancelParams
		err := readParams(m, &c)
		return func(ctx context.Context) (any, error) { return nil, h.CancelDownload(ctx, c.Identifier) }, err
	case MethodAcquireControl:
		var a acquireParams
		err := readParams(m, &a)
		return func(ctx context.Context) (any, error) {
			var deadline time.Time
			if a.Deadline != nil {
				deadline = *a.Deadline
			}
			return nil, h.AcquireExclusiveControl(ctx, deadline)
		}, err
	case MethodReleaseControl:
		return func(ctx context.Context) (any, error) { return nil, h.ReleaseExclusiveControl(ctx) }, nil
	case methodStartForeground:
		return nil, &asset.Error{Code: asset.CodeCallFromExtensionNotAllowed, Op: "start foreground download",
			Message: "only an app in the foreground may do that", Help: "schedule it for the background: " + MethodScheduleDownload}
	}
	return nil, unknownMethod(m.method)
}

// readParams decodes the parameters of a request; absent ones leave v as it is.
func readParams(m *message, v any) error {
	if m.params == (span{}) {
		return nil
	}
	if err := m.f.decode(m.params, MaxValue, v); err != nil {
		return &fault{Code: rpcInvalidParams, Message: "the parameters cannot be read: " + clean(err.Error(), 300)}
	}
	return nil
}

// scheduled reads the parameters of scheduleDownload.
func scheduled(m *message) (asset.Download, error) {
	var d asset.Download
	if m.params == (span{}) {
		return d, &fault{Code: rpcInvalidParams, Message: "the parameters are missing"}
	}
	found := false
	err := (&scanner{f: m.f, pos: m.params.from}).object(func(key string, v span) (err error) {
		if key == "download" {
			found = true
			d, err = decodeDownload(m.f, v)
		}
		return err
	})
	if err == nil && found {
		return d, nil
	}
	message := "the parameters have no download"
	if err != nil {
		message = "the download cannot be read: " + clean(err.Error(), 300)
	}
	return d, &fault{Code: rpcInvalidParams, Message: message}
}

// listDownloads writes the answer to currentDownloads into a frame of its own, so
// that a long queue costs no more than a line may be long.
func listDownloads(ctx context.Context, h Handler, id string) (any, error) {
	f := &frame{}
	add := func(parts ...[]byte) error {
		for _, p := range parts {
			if _, err := f.Write(p); err != nil {
				return &asset.Error{Code: asset.CodeTooLarge, Op: "list downloads", Message: "the list is longer than 16 MiB"}
			}
		}
		return nil
	}
	if err := add([]byte(`{"jsonrpc":"2.0","id":` + id + `,"result":{"downloads":[`)); err != nil {
		return nil, err
	}
	sep := []byte(nil)
	err := h.CurrentDownloads(ctx, func(d asset.Download) error {
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		defer func() { sep = []byte(",") }()
		return add(sep, text)
	})
	if err != nil {
		return nil, err
	}
	return f, add([]byte("]}}\n"))
}
