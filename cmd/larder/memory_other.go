//go:build !linux

package main

// residentMemory is not known here.
func residentMemory(int) (int64, bool) { return 0, false }

func unmapProgram() {}
