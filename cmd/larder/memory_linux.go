package main

import (
	"bytes"
	"fmt"
	"os"
)

// residentMemory is how many bytes of memory a process holds.
func residentMemory(pid int) (int64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	var kib int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kib); err != nil {
		return 0, false
	}
	return kib << 10, true
}
