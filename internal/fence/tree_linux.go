package fence

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one line of the process table.
type process struct {
	pid, parent, threads int
	dead                 bool // waits to be reaped
}

// processes reads the process table.
func processes() (list []process) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if p, ok := parseStat(stat); ok {
			p.pid = pid
			list = append(list, p)
		}
	}
	return list
}

// parseStat reads /proc/PID/stat. The name, second, may hold anything.
func parseStat(stat []byte) (p process, ok bool) {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 18 || len(f[0]) != 1 {
		return p, false
	}
	p.dead = f[0][0] == 'Z' || f[0][0] == 'X'
	p.parent, _ = strconv.Atoi(string(f[1]))
	p.threads, _ = strconv.Atoi(string(f[17]))
	return p, true
}

// descendants lists all living processes below root. Since orphans below a
// supervisor become its own children, none is left out.
func descendants(root int) (list []process) {
	children := map[int][]process{}
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p)
	}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			next = append(next, p.pid)
			if !p.dead {
				list = append(list, p)
			}
		}
	}
	return list
}

// sweep kills all below root until none is left, or for the given time.
func sweep(root int, limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		list := descendants(root)
		if len(list) == 0 {
			return
		}
		for _, p := range list {
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
	}
}

// memoryUsed is the memory of all of them in bytes that no file stands behind. What
// they share since a fork is counted for each at first, and when that is beyond
// limit, divided among them, which takes the kernel longer to find out.
func memoryUsed(list []process, limit int64) int64 {
	var resident, shared int64
	for _, p := range list {
		status, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/status")
		resident += kibibytes(status, "\nRssAnon:") + kibibytes(status, "\nRssShmem:")
	}
	if resident <= limit || len(list) == 1 {
		return resident
	}
	for _, p := range list {
		rollup, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/smaps_rollup")
		if errors.Is(err, fs.ErrPermission) {
			return resident
		}
		shared += kibibytes(rollup, "\nPss_Anon:") + kibibytes(rollup, "\nPss_Shmem:")
	}
	return shared
}

func kibibytes(status []byte, key string) int64 {
	_, rest, _ := bytes.Cut(status, []byte(key))
	value, _, _ := bytes.Cut(rest, []byte(" kB"))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	return n << 10
}

func ownedByUs(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}
