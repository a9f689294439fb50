package exthost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"larder/asset"
	"larder/extension"
)

// Waits that are ours alone, not the extension's allowance.
const (
	grace = 500 * time.Millisecond // to leave by itself after extensionWillTerminate
	drain = 250 * time.Millisecond // to read what an ended process left in its pipes
	dying = time.Second            // from the end of standard output to the end of the process
)

// ErrEnded means that the session was over before the request was sent (idle,
// closed, or the process left): nothing was asked, so start another.
var ErrEnded = errors.New("the extension's session has ended")

// Spec says what to run. Path and Container are required, both absolute.
type Spec struct {
	// Path is the executable; it gets no arguments. (A test runs its own binary
	// through a symbolic link and knows by os.Args[0] that it is the extension.)
	Path string
	// Dir is the working directory; empty means Container.
	Dir       string
	AppID     asset.AppID
	Container string
	// Handler answers what the extension asks back; nil knows no method.
	Handler extension.Handler
	// Log gets the lines of standard error, one call at a time: at most 1,000 of
	// 4 KiB, and one more that counts the rest. They are the extension's words,
	// made printable.
	Log func(line string)
	// Deadline is for one request: 60 s when zero.
	Deadline time.Duration
	// Idle is how long the process is kept for another request: 5 s when zero.
	Idle time.Duration
	// MemoryLimit is in bytes, for the whole process group: 256 MiB when zero.
	// Mapped files do not count (classic §2.8).
	MemoryLimit int64
}

func (s Spec) withDefaults() Spec {
	if s.Dir == "" {
		s.Dir = s.Container
	}
	if s.Log == nil {
		s.Log = func(string) {}
	}
	if s.Deadline <= 0 {
		s.Deadline = 60 * time.Second
	}
	if s.Idle <= 0 {
		s.Idle = 5 * time.Second
	}
	if s.MemoryLimit <= 0 {
		s.MemoryLimit = 256 << 20
	}
	return s
}

// A Process is one running extension. Its requests take turns; each has the whole
// deadline for itself.
type Process struct {
	spec    Spec
	cmd     *exec.Cmd
	session *extension.Session
	stdin   *os.File
	log     *logReader
	turn    chan struct{} // holds one value while no request runs
	exited  chan struct{} // the process has ended and was reaped
	done    chan struct{} // everything is over; failure is set
	caps    extension.Capabilities
	idle    *time.Timer

	mu      sync.Mutex
	reaped  bool   // its number may be another's
	why     string // why we ended it; first word wins
	failure *asset.Error
}

