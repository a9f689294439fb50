//go:build unix

package localapi

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"larder/asset"
)

// firstInherited is where the descriptors begin that a service manager hands
// over (sd_listen_fds(3)).
const firstInherited = 3

// Inherit returns a Listen that, for path, hands out the socket which a service
// manager opened for this process (socket activation, sd_listen_fds(3)); all
// others it opens itself. The manager keeps that socket: it outlives the
// listener, and the next caller starts the service again. When nothing was
// handed over, Inherit returns Listen. A socket that is bound elsewhere, or in a
// folder that others may enter, is refused (1000).
//
// It takes the variables LISTEN_* out of the environment, so that no child
// believes they are meant for it: call it once, before the process opens
// anything.
func Inherit(path string) (func(path string) (net.Listener, error), error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) || count == "" || count == "0" {
		return Listen, nil
	}
	if count != "1" {
		return nil, inheritError(path, fmt.Sprintf("%q sockets were handed over, not one", count), nil)
	}
	file := os.NewFile(firstInherited, path)
	ln, err := net.FileListener(file) // a duplicate that no child inherits
	file.Close()
	if err != nil {
		return nil, inheritError(path, "what was handed over is no listening socket", err)
	}
	if err := inheritable(ln, path); err != nil {
		ln.Close()
		return nil, err
	}
	var given atomic.Bool
	return func(asked string) (net.Listener, error) {
		if asked != path || given.Swap(true) {
			return Listen(asked)
		}
		return ln, nil
	}, nil
}

func inheritable(ln net.Listener, path string) error {
	if at := ln.Addr().String(); ln.Addr().Network() != "unix" || filepath.Clean(at) != filepath.Clean(path) {
		return inheritError(path, fmt.Sprintf("the socket that was handed over is bound to %s", at), nil)
	}
	return privateDir(filepath.Dir(path), os.Geteuid())
}

func inheritError(path, message string, cause error) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: "take over socket", Subject: path, Message: message, Err: cause,
		Help: "the socket unit needs this path as its only ListenStream=; \"larder service install\" writes such a unit"}
}
