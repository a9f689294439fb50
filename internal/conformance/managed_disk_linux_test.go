package conformance

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/client"
)

func TestManaged_5_2_ADiskThatFillsLeavesTheOldVersion(t *testing.T) {
	row(t, "managed §5.2", "During an update the old version stays readable until the new one is installed", "also when the disk fills up at the check, before the download or in the middle of it; once there is room again, it goes on by itself")
	for name, at := range map[string]struct {
		came int64 // bytes of the new version before the disk is full
		free int64
		size int64
	}{
		"at the check":        {0, 0, 64 << 10},
		"before the download": {0, critical + 1<<20, 12 << 20},
		"in the middle":       {2 << 20, 512 << 10, 12 << 20},
		"near the end":        {10 << 20, 512 << 10, 12 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			w, dir := small(t)
			s := newShop(t, w)
			s.sell("level", 1, essential, files{"v.txt": "1"})
			s.opened()
			m := s.manages()
			s.sell("level", 2, essential, files{"v.txt": "2", "large.bin": string(noise(at.size))})
			s.publish()
			if at.came == 0 {
				fill(t, dir, at.free)
			} else {
				s.dam = newDam(at.came)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, _, err := m.CheckForUpdates(ctx)
			cancel()
			if at.came > 0 {
				if err != nil {
					t.Fatal(err)
				}
				<-s.dam.reached
				fill(t, dir, at.free)
				close(s.dam.opened)
			}
			old := s.manages()
			s.reads(old, "v.txt", "1")
			if err := os.Remove(filepath.Join(dir, "others")); err != nil {
				t.Fatal(err)
			}
			if err := old.EnsureLocalAvailability(t.Context(), client.EnsureOptions{RequireLatestVersions: true}, "level"); err != nil {
				t.Fatal(err)
			}
			s.reads(s.manages(), "v.txt", "2")
			s.reads(old, "v.txt", "1")
		})
	}
}
