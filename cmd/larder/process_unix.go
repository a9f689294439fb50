//go:build unix

package main

import (
	"os"
	"syscall"

	"larder/asset"
	"larder/internal/localapi"
)

// detached gives a process a session of its own, so that no terminal ends it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// become replaces this process by the app; it returns only an error.
func become(l localapi.Launch, args, env []string) error {
	err := syscall.Exec(l.Executable, append([]string{l.Executable}, args...), env)
	return &asset.Error{Code: asset.CodeInternal, Op: "launch app", Subject: l.Executable, Message: "it cannot be executed", Err: err,
		Help: "check that it is a program for this machine"}
}
