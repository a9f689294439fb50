package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startTime bounds how long a supervisor may take to build the fence.
const startTime = 10 * time.Second

// start runs the program behind the best fence of the wanted layers that this machine permits.
func start(spec Spec) (*Process, error) {
	if !armed {
		return startBare(spec, "this program does not begin with fence.Main")
	}
	r, err := reachOf(spec)
	if err != nil {
		return nil, err
	}
	o := order{Spec: spec, Reach: r, Facts: known(spec), Private: spec.layer(LayerNamespaces)}
	return o.begin()
}

// known is what the service can tell without a supervisor.
func known(spec Spec) (f facts) {
	abi, err := landlockABI()
	switch f.ABI = abi; {
	case !spec.layer(LayerLandlock):
		f.NoLandlock = "it was not wanted"
	case err == unix.ENOSYS || err == unix.EOPNOTSUPP:
		f.NoLandlock = "this kernel has none, or was started without it"
	case err != nil:
		f.NoLandlock = err.Error()
	case abi < 2:
		f.NoLandlock = "with ABI 1 no file could be moved between directories"
	}
	if !spec.layer(LayerNamespaces) {
		f.NoNamespaces = "they were not wanted"
	}
	if !spec.layer(LayerSeccomp) {
		f.NoSeccomp = "it was not wanted"
	}
	return f
}

// begin starts a supervisor with namespaces, and where that does not work without.
func (o order) begin() (*Process, error) {
	if o.Private {
		p, stage, err := o.supervise()
		if err == nil || stage != stageNamespaces {
			return p, err
		}
		o.Private, o.Facts.NoNamespaces = false, err.Error()
	}
	p, _, err := o.supervise()
	return p, err
}

// supervise starts a supervisor and waits until the program runs.
func (o order) supervise() (p *Process, stage string, err error) {
	group, err := newGroup(memoryOf(o.Spec))
	if err != nil {
		o.Facts.NoCgroup = err.Error()
	}
	var orders, reports pipe
	if err := errors.Join(orders.open(), reports.open()); err != nil {
		orders.close()
		reports.close()
		group.remove()
		return nil, stageFence, err
	}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{roleSupervisor}, Env: []string{}, Stdin: o.Spec.Stdin, Stdout: o.Spec.Stdout,
		Stderr: o.Spec.Stderr, ExtraFiles: []*os.File{orders.r, reports.w}, SysProcAttr: o.attributes(group)}
	err = cmd.Start()
	orders.r.Close()
	reports.w.Close()
	if err != nil {
		orders.w.Close()
		reports.r.Close()
		group.remove()
		return nil, stageNamespaces, errors.New(strings.TrimPrefix(err.Error(), "fork/exec /proc/self/exe: "))
	}
	p = &Process{done: make(chan struct{})}
	_ = reports.r.SetReadDeadline(time.Now().Add(startTime))
	in := json.NewDecoder(reports.r)
	var first report
	if err = json.NewEncoder(orders.w).Encode(o); err == nil {
		err = in.Decode(&first)
	}
	if err != nil || first.Error != "" || o.Probe {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		orders.w.Close()
		reports.r.Close()
		group.remove()
		switch {
		case err != nil:
			return nil, stageFence, fmt.Errorf("the fence could not be built: %w", err)
		case first.Error != "":
			return nil, first.Stage, errors.New(first.Error)
		}
		p.level = first.Facts.level()
		return p, "", nil
	}
	_ = reports.r.SetReadDeadline(time.Time{})
	p.level = first.Facts.level()
	p.kill = func() {
		group.kill()
		if o.Private {
			_ = cmd.Process.Kill() // the first process of its namespace
		}
		orders.w.Close()
	}
	go p.attend(cmd, in, o, group)
	go p.watch(cmd.Process.Pid, o.Spec)
	go func() {
		<-p.done
		orders.w.Close()
		reports.r.Close()
	}()
	return p, "", nil
}

// attributes are how the supervisor is started: in a session of its own, away from
// our terminal, and with namespaces when o wants them.
func (o order) attributes(group *cgroup) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if group != nil {
		a.UseCgroupFD, a.CgroupFD = true, group.fd()
	}
	if !o.Private {
		return a
	}
	uid, gid := os.Geteuid(), os.Getegid()
	a.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	if uid != 0 { // root has all rights in the new user namespace anyway
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	return a
}

// attend waits for the end of the program and then of the supervisor, which ends
// what is left first.
func (p *Process) attend(cmd *exec.Cmd, in *json.Decoder, o order, group *cgroup) {
	ended := Ending{Exit: -1, Signal: int(unix.SIGKILL)}
	var last report
	if err := in.Decode(&last); err == nil && last.Ended {
		ended = Ending{Exit: last.Exit, Signal: last.Signal}
	}
	if !o.Private {
		// A supervisor that does not leave has been stopped, or overrun.
		timer := time.AfterFunc(sweepTime, func() {
			sweep(cmd.Process.Pid, sweepTime)
			_ = cmd.Process.Kill()
		})
		defer timer.Stop()
	}
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	if why := group.overrun(); why != "" {
		p.stop(why)
	}
	group.kill()
	group.remove()
	p.finish(func() Ending { _ = cmd.Wait(); return ended })
}

// pipe is both ends of one.
type pipe struct{ r, w *os.File }

func (p *pipe) open() (err error) {
	p.r, p.w, err = os.Pipe()
	return err
}

func (p *pipe) close() {
	for _, f := range []*os.File{p.r, p.w} {
		if f != nil {
			f.Close()
		}
	}
}
