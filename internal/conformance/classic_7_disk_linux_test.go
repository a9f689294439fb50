package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"larder/asset"
)

// critical is what has to be free in these tests, an eighth of the usual.
const critical = 8 << 20

// small mounts a file system of 64 MiB for a world of its own.
func small(t *testing.T) (w *world, dir string) {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("needs root, to mount a file system")
	}
	dir, err := os.MkdirTemp("", "conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("larder-test", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal("mounting a file system:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		_ = os.Remove(dir)
	})
	if w, err = prepare(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	w.config.Critical = critical
	w.restart(t)
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the service's log:\n%s", &w.log)
		}
	})
	return w, dir
}

// fill writes a file of others' until no more than that many bytes are free.
func fill(t *testing.T, dir string, free int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "others"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	for err = unix.ENOSPC; errors.Is(err, unix.ENOSPC); { // somebody writes beside us
		if err = unix.Statfs(dir, &st); err == nil && int64(st.Bavail)*st.Bsize > free {
			err = unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-free)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestClassic_7_FullDiskIsRelieved(t *testing.T) {
	row(t, "classic §7", "Bad citizenship named by Apple: assets that block what the system needs the space for", "on a real file system that somebody else fills up, purging makes room, oldest first and no more than needed, and a download that waits for space goes on")
	w, dir := small(t)
	marks(t, w)
	a := newApp(t, w)
	const size = 2 << 20
	a.launched(a.put("a", size, true), a.put("b", size, true), a.put("c", size, true), a.put("d", size, true), a.put("e", size, true), a.put("changed", size, true))
	a.untilTaken("a", "b", "c", "d", "e", "changed")
	if err := os.Truncate(a.container("changed"), size-1); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, critical-1<<20) // the goal is twice that
	a.schedule(a.manager(), a.put("new", 100_000, false))
	a.untilTaken("new")
	a.holds("new", 100_000)
	left := 0
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if a.exists(name) {
			left++
		}
	}
	if left != 0 && left != 1 || !a.exists("changed") { // 9 MiB had to go: five files of 2
		t.Errorf("%d of five purgeable files are left; the changed one: %v", left, a.exists("changed"))
	}
	st, err := w.owner.Storage(t.Context())
	if err != nil || st.Free < st.Goal-1<<20 || st.Critical != critical {
		t.Errorf("afterwards: %+v, %v", st, err)
	}
	if files := a.untilPurged(a.manager()); len(files) != 5-left {
		t.Errorf("told: %+v", files)
	}
}

func TestClassic_7_EnoughSpacePurgesNothing(t *testing.T) {
	row(t, "classic §7", "Only critically low space purges", "with a little more than what is critical free nothing is purged; a download that does not fit waits, and says so")
	w, dir := small(t)
	a := newApp(t, w)
	a.launched(a.put("a", 2<<20, true))
	a.untilTaken("a")
	fill(t, dir, critical+1<<20)
	a.schedule(a.manager(), a.put("new", 2<<20, false))
	a.until("it waits for space", func(st asset.AppStatus) bool {
		d := find(st, "new")
		return d.Reason != nil && d.Reason.Code == asset.WhyNoSpace
	})
	if u := a.used(); !a.exists("a") || u.Purgeable != 2<<20 {
		t.Errorf("it uses %+v", u)
	}
}
