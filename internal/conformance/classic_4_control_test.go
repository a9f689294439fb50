package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"larder/asset"
)

func TestClassic_4_3_AppAndExtensionExcludeEachOther(t *testing.T) {
	row(t, "classic §4.3", "Exclusive control is mutual exclusion between app and extension; the other side waits", "the app waits while the extension holds it, and goes on when that lets go")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "await", Arg: "go"}, {Do: "take"}, {Do: "release"}, {Do: "await", Arg: "end"}}}
	a.launched(a.put("x", 10, false))
	a.untilDid("acquire", 1)
	m := a.manager()
	err := m.WithExclusiveControlBefore(t.Context(), time.Now(), func(context.Context) error { return errors.New("two holders") })
	wantCode(t, "while the extension holds it", err, asset.CodeState)
	a.mark("go")
	err = m.WithExclusiveControl(t.Context(), func(context.Context) error {
		if !a.exists("x") {
			t.Error("the extension was not done")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	a.mark("end")
}

func TestClassic_4_3_ExtensionWaitsForTheApp(t *testing.T) {
	row(t, "classic §4.3", "It works in both directions, and only between calls that use it", "the extension's try fails while the app holds it; what needs no lock goes on")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "try"}, {Do: "take"}}}
	a.launched()
	m := a.manager()
	err := m.WithExclusiveControl(t.Context(), func(context.Context) error {
		a.schedule(m, a.put("x", 10, false))
		if h := a.untilDid("try", 1); h.Err == nil || h.Err.Code != asset.CodeState {
			t.Errorf("the extension tried: %s", pretty(h))
		}
		a.untilTaken("x")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClassic_4_3_LockFreedByKill(t *testing.T) {
	row(t, "classic §4.3", "The other side proceeds when the holder's process ends", "a kill -9 of the app frees it")
	a := alone(t, shared(t))
	kill := a.starts("hold", asset.Download{})
	m := a.manager()
	none := func(context.Context) error { return nil }
	wantCode(t, "while the process lives", m.WithExclusiveControlBefore(t.Context(), time.Now(), none), asset.CodeState)
	kill()
	if err := m.WithExclusiveControlBefore(t.Context(), time.Now().Add(20*time.Second), none); err != nil {
		t.Error("after its end:", err)
	}
}

func TestClassic_4_3_LockFreedByKillOfTheExtension(t *testing.T) {
	row(t, "classic §4.3", "This holds for the extension's process too", "a kill -9 of the extension frees it")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "await", Arg: "go"}, {Do: "kill"}}}
	a.launched(a.put("x", 10, false))
	a.untilDid("acquire", 1)
	a.mark("go")
	if err := a.manager().WithExclusiveControlBefore(t.Context(), time.Now().Add(20*time.Second), func(context.Context) error { return nil }); err != nil {
		t.Error("after its end:", err)
	}
}

func TestClassic_4_3_DeadlineNowTriesOnce(t *testing.T) {
	row(t, "classic §4.3", "A deadline of now means: try once and fail at once; a later one is waited for", "error 1015, and the body does not run; a free lock is had with any deadline")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	past := time.Now().Add(-time.Hour)
	err := m.WithExclusiveControlBefore(t.Context(), past, func(ctx context.Context) error {
		ran := false
		begun := time.Now()
		err := other.WithExclusiveControlBefore(ctx, past, func(context.Context) error { ran = true; return nil })
		wantCode(t, "now", err, asset.CodeState)
		if ran || time.Since(begun) > 5*time.Second {
			t.Errorf("ran: %v, after %v", ran, time.Since(begun))
		}
		begun = time.Now()
		err = other.WithExclusiveControlBefore(ctx, begun.Add(300*time.Millisecond), func(context.Context) error { return nil })
		wantCode(t, "later", err, asset.CodeState)
		if took := time.Since(begun); took < 300*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
		return nil
	})
	if err != nil {
		t.Error("free:", err)
	}
}

func TestClassic_4_3_ControlEndsWithTheBody(t *testing.T) {
	row(t, "classic §4.3", "The lock is lost when the closure returns; the call returns after the release, with what the body throws", "so it is, also when the body fails")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	mine := errors.New("mine")
	for range 3 {
		if err := m.WithExclusiveControl(t.Context(), func(context.Context) error { return mine }); !errors.Is(err, mine) {
			t.Errorf("the body's error came as %v", err)
		}
		if err := other.WithExclusiveControlBefore(t.Context(), time.Now(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("after the body: %v", err)
		}
	}
}

func TestClassic_4_3_ListInsideTheLock(t *testing.T) {
	row(t, "classic §4.3", "Downloads can be listed inside the lock", "every call of the manager works while this process, or another, holds it")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		_, err := m.CurrentDownloads(ctx)
		_, err2 := other.CurrentDownloads(ctx)
		_, err3 := m.Schedule(ctx, a.put("x", 10, false))
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
}