// Start runs the extension and begins the session. ctx bounds the life of the
// process. The caller calls Close.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	p := &Process{spec: spec.withDefaults(), turn: make(chan struct{}, 1), exited: make(chan struct{}), done: make(chan struct{})}
	stdout, err := p.launch()
	if err != nil {
		return nil, p.fault("it could not be started", err)
	}
	p.session = extension.NewSession(stdout, p.stdin, p.spec.Handler)
	p.idle = time.AfterFunc(time.Hour, p.leave)
	p.idle.Stop()
	stop := context.AfterFunc(ctx, func() { p.end("the service stopped it") })
	go p.reap(stdout)
	go p.supervise(stdout, stop)
	go p.watchMemory()
	p.turn <- struct{}{}
	err = p.do(ctx, func(ctx context.Context) (err error) {
		p.caps, err = p.session.Initialize(ctx)
		return err
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// launch starts the process with pipes of our own, so that waiting for it never
// waits for someone who inherited them.
func (p *Process) launch() (stdout *os.File, err error) {
	var ours, theirs [3]*os.File
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours[:])
			closeAll(theirs[:])
			return nil, err
		}
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	p.cmd = &exec.Cmd{Path: p.spec.Path, Args: []string{p.spec.Path}, Dir: p.spec.Dir, Env: p.environment(),
		Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[2], SysProcAttr: ownGroup()}
	if !filepath.IsAbs(p.spec.Path) {
		err = errors.New("its path is not absolute")
	} else if err = p.cmd.Start(); err == nil {
		limit(p.cmd.Process.Pid, p.spec.MemoryLimit)
	}
	closeAll(theirs[:])
	if err != nil {
		closeAll(ours[:])
		return nil, err
	}
	p.stdin, p.log = ours[0], readLog(ours[2], p.spec.Log)
	return ours[1], nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// environment is all that the extension inherits: what it needs to find programs
// and its language, nothing secret.
func (p *Process) environment() []string {
	lang := os.Getenv("LANG")
	if lang == "" {
		lang = "C.UTF-8"
	}
	return append(systemEnvironment(),
		"LARDER_APP_ID="+string(p.spec.AppID),
		"LARDER_GROUP_CONTAINER="+p.spec.Container,
		"HOME="+p.spec.Container,
		"TMPDIR="+p.spec.Container,
		"PATH="+os.Getenv("PATH"),
		"LANG="+lang)
}

// reap waits for the process itself, ends what is left of its group, and lets the
// session have what it still wrote.
func (p *Process) reap(stdout *os.File) {
	awaitExit(p.cmd)
	p.mu.Lock()
	killGroup(p.cmd.Process) // before Wait frees the number
	_ = p.cmd.Wait()
	p.reaped = true
	p.mu.Unlock()
	p.stdin.Close()
	hurry(stdout)
	p.log.hurry()
	close(p.exited)
}

// hurry lets readers of f read on for a short while only.
func hurry(f *os.File) {
	if f.SetReadDeadline(time.Now().Add(drain)) != nil {
		time.AfterFunc(drain, func() { f.Close() })
	}
}

// supervise waits for the end, whichever way it comes, and says why.
func (p *Process) supervise(stdout *os.File, stop func() bool) {
	select {
	case <-p.session.Done():
	case <-p.exited:
		select {
		case <-p.session.Done():
		case <-time.After(2 * drain):
			p.session.Close() // it is stuck on its own requests to us
		}
	}
	if err := p.session.Err(); !errors.Is(err, extension.ErrEnded) {
		p.end(asset.AsError(err).Message)
	}
	select {
	case <-p.exited:
	case <-time.After(dying):
		p.end("it closed its connection and went on running")
		<-p.exited
	}
	stop()
	p.idle.Stop()
	<-p.log.done
	closeAll([]*os.File{stdout, p.stdin, p.log.file})
	p.mu.Lock()
	if p.why == "" {
		p.why = p.exitWords()
	}
	p.failure = p.fault(p.why, nil)
	p.mu.Unlock()
	close(p.done)
}

// exitWords says how the process ended by itself.
func (p *Process) exitWords() string {
	words := fmt.Sprintf("it ended with exit status %d", p.cmd.ProcessState.ExitCode())
	if sig := signalOf(p.cmd.ProcessState); sig != 0 {
		words = fmt.Sprintf("it was killed by signal %d", sig)
	}
	if last := p.log.last(); last != "" {
		words += "; its last words: " + last
	}
	return words
}

func (p *Process) fault(message string, cause error) *asset.Error {
	return &asset.Error{Code: asset.CodeExtensionFailed, Domain: asset.DomainLarder, Op: "run extension of", Subject: string(p.spec.AppID),
		Message: message, Help: "see the extension's log", Err: cause}
}

// end kills the process group for the reason why; the first reason counts.
func (p *Process) end(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == "" {
		p.why = why
	}
	if !p.reaped {
		killGroup(p.cmd.Process)
	}
}

// Done is closed when the process and its group are gone and the log is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Used is the time spent inside requests, from call to answer (classic §2.8).
func (p *Process) Used() time.Duration { return p.session.Used() }

// Capabilities are what the extension said in answer to initialize.
func (p *Process) Capabilities() extension.Capabilities { return p.caps }

// Close ends the session: it tells the extension, closes its standard input, waits
// half a second for it to leave, kills the process group and waits for the end. A
// request that runs fails. It may be called more than once.
func (p *Process) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	_ = p.session.WillTerminate(ctx)
	cancel()
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(grace):
	}
	p.end("it was closed")
	p.session.Close()
	<-p.done
}

// leave closes an idle process, unless a request has just begun.
func (p *Process) leave() {
	select {
	case <-p.turn:
		p.Close()
	default:
	}
}
