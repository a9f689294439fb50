package localapi

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"larder/asset"
)

type key struct {
	app    asset.AppID
	unique string
}

// truth is the service's state as the test publishes it.
type truth struct {
	mu    sync.Mutex
	state map[key]asset.DownloadState
}

// publish changes the truth, then tells the hub, as the service must.
func (tr *truth) publish(h *Hub, k key, kind asset.EventType) {
	state := asset.StateDownloading
	switch kind {
	case asset.EventFinished:
		state = asset.StateFinished
	case asset.EventFailed:
		state = asset.StateFailed
	}
	tr.mu.Lock()
	tr.state[k] = state
	tr.mu.Unlock()
	h.Publish(asset.Event{Type: kind, App: k.app, Download: &asset.DownloadStatus{UniqueIdentifier: k.unique, State: state}})
}

func (tr *truth) settled(k key) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.state[k].Settled()
}

func (tr *truth) of(app asset.AppID) map[key]asset.DownloadState {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	out := map[key]asset.DownloadState{}
	for k, s := range tr.state {
		if app == "" || k.app == app {
			out[k] = s
		}
	}
	return out
}

// view is what a reader of the stream believes.
type view struct {
	app     asset.AppID
	state   map[key]asset.DownloadState
	seq     uint64
	snapped bool
	lines   int
	resyncs int
}

func (v *view) take(ev asset.Event, tr *truth) error {
	v.lines++
	switch {
	case !v.snapped && ev.Type != asset.EventSnapshot:
		return fmt.Errorf("%s came where a snapshot must", ev.Type)
	case ev.Type == asset.EventSnapshot:
		if ev.Seq < v.seq {
			return fmt.Errorf("seq fell from %d to %d", v.seq, ev.Seq)
		}
		v.snapped, v.state = true, tr.of(v.app)
	case ev.Type == asset.EventResync:
		v.snapped = false
		v.resyncs++
	default:
		if ev.Seq <= v.seq {
			return fmt.Errorf("seq %d followed %d", ev.Seq, v.seq)
		}
		if v.app != "" && ev.App != v.app {
			return fmt.Errorf("an event of %s reached the reader of %s", ev.App, v.app)
		}
		k := key{ev.App, ev.Download.UniqueIdentifier}
		if old := v.state[k]; !old.Settled() { // the snapshot may be newer than its seq
			v.state[k] = ev.Download.State
		}
	}
	v.seq = ev.Seq
	return nil
}

func (v *view) settled() int {
	n := 0
	for _, s := range v.state {
		if s.Settled() {
			n++
		}
	}
	return n
}

func TestNoReaderLosesATerminalStateHoweverSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hub
		tr := &truth{state: map[key]asset.DownloadState{}}
		apps := []asset.AppID{game, paint}
		views := []*view{{app: ""}, {app: game}}
		subs := make([]*Subscription, len(views))
		for i, v := range views {
			subs[i] = h.Subscribe(v.app)
		}
		step := func(i int) bool {
			ev, ok := subs[i].take()
			if ok {
				if err := views[i].take(ev, tr); err != nil {
					t.Fatal(err)
				}
			}
			return ok
		}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "read") {
				i := rapid.IntRange(0, 1).Draw(t, "reader")
				for range rapid.IntRange(1, 300).Draw(t, "lines") {
					step(i)
				}
				continue
			}
			from := rapid.IntRange(0, 500).Draw(t, "download")
			kind := rapid.SampledFrom([]asset.EventType{asset.EventBegan, asset.EventProgress, asset.EventFinished, asset.EventFailed}).Draw(t, "kind")
			for n := range rapid.IntRange(1, 400).Draw(t, "burst") {
				k := key{apps[n%2], fmt.Sprint(from + n)}
				if !tr.settled(k) {
					tr.publish(&h, k, kind)
				}
			}
		}
		for i, v := range views {
			for step(i) {
			}
			if diff := cmp.Diff(tr.of(v.app), v.state); diff != "" {
				t.Fatalf("reader of %q: truth (-) and belief (+) differ:\n%s", v.app, diff)
			}
			if subs[i].queue != nil && cap(subs[i].queue) > 4*queueSize {
				t.Fatalf("the queue grew to %d", cap(subs[i].queue))
			}
		}
	})
}

func TestConcurrentPublishersAndSlowReadersAgreeInTheEnd(t *testing.T) {
	var h Hub
	tr := &truth{state: map[key]asset.DownloadState{}}
	const each = 3000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var readers, publishers sync.WaitGroup
	published := make(chan struct{})
	still := &view{} // stands still until all is published; the others read meanwhile
	views := []*view{still, {app: game}, {app: paint}}
	for _, v := range views {
		all := each
		if v == still {
			all = 2 * each
		}
		sub := h.Subscribe(v.app)
		defer sub.Close()
		next := func() (asset.Event, error) {
			ev, err := sub.Next(ctx)
			if err == nil {
				err = v.take(ev, tr)
			}
			return ev, err
		}
		if _, err := next(); err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			if v == still {
				<-published
			}
			for v.settled() < all {
				ev, err := next()
				if err != nil {
					t.Errorf("reader of %q, %d of %d settled, at %+v: %v", v.app, v.settled(), all, ev, err)
					return
				}
			}
		})
	}
	for _, app := range []asset.AppID{game, paint} {
		publishers.Go(func() {
			for n := range each {
				k := key{app, fmt.Sprint(n)}
				tr.publish(&h, k, asset.EventProgress)
				tr.publish(&h, k, asset.EventFinished)
			}
		})
	}
	publishers.Wait()
	close(published)
	readers.Wait()
	if still.resyncs == 0 {
		t.Error("a reader that stood still was not told to resync")
	}
}

func TestProgressOfOneDownloadCoalescesAndKeepsItsPlaceAmongOthers(t *testing.T) {
	var h Hub
	sub := h.Subscribe("")
	sub.take() // the snapshot
	publish := func(kind asset.EventType, unique string, bytes int64) {
		h.Publish(asset.Event{Type: kind, App: game, Download: &asset.DownloadStatus{UniqueIdentifier: unique, Bytes: bytes}})
	}
	publish(asset.EventBegan, "a", 0)
	for n := range int64(1000) {
		publish(asset.EventProgress, "a", n)
		publish(asset.EventProgress, "b", n)
	}
	publish(asset.EventFinished, "a", 1000)
	var got []string
	for ev, ok := sub.take(); ok; ev, ok = sub.take() {
		got = append(got, fmt.Sprint(ev.Seq, " ", ev.Type, " ", ev.Download.UniqueIdentifier, " ", ev.Download.Bytes))
	}
	want := []string{"1 began a 0", "2000 progress a 999", "2001 progress b 999", "2002 finished a 1000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAppCannotCountTheEventsOfOthers(t *testing.T) {
	var h Hub
	sub := h.Subscribe(game)
	for range 5 {
		h.Publish(asset.Event{Type: asset.EventApp, App: paint})
	}
	if ev, _ := sub.take(); ev.Seq != 0 || ev.Type != asset.EventSnapshot {
		t.Errorf("first event = %+v", ev)
	}
	h.Publish(asset.Event{Type: asset.EventApp, App: paint})
	h.Publish(asset.Event{Type: asset.EventApp, App: game})
	if ev, _ := sub.take(); ev.Seq != 1 || ev.App != game {
		t.Errorf("second event = %+v", ev)
	}
}
