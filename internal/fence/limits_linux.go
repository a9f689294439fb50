package fence

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const capabilities = 64 // as many as the kernel's sets can hold

// dropRights takes all capabilities from this thread, for good.
func dropRights() error {
	for c := range uintptr(capabilities) {
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) // fails for one that does not exist, or without rights to drop
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// limitResources bounds each process by itself, and reports whether the kernel
// bounds their number too. RLIMIT_AS is not among them: Go and Node die of it.
func limitResources(s Spec, private bool) (tasks bool) {
	set := func(what int, n uint64) bool { return unix.Setrlimit(what, &unix.Rlimit{Cur: n, Max: n}) == nil }
	set(unix.RLIMIT_CORE, 0)
	set(unix.RLIMIT_NOFILE, maxFiles)
	set(unix.RLIMIT_MSGQUEUE, 0)
	set(unix.RLIMIT_DATA, uint64(memoryOf(s))+dataSlack)
	if free, err := freeBytes(s.Container); err == nil { // one file alone cannot fill the disk
		set(unix.RLIMIT_FSIZE, uint64(max(free-floorFor(free), 0)))
	}
	if os.Geteuid() != 0 {
		// The limit counts all processes of the user, but in a user namespace only its own.
		return set(unix.RLIMIT_NPROC, uint64(maxTasks+tasksOfUser(private)))
	}
	// Root is exempt. Since Linux 6.14 each PID namespace has a highest number.
	return private && os.WriteFile("/proc/sys/kernel/pid_max", strconv.AppendInt(nil, maxTasks, 10), 0) == nil
}

// tasksOfUser is how many processes and threads the user has besides.
func tasksOfUser(private bool) int {
	if private {
		return 0
	}
	n := 0
	for _, p := range processes() {
		if st, err := os.Stat("/proc/" + strconv.Itoa(p.pid)); err == nil && ownedByUs(st) {
			n += p.threads
		}
	}
	return n
}

// floorFor is how many bytes must stay free where free bytes are free now: on a
// disk that is nearly full already a program gets a little, and at most half.
func floorFor(free int64) int64 { return min(freeFloor, max(free-leeway, free/2)) }

// freeBytes is what an ordinary user may still write where dir lies.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	size := st.Frsize
	if size <= 0 {
		size = st.Bsize
	}
	return int64(min(st.Bavail, 1<<62/uint64(max(size, 1)))) * size, nil
}
