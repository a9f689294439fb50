package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"larder/asset"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestDecideNamesTheFirstObstacle(t *testing.T) {
	why := &asset.Reason{Code: asset.WhyRetry, Message: "the server asked to wait", Unblock: "u", Since: now}
	for _, c := range []struct {
		name string
		f    Facts
		it   Item
		want string
	}{
		{"nothing in the way", Facts{Free: 1 << 40}, Item{}, ""},
		{"paused", Facts{Paused: true, EssentialPending: true}, Item{}, asset.WhyPaused},
		{"in-app content off", Facts{ContentOff: true}, Item{Essential: true}, asset.WhyContentOff},
		{"essential first", Facts{EssentialPending: true}, Item{}, asset.WhyEssentialFirst},
		{"essential itself", Facts{EssentialPending: true}, Item{Essential: true}, ""},
		{"manifest before essential", Facts{EssentialPending: true}, Item{Manifest: true}, ""},
		{"no space", Facts{Free: 100, Reserve: 50}, Item{Remaining: 51}, asset.WhyNoSpace},
		{"just enough space", Facts{Free: 101, Reserve: 50}, Item{Remaining: 51}, ""},
		{"told to come back later", Facts{}, Item{NextTry: now.Add(1), Reason: why}, asset.WhyRetry},
		{"later has come", Facts{}, Item{NextTry: now, Reason: why}, ""},
		{"metered, a file", Facts{Device: Device{Metered: true}, EssentialPending: true}, Item{Essential: true}, asset.WhyMetered},
		{"metered, a manifest", Facts{Device: Device{Metered: true}}, Item{Manifest: true, Background: true}, ""},
		{"low power, in the background", Facts{Device: Device{LowPower: true}}, Item{Background: true}, asset.WhyLowPower},
		{"low power, a manifest in the background", Facts{Device: Device{LowPower: true}}, Item{Background: true, Manifest: true}, asset.WhyLowPower},
		{"low power, at the gate", Facts{Device: Device{LowPower: true, RefreshOff: true}}, Item{Essential: true}, ""},
		{"refresh off", Facts{Device: Device{RefreshOff: true}}, Item{Background: true}, asset.WhyRefreshOff},
		{"refresh of the app off", Facts{Device: Device{AppRefreshOff: true}}, Item{Background: true}, asset.WhyRefreshOff},
		{"low power, in the foreground", Facts{Device: Device{LowPower: true}}, Item{Background: true, Foreground: true}, ""},
		{"metered, in the foreground", Facts{Device: Device{Metered: true}}, Item{Background: true, Foreground: true}, ""},
		{"never metered, in the foreground", Facts{Device: Device{Metered: true, MeteredFront: true}}, Item{Background: true, Foreground: true}, asset.WhyMetered},
		{"paused and metered", Facts{Paused: true, Device: Device{Metered: true}}, Item{}, asset.WhyPaused},
		{"foreground while paused", Facts{Paused: true, EssentialPending: true}, Item{Foreground: true}, ""},
		{"foreground told to come back later", Facts{}, Item{Foreground: true, NextTry: now.Add(1), Reason: why}, asset.WhyRetry},
		{"host in trouble", Facts{HostNotBefore: now.Add(1)}, Item{}, asset.WhyNetwork},
	} {
		c.f.Now = now
		got := ""
		if v := Decide(c.f, c.it); v.Wait != nil {
			got = v.Wait.Code
			if v.Wait.Message == "" || v.Wait.Unblock == "" || v.Wait.Since.IsZero() {
				t.Errorf("%s: a reason without words: %+v", c.name, v.Wait)
			}
		}
		if got != c.want {
			t.Errorf("%s: waits for %q, want %q", c.name, got, c.want)
		}
	}
}

func TestBytesReadsLikeALabel(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9_950: "10 kB", 612_400_000: "612 MB", 999_600: "1.0 MB", 8 << 30: "8.6 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func items(app asset.AppID, host string, n int, essential bool) []Item {
	var out []Item
	for i := range n {
		out = append(out, Item{ID: fmt.Sprintf("%s%d", app, i), App: app, Host: host, Essential: essential})
	}
	return out
}

