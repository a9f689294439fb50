package client

import (
	"context"
	"errors"
	"iter"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// Event is one call of a delegate (classic §4.4).
type Event struct {
	Type     asset.EventType // began, paused, progress, finished or failed
	Download asset.Download
	Status   asset.DownloadStatus
	// FilePath is where a finished file lies. It has to be moved away before the
	// event is done with; it is removed afterwards (classic §7).
	FilePath string
	Err      *asset.Error // failed
}

// Events makes this process the app's delegate for every event, as long as the
// loop runs: the extension is not started for results meanwhile (classic §4.5).
// A result is acknowledged when the loop body is done with it and goes on; after
// a break, the last one is offered again, to the next delegate or the extension.
// A restart of the service is waited for; an error ends the loop.
func (m *DownloadManager) Events(ctx context.Context) iter.Seq2[Event, error] {
	return m.follow(ctx, asset.EventBegan, asset.EventPaused, asset.EventProgress, asset.EventFinished, asset.EventFailed)
}

func (m *DownloadManager) follow(ctx context.Context, handles ...asset.EventType) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		switch {
		case ctx == nil:
			yield(Event{}, badCall("follow events", noContext))
			return
		case m.ctx.Err() != nil:
			yield(Event{}, closed())
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(m.ctx, cancel)()
		for {
			again, err := m.watch(ctx, handles, yield)
			if !again {
				if err != nil {
					yield(Event{}, err)
				}
				return
			}
			select {
			case <-time.After(reconnect):
			case <-ctx.Done():
				return
			}
		}
	}
}

// reconnect is how long after a lost connection the next is tried.
const reconnect = 500 * time.Millisecond

// watch follows one session; again is true when the service went away.
func (m *DownloadManager) watch(ctx context.Context, handles []asset.EventType, yield func(Event, error) bool) (again bool, err error) {
	for l, err := range m.api.Connect(ctx, handles...) {
		if err != nil {
			if ctx.Err() != nil {
				return false, nil
			}
			return errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)), err
		}
		if l.Session != "" {
			continue
		}
		ev := event(l)
		if !yield(ev, nil) {
			return false, nil
		}
		if ev.Type != asset.EventFinished && ev.Type != asset.EventFailed {
			continue
		}
		if err := m.api.Acknowledge(ctx, ev.Download.UniqueIdentifier); err != nil && !errors.Is(err, asset.Sentinel(asset.CodeDownloadDoesNotExist)) {
			return errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)), err
		}
	}
	return false, nil
}

func event(l localapi.SessionLine) Event {
	ev := Event{Type: l.Type, Err: l.Error}
	if l.Download != nil {
		ev.Download = *l.Download
	}
	if l.Status != nil {
		ev.Status, ev.FilePath = *l.Status, l.Status.FilePath
	}
	return ev
}

// Delegate hears of what happens to downloads (BADownloadManagerDelegate). Each
// func may be nil: what is not handled goes to the extension, if it is a result,
// or nowhere (classic §4.5).
type Delegate struct {
	Began    func(asset.Download)
	Paused   func(asset.Download)
	Progress func(d asset.Download, bytes, totalBytes int64) // totalBytes 0: unknown
	Failed   func(asset.Download, *asset.Error)
	// Finished has to move the file away before it returns.
	Finished func(d asset.Download, filePath string)
}

// SetDelegate calls d's funcs, one at a time, until ctx ends or an error occurs.
func (m *DownloadManager) SetDelegate(ctx context.Context, d Delegate) error {
	for ev, err := range m.follow(ctx, d.handles()...) {
		if err != nil {
			return err
		}
		d.call(ev)
	}
	return ctx.Err()
}

func (d Delegate) handles() (out []asset.EventType) {
	for t, set := range map[asset.EventType]bool{asset.EventBegan: d.Began != nil, asset.EventPaused: d.Paused != nil, asset.EventProgress: d.Progress != nil,
		asset.EventFailed: d.Failed != nil, asset.EventFinished: d.Finished != nil} {
		if set {
			out = append(out, t)
		}
	}
	return out
}

func (d Delegate) call(ev Event) {
	switch ev.Type {
	case asset.EventBegan:
		d.Began(ev.Download)
	case asset.EventPaused:
		d.Paused(ev.Download)
	case asset.EventProgress:
		d.Progress(ev.Download, ev.Status.Bytes, ev.Status.TotalBytes)
	case asset.EventFailed:
		d.Failed(ev.Download, ev.Err)
	case asset.EventFinished:
		d.Finished(ev.Download, ev.FilePath)
	}
}
