package extension

import (
	"context"
	"os"
	"time"

	"larder/asset"
)

// A Downloader is an extension: it answers what to download (classic §2.5).
// Only what it returns is downloaded; scheduling through the Service is refused
// during this call. An empty answer is fine.
type Downloader interface {
	Downloads(ctx context.Context, r Request) ([]asset.Download, error)
}

// A Request says why the service asks.
type Request struct {
	ContentRequest asset.ContentRequest
	// ManifestPath is the app's manifest: a local file, deleted when Downloads
	// has returned. Copy it into the Container if it is needed later.
	ManifestPath string
	Info         asset.ExtensionInfo
	Service      Service
}

// A Finisher takes finished files. It must have moved the file away when it
// returns nil; after an error the file stays and is offered again, five times at
// most. A file may be offered twice, so a second time must do no harm.
type Finisher interface {
	BackgroundDownloadFinished(ctx context.Context, d asset.Download, filePath string, s Service) error
}

// A Failer hears of downloads that failed, and may schedule a non-essential copy.
type Failer interface {
	BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error, s Service) error
}

// A Challenger answers servers that ask for authentication.
type Challenger interface {
	BackgroundDownloadReceivedChallenge(ctx context.Context, d asset.Download, c Challenge) (ChallengeAnswer, error)
}

// A PackChooser decides on packs that would be downloaded because of their policy.
type PackChooser interface {
	ShouldDownload(ctx context.Context, pack AssetPack, reason PackReason) (bool, error)
}

// A Terminator is told that the process is about to end. Often it is not told:
// keep nothing in memory that matters.
type Terminator interface {
	ExtensionWillTerminate()
}

// Config configures an extension. It has nothing to set.
type Config struct{}

// Service is what an extension may ask back while it answers a call. Errors are
// *asset.Error; compare with errors.Is(err, asset.Sentinel(asset.CodeAlreadyScheduled)).
type Service interface {
	// CurrentDownloads lists the app's scheduled and running downloads, whoever
	// queued them.
	CurrentDownloads(ctx context.Context) ([]asset.Download, error)
	// ScheduleDownload enqueues d for the background.
	ScheduleDownload(ctx context.Context, d asset.Download) error
	// CancelDownload cancels by identifier.
	CancelDownload(ctx context.Context, identifier string) error
	// AcquireExclusiveControl waits for the lock shared with the app, until
	// deadline unless that is zero. It is not re-entrant.
	AcquireExclusiveControl(ctx context.Context, deadline time.Time) error
	// ReleaseExclusiveControl lets go of it. The end of the process does so too.
	ReleaseExclusiveControl(ctx context.Context) error
}

// Container is the directory of the app group: the one place to keep files, and
// the working directory at start. Empty outside Larder.
func Container() string { return os.Getenv("LARDER_GROUP_CONTAINER") }

// AppID is the identifier of the app this extension belongs to. Empty outside
// Larder.
func AppID() asset.AppID { return asset.AppID(os.Getenv("LARDER_APP_ID")) }

// remote is the Service at the other end of p.
type remote struct{ p *peer }

func (r remote) ask(ctx context.Context, method string, params, result any) error {
	return r.p.call(ctx, method, params, func(m *message) error {
		switch {
		case m.fault != nil:
			return r.p.remoteError(m.fault)
		case result == nil:
			return nil
		}
		return m.f.decode(m.result, MaxLine, result)
	})
}

func (r remote) CurrentDownloads(ctx context.Context) ([]asset.Download, error) {
	var list struct {
		Downloads []asset.Download `json:"downloads"`
	}
	err := r.ask(ctx, MethodCurrentDownloads, nil, &list)
	return list.Downloads, err
}

func (r remote) ScheduleDownload(ctx context.Context, d asset.Download) error {
	return r.ask(ctx, MethodScheduleDownload, scheduleParams{d}, nil)
}

func (r remote) CancelDownload(ctx context.Context, identifier string) error {
	return r.ask(ctx, MethodCancelDownload, cancelParams{identifier}, nil)
}

func (r remote) AcquireExclusiveControl(ctx context.Context, deadline time.Time) error {
	var a acquireParams
	if !deadline.IsZero() {
		a.Deadline = &deadline
	}
	return r.ask(ctx, MethodAcquireControl, a, nil)
}

func (r remote) ReleaseExclusiveControl(ctx context.Context) error {
	return r.ask(ctx, MethodReleaseControl, nil, nil)
}
