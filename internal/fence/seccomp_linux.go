package fence

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// auditArch is what the kernel calls the architecture of a system call.
var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// refused are the system calls that a program in the fence has no use for and that
// would lead out of it, with the error they give. Without socket there is no network
// and no Unix socket; socketpair stays, which runtimes want.
var refused = map[uint32]unix.Errno{
	unix.SYS_SOCKET: unix.EPERM, unix.SYS_IO_URING_SETUP: unix.ENOSYS, unix.SYS_PIDFD_GETFD: unix.EPERM,
	// Memory that is nobody's until it is mapped.
	unix.SYS_MEMFD_CREATE: unix.EPERM, unix.SYS_MEMFD_SECRET: unix.EPERM, unix.SYS_SHMGET: unix.EPERM, unix.SYS_MSGGET: unix.EPERM,
	unix.SYS_SEMGET: unix.EPERM, unix.SYS_MQ_OPEN: unix.EPERM,
	// Other processes.
	unix.SYS_PTRACE: unix.EPERM, unix.SYS_PROCESS_VM_READV: unix.EPERM, unix.SYS_PROCESS_VM_WRITEV: unix.EPERM, unix.SYS_KCMP: unix.EPERM,
	unix.SYS_PROCESS_MADVISE: unix.EPERM,
	// Namespaces and mounts, where a program could have rights that it lacks here.
	unix.SYS_UNSHARE: unix.EPERM, unix.SYS_SETNS: unix.EPERM, unix.SYS_MOUNT: unix.EPERM, unix.SYS_UMOUNT2: unix.EPERM,
	unix.SYS_PIVOT_ROOT: unix.EPERM, unix.SYS_CHROOT: unix.EPERM, unix.SYS_FSOPEN: unix.EPERM, unix.SYS_FSMOUNT: unix.EPERM,
	unix.SYS_OPEN_TREE: unix.EPERM, unix.SYS_MOVE_MOUNT: unix.EPERM, unix.SYS_MOUNT_SETATTR: unix.EPERM,
	unix.SYS_CLONE3: unix.ENOSYS, // its flags cannot be read here; runtimes fall back to clone
	// Parts of the kernel that have often had holes.
	unix.SYS_BPF: unix.EPERM, unix.SYS_PERF_EVENT_OPEN: unix.EPERM, unix.SYS_USERFAULTFD: unix.EPERM, unix.SYS_KEYCTL: unix.EPERM,
	unix.SYS_ADD_KEY: unix.EPERM, unix.SYS_REQUEST_KEY: unix.EPERM, unix.SYS_OPEN_BY_HANDLE_AT: unix.EPERM, unix.SYS_SYSLOG: unix.EPERM,
	unix.SYS_KEXEC_LOAD: unix.EPERM, unix.SYS_INIT_MODULE: unix.EPERM, unix.SYS_FINIT_MODULE: unix.EPERM,
}

const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data; the low half of an argument, on the little-endian
// systems that auditArch names.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

// filterProgram is the filter for this machine, as instructions. Programs of another
// architecture (32 bits) can do nothing at all.
func filterProgram(arch uint32) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	give := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	jump := func(kind uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | kind | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	no := func(e unix.Errno) unix.SockFilter { return give(unix.SECCOMP_RET_ERRNO | uint32(e)) }
	program := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, arch, 1, 0), no(unix.EPERM),
		load(dataNumber),
	}
	if arch == unix.AUDIT_ARCH_X86_64 { // the numbers of x32
		program = append(program, jump(unix.BPF_JGE, 1<<30, 0, 1), no(unix.ENOSYS))
	}
	for number, errno := range refused {
		program = append(program, jump(unix.BPF_JEQ, number, 0, 1), no(errno))
	}
	return append(program,
		// clone, but without new namespaces
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4), load(dataArg0), jump(unix.BPF_JSET, newNamespaces, 0, 1), no(unix.EPERM), give(unix.SECCOMP_RET_ALLOW),
		// limits of one's own only
		jump(unix.BPF_JEQ, unix.SYS_PRLIMIT64, 0, 3), load(dataArg0), jump(unix.BPF_JEQ, 0, 1, 0), no(unix.EPERM),
		give(unix.SECCOMP_RET_ALLOW))
}

// filterCalls puts the filter on this thread and what it starts from now on. The
// thread must have no_new_privs.
func filterCalls() error {
	arch, ok := auditArch[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("there is no filter for %s", runtime.GOARCH)
	}
	program := filterProgram(arch)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return errno
	}
	return nil
}
