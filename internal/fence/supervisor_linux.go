package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var roles = map[string]func(){roleSupervisor: superviseMain, roleModule: moduleMain}

// The supervisor's own files, beside the program's three.
const (
	orderFile  = 3 // an order comes in; its end means: end the program
	reportFile = 4 // reports go out: one when the program runs or will not, one when it has ended
)

// order is what the service wants of a supervisor.
type order struct {
	Spec    Spec  `json:"spec"`
	Reach   reach `json:"reach"`
	Private bool  `json:"private"` // it has namespaces of its own
	Facts   facts `json:"facts"`   // what the service knows already
	Probe   bool  `json:"probe"`   // build the fence, report, run nothing
}

// report is what a supervisor says.
type report struct {
	Facts facts  `json:"facts"`
	Stage string `json:"stage"` // where it failed
	Error string `json:"error"`
	Ended bool   `json:"ended"`
	Exit  int    `json:"exit"`
	// Signal is the number of the signal that ended the program, 0 if none did.
	Signal int `json:"signal"`
}

const (
	stageNamespaces = "namespaces"
	stageFence      = "fence"
	stageStart      = "start"
)

// sweepTime bounds how long a supervisor goes on killing.
const sweepTime = 5 * time.Second

// busyTime bounds how long a program may still be open for writing: a process that was being
// started while the program was copied has its file until it becomes another program.
const busyTime = time.Second

// superviseMain is the life of a supervisor.
func superviseMain() {
	orders, reports := os.NewFile(orderFile, "orders"), os.NewFile(reportFile, "reports")
	// Nothing of the supervisor's is the program's: no descriptor, no memory.
	_ = unix.CloseRange(orderFile, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	say := func(r report) { _ = json.NewEncoder(reports).Encode(r) }
	in := json.NewDecoder(orders)
	var o order
	if err := in.Decode(&o); err != nil {
		say(report{Stage: stageFence, Error: err.Error()})
		os.Exit(1)
	}
	pid, r := o.carryOut()
	say(r)
	if pid == 0 {
		os.Exit(0)
	}
	for fd := range 3 {
		_ = unix.Close(fd)
	}
	go func() {
		_, _ = io.Copy(io.Discard, io.MultiReader(in.Buffered(), orders))
		end(o.Private)
	}()
	say(await(pid))
	end(o.Private)
}

// end ends all that is left, and the supervisor.
func end(private bool) {
	if !private { // the kernel ends a PID namespace with its first process
		sweep(os.Getpid(), sweepTime)
	}
	unix.Exit(0) // at once: the race detector would make os.Exit wait a second
}

// await reaps until the program has ended. What it left behind is ended by end.
func await(pid int) report {
	for {
		var ws unix.WaitStatus
		switch got, err := unix.Wait4(-1, &ws, 0, nil); {
		case err == unix.EINTR:
		case err != nil:
			return report{Stage: stageStart, Error: err.Error(), Ended: true, Exit: -1}
		case got == pid && ws.Signaled():
			return report{Ended: true, Exit: -1, Signal: int(ws.Signal())}
		case got == pid && ws.Exited():
			return report{Ended: true, Exit: ws.ExitStatus()}
		}
	}
}

// carryOut builds the fence and starts the program. What binds a thread is done in a
// thread that then ends, so that none of the supervisor's is in the program's
// Landlock domain, where the program could trace or signal it.
func (o *order) carryOut() (pid int, r report) {
	r.Facts = o.Facts
	r.Facts.Tasks = limitResources(o.Spec, o.Private)
	if o.Private {
		if err := newRoot(o.Reach); err != nil {
			r.Stage, r.Error = stageNamespaces, err.Error()
			return 0, r
		}
	} else if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		r.Stage, r.Error = stageFence, err.Error()
		return 0, r
	}
	onThreadToEnd(func() {
		if err := o.restrict(&r.Facts); err != nil {
			r.Stage, r.Error = stageFence, err.Error()
			return
		}
		if o.Probe {
			return
		}
		var err error
		if pid, err = o.start(); err != nil {
			r.Stage, r.Error = stageStart, err.Error()
		}
	})
	return pid, r
}

// onThreadToEnd calls f on a thread that ends when f returns. The first thread of a
// process cannot end, so it is never that one.
func onThreadToEnd(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // a thread that is never unlocked ends with its goroutine
		if unix.Gettid() == unix.Getpid() {
			onThreadToEnd(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// restrict binds this thread.
func (o *order) restrict(f *facts) error {
	if err := dropRights(); err != nil {
		return fmt.Errorf("drop rights: %w", err)
	}
	if f.NoLandlock == "" {
		if err := restrictFiles(o.Reach, f.ABI, o.Private); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	if f.NoSeccomp == "" {
		if err := filterCalls(); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			f.NoSeccomp = err.Error()
		} else if err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return nil
}

func (o *order) start() (int, error) {
	path, args := o.Spec.Path, []string{o.Spec.Path}
	if o.Spec.module() {
		job, err := json.Marshal(o.Spec)
		if err != nil {
			return 0, err
		}
		path, args = "/proc/self/exe", []string{roleModule, string(job)}
	}
	for end := time.Now().Add(busyTime); ; time.Sleep(5 * time.Millisecond) {
		pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Dir: o.Spec.Dir, Env: o.Spec.Env, Files: []uintptr{0, 1, 2},
			Sys: &syscall.SysProcAttr{Setsid: true}})
		switch {
		case err == unix.ETXTBSY && time.Now().Before(end):
		case err != nil:
			return 0, errors.New(strings.TrimSpace("exec: " + err.Error()))
		default:
			return pid, nil
		}
	}
}
