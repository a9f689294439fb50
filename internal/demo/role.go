package demo

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"larder/asset"
	"larder/extension"
	"larder/internal/localapi"
)

// Role gives what this process does instead of the command line when it was
// started under one of the demo bundle's names: it plays the app or the
// extension, and ends the process. For any other name it is nil.
func Role(arg0 string) func() {
	switch strings.TrimSuffix(filepath.Base(arg0), ".exe") {
	case AppName:
		return playApp
	case ExtensionName:
		return func() { extension.Main(loader{extension.Container()}) }
	}
	return nil
}

func playApp() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := app{
		loader: loader{os.Getenv("LARDER_GROUP_CONTAINER")},
		out:    os.Stdout,
		live:   terminal(os.Stdout),
		status: func(ctx context.Context) (asset.Status, error) {
			return localapi.NewAppClient(os.Getenv("LARDER_SOCKET")).Status(ctx, "")
		},
	}
	switch err := a.run(ctx); {
	case ctx.Err() != nil:
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, AppName+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// terminal reports whether a person may be looking: bars that redraw themselves
// belong nowhere else.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
