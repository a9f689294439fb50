//go:build soak

package shelf

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A million files in fifty packs: what opening costs does not depend on how many there are
// (performance page, P12).
func TestSoakAMillionFilesOpenAtOnce(t *testing.T) {
	b := newBench(t)
	var packs []Pack
	for p := range 50 {
		one := b.tree(fmt.Sprintf("pack%d", p), 1, "", "assets/f")
		root := filepath.Join(b.dir, one.Root)
		for dir := range 20 {
			at := filepath.Join(root, fmt.Sprintf("assets/p%d-%d", p, dir))
			b.must(os.Mkdir(at, 0o755))
			for n := range 1000 {
				b.must(os.Link(filepath.Join(root, "assets/f"), filepath.Join(at, fmt.Sprint(n))))
			}
		}
		b.must(os.Remove(filepath.Join(root, "assets/f")))
		packs = append(packs, one)
	}
	b.view(packs...)
	begun := time.Now()
	s := b.open(Options{})
	opened := time.Since(begun)
	f, err := s.Open("assets/p49-19/999", In{})
	b.must(err)
	first := time.Since(begun)
	b.must(f.Close())
	begun = time.Now()
	f, err = s.Open("assets/p0-0/0", In{})
	b.must(err)
	b.must(f.Close())
	t.Logf("opening a million files in 50 packs: %v, with the first file of them %v; a second file %v", opened, first, time.Since(begun))
	if first > 200*time.Millisecond {
		t.Error("more than 200 ms")
	}
}
