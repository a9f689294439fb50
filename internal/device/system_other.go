//go:build !linux

package device

import (
	"context"
	"runtime"

	"larder/asset"
)

// System is a source that knows nothing: reading the device is not built for
// this operating system yet.
func System() Source { return unknown{} }

type unknown struct{}

func (unknown) Watch(ctx context.Context, tell func(asset.Facts)) {
	tell(asset.Facts{Notes: []string{"Larder cannot read power and network of " + runtime.GOOS + " yet: they are unknown, the network is taken as unmetered"}})
	<-ctx.Done()
}
