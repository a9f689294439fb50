package service

import (
	"testing"

	"larder/asset"
	"larder/internal/localapi"
)

func (w *world) flowing() asset.AppID {
	w.Helper()
	w.server.SetRate(4 << 20)
	id := w.install(app{manifest: manifest{Downloads: []asset.Download{w.put("big", 16<<20, true, ""), w.put("later", 1<<20, false, "")}}})
	w.until(id, "bytes flow", func(st asset.AppStatus) bool { return find(st, "big").Bytes > 1<<20 })
	return id
}

func TestPauseOpensTheGateAndResumeGoesOn(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.flowing()
	st, err := w.client.Control(t.Context(), id, localapi.ActionPause)
	if err != nil || !st.Gate.Open || st.Gate.Reason.Code != asset.WhyPaused || !st.Paused {
		t.Fatalf("paused: %v, %s", err, pretty(st))
	}
	if d := find(st, "big"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyPaused {
		t.Errorf("the download is %s", pretty(d))
	}
	before := len(w.server.Requests())
	st, err = w.client.Control(t.Context(), id, localapi.ActionResume)
	if err != nil || st.Gate.Open {
		t.Fatalf("resumed: %v, %s", err, pretty(st.Gate))
	}
	w.server.SetRate(1 << 30)
	w.open(id)
	w.holds(id, "big", 16<<20)
	for _, r := range w.server.Requests()[before:] {
		if r.Path == "/big" && r.Start == 0 {
			t.Error("resuming began from the start")
		}
	}
}

func TestCancelOpensTheGateAndStopsEverything(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.flowing()
	st, err := w.client.Control(t.Context(), id, localapi.ActionCancel)
	if err != nil || !st.Gate.Open || st.Gate.Reason.Code != asset.WhyCancelled || st.State != asset.AppReady {
		t.Fatalf("cancelled: %v, %s", err, pretty(st))
	}
	for _, d := range st.Downloads {
		if d.State != asset.StateFailed || d.Reason.Code != "cancelled" {
			t.Errorf("%s is %s", d.Identifier, pretty(d))
		}
	}
	if _, err := w.client.Control(t.Context(), id, localapi.ActionCancel); asset.CodeOf(err) != asset.CodeState {
		t.Errorf("cancelling what has ended: %v", err)
	}
}

func TestContentOffOpensTheGateAndKeepsTheBytes(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.flowing()
	set := func(on bool) asset.AppStatus {
		t.Helper()
		if _, err := w.client.SetSettings(t.Context(), localapi.SettingsChange{InAppContent: &on}); err != nil {
			t.Fatal(err)
		}
		st, err := w.client.App(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := set(false)
	if !st.Gate.Open || st.Gate.Reason.Code != asset.WhyContentOff {
		t.Errorf("gate %s", pretty(st.Gate))
	}
	if d := find(st, "big"); d.Bytes < 1<<20 || d.Reason == nil || d.Reason.Code != asset.WhyContentOff {
		t.Errorf("the download is %s", pretty(d))
	}
	if _, err := w.client.Launch(t.Context(), id, localapi.LaunchRequest{}); err != nil {
		t.Error("launch with in-app content off:", err)
	}
	w.server.SetRate(1 << 30)
	w.until(id, "the launch lifts it", func(st asset.AppStatus) bool { return find(st, "big").State == asset.StateFinished })
}

func TestLaunchIsRefusedWhileTheGateIsClosed(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.flowing()
	_, err := w.client.Launch(t.Context(), id, localapi.LaunchRequest{})
	if e := asset.AsError(err); e == nil || e.Code != asset.CodeState || e.Help == "" {
		t.Errorf("launch: %v", err)
	}
	if _, err := w.client.Launch(t.Context(), id, localapi.LaunchRequest{Anyway: true}); err != nil {
		t.Errorf("launch anyway: %v", err)
	}
	if st, _ := w.client.App(t.Context(), id); !st.Gate.Open {
		t.Error("the gate is closed after a launch")
	}
}

func TestCancelOneDownload(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.flowing()
	st, _ := w.client.App(t.Context(), id)
	if err := w.client.CancelDownload(t.Context(), find(st, "big").UniqueIdentifier); err != nil {
		t.Fatal(err)
	}
	if p := w.open(id); p.Gate.Reason.Code != asset.WhyEssential {
		t.Errorf("gate %s", pretty(p.Gate))
	}
	if err := w.client.CancelDownload(t.Context(), find(st, "big").UniqueIdentifier); err == nil {
		t.Error("cancelling twice is no error")
	}
}

func TestRefusedFilesStayInTheInboxAndAreTakenByTheApp(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.install(app{bare: true, keys: map[string]any{"BAManifestURL": nil, "BAInitialDownloadRestrictions": nil, "BAMaxInstallSize": nil, "BAEssentialMaxInstallSize": nil}})
	if p := w.open(id); p.State != asset.AppReady {
		t.Errorf("an app without assets ends as %s", pretty(p))
	}
	id = w.install(app{id: shareA, manifest: manifest{Behave: "refuse", Downloads: []asset.Download{w.put("x", 1000, true, "")}}})
	st := w.until(id, "offered once", func(st asset.AppStatus) bool { return st.Gate.Open && find(st, "x").FilePath != "" })
	a := localapi.NewAppClient(w.dirs.AppSocket(shareA))
	if err := a.Acknowledge(t.Context(), find(st, "x").UniqueIdentifier); err != nil {
		t.Fatal(err)
	}
	if st, _ := w.client.App(t.Context(), id); find(st, "x").FilePath != "" {
		t.Error("an acknowledged file is still offered")
	}
}
