package exthost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"larder/asset"
	"larder/extension"
)

// Downloads asks what to download; see extension.Session.Downloads. What each
// does is not counted as the extension's time.
func (p *Process) Downloads(ctx context.Context, req extension.DownloadsRequest, each func(asset.Download) error) error {
	req.ManifestPath = p.fenced.Guest(req.ManifestPath)
	return p.do(ctx, func(ctx context.Context) error { return p.session.Downloads(ctx, req, each) })
}

// BackgroundDownloadFinished hands over a finished file; nil acknowledges,
// extension.ErrNotHandled says that the extension never takes any.
func (p *Process) BackgroundDownloadFinished(ctx context.Context, d asset.Download, filePath string) error {
	filePath = p.fenced.Guest(filePath)
	return p.do(ctx, func(ctx context.Context) error { return p.session.BackgroundDownloadFinished(ctx, d, filePath) })
}

// BackgroundDownloadFailed tells of a download that failed for good.
func (p *Process) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error) error {
	return p.do(ctx, func(ctx context.Context) error { return p.session.BackgroundDownloadFailed(ctx, d, cause) })
}

// ReceivedChallenge asks how to answer a server's challenge.
func (p *Process) ReceivedChallenge(ctx context.Context, d asset.Download, c extension.Challenge) (a extension.ChallengeAnswer, err error) {
	err = p.do(ctx, func(ctx context.Context) (err error) {
		a, err = p.session.ReceivedChallenge(ctx, d, c)
		return err
	})
	return a, err
}

// ShouldDownload asks whether a pack may be downloaded because of its policy.
func (p *Process) ShouldDownload(ctx context.Context, pack extension.AssetPack, reason extension.PackReason) (should bool, err error) {
	err = p.do(ctx, func(ctx context.Context) (err error) {
		should, err = p.session.ShouldDownload(ctx, pack, reason)
		return err
	})
	return should, err
}

// do makes one request when its turn has come. When the deadline passes, or the
// caller gives up, in the middle of it, the process is ended: nobody can tell
// what it would still do.
func (p *Process) do(ctx context.Context, request func(ctx context.Context) error) error {
	select {
	case <-p.turn:
	case <-p.session.Done():
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.turn <- struct{}{} }()
	if p.session.Err() != nil {
		return ErrEnded
	}
	p.idle.Stop()
	defer p.idle.Reset(p.spec.Idle)
	bounded, cancel := context.WithTimeout(ctx, p.spec.Deadline)
	defer cancel()
	err := request(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		p.end("the service gave up waiting")
		return err
	case errors.Is(err, context.DeadlineExceeded) && bounded.Err() != nil:
		p.end("the extension did not answer within " + seconds(p.spec.Deadline))
	case err != p.session.Err():
		return err // an answer that says no, or an error of the caller's
	}
	<-p.done
	return p.failure
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
