package service

import (
	"os"
	"path/filepath"
	"testing"

	"larder/asset"
	"larder/internal/localapi"
)

func TestInstallStocksTheAppBeforeItsFirstLaunch(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := manifest{Downloads: []asset.Download{w.put("level1", 3<<20, true, ""), w.put("level2", 5<<20, false, ""), w.put("music", 1<<20, true, "")}}
	id := w.install(app{manifest: m})
	p := w.open(id)
	if p.Gate.Reason == nil || p.Gate.Reason.Code != asset.WhyReady || p.Finished != 2 || p.Bytes != 4<<20 {
		t.Errorf("the gate opened as %s", pretty(p))
	}
	w.holds(id, "level1", 3<<20)
	w.holds(id, "music", 1<<20)
	w.until(id, "level2 finished", func(st asset.AppStatus) bool {
		return find(st, "level2").State == asset.StateFinished && find(st, "level2").FilePath == ""
	})
	w.holds(id, "level2", 5<<20)
	l, err := w.client.Launch(t.Context(), id, localapi.LaunchRequest{})
	if err != nil || filepath.Base(l.Executable) != "game" || l.Env["LARDER_GROUP_CONTAINER"] == "" {
		t.Errorf("launch: %+v, %v", l, err)
	}
}

func TestFailedEssentialOpensTheGateAndStaysVisible(t *testing.T) {
	w := newWorld(t)
	w.start()
	bad := w.put("broken", 1000, true, "")
	bad.FileSize = 1001
	id := w.install(app{manifest: manifest{Downloads: []asset.Download{bad, w.put("good", 1000, true, "")}}})
	p := w.open(id)
	if !p.Gate.Open || p.Gate.Reason.Code != asset.WhyEssential {
		t.Errorf("gate %s", pretty(p.Gate))
	}
	st := w.until(id, "the good one handed over", func(st asset.AppStatus) bool {
		return find(st, "good").FilePath == "" && find(st, "good").State == asset.StateFinished
	})
	if d := find(st, "broken"); d.State != asset.StateFailed || d.Reason == nil || d.Reason.Code != "sizeMismatch" {
		t.Errorf("the failed download shows as %s", pretty(d))
	}
}

func TestFailureMayBeRescheduledAsNonEssential(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.install(app{manifest: manifest{Behave: "reschedule", Downloads: []asset.Download{w.put("a", 1000, true, "status=404:1")}}})
	w.open(id)
	w.until(id, "the copy finished", func(st asset.AppStatus) bool {
		for _, d := range st.Downloads {
			if d.State == asset.StateFinished && !d.Essential {
				return true
			}
		}
		return false
	})
	w.open(id)
	w.until(id, "handed over", func(st asset.AppStatus) bool {
		_, err := os.Stat(filepath.Join(w.dirs.Container("group."+asset.GroupID(id)), "a"))
		return err == nil
	})
	w.holds(id, "a", 1000)
}

func TestExtensionCrashOpensTheGate(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.install(app{manifest: manifest{Behave: "crash"}})
	if p := w.open(id); p.Gate.Reason.Code != asset.WhyExtension {
		t.Errorf("gate %s", pretty(p.Gate))
	}
}

func TestExtensionOverrunOpensTheGate(t *testing.T) {
	w := newWorld(t)
	w.config.Deadline = 300e6
	w.start()
	id := w.install(app{manifest: manifest{Behave: "hang"}})
	if p := w.open(id); p.Gate.Reason.Code != asset.WhyExtension {
		t.Errorf("gate %s", pretty(p.Gate))
	}
}

func TestMissingManifestOpensTheGateAndIsDelivered(t *testing.T) {
	w := newWorld(t)
	w.start()
	dir := w.bundle(app{keys: map[string]any{"BAManifestURL": w.server.URL + "/nowhere"}})
	if _, err := w.client.Install(t.Context(), localapi.InstallRequest{Bundle: dir}); err != nil {
		t.Fatal(err)
	}
	if p := w.open("org.example.game"); p.Gate.Reason.Code != asset.WhyManifest {
		t.Errorf("gate %s", pretty(p.Gate))
	}
	st := w.until("org.example.game", "the failure is delivered", func(asset.AppStatus) bool {
		_, err := os.Stat(filepath.Join(w.dirs.Container("group.org.example.game"), "org.example.game.manifest.failed"))
		return err == nil
	})
	if len(st.Downloads) != 1 || st.Downloads[0].State != asset.StateFailed {
		t.Errorf("status %s", pretty(st))
	}
}

func TestUpdateKeepsWhatIsInHand(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.server.SetRate(4 << 20)
	big := w.put("big", 8<<20, true, "")
	id := w.install(app{build: 1, manifest: manifest{Downloads: []asset.Download{big}}})
	w.until(id, "a MiB held", func(st asset.AppStatus) bool { return find(st, "big").Bytes > 1<<20 })
	st, err := w.client.Update(t.Context(), id, localapi.UpdateRequest{Bundle: w.bundle(app{build: 2, manifest: manifest{Downloads: []asset.Download{big, w.put("new", 1000, true, "")}}})})
	if err != nil || st.Gate.Open || st.Build != "2" {
		t.Fatalf("update: %v, %s", err, pretty(st))
	}
	w.server.SetRate(1 << 30)
	w.open(id)
	w.holds(id, "big", 8<<20)
	w.holds(id, "new", 1000)
	var asked int64
	for _, r := range w.server.Requests() {
		if r.Path == "/big" && r.Start == 0 {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("big was begun %d times", asked)
	}
}

func TestUninstallLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.server.SetRate(2 << 20)
	id := w.install(app{manifest: manifest{Downloads: []asset.Download{w.put("big", 64<<20, true, ""), w.put("small", 1000, true, "")}}})
	w.until(id, "bytes flow", func(st asset.AppStatus) bool { return find(st, "big").Bytes > 0 })
	if err := w.client.Uninstall(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{w.dirs.Group("group.org.example.game"), w.dirs.AppSocket(id)} {
		if _, err := os.Stat(p); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", p, err)
		}
	}
	if _, err := w.client.App(t.Context(), id); asset.CodeOf(err) != asset.CodeNotFound {
		t.Errorf("the app is still known: %v", err)
	}
}
