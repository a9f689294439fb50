package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// The service's own memory is to stay below 64 MiB while it works; code and
	// stacks take the difference. A limit this soft costs time only when reached.
	memoryLimit = 44 << 20
	gcPercent   = 50

	calmEvery = 10 * time.Second
	calmBytes = 1 << 20 // allocated since the last look: more is work
)

func limitMemory() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// returnMemory gives memory back to the system each time work has come to an end.
func returnMemory(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	allocated := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	worked := true // opening was work
	for last := allocated(); pause(ctx, calmEvery); last = allocated() {
		switch busy := allocated()-last > calmBytes; {
		case busy:
			worked = true
		case worked:
			debug.FreeOSMemory()
			worked = false
		}
	}
}
