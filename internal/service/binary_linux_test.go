package service

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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
