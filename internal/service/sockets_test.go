package service

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSocketsOfKilledServicesAreSweptAndThoseOfOthersAreNot(t *testing.T) {
	shared, err := os.MkdirTemp("/tmp", "s") // short: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(shared) })
	run := func(name string, age time.Duration, make func(socket string)) string {
		dir := filepath.Join(shared, name)
		if err := os.MkdirAll(filepath.Join(dir, "apps"), 0o700); err != nil {
			t.Fatal(err)
		}
		make(filepath.Join(dir, "owner.sock"))
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	listen := func(stays bool) func(string) {
		return func(socket string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			if l.SetUnlinkOnClose(false); stays {
				t.Cleanup(func() { l.Close() })
			} else {
				l.Close()
			}
		}
	}
	nothing := func(string) {}
	gone := []string{run("killed", time.Hour, listen(false)), run("empty", time.Hour, nothing)}
	kept := []string{run("own", time.Hour, nothing), run("alive", time.Hour, listen(true)), run("starting", time.Second, nothing)}
	if err := sweepRun(shared, kept[0]); err != nil {
		t.Error(err)
	}
	for _, dir := range gone {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	for _, dir := range kept {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	if err := sweepRun(filepath.Join(shared, "absent"), ""); err != nil {
		t.Error(err)
	}
}

func TestAServiceThatEndsLeavesNoFolderOfSockets(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.open(w.install(app{}))
	w.stop()
	if _, err := os.Stat(w.dirs.Run); err == nil {
		t.Errorf("%s is left", w.dirs.Run)
	}
}
