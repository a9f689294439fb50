//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/fault"
	"larder/internal/localapi"
)

// upgrade is a machine with one version of Larder, and a newer one beside it.
type upgrade struct {
	*testing.T
	larder, next string
	dirs         dirs.Dirs
	server       *fault.Server
}

func newUpgrade(t *testing.T) *upgrade {
	t.Helper()
	bin := t.TempDir()
	u := &upgrade{T: t, larder: filepath.Join(bin, "larder"), next: filepath.Join(bin, ".larder.new"), server: fault.Start()}
	t.Cleanup(u.server.Close)
	for version, path := range map[string]string{"1.0.0": u.larder, "2.0.0": u.next} {
		build := exec.Command("go", "build", "-ldflags", "-X main.version="+version, "-o", path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	data := t.TempDir()
	t.Setenv("LARDER_DATA", data)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var err error
	if u.dirs, err = dirs.Find(data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command(u.larder, "service", "stop").Run() })
	return u
}

// run gives what the installed version says on both outputs.
func (u *upgrade) run(args ...string) string {
	u.Helper()
	out, err := exec.Command(u.larder, args...).CombinedOutput()
	if err != nil {
		u.Fatalf("larder %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// bundle writes an app whose extension is this test's, and which wants one file.
func (u *upgrade) bundle(id, file string, size int64) string {
	u.Helper()
	m := testManifest{Downloads: []asset.Download{{Identifier: file, URL: u.server.URL + "/" + file, FileSize: size, Essential: true}}}
	u.server.Handle("/"+id+".json", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(m) }))
	extension, err := exec.LookPath("test-extension")
	if err != nil {
		u.Fatal(err)
	}
	dir := u.TempDir()
	for name, text := range map[string]string{
		"Info.json": fmt.Sprintf(`{"CFBundleIdentifier": "%[1]s", "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": "1", "CFBundleExecutable": "app",
			"BAManifestURL": "%[2]s/%[1]s.json", "BAMaxInstallSize": 0, "BAEssentialMaxInstallSize": 0, "BAInitialDownloadRestrictions":
			{"BADownloadAllowance": 1073741824, "BAEssentialDownloadAllowance": 1073741824, "BADownloadDomainAllowList": ["127.0.0.1"]}}`, id, u.server.URL),
		"Extensions/Test.appex/Info.json": `{"CFBundleIdentifier": "` + id + `.test", "CFBundleExecutable": "extension",
			"EXAppExtensionAttributes": {"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}}`,
		"Extensions/Test.appex/extension": "#!" + extension + "\n",
		"bin/app":                         "#!/bin/sh\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			u.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			u.Fatal(err)
		}
	}
	return dir
}

// untilBig waits for a state of the one download of org.example.big.
func (u *upgrade) untilBig(what string, ok func(asset.DownloadStatus) bool) (d asset.DownloadStatus) {
	u.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		st, err := localapi.NewClient(u.dirs).App(u.Context(), "org.example.big")
		if err != nil {
			u.Fatal(err)
		}
		if len(st.Downloads) > 0 {
			d = st.Downloads[0]
		}
		if ok(d) {
			return d
		}
	}
	u.Fatalf("big.bin does not come to have %s; it is %+v", what, d)
	return d
}

// held is how many bytes of unfinished downloads are on the disk.
func (u *upgrade) held() (bytes int64) {
	u.Helper()
	err := filepath.WalkDir(u.dirs.Partial("group.org.example.big", "org.example.big"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		u.Fatal(err)
	}
	return bytes
}

func TestUpdatingTheProgramUnderADownloadLosesNothing(t *testing.T) {
	u := newUpgrade(t)
	const size, slow = 64 << 20, 4 << 20
	big, small := fault.Content(7, size), fault.Content(8, 1000)
	u.server.Put("/big.bin", fault.File{Content: big, Rate: slow})
	u.server.Put("/small.bin", fault.File{Content: small})
	u.run("app", "install", u.bundle("org.example.big", "big.bin", size))
	before := u.untilBig("4 MiB", func(d asset.DownloadStatus) bool { return d.Bytes >= 4<<20 })

	if err := os.Rename(u.next, u.larder); err != nil { // as package managers replace a program
		t.Fatal(err)
	}
	if said := u.run("status"); !strings.Contains(said, `the running service is larder 1.0.0, this program 2.0.0; restart it with "larder service restart"`) {
		t.Errorf("the new version says nothing of the old service:\n%s", said)
	}
	if said := u.run("status", "--quiet"); strings.Contains(said, "1.0.0, this program") {
		t.Errorf("--quiet says:\n%s", said)
	}
	u.run("app", "install", "--wait", u.bundle("org.example.small", "small.bin", small.Size)) // the old version still runs extensions
	u.untilBig("more bytes", func(d asset.DownloadStatus) bool { return d.Bytes > before.Bytes })

	u.run("service", "stop")
	held := u.held()
	u.server.ResetLog()
	u.server.Put("/big.bin", fault.File{Content: big})
	if said := u.run("service", "restart"); !strings.Contains(said, "larder 2.0.0 runs") {
		t.Errorf("restart says:\n%s", said)
	}
	u.untilBig("all bytes", func(d asset.DownloadStatus) bool { return d.State == asset.StateFinished && d.FilePath == "" })
	if said := u.run("status"); strings.Contains(said, "the running service") {
		t.Errorf("after the restart the version is still told:\n%s", said)
	}

	begun := 0
	for _, r := range u.server.Requests() {
		if r.Path != "/big.bin" {
			continue
		}
		begun++
		if again := held - r.Start; again > 1<<20 || r.Start > held {
			t.Errorf("with %d bytes on the disk, the new version asked for those from %d on", held, r.Start)
		}
	}
	if begun != 1 {
		t.Errorf("the new version asked %d times, want once", begun)
	}
	for app, want := range map[string]fault.Bytes{"big": big, "small": small} {
		f, err := os.Open(filepath.Join(u.dirs.Container(asset.GroupID("group.org.example."+app)), app+".bin"))
		if err != nil {
			t.Fatal(err)
		}
		h, sum := sha256.New(), want.Sum256()
		if _, err := io.Copy(h, f); err != nil || !bytes.Equal(h.Sum(nil), sum[:]) {
			t.Errorf("%s.bin has other bytes than were served (%v)", app, err)
		}
		f.Close()
	}
}