func TestAssign(t *testing.T) {
	run := func(it Item, order int64) Running { return Running{Item: it, Order: order, Yields: true} }
	a, b := items("a", "h", 3, false), items("b", "h", 3, false)
	ae := items("a", "h", 3, true)
	for _, c := range []struct {
		name    string
		running []Running
		ready   map[asset.AppID][]Item
		served  map[asset.AppID]int64
		want    Plan
	}{
		{"two connections to one host", nil, map[asset.AppID][]Item{"a": a}, nil, Plan{Start: []string{"a0", "a1"}}},
		{"two apps share one host", nil, map[asset.AppID][]Item{"a": a, "b": b}, nil, Plan{Start: []string{"a0", "b0"}}},
		{"the app given less comes first", []Running{run(items("c", "h", 1, false)[0], 1)}, map[asset.AppID][]Item{"a": a, "b": b},
			map[asset.AppID]int64{"a": 10, "b": 5}, Plan{Start: []string{"b0"}}},
		{"a newcomer takes one of two", []Running{run(a[0], 1), run(a[1], 2)}, map[asset.AppID][]Item{"b": b}, nil, Plan{Start: []string{"b0"}, Yield: []string{"a1"}}},
		{"no yield when it would cost bytes", []Running{{Item: a[0]}, {Item: a[1]}}, map[asset.AppID][]Item{"b": b}, nil, Plan{}},
		{"non-essential never displaces essential", []Running{run(ae[0], 1), run(ae[1], 2)}, map[asset.AppID][]Item{"b": b}, nil, Plan{}},
		{"foreground displaces essential", []Running{run(ae[0], 1), run(ae[1], 2)}, map[asset.AppID][]Item{"b": {{ID: "f", App: "b", Host: "h", Foreground: true}}}, nil,
			Plan{Start: []string{"f"}, Yield: []string{"a1"}}},
		{"essential displaces non-essential", []Running{run(b[0], 1), run(b[1], 2)}, map[asset.AppID][]Item{"a": ae}, nil, Plan{Start: []string{"a0", "a1"}, Yield: []string{"b1", "b0"}}},
	} {
		if diff := cmp.Diff(c.want, Assign(Limits{}, c.running, c.ready, c.served)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Limits hold, nothing starts twice, and no connection idles while something fits.
func TestAssignKeepsTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var running []Running
		ready, all := map[asset.AppID][]Item{}, map[string]Item{}
		draw := func(n int) Item {
			return Item{ID: fmt.Sprint(n), App: asset.AppID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "app")),
				Host: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "host"), Essential: rapid.Bool().Draw(t, "essential")}
		}
		started := Plan{}
		for n := range rapid.IntRange(0, 12).Draw(t, "n") {
			it := draw(n)
			ready[it.App] = append(ready[it.App], it)
			all[it.ID] = it
		}
		for round := range 3 {
			p := Assign(Limits{}, running, ready, nil)
			running = slices.DeleteFunc(running, func(r Running) bool { return slices.Contains(p.Yield, r.ID) })
			for n, id := range p.Start {
				it := all[id]
				running = append(running, Running{Item: it, Order: int64(round*100 + n), Yields: true})
				ready[it.App] = slices.DeleteFunc(ready[it.App], func(o Item) bool { return o.ID == id })
			}
			for _, id := range p.Yield {
				ready[all[id].App] = append(ready[all[id].App], all[id])
			}
			hosts := map[string]int{}
			for _, r := range running {
				hosts[r.Host]++
			}
			if len(running) > 4 || hosts["x"] > 2 || hosts["y"] > 2 || hosts["z"] > 2 {
				t.Fatalf("limits broken: %d running, hosts %v", len(running), hosts)
			}
			for _, q := range ready {
				for _, it := range q {
					if len(running) < 4 && hosts[it.Host] < 2 {
						t.Fatalf("%s could run: %d running, hosts %v", it.ID, len(running), hosts)
					}
				}
			}
			started = p
		}
		if len(started.Yield) > 0 {
			t.Fatalf("assignments never settle: %+v", started)
		}
	})
}
