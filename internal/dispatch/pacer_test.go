package dispatch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
)

// flow reads through p for a span with so many connections per app, as fast as it
// may, and gives the bytes of each app.
func flow(p *pacer, span time.Duration, connections map[asset.AppID]int) map[asset.AppID]int64 {
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	out := map[asset.AppID]int64{}
	for app, n := range connections {
		for range n {
			all.Go(func() {
				brought := 0
				for {
					most, err := p.pace(ctx, app, brought)
					if err != nil {
						return
					}
					if most == 0 {
						most = maxWindow
						time.Sleep(time.Millisecond) // a fast network, not an endless one
					}
					brought = most
					mu.Lock()
					out[app] += int64(brought)
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	return out
}

func TestCapIsKeptAndSharedByAppNotByConnection(t *testing.T) {
	for _, perSec := range []int64{10 << 10, 1 << 20, 100 << 20} {
		synctest.Test(t, func(t *testing.T) {
			var p pacer
			p.set(perSec)
			got := flow(&p, time.Minute, map[asset.AppID]int{"a": 1, "b": 3})
			want := float64(perSec) * 60
			if sum := float64(got["a"] + got["b"]); sum < 0.98*want || sum > 1.02*want {
				t.Errorf("cap %d: %.0f bytes in a minute, want %.0f", perSec, sum, want)
			}
			if part := float64(got["a"]) / float64(got["a"]+got["b"]); part < 0.47 || part > 0.53 {
				t.Errorf("cap %d: the app with one connection of four got %.2f of the bytes", perSec, part)
			}
		})
	}
}

func TestAnAppThatComesLaterCannotClaimTheTimeItWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		p.set(1 << 20)
		flow(&p, time.Minute, map[asset.AppID]int{"a": 1})
		got := flow(&p, 10*time.Second, map[asset.AppID]int{"a": 1, "b": 1})
		if got["a"] < 4<<20 {
			t.Errorf("the app that was there first got %d bytes of 10 MiB, the other %d", got["a"], got["b"])
		}
	})
}

func TestCapChangesUnderThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		p.set(1 << 10)
		go func() {
			time.Sleep(10 * time.Second)
			p.set(1 << 20)
			time.Sleep(10 * time.Second)
			p.set(0)
		}()
		got := flow(&p, 20*time.Second, map[asset.AppID]int{"a": 4, "b": 4})
		if sum := got["a"] + got["b"]; sum < 9<<20 || sum > 11<<20 {
			t.Errorf("%d bytes: 10 s at 1 KiB/s and 10 s at 1 MiB/s", sum)
		}
		if n := flow(&p, time.Second, map[asset.AppID]int{"a": 1})["a"]; n < 100<<20 {
			t.Errorf("without a cap %d bytes in a second", n)
		}
	})
}

func TestWhoGivesUpPassesHisTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		p.set(1 << 10)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			go p.pace(ctx, "a", 64<<10)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if _, err := p.pace(ctx, "a", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled reader: %v", err)
		}
		begun := time.Now()
		if _, err := p.pace(t.Context(), "b", 1<<10); err != nil || time.Since(begun) > 3*time.Second {
			t.Errorf("after all others gave up: %v after %v", err, time.Since(begun))
		}
	})
}
