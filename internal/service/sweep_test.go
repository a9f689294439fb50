package service

import (
	"os"
	"path/filepath"
	"testing"

	"larder/asset"
)

// A kill between the row and the file leaves a file that nobody waits for.
func TestAStartSweepsFilesThatNoDownloadNeeds(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.install(app{manifest: manifest{Downloads: []asset.Download{w.put("x", 1000, true, "")}, Behave: "refuse"}})
	kept := find(w.until(id, "it is finished", func(st asset.AppStatus) bool { return find(st, "x").FilePath != "" }), "x").FilePath
	w.stop()
	group := asset.GroupID("group." + id)
	stray := []string{filepath.Join(w.dirs.Inbox(group, id), "acknowledged"), filepath.Join(w.dirs.Partial(group, id), "cancelled")}
	for _, path := range stray {
		w.write(path, []byte("bytes"), 0o600)
	}
	beside := filepath.Join(w.dirs.Partial(group, id), filepath.Base(kept)+".archive")
	w.write(beside, []byte("bytes"), 0o600)
	w.start()
	for _, path := range stray {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range []string{kept, beside} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
