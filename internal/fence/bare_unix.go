//go:build unix

package fence

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// bareLevel is what is held where there is no supervisor.
func bareLevel(why string) Level { return bare("process group", why) }

// startBare runs the program with our own rights in a session and process group of
// its own, which is killed with it.
func startBare(spec Spec, why string) (*Process, error) {
	cmd := &exec.Cmd{Path: spec.Path, Args: []string{spec.Path}, Dir: spec.Dir, Env: spec.Env,
		Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := asModule(cmd, spec); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{level: bareLevel(why), done: make(chan struct{})}
	p.kill = func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	go func() {
		awaitExit(cmd)
		p.finish(func() Ending {
			p.kill() // before Wait frees the number
			_ = cmd.Wait()
			return endingOf(cmd)
		})
	}()
	return p, nil
}

func endingOf(cmd *exec.Cmd) Ending {
	e := Ending{Exit: cmd.ProcessState.ExitCode()}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = int(ws.Signal())
	}
	return e
}
