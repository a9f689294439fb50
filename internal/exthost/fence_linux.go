package exthost

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	memoryEvery = 50 * time.Millisecond // how often the members' memory is read
	groupEvery  = 5                     // of these, how many until /proc is searched for members again
	// dataSlack is what RLIMIT_DATA leaves above the limit: Go and Node map far
	// more than they touch. It is a stop for a burst between two looks.
	dataSlack = 1 << 30
)

// awaitExit waits until the process has ended, and leaves its number taken.
func awaitExit(cmd *exec.Cmd) {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// limit bounds the memory of one process, and keeps it from leaving core files. A
// process that has already ended needs none.
func limit(pid int, memory int64) {
	data := uint64(memory) + dataSlack
	_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: data, Max: data}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}

// watchMemory ends the process group when its members together hold more than the
// limit. Pages that two members share count twice.
func (p *Process) watchMemory() {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	group := p.cmd.Process.Pid
	members := []int{group}
	for look := 0; ; look++ {
		select {
		case <-p.exited:
			return
		case <-tick.C:
		}
		if look%groupEvery == 0 {
			members = membersOf(group)
		}
		var used int64
		for _, pid := range members {
			used += memoryOf(pid)
		}
		if used > p.spec.MemoryLimit {
			p.end(fmt.Sprintf("it used %d MiB of memory; %d MiB are allowed", used>>20, p.spec.MemoryLimit>>20))
			return
		}
	}
}

// membersOf lists the processes of a process group.
func membersOf(group int) []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return []int{group}
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var members []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if g, err := unix.Getpgid(pid); err == nil && g == group {
				members = append(members, pid)
			}
		}
	}
	return members
}

// memoryOf is the resident memory of a process in bytes that no file stands
// behind; 0 when it is gone.
func memoryOf(pid int) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	return kibibytes(status, "\nRssAnon:") + kibibytes(status, "\nRssShmem:")
}

func kibibytes(status []byte, key string) int64 {
	_, rest, _ := bytes.Cut(status, []byte(key))
	value, _, _ := bytes.Cut(rest, []byte(" kB"))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	return n << 10
}
