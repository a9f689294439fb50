//go:build unix

package exthost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/extension"
)

// The two example extensions must do the same.
func TestTheExampleExtensionsStockTheContainer(t *testing.T) {
	examples := map[string]func(t *testing.T) string{"go": buildGoExample, "python": pythonExample}
	for name, path := range examples {
		t.Run(name, func(t *testing.T) { stock(t, path(t)) })
	}
}

func buildGoExample(t *testing.T) string {
	out := filepath.Join(t.TempDir(), "extension")
	if text, err := exec.Command("go", "build", "-o", out, "../../examples/go-extension").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func pythonExample(t *testing.T) string {
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is needed:", err)
		}
		t.Skip("no python3 here")
	}
	// A shim that chooses among interpreters by $HOME would not find its own.
	t.Setenv("PATH", filepath.Dir(strings.TrimSpace(string(python)))+":"+os.Getenv("PATH"))
	path, err := filepath.Abs("../../examples/python-extension/extension.py")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if lines := strings.Count(string(text), "\n"); err != nil || lines > 50 {
		t.Errorf("the example has %d lines; 50 are promised (%v)", lines, err)
	}
	return path
}

// scheduler remembers what was scheduled.
type scheduler struct {
	noHandler
	mu   sync.Mutex
	list []asset.Download
}

func (s *scheduler) ScheduleDownload(_ context.Context, d asset.Download) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
	return nil
}

func stock(t *testing.T, path string) {
	dir, handler, ctx := t.TempDir(), &scheduler{}, context.Background()
	inbox := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	sum := func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	line := `{"id":%q,"url":"https://x.example/%s","size":%d,"essential":%v,"sha256":%q,"path":%q}`
	manifest := inbox("m.json", `{"assets":[`+fmt.Sprintf(line, "é", "a", 5, true, sum("aaaaa"), "deep/er/a.bin")+
		","+fmt.Sprintf(line, "b", "b", 1, false, sum("b"), "b.bin")+`]}`)
	p := start(t, Spec{Path: path, Container: dir, AppID: "org.example.game", Handler: handler,
		Log: func(line string) { t.Log("stderr:", line) }})
	ask := func(r asset.ContentRequest) (got []asset.Download) {
		t.Helper()
		err := p.Downloads(ctx, extension.DownloadsRequest{ContentRequest: r, ManifestPath: manifest},
			func(d asset.Download) error { got = append(got, d); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	a := asset.Download{Identifier: "é", URL: "https://x.example/a", FileSize: 5, Essential: true}
	b := asset.Download{Identifier: "b", URL: "https://x.example/b", FileSize: 1}
	if d := cmp.Diff([]asset.Download{a, b}, ask(asset.RequestInstall)); d != "" {
		t.Errorf("install (-want +got):\n%s", d)
	}
	if err := p.BackgroundDownloadFinished(ctx, a, inbox("in1", "wrong")); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a wrong file: %v", err)
	}
	for range 2 { // the second time the file is gone already
		if err := p.BackgroundDownloadFinished(ctx, a, filepath.Join(dir, "in2")); err == nil {
			t.Error("a missing file was acknowledged")
		}
		if err := p.BackgroundDownloadFinished(ctx, b, inbox("in3", "b")); err != nil {
			t.Error(err)
		}
		os.Remove(filepath.Join(dir, "in3"))
		if err := p.BackgroundDownloadFinished(ctx, b, filepath.Join(dir, "in3")); err != nil {
			t.Error("offered again:", err)
		}
	}
	if err := p.BackgroundDownloadFinished(ctx, a, inbox("in2", "aaaaa")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "deep/er/a.bin")); err != nil || string(text) != "aaaaa" {
		t.Errorf("%q, %v", text, err)
	}
	os.Remove(filepath.Join(dir, "deep/er/a.bin"))
	notEssential := a
	notEssential.Essential = false
	if d := cmp.Diff([]asset.Download{notEssential}, ask(asset.RequestPeriodic)); d != "" {
		t.Errorf("periodic (-want +got):\n%s", d)
	}
	for _, d := range []asset.Download{a, b} {
		if err := p.BackgroundDownloadFailed(ctx, d, &asset.Error{Code: asset.CodeServer, Op: "fetch", Message: "it answered 500"}); err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff([]asset.Download{notEssential}, handler.list); d != "" {
		t.Errorf("scheduled (-want +got):\n%s", d)
	}
	manifest = inbox("evil.json", `{"assets":[`+fmt.Sprintf(line, "x", "x", 1, false, sum("x"), "../x")+`]}`)
	if err := p.Downloads(ctx, extension.DownloadsRequest{ManifestPath: manifest}, ignore); err == nil || !strings.Contains(err.Error(), "container") {
		t.Errorf("a path outside: %v", err)
	}
}
