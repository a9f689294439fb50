package fence

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var roles = map[string]func(){roleSupervisor: superviseMain, roleModule: moduleMain}

const (
	whyJob = "a job object bounds processes and memory, not what they may reach"
	// supervisorMemory is what the supervisor itself may commit within the job.
	supervisorMemory = 128 << 20
)

// start runs the program by way of a supervisor, which puts itself into a job object
// first, so that the program is never outside of it.
func start(spec Spec) (*Process, error) {
	cmd := &exec.Cmd{Path: spec.Path, Args: []string{spec.Path}, Dir: spec.Dir, Env: spec.Env,
		Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr, SysProcAttr: &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}}
	level := bare("process", "this program does not begin with fence.Main")
	if armed {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		job, err := json.Marshal(spec)
		if err != nil {
			return nil, err
		}
		cmd.Path, cmd.Args, level = self, []string{roleSupervisor, string(job)}, Probe()
	} else if err := asModule(cmd, spec); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{level: level, done: make(chan struct{})}
	p.kill = func() { _ = cmd.Process.Kill() } // the job's last handle closes with the supervisor, and ends the rest
	go func() {
		_ = cmd.Wait()
		p.finish(func() Ending { return Ending{Exit: cmd.ProcessState.ExitCode()} })
	}()
	return p, nil
}

// Probe says how far a fence goes on this machine.
func Probe() Level {
	return bare("job object", whyJob, Survivors, Processes, Memory)
}

// superviseMain is the life of a supervisor.
func superviseMain() {
	code, err := superviseJob()
	if err != nil {
		fmt.Fprintln(os.Stderr, "it could not be started:", err)
		os.Exit(127)
	}
	os.Exit(code)
}

func superviseJob() (int, error) {
	var spec Spec
	if len(os.Args) != 2 {
		return 0, fmt.Errorf("no program was named")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &spec); err != nil {
		return 0, err
	}
	if err := enterJob(spec); err != nil {
		return 0, fmt.Errorf("job object: %w", err)
	}
	cmd := &exec.Cmd{Path: spec.Path, Args: []string{spec.Path}, Dir: spec.Dir, Env: spec.Env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	armed = true
	if err := asModule(cmd, spec); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	// The program's ends of the pipes are its own, so that they close with it.
	os.Stdin.Close()
	os.Stdout.Close()
	os.Stderr.Close()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), nil
}

// enterJob puts this process into a job object whose only handle it holds, for as
// long as it lives.
func enterJob(spec Spec) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{
			LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | windows.JOB_OBJECT_LIMIT_JOB_MEMORY |
				windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS | windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
			ActiveProcessLimit: maxTasks,
		},
		JobMemoryLimit: uintptr(memoryOf(spec) + supervisorMemory),
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		return err
	}
	return windows.AssignProcessToJobObject(job, windows.CurrentProcess())
}
