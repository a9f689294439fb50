package exthost

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends the process alone: without a job object, its children stay.
func killGroup(p *os.Process) { _ = p.Kill() }

func signalOf(*os.ProcessState) int { return 0 }

// systemEnvironment is what Windows programs cannot start without.
func systemEnvironment() []string { return []string{"SystemRoot=" + os.Getenv("SystemRoot")} }
