//go:build unix

package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"larder/asset"
	"larder/internal/localapi"
)

// detached gives a process a session of its own, so that no terminal ends it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// alone starts a process with its standard files and no others: a pipe or lock that the caller's shell
// left open would stay so for as long as the process lives.
func alone(start func() error) error {
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		return start()
	}
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.CloseOnExec(fd)
			defer unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags) // an app that is launched gets what its caller gave it
		}
	}
	return start()
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// become replaces this process by the app; it returns only an error.
func become(l localapi.Launch, args, env []string) error {
	err := syscall.Exec(l.Executable, append([]string{l.Executable}, args...), env)
	return &asset.Error{Code: asset.CodeInternal, Op: "launch app", Subject: l.Executable, Message: "it cannot be executed", Err: err,
		Help: "check that it is a program for this machine"}
}
