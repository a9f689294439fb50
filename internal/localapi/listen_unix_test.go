//go:build unix

package localapi

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/dirs"
)

func TestSocketAndFolderAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "apps", "a.sock")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %04o", p, info.Mode(), err, want)
		}
	}
	ln.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket outlived its listener: %v", err)
	}
}

func TestAStaleSocketIsReplacedAndALiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "owner.sock")
	dead, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false) // as after kill -9
	dead.Close()
	live, err := Listen(path)
	if err != nil {
		t.Fatalf("the stale socket was not replaced: %v", err)
	}
	defer live.Close()
	if _, err := Listen(path); asset.CodeOf(err) != asset.CodeState {
		t.Errorf("a second listener: %v", err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the live socket was harmed: %v", err)
	} else {
		conn.Close()
	}
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "owner.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); asset.CodeOf(err) != asset.CodeConfiguration {
		t.Errorf("Listen = %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "precious" {
		t.Error("the file was removed")
	}
}

func TestAFolderThatOthersMayEnterBelowTmpIsRefused(t *testing.T) {
	base, err := os.MkdirTemp("/tmp", "larder-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	mine := os.Geteuid()
	dir := func(name string, mode fs.FileMode) string {
		t.Helper()
		d := filepath.Join(base, name)
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
		return d
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(dir("target", 0o700), link); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dir string
		uid int
		ok  bool
	}{
		"own":               {dir("own", 0o700), mine, true},
		"made":              {filepath.Join(base, "new", "deep"), mine, true},
		"group may enter":   {dir("group", 0o750), mine, false},
		"world may look":    {dir("world", 0o704), mine, false},
		"another user's":    {dir("theirs", 0o700), mine + 1, false},
		"link":              {link, mine, false},
		"below a link":      {filepath.Join(link, "deep"), mine, false},
		"below a writable":  {filepath.Join(dir("shared", 0o777), "run"), mine, false},
		"below a readable":  {filepath.Join(dir("read", 0o755), "run"), mine, true},
		"a file in the way": {filepath.Join("/dev/null", "run"), mine, false},
	} {
		err := privateDir(tt.dir, tt.uid)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && asset.CodeOf(err) != asset.CodeConfiguration {
			t.Errorf("%s: the error is not typed: %v", name, err)
		}
	}
}

func TestALongDataDirectoryStillHasSockets(t *testing.T) {
	d, err := dirs.Find(filepath.Join(t.TempDir(), strings.Repeat("long/", 60)))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Dir(d.Run)) // only when no other service uses it
	defer os.RemoveAll(d.Run)
	for _, path := range []string{d.OwnerSocket(), d.AppSocket(game)} {
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		server := NewServer(newFake(), new(Hub), asset.ServiceStatus{})
		go server.ServeOwner(ln)
		if _, err := NewAppClient(path).Hello(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		server.Close()
	}
	if _, err := Listen("/tmp/" + strings.Repeat("x", 200)); asset.CodeOf(err) != asset.CodeConfiguration || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a path too long: %v", err)
	}
}

func TestAnOpenFolderElsewhereIsClosed(t *testing.T) {
	dir := elsewhere(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := privateDir(dir, os.Geteuid()); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %04o", info.Mode().Perm())
	}
}

// elsewhere makes a folder that does not lie below one that all may write, as
// temporary folders do.
func elsewhere(t *testing.T) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = here
	}
	for _, parent := range []string{here, cache} {
		if os.MkdirAll(parent, 0o700) != nil || sharedAbove(parent) != "" {
			continue
		}
		dir, err := os.MkdirTemp(parent, "run-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dir) })
		return dir
	}
	t.Fatal("neither the checkout nor the cache folder lies outside of folders that all may write")
	return ""
}
