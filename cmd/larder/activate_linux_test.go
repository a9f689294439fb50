package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/internal/dirs"
	"larder/internal/localapi"
)

// needs gives the path of a program, and on a person's machine skips without it.
func needs(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: install %s", program, debian)
	}
	if err != nil {
		t.Skipf("%s is missing (Debian: %s)", program, debian)
	}
	return path
}

func TestTheFirstCallOnTheManagersSocketStartsTheService(t *testing.T) {
	activate, larder := needs(t, "systemd-socket-activate", "systemd"), needs(t, "larder", "nothing: TestMain makes it")
	d, err := dirs.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(d.Run, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(activate, "--listen", d.OwnerSocket(), larder, "service", "run", "--data", d.Data)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Lstat(d.OwnerSocket()); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("systemd-socket-activate opens no socket:\n%s", &log)
		}
	}
	if runs, err := serviceRuns(d); runs || err != nil {
		t.Errorf("before the first call the service runs: %v, %v", runs, err)
	}
	h, err := localapi.NewClient(d).Hello(t.Context())
	for end := time.Now().Add(10 * time.Second); errors.Is(err, localapi.ErrNoService) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		h, err = localapi.NewClient(d).Hello(t.Context()) // the socket's file was there before it was listened on
	}
	if err != nil || h.PID != cmd.Process.Pid || h.DataDir != d.Data {
		t.Errorf("the first call was answered with %+v, %v; want process %d", h, err, cmd.Process.Pid)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v:\n%s", err, &log)
	}
	if _, err := os.Lstat(d.OwnerSocket()); err != nil {
		t.Error("the service removed the manager's socket:", err)
	}
}

// A service manager holds the socket of a service that does not run.
func TestLookingAndStoppingDoNotStartTheService(t *testing.T) {
	data := t.TempDir()
	t.Setenv("LARDER_DATA", data)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	d, err := dirs.Find(data)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := localapi.Listen(d.OwnerSocket())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for args, want := range map[string]string{"service stop": "no service runs for " + data, "service status": "no service runs;", "doctor": "none runs"} {
		var out bytes.Buffer
		if exit := run(strings.Fields(args), &out, &out); exit != exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("larder %s: exit code %d: %s", args, exit, &out)
		}
	}
	_ = ln.(*net.UnixListener).SetDeadline(time.Now())
	if conn, err := ln.Accept(); err == nil {
		conn.Close()
		t.Error("a command called the socket")
	}
}

func TestWithoutAServiceManagerInstallSaysWhatToDo(t *testing.T) {
	config, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("LARDER_DATA", data)
	var out bytes.Buffer
	if exit := run([]string{"service", "install"}, &out, &out); exit != exitUnavailable || !strings.Contains(out.String(), "larder service run") {
		t.Errorf("exit code %d, want %d and advice:\n%s", exit, exitUnavailable, &out)
	}
	if left, _ := os.ReadDir(config); len(left) > 0 {
		t.Errorf("it wrote %v", left)
	}
	if _, err := os.Lstat(data); err == nil {
		t.Error("it made the data directory")
	}
}
