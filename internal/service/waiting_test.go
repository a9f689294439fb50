package service

import (
	"context"
	"testing"
	"time"

	"larder/asset"
)

func TestWhoWaitsForControlIsToldThatTheServiceEnds(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	other := w.managerOf(id)
	ended := make(chan error, 1)
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		go func() { ended <- other.WithExclusiveControl(ctx, func(context.Context) error { return nil }) }()
		select {
		case err := <-ended:
			t.Fatal("it did not wait:", err)
		case <-time.After(100 * time.Millisecond): // it waits, or meets a service that is gone: the same answer
		}
		w.stop()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; asset.CodeOf(err) != asset.CodeConnectionInvalid {
		t.Errorf("the one in line was told %v", err)
	}
}

func TestADeadlineLongPastTriesOnce(t *testing.T) {
	w := newWorld(t)
	w.start()
	id, m := w.manager("")
	other := w.managerOf(id)
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		return other.WithExclusiveControlBefore(ctx, time.Time{}, func(context.Context) error { return nil })
	})
	if asset.CodeOf(err) != asset.CodeState {
		t.Errorf("the first instant of all time as deadline: %v", err)
	}
}
