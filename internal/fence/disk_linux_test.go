//go:build !race

package fence

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/internal/fence/escape"
)

// A file system of 192 MiB is filled up, by one file and by many: what the fence
// leaves free lets the service go on writing.
func TestADiskIsNotFilled(t *testing.T) {
	mkfs, err := exec.LookPath("mkfs.ext4")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and mkfs.ext4, to mount a file system from a file")
	}
	for _, layers := range levels {
		for name, language := range map[string]string{Disk: "go", escape.ManyFiles: "python"} {
			t.Run(orBest(layers)+"/"+name, func(t *testing.T) {
				w := newWorld(t)
				group := filepath.Dir(w.container)
				image := filepath.Join(w.outside, "image")
				for _, args := range [][]string{{"truncate", "-s", "192M", image}, {mkfs, "-q", "-m", "0", image}, {"mount", "-o", "loop", image, group}} {
					if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
						t.Skipf("no file system could be mounted: %v: %s", err, out)
					}
				}
				t.Cleanup(func() { _ = exec.Command("umount", "-l", group).Run() })
				for _, dir := range []string{w.container, w.inbox} {
					if err := os.MkdirAll(dir, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				got := w.run(t, name, language, layers)
				free, err := freeBytes(w.container)
				if err != nil || free < 8<<20 {
					t.Errorf("%d MiB are free, %v", free>>20, err)
				}
				t.Logf("%d MiB left free; %q %s", free>>20, got.end.Why, got.out)
				switch {
				case name == Disk && !strings.Contains(got.out, "held: after"):
					t.Error("a single file met no limit")
				case name == escape.ManyFiles && !strings.Contains(got.end.Why, "the disk is nearly full"):
					t.Error("many files met no limit")
				}
			})
		}
	}
}
