package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"larder/internal/dirs"
	"larder/internal/extensiontest"
	"larder/internal/fence"
	"larder/internal/service"
)

// The test binary is also the extension ("loader") and the executable ("game")
// of the test apps, and a service that can be killed.
func TestMain(m *testing.M) {
	fence.Main()
	switch filepath.Base(os.Args[0]) {
	case "loader":
		beLoader()
		return
	case "game":
		os.Exit(play(os.Args[1:]))
	}
	if dir := os.Getenv("LARDER_CONFORMANCE_SERVICE"); dir != "" {
		os.Exit(serve(dir))
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil {
		_ = f.Value.Set("8") // rows wait for processes and servers more than they compute
	}
	code := m.Run()
	closeShared()
	os.Exit(code)
}

func serve(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := dirs.Find(dir)
	if err == nil {
		var s *service.Service
		if s, err = service.Open(ctx, service.Config{Dirs: d, Version: "test"}); err == nil {
			err = s.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func beLoader() {
	s := loadScript()
	switch {
	case s.Raw != "":
		speakByHand(s.Raw)
	case s.Minimal:
		extensiontest.Main(minimal{})
	default:
		extensiontest.Main(loader{})
	}
}
