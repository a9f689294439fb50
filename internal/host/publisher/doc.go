// Package publisher brings packs to a host, over its API: build, upload in parts, wait until
// they are processed, release.
//
// It promises that what was cut off is taken up by the same call: parts that are on the host are
// not sent again, a version that was begun is gone on with, and the newest version is not made
// again when its bytes are the same. It signs its requests and sends the token to the host alone,
// never with a part.
//
// The command line calls it.
package publisher

import (
	"context"
	"time"

	"larder/asset"
	"larder/internal/publish"
)

// Options of a publication.
type Options struct {
	App asset.AppID
	// Inputs name packaging manifests (to be built) and packs.
	Inputs []string
	// Context is one of [publish.Contexts]: how far the packs go.
	Context     string
	AppVersions *asset.AppVersions                                    // for external and production
	Scratch     string                                                // a directory for packs being built
	Compress    func(ctx context.Context, raw []byte) ([]byte, error) // as in publish.Options
	Events      publish.Events
	Waiting     func(pack asset.PackID, why string) // may be nil
}

// Report is what was done.
type Report struct {
	App     asset.AppID `json:"app"`
	Host    string      `json:"host"`
	Context string      `json:"context"`
	Packs   []Row       `json:"packs"`
}

// Row is one pack of a report.
type Row struct {
	ID      asset.PackID   `json:"id"`
	Version int64          `json:"version"`
	Action  publish.Action `json:"action"`
	Size    int64          `json:"size"`  // of the archive, bytes
	Sent    int64          `json:"sent"`  // bytes that the host lacked
	State   string         `json:"state"` // of the release in the context
	Notes   []string       `json:"notes,omitempty"`
}

// pace is how long is waited between two questions whether the host is done: short at first.
func pace(n int) time.Duration {
	return min(2*time.Second, 50*time.Millisecond<<min(n, 6))
}
