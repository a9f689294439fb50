package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
)

// manager gives the download manager of an app that was installed, stocked with
// nothing and launched.
func (w *world) manager(behave string) (asset.AppID, *client.DownloadManager) {
	w.Helper()
	id := w.install(app{manifest: manifest{Behave: behave}})
	w.open(id)
	if _, err := w.client.Launch(w.Context(), id, launchNow); err != nil {
		w.Fatal(err)
	}
	return id, w.managerOf(id)
}

func (w *world) managerOf(id asset.AppID) *client.DownloadManager {
	w.Helper()
	m, err := client.Open(client.Options{Socket: w.dirs.AppSocket(id)})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(m.Close)
	return m
}

// scheduleToDelegate schedules d once a delegate of id listens for results: before
// that, a result would be the extension's.
func (w *world) scheduleToDelegate(id asset.AppID, m *client.DownloadManager, d asset.URLDownload) {
	w.Helper()
	go func() {
		for len(w.service.forExtension(id)) > 0 {
			select {
			case <-w.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		if _, err := m.Schedule(w.Context(), d); err != nil {
			w.Error(err)
		}
	}()
}

func TestAppSchedulesAndItsDelegateTakesTheFile(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	w.scheduleToDelegate(id, m, w.put("level", 3<<20, false, ""))
	var seen []asset.EventType
	for ev, err := range m.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Download.Identifier == "after" {
			break
		}
		if len(seen) == 0 || seen[len(seen)-1] != ev.Type {
			seen = append(seen, ev.Type)
		}
		if ev.Type == asset.EventFinished {
			if err := os.Rename(ev.FilePath, filepath.Join(w.dirs.Container("group.org.example.game"), "level")); err != nil {
				t.Error(err)
			}
			if _, err := m.Schedule(t.Context(), w.put("missing", 10, false, "status=404:*")); err != nil {
				t.Fatal(err)
			}
		}
		if ev.Type == asset.EventFailed {
			if ev.Err == nil || ev.Err.Code != asset.CodeServer {
				t.Errorf("failed with %+v", ev.Err)
			}
			// What this loop is left at is not handled: what comes next is.
			if _, err := m.Schedule(t.Context(), w.put("after", 10, false, "")); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.holds(id, "level", 3<<20)
	if len(seen) < 3 || seen[len(seen)-1] != asset.EventFailed {
		t.Errorf("events: %v", seen)
	}
	if _, err := os.Stat(filepath.Join(w.dirs.Container("group.org.example.game"), "missing.failed")); err == nil {
		t.Error("the extension was told of what the delegate handled")
	}
}

func TestWhatADelegateLeavesGoesToTheExtension(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	w.scheduleToDelegate(id, m, w.put("x", 1000, false, ""))
	for ev, err := range m.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type == asset.EventFinished {
			break // not done with it: not acknowledged
		}
	}
	w.until(id, "the extension has it", func(st asset.AppStatus) bool {
		return find(st, "x").State == asset.StateFinished && find(st, "x").FilePath == ""
	})
	w.holds(id, "x", 1000)
}

func TestADelegateThatComesWhileTheExtensionIsAtWorkKeepsItsFile(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("linger")
	container := w.dirs.Container("group.org.example.game")
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(container, name))
		return err == nil
	}
	await := func(what string, ok func() bool) { // what no event tells of
		t.Helper()
		for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("never: " + what)
			}
		}
	}
	m.Schedule(t.Context(), w.put("bad", 1000, false, "status=404:*"))
	await("the extension is at work", func() bool { return exists("busy") })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	finished, kept, done := make(chan string, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- m.SetDelegate(ctx, client.Delegate{Finished: func(_ asset.Download, path string) { finished <- path; <-kept }})
	}()
	await("the delegate listens", func() bool { return !slices.Contains(w.service.forExtension(id), asset.StateFinished) })
	m.Schedule(t.Context(), w.put("x", 1000, false, ""))
	path := <-finished
	m.Schedule(t.Context(), w.put("bad2", 1000, false, "status=404:*"))
	w.until(id, "a failure is there", func(st asset.AppStatus) bool { return find(st, "bad2").State == asset.StateFailed })
	if err := os.WriteFile(filepath.Join(container, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await("the extension got the next result that is its own", func() bool { return exists("bad2.failed") })
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the delegate is not done with its file, and it is gone: %v", err)
	}
	close(kept)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDelegateHandlesOnlyWhatItNames(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed atomic.Int32
	done := make(chan error, 1)
	go func() {
		done <- m.SetDelegate(ctx, client.Delegate{Failed: func(asset.Download, *asset.Error) { failed.Add(1) }})
	}()
	m.Schedule(t.Context(), w.put("good", 1000, false, ""))
	m.Schedule(t.Context(), w.put("bad", 1000, false, "status=404:*"))
	w.until(id, "both ended and were taken", func(st asset.AppStatus) bool {
		_, err := os.Stat(filepath.Join(w.dirs.Container("group.org.example.game"), "good"))
		return err == nil && find(st, "bad").State == asset.StateFailed && failed.Load() == 1
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestForegroundNeedsAnActiveApp(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, m := w.manager("")
	d := w.put("x", 1000, false, "")
	if _, err := m.StartForeground(t.Context(), d); asset.CodeOf(err) != asset.CodeCallFromInactiveProcess {
		t.Errorf("inactive: %v", err)
	}
	if err := m.SetActive(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	essential := d
	essential.Essential = true
	if _, err := m.StartForeground(t.Context(), essential); asset.CodeOf(err) != asset.CodeEssentialNotPermitted {
		t.Errorf("essential: %v", err)
	}
	if _, err := m.StartForeground(t.Context(), d); err != nil {
		t.Errorf("active: %v", err)
	}
}

func TestPromotionOvertakesAndAsksForNoByteTwice(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.server.SetRate(8 << 20)
	id, m := w.manager("")
	for _, name := range []string{"a", "b", "c"} {
		if _, err := m.Schedule(t.Context(), w.put(name, 24<<20, false, "")); err != nil {
			t.Fatal(err)
		}
	}
	w.until(id, "a and b run", func(st asset.AppStatus) bool { return find(st, "a").Bytes > 1<<20 && find(st, "b").Bytes > 1<<20 })
	m.SetActive(t.Context(), true)
	if _, err := m.StartForeground(t.Context(), asset.URLDownload{Identifier: "c"}); err != nil {
		t.Fatal(err)
	}
	w.until(id, "c runs", func(st asset.AppStatus) bool { return find(st, "c").Bytes > 0 })
	m.Close() // foreground ends: c goes on in the background
	w.server.SetRate(1 << 30)
	w.until(id, "all are there", func(st asset.AppStatus) bool {
		return find(st, "a").FilePath == "" && find(st, "b").FilePath == "" && find(st, "c").FilePath == "" &&
			find(st, "a").State == asset.StateFinished && find(st, "b").State == asset.StateFinished && find(st, "c").State == asset.StateFinished
	})
	begun := map[string]int{}
	for _, r := range w.server.Requests() {
		if r.Start == 0 {
			begun[r.Path]++
		}
	}
	if begun["/a"] != 1 || begun["/b"] != 1 || begun["/c"] != 1 {
		t.Errorf("begun from the first byte: %v", begun)
	}
}

func TestExclusiveControlAmongProcessesAndItsEnd(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	other := w.managerOf(id)
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		err := other.WithExclusiveControlBefore(ctx, time.Now(), func(context.Context) error { return errors.New("two holders") })
		if asset.CodeOf(err) != asset.CodeState {
			t.Errorf("tried once while held: %v", err)
		}
		if err := m.WithExclusiveControl(ctx, func(context.Context) error { return nil }); asset.CodeOf(err) != asset.CodeState {
			t.Errorf("nested: %v", err)
		}
		m.Close() // as if the process had died
		return other.WithExclusiveControlBefore(ctx, time.Now().Add(10*time.Second), func(context.Context) error { return nil })
	})
	if err != nil {
		t.Errorf("the lock of a process that ended: %v", err)
	}
}

func TestCancelWorksEachTime(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.server.SetRate(1 << 20)
	id, m := w.manager("")
	for range 3 {
		st, err := m.Schedule(t.Context(), w.put("x", 32<<20, false, ""))
		if err != nil {
			t.Fatal(err)
		}
		w.until(id, "x runs", func(st asset.AppStatus) bool {
			for _, d := range st.Downloads {
				if d.State == asset.StateDownloading && d.Bytes > 0 {
					return true
				}
			}
			return false
		})
		if err := m.Cancel(t.Context(), st.UniqueIdentifier); err != nil {
			t.Fatal(err)
		}
		if err := m.Cancel(t.Context(), st.UniqueIdentifier); asset.CodeOf(err) != asset.CodeNotScheduled {
			t.Errorf("cancelled twice: %v", err)
		}
	}
	if err := m.Cancel(t.Context(), "nothing"); asset.CodeOf(err) != asset.CodeDownloadDoesNotExist {
		t.Errorf("cancel of nothing: %v", err)
	}
}
