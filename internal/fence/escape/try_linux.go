package escape

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Try makes the attempt called name, and says in lines what came of each part of
// it. What it needs to know stands in the environment: the Vars of a World.
func Try(name string, say func(line string)) {
	if whole := wholes[name]; whole != nil {
		whole(say)
	}
	for n, try := range attempts()[name] {
		if err := try(); err != nil {
			say(fmt.Sprint("held: ", n, " ", err))
		} else {
			say(fmt.Sprint("ESCAPED ", n))
		}
	}
}

func attempts() map[string][]func() error {
	env := os.Getenv
	victim, _ := strconv.Atoi(env("VICTIM"))
	service, _ := strconv.Atoi(env("SERVICE"))
	pid := "/proc/" + env("VICTIM")
	list := func(dir string) func() error { return func() error { _, err := os.ReadDir(dir); return err } }
	linked := func(link func(string, string) error) func() error {
		return func() error {
			os.Remove("stolen")
			return errors.Join(link(env("SECRET"), "stolen"), read("stolen")())
		}
	}
	return map[string][]func() error{
		Files: {read(env("SECRET")), list(env("OUTSIDE")), read("/etc/passwd"), list("/root"), list("/home"),
			write(env("OUTSIDE") + "/new"), write(env("SECRET")), write(env("BUNDLE") + "/new"), write(env("OTHER") + "/new"),
			read(env("OTHER") + "/theirs"), linked(os.Symlink), linked(os.Link),
			func() error { return errors.Join(write("mine")(), os.Rename("mine", env("OUTSIDE")+"/new")) },
			func() error { return os.Remove(env("SECRET")) }, func() error { return os.Mkdir(env("OUTSIDE")+"/dir", 0o700) },
			read("/proc/1/root/etc/passwd"), read("../../../../../../../../etc/passwd"),
			func() error { return unix.Mount("none", ".", "tmpfs", 0, "") }, func() error { return unix.Chroot(".") },
			func() error { return unix.Mknod("disk", unix.S_IFBLK|0o600, 7<<8) },
			func() error { return unix.Unshare(unix.CLONE_NEWUSER | unix.CLONE_NEWNS) }},
		Attributes: {func() error { return os.Chmod(env("SECRET"), 0o666) }, func() error { _, err := os.Stat(env("SECRET")); return err }},
		TCP: {dial("tcp", "127.0.0.1:"+env("TCP")), func() error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				l.Close()
			}
			return err
		}},
		UDP: {dial("udp", "127.0.0.1:"+env("UDP"))},
		DNS: {func() error {
			ask := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "udp", "127.0.0.1:"+env("UDP"))
			}}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_, err := ask.LookupHost(ctx, "escape.example.")
			return err
		}},
		UnixSockets:     {dial("unix", env("OWNER")), dial("unix", env("APP"))},
		AbstractSockets: {dial("unix", "@"+env("ABSTRACT"))},
		Trace: {func() error { return unix.PtraceAttach(victim) }, read(pid + "/mem"), read(pid + "/environ"), func() error {
			buffer := make([]byte, 8)
			_, err := unix.ProcessVMReadv(victim, []unix.Iovec{{Base: &buffer[0], Len: 8}}, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
			return err
		}},
		Signals: {func() error { return unix.Kill(victim, unix.SIGKILL) }, func() error { return unix.Kill(service, unix.SIGURG) },
			func() error { return unix.Kill(os.Getppid(), unix.SIGSTOP) }},
		Sight: {func() error { _, err := os.Stat(pid); return err }},
		MemoryFiles: {func() error {
			for range 100 {
				fd, err := unix.MemfdCreate("x", 0)
				if err != nil {
					return err
				}
				if _, err := unix.Write(fd, make([]byte, 8<<20)); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

var wholes = map[string]func(say func(string)){
	Processes: func(say func(string)) {
		for n := range 3000 { // what ends them is the fence, not the time
			if _, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "120"}, nil); err != nil {
				say(fmt.Sprint("held: after ", n, " ", err))
				return
			}
		}
		say("ESCAPED")
	},
	Survivors: func(say func(string)) {
		sh := exec.Command("/bin/sh", "-c", "while true; do echo x > heartbeat; sleep 0.02; done")
		sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := sh.Start(); err != nil {
			say("held: " + err.Error())
			return
		}
		for _, err := os.Stat("heartbeat"); err != nil; _, err = os.Stat("heartbeat") {
			time.Sleep(10 * time.Millisecond)
		}
	},
	Memory: func(say func(string)) {
		taken := 0
		for ; taken < 200; taken++ {
			_, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
			if err != nil {
				break
			}
		}
		time.Sleep(time.Second)
		say(fmt.Sprint("ESCAPED ", taken*8, " MiB"))
	},
	Disk:      func(say func(string)) { fill(false, say) },
	ManyFiles: func(say func(string)) { fill(true, say) },
	Lines: func(say func(string)) {
		out := bufio.NewWriterSize(os.NewFile(1, "stdout"), 1<<20)
		for range 1_000_000 {
			fmt.Fprintln(out, "a line")
		}
		say(fmt.Sprint("held: read to the end ", out.Flush()))
	},
}

func fill(many bool, say func(string)) {
	block := make([]byte, 1<<20)
	var f *os.File
	var err error
	for n := 0; n < 1<<12; n++ {
		if f == nil || many {
			f, err = os.Create(fmt.Sprint("fill", n))
		}
		if err == nil {
			_, err = f.Write(block)
		}
		if err != nil {
			say(fmt.Sprint("held: after ", n, " MiB: ", err))
			break
		}
	}
	time.Sleep(time.Second)
}

func read(path string) func() error {
	return func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Read(make([]byte, 1))
		return err
	}
}

func write(path string) func() error {
	return func() error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("x")
		return err
	}
}

func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, 2*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("x"))
		return err
	}
}
