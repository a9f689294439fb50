//go:build unix

package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"larder/asset"
)

// maxSocket is the longest socket path that every system takes (macOS: 104 bytes
// with its zero).
const maxSocket = 103

// Listen opens the socket at path with mode 0600 in a folder of mode 0700, which
// it makes. A socket that nobody answers is replaced; a live one is CodeState. A
// folder that others own or may enter is refused: they could listen in our place.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocket {
		return nil, listenError(asset.CodeConfiguration, path, fmt.Sprintf("its path has %d bytes, more than the %d a socket may have", len(path), maxSocket), "choose a shorter data directory")
	}
	if err := privateDir(filepath.Dir(path), os.Geteuid()); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		ln, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, listenError(asset.CodeInternal, path, err.Error(), "")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, listenError(asset.CodeInternal, path, err.Error(), "")
	}
	return ln, nil
}

// removeStale removes a socket only when the system says that nobody listens.
func removeStale(path string) error {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return listenError(asset.CodeState, path, "another service listens there", "end it, or choose another data directory")
	}
	info, err := os.Lstat(path)
	if err != nil {
		return listenError(asset.CodeInternal, path, err.Error(), "")
	}
	if info.Mode().Type() != fs.ModeSocket {
		return listenError(asset.CodeConfiguration, path, "there is something else than a socket", "move it away")
	}
	if err := os.Remove(path); err != nil {
		return listenError(asset.CodeInternal, path, err.Error(), "")
	}
	return nil
}

// privateDir makes dir and holds it to be ours alone. Below a folder that all may
// write, such as /tmp, each folder on the way must be ours too, and is not mended:
// who made it may have left something in it.
func privateDir(dir string, uid int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return listenError(asset.CodeConfiguration, dir, err.Error(), "choose another data directory")
	}
	top := sharedAbove(dir)
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Lstat(d)
		if err != nil {
			return listenError(asset.CodeConfiguration, d, err.Error(), "")
		}
		mode, open := info.Mode(), fs.FileMode(0o022)
		if d == dir {
			open = 0o077
		}
		switch {
		case !mode.IsDir():
			return listenError(asset.CodeConfiguration, d, "it is not a folder", "move it away")
		case owner(info) != uid:
			return listenError(asset.CodeConfiguration, d, "it belongs to another user", "remove it, or choose another data directory")
		case top != "" && mode.Perm()&open != 0:
			return listenError(asset.CodeConfiguration, d, fmt.Sprintf("others may enter it (mode %04o)", mode.Perm()), "remove it, or choose another data directory")
		case top == "" && mode.Perm()&open != 0:
			if err := os.Chmod(d, 0o700); err != nil {
				return listenError(asset.CodeConfiguration, d, err.Error(), "")
			}
		}
		if top == "" || filepath.Dir(d) == top {
			return nil
		}
	}
}

// sharedAbove is the nearest folder above dir that all may write, or "".
func sharedAbove(dir string) string {
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&0o002 != 0 {
			return d
		}
		if d == filepath.Dir(d) {
			return ""
		}
	}
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", path)
}
