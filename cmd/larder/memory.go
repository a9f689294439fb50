package main

import (
	"runtime"
	"runtime/debug"
)

const (
	// The service's own memory is to stay below 64 MiB while it works; code and
	// stacks take the difference. A limit this soft costs time only when reached.
	memoryLimit = 44 << 20
	gcPercent   = 50

	// A host may have more: it is to stay below 256 MiB, and has a thousand connections, for
	// whose requests the service's limits would have the collector run all the time.
	hostMemory    = 160 << 20
	hostGCPercent = 200
)

func limitMemory() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// limitHostMemory takes the place of limitMemory once a host serves.
func limitHostMemory() {
	debug.SetGCPercent(hostGCPercent)
	debug.SetMemoryLimit(hostMemory)
}

// returnMemory gives memory back to the system. Pools let go at the second
// collection only.
func returnMemory() {
	runtime.GC()
	debug.FreeOSMemory()
	unmapProgram()
}
