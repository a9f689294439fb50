package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/windows"

	"larder/asset"
	"larder/internal/localapi"
)

// detached gives a process no console, so that none ends it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// alone starts a process: Windows gives it no files that are not named.
func alone(start func() error) error { return start() }

// terminate kills: a process without a console hears no signal, and a service
// may be killed at any moment.
func terminate(p *os.Process) error { return p.Kill() }

// become runs the app and ends with its exit code. Ctrl-C is the app's alone.
func become(l localapi.Launch, args, env []string) error {
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(l.Executable, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return told{ended.ExitCode()}
	case err != nil:
		return &asset.Error{Code: asset.CodeInternal, Op: "launch app", Subject: l.Executable, Message: "it cannot be executed", Err: err,
			Help: "check that it is a program for this machine"}
	}
	return nil
}
