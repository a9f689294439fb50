//go:build unix

package exthost

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup starts the extension in a process group of its own. Should the service
// be killed, the extension sees the end of its standard input; a parent-death
// signal would follow a thread of ours, not the process.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the process and its group. The process must not have been reaped
// long ago, lest the number be another's.
func killGroup(p *os.Process) { _ = unix.Kill(-p.Pid, unix.SIGKILL) }

// signalOf is the number of the signal that ended the process, or 0.
func signalOf(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return int(ws.Signal())
	}
	return 0
}

func systemEnvironment() []string { return nil }
