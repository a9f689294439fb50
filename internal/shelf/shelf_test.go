package shelf

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"larder/internal/fsx"
)

// held tells whether some process has a lease on the view: what prune asks.
func (b *bench) held(n int64) bool {
	b.t.Helper()
	f, err := os.Open(filepath.Join(b.dir, viewName(n)))
	b.must(err)
	defer f.Close()
	err = fsx.TryLock(f, false)
	if err != nil && !errors.Is(err, fsx.ErrLocked) {
		b.t.Fatal(err)
	}
	return err != nil
}

func TestAProcessSeesWhatItSawUntilItAsksToMove(t *testing.T) {
	b := newBench(t)
	s := b.open(Options{})
	a1 := b.tree("a", 1, "", "x")
	one := b.view(a1)
	if got := read(t, s, "x", In{}); got != "-" {
		t.Errorf("it came by itself: %q", got)
	}
	if changed, err := s.Refresh(); !changed || err != nil {
		t.Errorf("refresh: %v, %v", changed, err)
	}
	two := b.view(b.tree("a", 2, "", "x"), b.tree("b", 1, "", "y"))
	if got := read(t, s, "x", In{}) + read(t, s, "y", In{}); got != "a1:x-" {
		t.Errorf("after an update it sees %q", got)
	}
	// Adding brings what is new and leaves the rest.
	wantManaged(t, s.Add("b", "nobody"), 0)
	if _, ok := s.Pack("b"); ok {
		t.Error("a failed Add added something")
	}
	b.must(s.Add("b", "a", "b"))
	if got := read(t, s, "x", In{}) + read(t, s, "y", In{}); got != "a1:xb1:y" {
		t.Errorf("after Add it sees %q", got)
	}
	if !b.held(one) || !b.held(two) {
		t.Error("a view that it uses is not held")
	}
	three := b.view(b.tree("b", 2, "", "y"))
	if changed, err := s.Refresh(); !changed || err != nil {
		t.Errorf("refresh: %v, %v", changed, err)
	}
	if got := read(t, s, "x", In{}) + read(t, s, "y", In{}); got != "-b2:y" {
		t.Errorf("after Refresh it sees %q", got)
	}
	if b.held(one) || b.held(two) || !b.held(three) {
		t.Errorf("held: %v %v %v", b.held(one), b.held(two), b.held(three))
	}
	// The same packs in a new view change nothing, and the old one is let go.
	four := b.view(b.tree("b", 2, "", "y"))
	if changed, err := s.Refresh(); changed || err != nil || b.held(three) || !b.held(four) {
		t.Errorf("refresh: %v, %v; held %v %v", changed, err, b.held(three), b.held(four))
	}
	if changed, err := s.Refresh(); changed || err != nil || !b.held(four) {
		t.Errorf("refresh again: %v, %v", changed, err)
	}
	s.Drop("b", "nobody")
	if got := read(t, s, "y", In{}); got != "-" || !b.held(four) {
		t.Errorf("after Drop it sees %q; held %v", got, b.held(four))
	}
	b.must(s.Add("b"))
	if got := read(t, s, "y", In{}); got != "b2:y" {
		t.Errorf("added again it is %q", got)
	}
	b.must(s.Close())
	if b.held(four) {
		t.Error("Close kept the lease")
	}
}

func TestPacksTheProcessHasLongerGoFirst(t *testing.T) {
	b := newBench(t)
	b.view(b.tree("z", 1, "", "x"))
	s := b.open(Options{})
	b.view(b.tree("z", 2, "", "other"), b.tree("a", 1, "", "x")) // x moved to another pack
	b.must(s.Add("a"))
	if got := read(t, s, "x", In{}); got != "z1:x" {
		t.Errorf("x changed under its feet: %q", got)
	}
}

func TestAViewThatIsBeingRemovedIsNotTaken(t *testing.T) {
	b := newBench(t)
	b.view(b.tree("a", 1, "", "x"))
	name := filepath.Join(b.dir, viewName(1))
	root, err := os.OpenRoot(b.dir)
	b.must(err)
	defer root.Close()

	f, err := openView(root, 1)
	b.must(err)
	defer f.Close()
	pruner, err := os.Open(name)
	b.must(err)
	b.must(fsx.TryLock(pruner, false))
	if v, err := take(root, f, 1); v != nil || err != nil {
		t.Errorf("with the pruner's lock on it: %v, %v", v, err)
	}
	b.must(os.Remove(name))
	b.must(pruner.Close())
	if v, err := take(root, f, 1); v != nil || err != nil {
		t.Errorf("removed: %v, %v", v, err)
	}
}

func TestLookupsGoOnWhileTheProcessMoves(t *testing.T) {
	b := newBench(t)
	a := b.tree("a", 1, "", "x", "dir/p")
	c := b.tree("c", 1, "", "y", "dir/q")
	b.view(a, c)
	s := b.open(Options{Scratch: t.TempDir()})
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := read(t, s, "x", In{}) + read(t, s, "dir/q", In{Language: ""}); got != "a1:xc1:dir/q" {
					t.Errorf("it sees %q", got)
					return
				}
				if entries, err := s.ReadDir("dir", In{}); err != nil || len(entries) != 2 {
					t.Errorf("dir: %v, %v", entries, err)
					return
				}
			}
		})
	}
	for range 50 {
		b.view(a, c)
		if _, err := s.Refresh(); err != nil {
			t.Error(err)
		}
		s.Drop("nobody")
	}
	close(stop)
	group.Wait()
}
