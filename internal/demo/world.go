package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/localapi"
)

// world is the temporary folder of one demo and what runs on it.
type world struct {
	dir     string
	program string // the larder binary
	dirs    dirs.Dirs
	out     io.Writer
	errs    io.Writer

	tree    *os.Root // what the items are made of
	site    *site
	service *exec.Cmd
	ended   chan struct{} // closed when the service has ended
}

func newWorld(o Options) (*world, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "larder-demo-")
	if err != nil {
		return nil, err
	}
	d, err := dirs.Find(filepath.Join(dir, "data"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &world{dir: dir, program: program, dirs: d, out: o.Out, errs: o.Err}, nil
}

// Waits that bound the demo when something is wrong.
const (
	startWait = 20 * time.Second // for the service to answer
	stopWait  = 5 * time.Second  // for a process to end after it was asked to
)

// close ends the service and the web server, and removes every file.
func (w *world) close() error {
	if w.service != nil {
		ask(w.service.Process)
		select {
		case <-w.ended:
		case <-time.After(stopWait):
			_ = w.service.Process.Kill()
			<-w.ended
		}
	}
	if w.site != nil {
		w.site.Close()
	}
	if w.tree != nil {
		w.tree.Close()
	}
	if !strings.HasPrefix(w.dirs.Run, w.dirs.Data) { // the path of the sockets was too long
		os.RemoveAll(w.dirs.Run)
	}
	return os.RemoveAll(w.dir)
}

// ask tells a process to end; where there are no signals it is ended.
func ask(p *os.Process) {
	if p.Signal(syscall.SIGTERM) != nil {
		_ = p.Kill()
	}
}

// command is a run of larder on the world's data directory.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.program, args...)
	cmd.Cancel = func() error { ask(cmd.Process); return nil }
	cmd.WaitDelay = stopWait
	cmd.Env = append(os.Environ(), "LARDER_DATA="+w.dirs.Data)
	return cmd
}

// run runs a larder command to its end, in the person's view.
func (w *world) run(ctx context.Context, args ...string) error {
	cmd := w.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w.out, w.errs
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("larder %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// startService starts the service as a process of its own and waits until it
// answers; it returns its process ID.
func (w *world) startService(ctx context.Context) (int, error) {
	log, err := os.Create(filepath.Join(w.dir, "service.log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	w.service = w.command(context.WithoutCancel(ctx), "service", "run")
	w.service.Stdout, w.service.Stderr = log, log
	if err := w.service.Start(); err != nil {
		w.service = nil
		return 0, err
	}
	w.ended = make(chan struct{})
	go func() {
		_ = w.service.Wait() // what it had to say is in its log
		close(w.ended)
	}()
	client := localapi.NewClient(w.dirs)
	deadline := time.After(startWait)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		hello, err := client.Hello(ctx)
		if err == nil {
			return hello.PID, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-w.ended:
			return 0, w.noService("it ended at once")
		case <-deadline:
			return 0, w.noService("it does not answer")
		case <-time.After(pause):
		}
	}
}

// noService is an error with the last words of the service.
func (w *world) noService(message string) error {
	e := &asset.Error{Code: asset.CodeConnectionInvalid, Op: "start service", Subject: w.dirs.Data, Message: message}
	if text, err := os.ReadFile(filepath.Join(w.dir, "service.log")); err == nil && len(text) > 0 {
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		e.Help = "its last words: " + string(bytes.Join(lines[max(len(lines)-3, 0):], []byte("; ")))
	}
	return e
}

// spoken is how a person calls this larder from a shell.
func (w *world) spoken() string {
	if path, err := exec.LookPath("larder"); err == nil && same(path, w.program) {
		return "larder"
	}
	if strings.Contains(filepath.ToSlash(w.program), "/go-build") { // of go run, gone when it ends
		return "go run ./cmd/larder"
	}
	return w.program
}

func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// sayf tells the person something.
func (w *world) sayf(format string, args ...any) { fmt.Fprintf(w.out, format+"\n", args...) }
