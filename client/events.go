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
	Type     asset.EventType // began, paused, progress, challenge, finished, failed or purged
	Download asset.Download
	Status   asset.DownloadStatus
	// FilePath is where a finished file lies. It has to be moved away before the
	// event is done with; it is removed afterwards (classic §7).
	FilePath string
	Err      *asset.Error // failed
	// Purged are files that were deleted from the group container for space
	// (purged; no Download then). What is still needed has to be asked for again.
	Purged []asset.PurgedFile
	// Challenge is what a server demands of the app (classic §2.7). Answer it with
	// Answer before the loop goes on; otherwise it is passed on to the extension.
	Challenge *asset.Challenge

	answer func(context.Context, asset.ChallengeAnswer) error
}

// Answer answers the event's challenge; the first answer counts. Code 1014 when
// it is wrong, 1013 when the challenge is not open any more, 1015 for an event of
// another type.
func (e Event) Answer(ctx context.Context, a asset.ChallengeAnswer) error {
	if e.answer == nil {
		return &asset.Error{Code: asset.CodeState, Op: "answer challenge", Message: "the event is no challenge"}
	}
	if ctx == nil {
		return badCall("answer challenge", noContext)
	}
	return e.answer(ctx, a)
}

// Events makes this process the app's delegate for every event, as long as the
// loop runs: the extension is not started for results meanwhile (classic §4.5).
// A result is acknowledged when the loop body is done with it and goes on; after
// a break, the last one is offered again, to the next delegate or the extension.
// A restart of the service is waited for; an error ends the loop.
func (m *DownloadManager) Events(ctx context.Context) iter.Seq2[Event, error] {
	return m.follow(ctx, asset.EventBegan, asset.EventPaused, asset.EventProgress, asset.EventChallenge, asset.EventFinished, asset.EventFailed, asset.EventPurged)
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
	var session string
	for l, err := range m.api.Connect(ctx, handles...) {
		if err != nil {
			if ctx.Err() != nil {
				return false, nil
			}
			return errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)), err
		}
		if l.Session != "" {
			session = l.Session
			continue
		}
		ev := event(l)
		if l.Challenge != nil {
			ev.answer = func(ctx context.Context, a asset.ChallengeAnswer) error {
				return m.api.AnswerChallenge(ctx, session, l.ChallengeID, &a)
			}
		}
		if !yield(ev, nil) {
			return false, nil // what is open is passed on with the session's end
		}
		if l.Challenge != nil { // answered by now, or not at all
			if err := m.api.AnswerChallenge(ctx, session, l.ChallengeID, nil); err != nil && !errors.Is(err, asset.Sentinel(asset.CodeNotFound)) {
				return errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)), err
			}
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
	ev := Event{Type: l.Type, Err: l.Error, Challenge: l.Challenge, Purged: l.Purged}
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
	// Challenge answers a server that demands authentication.
	Challenge func(asset.Download, asset.Challenge) asset.ChallengeAnswer
	// Finished has to move the file away before it returns.
	Finished func(d asset.Download, filePath string)
	// Purged names files of the group container that were deleted for space.
	Purged func([]asset.PurgedFile)
}

// SetDelegate calls d's funcs, one at a time, until ctx ends or an error occurs.
func (m *DownloadManager) SetDelegate(ctx context.Context, d Delegate) error {
	for ev, err := range m.follow(ctx, d.handles()...) {
		if err != nil {
			return err
		}
		if ev.Type == asset.EventChallenge {
			ans := d.Challenge(ev.Download, *ev.Challenge)
			if err := ev.Answer(ctx, ans); err != nil && !errors.Is(err, asset.Sentinel(asset.CodeNotFound)) && ctx.Err() == nil {
				return err
			}
			continue
		}
		d.call(ev)
	}
	return ctx.Err()
}

func (d Delegate) handles() (out []asset.EventType) {
	for t, set := range map[asset.EventType]bool{asset.EventBegan: d.Began != nil, asset.EventPaused: d.Paused != nil, asset.EventProgress: d.Progress != nil,
		asset.EventFailed: d.Failed != nil, asset.EventChallenge: d.Challenge != nil, asset.EventFinished: d.Finished != nil, asset.EventPurged: d.Purged != nil} {
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
	case asset.EventPurged:
		d.Purged(ev.Purged)
	}
}
