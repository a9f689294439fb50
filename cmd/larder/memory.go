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
)

func limitMemory() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

// returnMemory gives memory back to the system. Pools let go at the second
// collection only.
func returnMemory() {
	runtime.GC()
	debug.FreeOSMemory()
	unmapProgram()
}
