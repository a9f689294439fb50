package fence

import (
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Access rights of Landlock by what a rule is for. Rights that an ABI does not know
// are masked off.
const (
	readFile    = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readTree    = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	executeTree = readTree | unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeFile   = readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	writeTree   = writeFile | readTree | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	useDevice  = writeFile | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	fileRights = writeFile | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV // that a rule for a file may have
)

// landlockABI is the version of Landlock that this kernel has; an error where it
// has none.
func landlockABI() (int, error) {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// handled is all that an ABI can deny: with no rule for it, it is denied.
func handled(abi int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: 1<<13 - 1}
	for _, since := range []struct {
		abi             int
		fs, net, scoped uint64
	}{
		{2, unix.LANDLOCK_ACCESS_FS_REFER, 0, 0},
		{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE, 0, 0},
		{4, 0, unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, 0},
		{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV, 0, 0},
		{6, 0, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL},
		{9, unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX, 0, 0},
		{10, 0, unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP, 0},
	} {
		if abi >= since.abi {
			a.Handled_access_fs |= since.fs
			a.Handled_access_net |= since.net
			a.Scoped |= since.scoped
		}
	}
	return a
}

// restrictFiles puts this thread, and what it starts from now on, into a Landlock
// domain where only r may be reached. It is this thread alone by intention: the
// supervisor's other threads stay outside, so that the program can neither signal
// nor trace them. The thread must have no_new_privs.
func restrictFiles(r reach, abi int, private bool) error {
	attr := handled(abi)
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno == unix.E2BIG { // a kernel that knows no quiet rules
		fd, _, errno = unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Offsetof(attr.Quiet_access_fs), 0)
	}
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	if private {
		r.Read = append(r.Read, "/proc")
	}
	for _, rules := range []struct {
		paths  []string
		rights uint64
	}{{r.Execute, executeTree}, {r.Read, readTree}, {r.Devices, useDevice}, {r.Write, writeTree}} {
		for _, p := range rules.paths {
			if err := allow(int(fd), p, rules.rights&attr.Handled_access_fs); err != nil {
				return &fs.PathError{Op: "allow", Path: p, Err: err}
			}
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	} else if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	// The kernel's structure is packed, 12 bytes, as are the first 12 of this one.
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
