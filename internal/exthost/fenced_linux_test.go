//go:build !race

package exthost

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/extension"
	"larder/internal/fence"
)

var levels = []string{"", "landlock"}

func TestWhatGetsOutOfHandIsEndedForItsCauseAndTheNextSessionWorks(t *testing.T) {
	for _, layers := range levels {
		for name, words := range map[string]string{
			"setsidhang": "the extension did not answer within 3 s",
			"setsidexit": "it ended with exit status 5",
			"forkbomb":   "",
			"hog":        "MiB of memory; 256 MiB are allowed",
			"hogchild":   "MiB of memory; 256 MiB are allowed",
			"huge":       "a line is longer than 16 MiB",
		} {
			t.Run(layers+"/"+name, func(t *testing.T) {
				s := spec(t, name)
				s.Layers, s.Deadline = layers, 3*time.Second
				if strings.HasPrefix(name, "hog") || name == "huge" || name == "forkbomb" {
					s.Deadline = 20 * time.Second // the race detector makes them slow
				}
				p := start(t, s)
				_, err := downloads(p)
				if name != "forkbomb" || !strings.Contains(err.Error(), "temporarily unavailable") { // the bomb may report its own end
					want(t, err, words)
				}
				p.Close()
				gone(t, p)
				next := spec(t, "good")
				next.Layers = layers
				if got, err := downloads(start(t, next)); err != nil || len(got) == 0 {
					t.Errorf("the next session: %v", err)
				}
			})
		}
	}
}

func TestAMillionLinesAreReadAndForgotten(t *testing.T) {
	s := spec(t, "millionlines")
	s.Deadline = time.Minute
	if _, err := downloads(start(t, s)); err != nil {
		t.Error(err)
	}
}

func TestASessionSaysHowFarItsFenceGoes(t *testing.T) {
	best, landlock := start(t, spec(t, "good")), spec(t, "good")
	landlock.Layers = "landlock"
	less := start(t, landlock)
	if d := cmp.Diff(fence.Probe(), best.Level()); d != "" {
		t.Errorf("Probe and a session differ (-probe +session):\n%s", d)
	}
	if l := less.Level(); l.Full() || slices.Contains(l.Holds, fence.UDP) {
		t.Errorf("with Landlock alone: %v", l)
	}
	t.Log(best.Level())
	t.Log(less.Level())
}

// places are container and inbox of one app, as a service lays them out.
func places(t *testing.T) (container, inbox string) {
	t.Helper()
	group := t.TempDir()
	container, inbox = filepath.Join(group, "container"), filepath.Join(group, "inbox", "app")
	for _, dir := range []string{container, inbox, filepath.Join(group, "inbox", "other")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("aaaaa"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return container, inbox
}

func TestAFileIsMovedFromTheInboxIntoTheContainer(t *testing.T) {
	for _, layers := range []string{"", "landlock", "namespaces"} {
		s := spec(t, "arrange")
		s.Layers = layers
		s.Container, s.Inbox = places(t)
		p := start(t, s)
		err := p.Downloads(context.Background(), extension.DownloadsRequest{ManifestPath: filepath.Join(s.Inbox, "m")}, ignore)
		if err != nil && (layers != "namespaces" || !strings.Contains(err.Error(), "another app's")) {
			t.Errorf("%q: %v", layers, err)
		}
		if held := slices.Contains(p.Level().Holds, fence.Files); held != (err == nil) {
			t.Errorf("%q: the level claims to hold files: %v; %v", layers, held, err)
		}
	}
}

func TestTheModuleExampleStocksTheContainer(t *testing.T) {
	bundle := t.TempDir()
	module := filepath.Join(bundle, "loader.wasm")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", module, "../../examples/wasm-extension")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	container, inbox := places(t)
	manifest := filepath.Join(inbox, "manifest")
	if err := os.WriteFile(manifest, []byte("5 deep/er/a https://x.example/a\n5 file https://x.example/file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	handler, ctx := &scheduler{}, context.Background()
	s := Spec{Path: module, Container: container, Inbox: inbox, AppID: "org.example.game", Handler: handler, Idle: time.Minute, Deadline: 2 * time.Minute,
		Log: func(line string) { t.Log("stderr:", line) }}
	began := time.Now()
	p := start(t, s)
	t.Logf("it answered after %v, behind %s", time.Since(began), p.Level().Name)
	var got []asset.Download
	err := p.Downloads(ctx, extension.DownloadsRequest{ContentRequest: asset.RequestInstall, ManifestPath: manifest},
		func(d asset.Download) error { got = append(got, d); return nil })
	a := asset.Download{Identifier: "deep/er/a", URL: "https://x.example/a", FileSize: 5, Essential: true}
	if d := cmp.Diff([]asset.Download{a}, got); d != "" || err != nil {
		t.Errorf("%v; (-want +got):\n%s", err, d)
	}
	for range 2 { // the second time the file is gone already
		if err := p.BackgroundDownloadFinished(ctx, a, filepath.Join(inbox, "file")); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(container, "deep", "er", "a")); err != nil || string(text) != "aaaaa" {
		t.Errorf("%q, %v", text, err)
	}
	if err := p.BackgroundDownloadFailed(ctx, a, &asset.Error{Code: asset.CodeServer, Op: "fetch", Message: "it answered 500"}); err != nil {
		t.Error(err)
	}
	a.Essential = false
	if d := cmp.Diff([]asset.Download{a}, handler.list); d != "" {
		t.Errorf("scheduled (-want +got):\n%s", d)
	}
}
