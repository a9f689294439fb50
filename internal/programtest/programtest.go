// Package programtest finds the programs of others that tests run, and places where
// these may listen. Only tests import it.
package programtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

type found struct {
	file string
	err  error
}

var (
	mu       sync.Mutex
	programs = map[string]found{} // by package
)

// Find gives the file of the program that is the Go package pkg, "MODULE/cmd/NAME@VERSION": the
// NAME on the PATH, or one that is built from its module, which takes minutes once. The
// test is skipped where it cannot be had, and fails in CI.
func Find(t testing.TB, pkg string) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	p, known := programs[pkg]
	if !known {
		p.file, p.err = find(pkg)
		programs[pkg] = p
	}
	switch {
	case p.err == nil:
		return p.file
	case os.Getenv("CI") == "":
		t.Skipf("a program of others is not here: %v", p.err)
	}
	t.Fatal(p.err)
	return ""
}

func find(pkg string) (string, error) {
	whole, _, _ := strings.Cut(pkg, "@")
	name := path.Base(whole)
	if file, err := exec.LookPath(name); err == nil {
		return file, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "larder-tests")
	cmd := exec.Command("go", "install", pkg)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", pkg, err, out)
	}
	return filepath.Join(dir, name), nil
}

// Free gives an address of this machine at which nobody listens now, for network "tcp" or
// "udp". Another process may take it before a program does.
func Free(t testing.TB, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket(network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	port, err := Port()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", port)
}

// Port is a TCP port of this machine that nobody has. It is below those that systems give to
// whoever asks for any, so that no other test is given it meanwhile.
func Port() (port int, err error) {
	for range 100 {
		port = 20_000 + rand.N(12_000)
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no port is free")
}
