// Package escape is the program that tries to get out of its fence, in Go (Try) and
// in Python (Python), and what it would get at outside (World). Each attempt says
// "held" or "ESCAPED" in a line; World.Harmed looks from outside. For tests only:
// those of internal/fence run it as a bare program, those of internal/service as the
// extension of an app.
package escape

import _ "embed"

// Python is the same program in Python. Started as an extension, it speaks the
// extension protocol, and reads from its manifest what to try: a Job.
//
//go:embed escape.py
var Python []byte

// Job is what an extension finds in its manifest.
type Job struct {
	Escape string            // one of the names below
	World  map[string]string // becomes its environment
}

// Names of attempts; those that a level of the fence may hold are named as there.
const (
	Files           = "files"
	Attributes      = "attributes"
	TCP             = "tcp"
	UDP             = "udp"
	DNS             = "dns"
	UnixSockets     = "unix sockets"
	AbstractSockets = "abstract sockets"
	Trace           = "trace"
	Signals         = "signals"
	Sight           = "sight"
	Survivors       = "survivors"
	Processes       = "processes"
	Memory          = "memory"
	MemoryFiles     = "memory files"
	Disk            = "disk"
	ManyFiles       = "disk, many files"
	Lines           = "lines" // a million of them on standard output
)

// HeldAs is the thing of a fence's level that holds the attempt called name.
func HeldAs(name string) string {
	switch name {
	case DNS:
		return UDP
	case MemoryFiles:
		return Memory
	case ManyFiles:
		return Disk
	}
	return name
}
