package shelf

import (
	"fmt"
	"path/filepath"
	"testing"

	"os"
)

// P12 of the performance page: finding and opening a file against os.Open of its path.
func BenchmarkOpen(b *testing.B) {
	t := newBench(b)
	var packs []Pack
	var flat, deep []string
	for p := range 100 {
		var files []string
		for i := range 20 {
			files = append(files, fmt.Sprintf("assets/f%d-%d", p, i), fmt.Sprintf("levels/p%d/area/part/f%d", p, i))
		}
		packs = append(packs, t.tree(fmt.Sprintf("pack%d", p), 1, "", files...))
		flat, deep = append(flat, files[0]), append(deep, files[1])
	}
	t.view(packs...)
	s := t.open(Options{})
	for name, files := range map[string][]string{"flat": flat, "deep": deep} {
		paths := make([]string, len(files))
		for i, f := range files {
			var err error
			if paths[i], err = s.Path(f, In{}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name+"/shelf", func(b *testing.B) {
			for i := range b.N {
				f, err := s.Open(files[i%len(files)], In{})
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
		b.Run(name+"/os", func(b *testing.B) {
			for i := range b.N {
				f, err := os.Open(filepath.Clean(paths[i%len(paths)]))
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
