package service

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/dirs"
	"larder/internal/extensiontest"
	"larder/internal/fence"
)

// The test binary is also the extension of the test apps, and the service of the
// tests that kill one.
func TestMain(m *testing.M) {
	fence.Main()
	if filepath.Base(os.Args[0]) == "loader" {
		extensiontest.Main(loader{})
	}
	if dir := os.Getenv("LARDER_TEST_SERVICE"); dir != "" {
		os.Exit(serveForReal(dir))
	}
	os.Exit(m.Run())
}

func serveForReal(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := dirs.Find(dir)
	if err == nil {
		var s *Service
		if s, err = Open(ctx, Config{Dirs: d, Version: "test"}); err == nil {
			err = s.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// manifest is what the test apps' extension reads: what to fetch, and how to misbehave.
type manifest struct {
	Downloads []asset.Download
	Behave    string // crash, hang, refuse (finished files), repeat, reschedule, linger (over the failure of "bad", from a file "busy" to a file "go")
	Many      int    // that many downloads more, all alike but for the identifier
	Flood     int64  // that many bytes on standard output first
	Say       string // is written so many Times to standard output, and the extension leaves
	Times     int
	Escape    string // of internal/fence/escape: try it, and fail with what came of it
	World     map[string]string
}

// tryOut makes an attempt to get out, where there are any, and gives what came of it.
var tryOut func(m manifest) error

type loader struct{}

func (loader) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	text, err := os.ReadFile(r.ManifestPath)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if err := os.WriteFile("asked", fmt.Appendf(nil, "%s %v", r.ContentRequest, r.Info.RestrictedDownloadSizeRemaining != nil), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile("behave", []byte(m.Behave), 0o600); err != nil {
		return nil, err
	}
	if m.Escape != "" {
		return nil, tryOut(m)
	}
	switch m.Behave {
	case "crash":
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	}
	if m.Flood > 0 {
		flood(m.Flood)
	}
	if m.Say != "" {
		out := bufio.NewWriterSize(os.NewFile(1, "stdout"), 1<<20)
		for range m.Times {
			out.WriteString(m.Say)
		}
		out.Flush()
		os.Exit(5)
	}
	for n := range m.Many {
		d := m.Downloads[0]
		d.Identifier = fmt.Sprint("many-", n)
		m.Downloads = append(m.Downloads, d)
	}
	return m.Downloads, nil
}

// flood writes to the real standard output, which Main keeps from extensions.
func flood(n int64) {
	out, junk := os.NewFile(1, "stdout"), make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(junk)) {
		if _, err := out.Write(junk); err != nil {
			os.Exit(4)
		}
	}
}

func (loader) BackgroundDownloadFinished(_ context.Context, d asset.Download, path string, _ extension.Service) error {
	if behave, _ := os.ReadFile("behave"); string(behave) == "refuse" {
		return fmt.Errorf("not now")
	}
	return os.Rename(path, d.Identifier)
}

func (loader) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error, s extension.Service) error {
	if err := os.WriteFile(d.Identifier+".failed", []byte(cause.Error()), 0o600); err != nil {
		return err
	}
	behave, _ := os.ReadFile("behave")
	if string(behave) == "linger" && d.Identifier == "bad" {
		if err := os.WriteFile("busy", nil, 0o600); err != nil {
			return err
		}
		for _, err := os.Stat("go"); err != nil && ctx.Err() == nil; _, err = os.Stat("go") {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if string(behave) == "reschedule" && d.Essential {
		d.Essential = false
		return s.ScheduleDownload(ctx, d)
	}
	return nil
}
