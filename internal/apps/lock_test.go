package apps

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
)

func TestLockIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		l.Acquire(t.Context(), "a", 0, time.Time{})
		order := make(chan int, 3)
		for n := 1; n <= 3; n++ {
			go func() {
				if err := l.Acquire(t.Context(), "a", n, time.Time{}); err != nil {
					t.Error(err)
				}
				order <- n
				l.Release("a", n)
			}()
			synctest.Wait()
		}
		if err := l.Acquire(t.Context(), "b", 9, time.Time{}); err != nil {
			t.Error("another app's lock is held:", err)
		}
		l.Free("a", 0)
		for want := 1; want <= 3; want++ {
			if got := <-order; got != want {
				t.Errorf("turn %d went to %d", want, got)
			}
		}
	})
}

func TestAWaiterThatGaveUpIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		l.Acquire(t.Context(), "a", 1, time.Time{})
		got := make(chan error, 1)
		go func() { got <- l.Acquire(t.Context(), "a", 2, time.Time{}) }() // its caller is gone, and we do not know it
		synctest.Wait()
		if err := l.Release("a", 2); err != nil {
			t.Errorf("a waiter may not leave: %v", err)
		}
		if err := <-got; asset.CodeOf(err) != asset.CodeState {
			t.Errorf("who left was told %v", err)
		}
		l.Release("a", 1)
		if err := l.Acquire(t.Context(), "a", 2, time.Now()); err != nil {
			t.Errorf("the lock went to nobody: %v", err)
		}
	})
}

func TestLockRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		if err := l.Release("a", 1); asset.CodeOf(err) != asset.CodeState {
			t.Errorf("release of nothing: %v", err)
		}
		if err := l.Acquire(t.Context(), "a", 1, time.Now()); err != nil {
			t.Errorf("a free lock with a deadline of now: %v", err)
		}
		if err := l.Acquire(t.Context(), "a", 1, time.Time{}); asset.CodeOf(err) != asset.CodeState {
			t.Errorf("re-entered: %v", err)
		}
		begun := time.Now()
		if err := l.Acquire(t.Context(), "a", 2, begun); asset.CodeOf(err) != asset.CodeState || time.Since(begun) != 0 {
			t.Errorf("deadline of now: %v after %v", err, time.Since(begun))
		}
		if err := l.Acquire(t.Context(), "a", 2, begun.Add(time.Minute)); err == nil || time.Since(begun) != time.Minute {
			t.Errorf("deadline: %v after %v", err, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Acquire(ctx, "a", 2, time.Time{}); err == nil {
			t.Error("a cancelled caller got the lock")
		}
		l.Free("a", 2) // not the holder: no effect
		if err := l.Acquire(t.Context(), "a", 3, time.Now()); err == nil {
			t.Error("freeing another's lock worked")
		}
	})
}
