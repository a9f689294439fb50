package service

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

const mebibyte = 1 << 20

// The real binary, without the race detector: what a person's machine runs.
func (w *world) startBinary() (pid int) {
	w.Helper()
	bin := filepath.Join(w.TempDir(), "larder")
	build := exec.Command("go", "build", "-o", bin, "larder/cmd/larder")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "service", "run", "--data", w.dirs.Data)
	log, err := os.Create(filepath.Join(filepath.Dir(bin), "service.log"))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { log.Close() })
	w.log, cmd.Stderr = log.Name(), log
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := w.client.Hello(w.Context()); err == nil {
			return cmd.Process.Pid
		} else if time.Now().After(deadline) {
			w.Fatal(err)
		}
	}
}

// status reads one number of /proc/PID/status, or the sum over all threads.
func (w *world) status(path, key string) (n int64) {
	w.Helper()
	files, err := filepath.Glob(path)
	if err != nil {
		w.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue // a thread that ended
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
				v, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				n += v
			}
		}
		f.Close()
	}
	return n
}

func (w *world) rss(pid int) int64 {
	return w.status(fmt.Sprintf("/proc/%d/status", pid), "VmRSS") << 10
}
func (w *world) wakeUps(pid int) int64 {
	return w.status(fmt.Sprintf("/proc/%d/task/*/status", pid), "voluntary_ctxt_switches")
}

// most runs f and gives the largest resident memory seen meanwhile.
func (w *world) most(pid int, f func()) (most int64) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for {
		select {
		case <-done:
			return max(most, w.rss(pid))
		case <-time.After(20 * time.Millisecond):
			most = max(most, w.rss(pid))
		}
	}
}

func TestServiceStaysSmallAndQuiet(t *testing.T) {
	w := newWorld(t)
	pid := w.startBinary()
	var m manifest
	for n := range 4 {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("part", n), 128<<20, true, ""))
	}
	for n := range 500 {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("small", n), 2000, n%2 == 0, ""))
	}
	installing := w.most(pid, func() { w.open(w.install(app{manifest: m})) })
	t.Logf("installing 512 MiB and 500 small files: %.1f MiB", float64(installing)/mebibyte)
	if installing > 64*mebibyte {
		t.Error("more than 64 MiB while installing")
	}
	hostile := w.most(pid, func() {
		w.open(w.install(app{id: "org.example.many", manifest: manifest{Many: 60_000, Downloads: []asset.Download{{Identifier: "x", URL: w.server.URL + "/nothing", FileSize: 1}}}}))
		if err := w.client.Uninstall(t.Context(), "org.example.many"); err != nil {
			t.Error(err)
		}
		w.open(w.install(app{id: "org.example.flood", manifest: manifest{Flood: 8 << 30}}))
	})
	t.Logf("an answer of 60,000 downloads, and 8 GiB on standard output: %.1f MiB", float64(hostile)/mebibyte)
	if hostile > 64*mebibyte {
		t.Error("more than 64 MiB with hostile extensions")
	}
	w.until("org.example.game", "all is handed over", func(st asset.AppStatus) bool {
		for _, d := range st.Downloads {
			if d.State != asset.StateFinished || d.FilePath != "" {
				return false
			}
		}
		return true
	})
	time.Sleep(5 * time.Second) // what is measured is real idleness
	before := w.wakeUps(pid)
	time.Sleep(20 * time.Second)
	wakeUps, idle := float64(w.wakeUps(pid)-before)/20, w.rss(pid)
	t.Logf("idle: %.1f MiB (%.1f of them the program's file), %.2f wake-ups per second", float64(idle)/mebibyte,
		float64(w.status(fmt.Sprintf("/proc/%d/status", pid), "RssFile"))/1024, wakeUps)
	if idle > 30*mebibyte || wakeUps > 1 {
		t.Error("more than 30 MiB or one wake-up per second when idle")
	}
	if _, err := w.client.Launch(t.Context(), "org.example.game", localapi.LaunchRequest{}); err != nil {
		t.Error(err)
	}
}
