package exthost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/fence"
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
	// Path is the executable, or a WebAssembly module when it ends in ".wasm"; it
	// gets no arguments. (A test runs its own binary through a symbolic link and
	// knows by os.Args[0] that it is the extension.)
	Path string
	// Bundle is the app's bundle, which the extension may read and execute; empty
	// means the directory of Path.
	Bundle string
	AppID  asset.AppID
	// Container is the working directory. The extension may change what is in it, and
	// in Inbox, which may be empty: of the paths that requests carry it can use only
	// those in the two.
	Container string
	Inbox     string
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
	// Layers is as in fence.Spec: all when empty.
	Layers string
}

func (s Spec) withDefaults() Spec {
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
	fenced  fence.Spec
	process *fence.Process
	session *extension.Session
	stdin   *os.File
	log     *logReader
	turn    chan struct{} // holds one value while no request runs
	done    chan struct{} // everything is over; failure is set
	caps    extension.Capabilities
	idle    *time.Timer

	mu      sync.Mutex
	why     string // why we ended it; first word wins
	failure *asset.Error
}

// Start runs the extension and begins the session. ctx bounds the life of the
// process. The caller calls Close.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	p := &Process{spec: spec.withDefaults(), turn: make(chan struct{}, 1), done: make(chan struct{})}
	stdout, err := p.launch()
	if err != nil {
		return nil, p.fault("it could not be started", err)
	}
	p.session = extension.NewSession(stdout, p.stdin, p.spec.Handler)
	p.idle = time.AfterFunc(time.Hour, p.leave)
	p.idle.Stop()
	stop := context.AfterFunc(ctx, func() { p.end("the service stopped it") })
	go p.supervise(stdout, stop)
	p.turn <- struct{}{}
	err = p.do(ctx, func(ctx context.Context) (err error) {
		p.caps, err = p.session.Initialize(ctx)
		return err
	})
	if err == ErrEnded { // it left before it was asked anything
		<-p.done
		err = p.failure
	}
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
	p.fenced = fence.Spec{Path: p.spec.Path, Bundle: p.spec.Bundle, Container: p.spec.Container, Inbox: p.spec.Inbox, Memory: p.spec.MemoryLimit,
		Layers: p.spec.Layers, Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[2]}
	p.fenced.Env = p.environment()
	p.process, err = fence.Start(p.fenced)
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
	container := p.fenced.Guest(p.spec.Container)
	env := []string{
		"LARDER_APP_ID=" + string(p.spec.AppID),
		"LARDER_GROUP_CONTAINER=" + container,
		"HOME=" + container,
		"TMPDIR=" + container,
		"PWD=" + container,
		"PATH=" + os.Getenv("PATH"),
		"LANG=" + lang}
	if root := os.Getenv("SystemRoot"); root != "" { // Windows programs cannot start without
		env = append(env, "SystemRoot="+root)
	}
	return env
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
	case <-p.process.Done():
		hurry(stdout)
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
	case <-p.process.Done():
	case <-time.After(dying):
		p.end("it closed its connection and went on running")
		<-p.process.Done()
	}
	stop()
	p.idle.Stop()
	p.stdin.Close()
	p.log.hurry()
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

// exitWords says how the process ended when it was not us who ended it.
func (p *Process) exitWords() string {
	ended := p.process.Ending()
	words := fmt.Sprintf("it ended with exit status %d", ended.Exit)
	switch {
	case ended.Why != "":
		return ended.Why
	case ended.Signal != 0:
		words = fmt.Sprintf("it was killed by signal %d", ended.Signal)
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

// end kills the process and all it started, for the reason why; the first reason counts.
func (p *Process) end(why string) {
	p.mu.Lock()
	if p.why == "" {
		p.why = why
	}
	p.mu.Unlock()
	p.process.Kill()
}

// Level is how far the fence around this process goes.
func (p *Process) Level() fence.Level { return p.process.Level() }

// Done is closed when the process and all it started are gone and the log is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Used is the time spent inside requests, from call to answer (classic §2.8).
func (p *Process) Used() time.Duration { return p.session.Used() }

// Capabilities are what the extension said in answer to initialize.
func (p *Process) Capabilities() extension.Capabilities { return p.caps }

// Close ends the session: it tells the extension, closes its standard input, waits
// half a second for it to leave, kills what is left and waits for the end. A
// request that runs fails. It may be called more than once.
func (p *Process) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	_ = p.session.WillTerminate(ctx)
	cancel()
	p.stdin.Close()
	select {
	case <-p.process.Done():
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
