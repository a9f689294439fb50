//go:build unix

package localapi

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"larder/asset"
)

// TestInheritChild is the process that the tests below hand a socket to.
func TestInheritChild(t *testing.T) {
	path, child := os.LookupEnv("INHERIT_PATH")
	if !child {
		t.Log("runs only as a child of the tests below")
		return
	}
	if os.Getenv("INHERIT_MINE") != "" {
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	listen, err := Inherit(path)
	if _, left := os.LookupEnv("LISTEN_FDS"); left {
		t.Error("LISTEN_FDS is still in the environment")
	}
	if err != nil {
		t.Fatalf("code %d", asset.CodeOf(err))
	}
	ln, err := listen(path)
	if err != nil {
		t.Fatalf("code %d", asset.CodeOf(err))
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("child"))
	conn.Close()
	ln.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error("the manager's socket was removed:", err)
	}
	if again, err := listen(path); err == nil {
		again.Close()
	} else if asset.CodeOf(err) != asset.CodeState {
		t.Error("a second listen on the path gave", err)
	}
}

// handOver opens a socket as a service manager does and runs the child with it.
func handOver(t *testing.T, bound, wanted string, env ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(bound), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	file, err := ln.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command(self, "-test.run=^TestInheritChild$", "-test.v")
	cmd.Env = append(os.Environ(), append([]string{"INHERIT_PATH=" + wanted, "LISTEN_FDS=1"}, env...)...)
	cmd.ExtraFiles = []*os.File{file} // becomes descriptor 3
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

func TestAnInheritedSocketIsServedAndLeftInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "owner.sock")
	cmd, out := handOver(t, path, path, "INHERIT_MINE=yes")
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	said := make([]byte, 16)
	n, _ := conn.Read(said)
	if err := cmd.Wait(); err != nil || string(said[:n]) != "child" {
		t.Errorf("the child said %q and ended with %v:\n%s", said[:n], err, out)
	}
}

func TestAnInheritedSocketOfAnotherPlaceIsRefused(t *testing.T) {
	dir := t.TempDir()
	cmd, out := handOver(t, filepath.Join(dir, "run", "other.sock"), filepath.Join(dir, "run", "owner.sock"), "INHERIT_MINE=yes")
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "code 1000") {
		t.Errorf("the child ended with %v, want a refusal of code 1000:\n%s", err, out)
	}
}

func TestSocketsMeantForAnotherProcessAreNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "owner.sock")
	cmd, out := handOver(t, path, path, "LISTEN_PID=1")
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "code 1015") { // Listen finds the manager's own
		t.Errorf("the child ended with %v, want code 1015:\n%s", err, out)
	}
}
