package extension

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"larder/asset"
)

// A Session is the service's end of a conversation with one extension. Its calls
// are meant to be made one at a time; exthost.Process sees to that. Every error
// about the extension is an *asset.Error, 1007 unless the extension sent one of
// its own; one that is about the connection alone has ErrEnded in its chain.
type Session struct{ p *peer }

// NewSession starts a session that reads the extension's output from r and writes
// to its input w. A nil Handler answers that no method is known. It ends when r
// ends, at the first violation of the protocol, or with Close; its reading
// goroutine ends only when r does. A nil r or w is an end that has gone away.
func NewSession(r io.Reader, w io.Writer, h Handler) *Session {
	if r == nil || w == nil {
		r, w = bytes.NewReader(nil), io.Discard
	}
	p := &peer{
		serve: func(m *message) (job, error) { return serveExtension(h, m) },
		lost:  func(message string, cause error) error { return failure("", message, cause) },
	}
	p.start(r, w, 4)
	return &Session{p}
}

func failure(subject, message string, cause error) *asset.Error {
	return &asset.Error{Code: asset.CodeExtensionFailed, Domain: asset.DomainLarder, Op: "ask extension", Subject: subject,
		Message: message, Err: cause}
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.p.ctx.Done() }

// Err says why the session ended; nil while it has not.
func (s *Session) Err() error { return context.Cause(s.p.ctx) }

// Close ends the session; what is pending fails.
func (s *Session) Close() { s.p.fail("the session was closed", ErrEnded) }

// Used is the time from request to answer, summed over the session's requests.
func (s *Session) Used() time.Duration { return time.Duration(s.p.busy.Load()) }

// ask sends a request and reads the result into result (nil: any will do). It
// gives an *asset.Error, a context's error, or errUnknown for the default.
func (s *Session) ask(ctx context.Context, method string, params, result any) error {
	return s.p.call(ctx, method, params, func(m *message) error {
		switch {
		case isUnknownMethod(m.fault):
			return errUnknown
		case m.fault != nil:
			return s.p.remoteError(m.fault)
		case result == nil:
			return nil
		}
		if err := m.f.decode(m.result, MaxValue, result); err != nil {
			return failure(method, "its answer cannot be read: "+clean(err.Error(), 300), nil)
		}
		return nil
	})
}

var errUnknown = errors.New("unknown method")

// Initialize begins the session. An extension that knows no initialize has no
// capabilities, which is no error.
func (s *Session) Initialize(ctx context.Context) (Capabilities, error) {
	var r initializeResult
	err := s.ask(ctx, MethodInitialize, initializeParams{ProtocolVersion, "larder"}, &r)
	if err == errUnknown {
		return nil, nil
	}
	for i, c := range r.Capabilities {
		r.Capabilities[i] = clean(c, 80)
	}
	return r.Capabilities[:min(len(r.Capabilities), 64)], err
}

// Downloads asks what to download and gives each element to each, in the order of
// the answer; each may have been called when an error comes, so the caller works
// inside one transaction. An error of each ends the walk and is returned as it is.
// Elements are as the extension wrote them, but for State and UniqueIdentifier,
// which are the service's to set: neither valid nor unique is promised. An
// extension that knows no such method wants nothing.
func (s *Session) Downloads(ctx context.Context, req DownloadsRequest, each func(asset.Download) error) error {
	if each == nil {
		return badCall(MethodDownloads, "nobody takes the answer: each is nil")
	}
	return s.p.call(ctx, MethodDownloads, req, func(m *message) error {
		switch {
		case isUnknownMethod(m.fault):
			return nil
		case m.fault != nil:
			return s.p.remoteError(m.fault)
		}
		return eachDownload(m.f, m.result, each)
	})
}

// BackgroundDownloadFinished hands over a finished file. nil means that the
// extension took it; ErrNotHandled that it never will.
func (s *Session) BackgroundDownloadFinished(ctx context.Context, d asset.Download, filePath string) error {
	err := s.ask(ctx, MethodDownloadFinished, finishedParams{d, filePath}, nil)
	if err == errUnknown {
		return ErrNotHandled
	}
	return err
}

// BackgroundDownloadFailed tells of a download that failed for good.
func (s *Session) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error) error {
	err := s.ask(ctx, MethodDownloadFailed, failedParams{d, cause}, nil)
	if err == errUnknown {
		return nil
	}
	return err
}

// ReceivedChallenge asks how to answer a server's challenge; the default is
// DefaultHandling. While it is asked, no error quotes what the extension writes:
// that may be a credential.
func (s *Session) ReceivedChallenge(ctx context.Context, d asset.Download, c Challenge) (ChallengeAnswer, error) {
	s.p.secret.Store(true)
	defer s.p.secret.Store(false)
	var a ChallengeAnswer
	err := s.ask(ctx, MethodReceivedChallenge, challengeParams{d, c}, &a)
	switch {
	case err == errUnknown:
		return ChallengeAnswer{Disposition: DefaultHandling}, nil
	case err != nil:
		return ChallengeAnswer{}, err
	}
	if err := a.Check(c); err != nil {
		return ChallengeAnswer{}, failure(MethodReceivedChallenge, "its answer is wrong: "+asset.AsError(err).Message, nil)
	}
	return a, nil
}

// ShouldDownload asks whether a pack may be downloaded because of its policy; the
// default is yes.
func (s *Session) ShouldDownload(ctx context.Context, pack AssetPack, reason PackReason) (bool, error) {
	var r shouldResult
	err := s.ask(ctx, MethodShouldDownload, shouldParams{pack, reason}, &r)
	switch {
	case err == errUnknown:
		return true, nil
	case err != nil:
		return false, err
	case r.Should == nil:
		return false, failure(MethodShouldDownload, "its answer has no should", nil)
	}
	return *r.Should, nil
}

// WillTerminate tells the extension that its process is about to be ended. It is
// advisory and has no answer (classic §2.7).
func (s *Session) WillTerminate(ctx context.Context) error {
	return s.p.notify(ctx, MethodExtensionTerminate)
}
