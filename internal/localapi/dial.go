package localapi

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"

	"larder/asset"
	"larder/internal/dirs"
)

// ErrNoService is in the chain of the error of a call when nothing listens at the
// socket: no service runs, or the app is not installed.
var ErrNoService = errors.New("no service runs")

// Dialer opens a connection to a service.
type Dialer func(ctx context.Context) (net.Conn, error)

// DialSocket is the Dialer of a socket's path (on Windows, of the pipe that
// stands for it).
func DialSocket(path string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dialSocket(ctx, path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, ErrNoService
		}
		return conn, err
	}
}

// NewClient returns a client of the owner's socket.
func NewClient(d dirs.Dirs) *Client { return NewClientOver(DialSocket(d.OwnerSocket())) }

// NewAppClient returns a client of an app's own socket, which sees that app only.
func NewAppClient(socket string) *Client { return NewClientOver(DialSocket(socket)) }

func listenError(code asset.Code, path, message, help string) error {
	return &asset.Error{Code: code, Op: "listen at", Subject: path, Message: message, Help: help}
}
