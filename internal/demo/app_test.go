package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"larder/asset"
	"larder/internal/localapi"
)

// put puts an item where the extension would.
func (l loader) put(t *testing.T, it *item) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(it.entry)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(it.entry), readAll(t, it), 0o644); err != nil {
		t.Fatal(err)
	}
}

func noService(context.Context) (asset.Status, error) { return asset.Status{}, localapi.ErrNoService }

func runApp(t *testing.T, l loader, status func(context.Context) (asset.Status, error)) (string, error) {
	t.Helper()
	var out strings.Builder
	err := app{loader: l, out: &out, status: status}.run(t.Context())
	return out.String(), err
}

func holds(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("it does not say %q:\n%s", w, got)
		}
	}
}

func TestTheAppListsProvesAndWaitsForTheRest(t *testing.T) {
	items := twoItems(t)
	l, _ := stocked(t, items)
	l.put(t, items[0])
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		got, err := runApp(t, l, func(context.Context) (asset.Status, error) {
			if calls++; calls == 20 {
				l.put(t, items[1])
			}
			return asset.Status{Apps: []asset.AppStatus{{Downloads: []asset.DownloadStatus{{Identifier: "doc.tar", Bytes: 5}}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, got, "bin/", "1 file", "2.1 MB", "sha256 as the manifest says: all of 1 essential download", "Still to come, behind me: 1 download, 4.6 kB", "I am complete, 1.9 s after I opened")
	})
}

func TestTheAppSaysWhatFailed(t *testing.T) {
	items := twoItems(t)
	l, _ := stocked(t, items)
	l.put(t, items[0])
	got, err := runApp(t, l, func(context.Context) (asset.Status, error) {
		failed := asset.DownloadStatus{Identifier: "doc.tar", State: asset.StateFailed, Reason: &asset.Reason{Message: "the server is on fire"}}
		return asset.Status{Apps: []asset.AppStatus{{Downloads: []asset.DownloadStatus{failed}}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "0 of 1 are here", "1 download failed, the first because: the server is on fire")
}

func TestTheAppGivesUpWaitingWhenNothingMoves(t *testing.T) {
	items := twoItems(t)
	l, _ := stocked(t, items)
	l.put(t, items[0])
	synctest.Test(t, func(t *testing.T) {
		got, err := runApp(t, l, noService)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, got, "0 of 1 are here", "30.1 s after I opened")
	})
}

func TestTheAppRefusesAWrongOrMissingEssentialFile(t *testing.T) {
	items := twoItems(t)
	l, _ := stocked(t, items)
	if _, err := runApp(t, l, noService); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	l.put(t, items[0])
	if err := os.WriteFile(l.path(items[0].entry), make([]byte, items[0].Size), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := runApp(t, l, noService); asset.CodeOf(err) != asset.CodeHashMismatch {
		t.Errorf("wrong: %v", err)
	}
	if _, err := runApp(t, loader{t.TempDir()}, noService); err == nil || !strings.Contains(err.Error(), "container is empty") {
		t.Errorf("empty container: %v", err)
	}
}
