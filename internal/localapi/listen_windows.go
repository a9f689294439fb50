package localapi

import (
	"context"
	"errors"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"larder/asset"
	"larder/internal/dirs"
)

// Listen opens the named pipe that stands for path, open to the present user
// alone. One that another process holds is CodeState.
func Listen(path string) (net.Listener, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, listenError(asset.CodeInternal, path, err.Error(), "")
	}
	ln, err := winio.ListenPipe(pipe(path), &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + user.User.Sid.String() + ")"})
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return nil, listenError(asset.CodeState, path, "another service listens there", "end it, or choose another data directory")
	case err != nil:
		return nil, listenError(asset.CodeInternal, path, err.Error(), "")
	}
	return ln, nil
}

// pipe is the name in the one flat space that Windows has for pipes.
func pipe(path string) string { return `\\.\pipe\larder-` + dirs.Short(path) }

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, pipe(path))
}
