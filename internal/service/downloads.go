package service

import (
	"context"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/queue"
)

func cancelledError(identifier string) *asset.Error {
	return &asset.Error{Code: asset.CodeCancelled, Domain: asset.DomainURL, Op: "fetch", Subject: identifier, Message: "it was cancelled", Help: "schedule it again if it is wanted"}
}

// cancelAll cancels what an installation still had to fetch, and drops the
// manifest. Nobody is told of it later: the person knows.
func cancelAll(tx *db.Tx, app asset.AppID) ([]queue.Entry, error) {
	all, err := queue.Unsettled(tx, app)
	if err != nil {
		return nil, err
	}
	for n := range all {
		if err := queue.Fail(tx, all[n].UniqueIdentifier, cancelledError(all[n].Identifier), false, time.Now()); err != nil {
			return nil, err
		}
	}
	m, found, err := queue.ManifestOf(tx, app)
	if err != nil || !found || m.State == asset.StateFailed {
		return all, err
	}
	return append(all, m), queue.Drop(tx, m.UniqueIdentifier)
}

// cancel cancels one scheduled or running download.
func (s *Service) cancel(ctx context.Context, e queue.Entry) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		return queue.Fail(tx, e.UniqueIdentifier, cancelledError(e.Identifier), e.Kind == queue.File, time.Now())
	})
	if asset.CodeOf(err) == asset.CodeAlreadyFailed {
		// To whom cancels, ended is ended: 101 (classic §4).
		err = &asset.Error{Code: asset.CodeNotScheduled, Op: "cancel download", Subject: e.Identifier, Message: "it has ended already"}
	}
	if err != nil {
		return err
	}
	s.dispatcher.Stop(func(_ asset.AppID, id string) bool { return id != e.UniqueIdentifier })
	s.ended(&e)
	s.Wake()
	return nil
}

// ended drops the bytes of a cancelled download and tells of its end.
func (s *Service) ended(e *queue.Entry) {
	if err := s.dispatcher.Discard(e); err != nil {
		s.config.Log.Warn("removing a cancelled download failed; the next start removes it", "error", err)
	}
	if e.State.Settled() {
		return // a manifest that was about to be read
	}
	e.State, e.Bytes = asset.StateFailed, 0
	cause := cancelledError(e.Identifier)
	e.Reason = &asset.Reason{Code: cause.Code.String(), Message: cause.Error(), Unblock: cause.Help, Since: time.Now()}
	status := e.Status()
	s.hub.Publish(asset.Event{Type: asset.EventFailed, App: e.App, Download: &status})
}

// CancelDownload cancels by unique identifier.
func (s *Service) CancelDownload(ctx context.Context, app asset.AppID, unique string) error {
	e, err := s.download(ctx, app, unique)
	if err != nil {
		return err
	}
	return s.cancel(ctx, e)
}

// Acknowledge ends the delivery of a finished file that the app took itself.
func (s *Service) Acknowledge(ctx context.Context, app asset.AppID, unique string) error {
	e, err := s.download(ctx, app, unique)
	if err != nil {
		return err
	}
	if !e.State.Settled() {
		return &asset.Error{Code: asset.CodeState, Op: "acknowledge download", Subject: e.Identifier, Message: "it has not ended yet", Help: "wait for its finished or failed event"}
	}
	if err := s.db.Write(ctx, func(tx *db.Tx) error { return queue.Acknowledged(tx, unique) }); err != nil {
		return err
	}
	s.Wake() // a delegate may have room for more
	return s.dispatcher.Discard(&e)
}

// download finds one; of another app's it says what it says of an unknown one.
func (s *Service) download(ctx context.Context, app asset.AppID, unique string) (e queue.Entry, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		e, err = queue.Get(tx, unique)
		if err == nil && (app != "" && e.App != app || e.Kind == queue.Manifest) {
			_, err = queue.Get(tx, "")
			err.(*asset.Error).Subject = unique
		}
		return err
	})
	return e, err
}
