package extension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"larder/asset"
)

// Main runs ext over standard input and output until the service ends the
// session, and exits: with 0, or with 1 and a message on standard error. Standard
// output belongs to the protocol, so Main points os.Stdout at standard error first;
// a stray fmt.Println is then a line of the log.
func Main(ext Downloader) {
	out := os.Stdout
	os.Stdout = os.Stderr
	if err := Run(context.Background(), os.Stdin, out, ext, Config{}); err != nil {
		fmt.Fprintln(os.Stderr, "extension:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Run serves ext over r and w until r ends (nil), ctx ends (its error) or the
// protocol is violated (an *asset.Error), and returns when the call that was running
// has returned. Its reading goroutine ends only when r does.
func Run(ctx context.Context, r io.Reader, w io.Writer, ext Downloader, _ Config) error {
	if ctx == nil || r == nil || w == nil || ext == nil {
		return badCall("Run", "its context, reader, writer or extension is nil")
	}
	p := &peer{
		lost: func(message string, cause error) error {
			return &asset.Error{Code: asset.CodeConnectionInvalid, Domain: asset.DomainBA, Op: "talk to the service", Message: message, Err: cause}
		},
	}
	s := remote{p}
	var told atomic.Bool // extensionWillTerminate has come
	p.serve = func(m *message) (job, error) {
		if m.method == MethodExtensionTerminate {
			told.Store(true)
			return nothing, nil
		}
		todo, err := serveService(ext, s, m)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (any, error) {
			result, err := todo(ctx)
			return result, authors(err)
		}, nil
	}
	p.start(r, w, 1)
	select {
	case <-p.ctx.Done():
	case <-ctx.Done():
		p.fail("the extension was stopped", ctx.Err())
	}
	p.workers.Wait()
	if e, ok := ext.(Terminator); ok && told.Load() {
		e.ExtensionWillTerminate()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := context.Cause(p.ctx); !errors.Is(err, ErrEnded) {
		return err
	}
	return nil
}

// authors makes an error of an extension's author one of the extension: 1007, as
// any other way to fail.
func authors(err error) error {
	var typed *asset.Error
	var wire *fault
	if err == nil || errors.As(err, &typed) || errors.As(err, &wire) {
		return err
	}
	return &asset.Error{Code: asset.CodeExtensionFailed, Op: "run extension of", Subject: string(AppID()), Message: err.Error(), Help: "see the extension's log"}
}

func nothing(context.Context) (any, error) { return nil, nil }

// serveService reads a request of the service and gives what will answer it.
func serveService(ext Downloader, s Service, m *message) (job, error) {
	switch m.method {
	case MethodInitialize:
		var p initializeParams
		err := readParams(m, &p)
		if err == nil && p.ProtocolVersion != ProtocolVersion {
			err = &asset.Error{Code: asset.CodeConnectionNotAccepted, Op: "begin session",
				Message: fmt.Sprintf("the service speaks protocol version %d, this extension %d", p.ProtocolVersion, ProtocolVersion)}
		}
		return func(context.Context) (any, error) { return initializeResult{methodsOf(ext)}, nil }, err
	case MethodDownloads:
		var p DownloadsRequest
		err := readParams(m, &p)
		return func(ctx context.Context) (any, error) {
			list, err := ext.Downloads(ctx, Request{p.ContentRequest, p.ManifestPath, p.ExtensionInfo, s})
			return map[string]any{"downloads": append([]asset.Download{}, list...)}, err
		}, err
	case MethodDownloadFinished:
		if e, ok := ext.(Finisher); ok {
			var p finishedParams
			err := readParams(m, &p)
			return func(ctx context.Context) (any, error) {
				return nil, e.BackgroundDownloadFinished(ctx, p.Download, p.FilePath, s)
			}, err
		}
	case MethodDownloadFailed:
		if e, ok := ext.(Failer); ok {
			var p failedParams
			err := readParams(m, &p)
			return func(ctx context.Context) (any, error) {
				return nil, e.BackgroundDownloadFailed(ctx, p.Download, p.Error, s)
			}, err
		}
	case MethodReceivedChallenge:
		if e, ok := ext.(Challenger); ok {
			var p challengeParams
			err := readParams(m, &p)
			return func(ctx context.Context) (any, error) {
				return e.BackgroundDownloadReceivedChallenge(ctx, p.Download, p.Challenge)
			}, err
		}
	case MethodShouldDownload:
		if e, ok := ext.(PackChooser); ok {
			var p shouldParams
			err := readParams(m, &p)
			return func(ctx context.Context) (any, error) {
				should, err := e.ShouldDownload(ctx, p.AssetPack, p.Reason)
				return shouldResult{&should}, err
			}, err
		}
	}
	return nil, unknownMethod(m.method)
}

// methodsOf lists what ext answers.
func methodsOf(ext Downloader) Capabilities {
	list := Capabilities{MethodDownloads}
	add := func(ok bool, method string) {
		if ok {
			list = append(list, method)
		}
	}
	_, finisher := ext.(Finisher)
	_, failer := ext.(Failer)
	_, challenger := ext.(Challenger)
	_, chooser := ext.(PackChooser)
	_, terminator := ext.(Terminator)
	add(finisher, MethodDownloadFinished)
	add(failer, MethodDownloadFailed)
	add(challenger, MethodReceivedChallenge)
	add(chooser, MethodShouldDownload)
	add(terminator, MethodExtensionTerminate)
	return list
}
