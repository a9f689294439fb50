//go:build unix

package exthost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/fence"
)

// The test binary is the extension when it runs under the name of a behaviour.
func TestMain(m *testing.M) {
	fence.Main()
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "ext-"); ok {
		behave(name)
		return
	}
	os.Exit(m.Run())
}

// spec runs this test binary as the extension that behaves as name says.
func spec(t *testing.T, name string) Spec {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "ext-"+name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return Spec{Path: path, Container: dir, AppID: "org.example.game", Deadline: 20 * time.Second, Idle: time.Minute,
		Log: func(line string) { t.Log("stderr:", line) }}
}

func start(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func downloads(p *Process) ([]asset.Download, error) {
	var got []asset.Download
	err := p.Downloads(context.Background(), extension.DownloadsRequest{ContentRequest: asset.RequestInstall},
		func(d asset.Download) error { got = append(got, d); return nil })
	return got, err
}

func ignore(asset.Download) error { return nil }

// want checks for 1007 with words.
func want(t *testing.T, err error, words string) {
	t.Helper()
	if asset.CodeOf(err) != asset.CodeExtensionFailed || !strings.Contains(err.Error(), words) {
		t.Errorf("got  %v\nwant 1007 with %q", err, words)
	}
}

func gone(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the process is still there")
	}
	// The killed wait for init to reap them, so only the living count.
	alive := "x"
	for end := time.Now().Add(5 * time.Second); alive != "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		alive = ""
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range environments {
			if env, err := os.ReadFile(file); err == nil && strings.Contains(string(env), "LARDER_GROUP_CONTAINER="+p.spec.Container+"\x00") {
				alive += " " + file
			}
		}
	}
	if alive != "" {
		t.Errorf("it left processes behind: %s", alive)
	}
}

func TestAnExtensionAnswersInAMinimalEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	p := start(t, spec(t, "good"))
	got, err := downloads(p)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, d := range got {
		name, value, _ := strings.Cut(d.Identifier, "=")
		env[name] = value
	}
	dir, _ := filepath.EvalSymlinks(p.spec.Container)
	if env["LARDER_APP_ID"] != "org.example.game" || env["LARDER_GROUP_CONTAINER"] != p.spec.Container || env["cwd"] != dir {
		t.Errorf("environment: %v", env)
	}
	if _, leaked := env["AWS_SECRET_ACCESS_KEY"]; leaked || len(env) > 8 {
		t.Errorf("environment: %v", env)
	}
	if p.Used() <= 0 || p.Used() > 20*time.Second || len(p.Capabilities()) == 0 {
		t.Errorf("used %v, capabilities %v", p.Used(), p.Capabilities())
	}
	p.Close()
	gone(t, p)
	if _, err := downloads(p); err != ErrEnded {
		t.Errorf("after Close: %v", err)
	}
}

// Each of these breaks in answer to downloads, and must be found out well before
// the deadline.
func TestABrokenExtensionIsFoundOutAtOnceAndSaidInPlainWords(t *testing.T) {
	for name, words := range map[string]string{
		"exit3":       "it ended with exit status 3; its last words: alas",
		"exit0":       "it ended with exit status 0",
		"kill9":       "it was killed by signal 9",
		"stray":       `it wrote something that is not JSON-RPC on stdout: "hello"`,
		"garbage":     "not JSON-RPC",
		"huge":        "a line is longer than 16 MiB",
		"shut":        "it closed its connection and went on running",
		"forkexit":    "it ended with exit status 4",
		"setsidexit":  "it ended with exit status 5",
		"floodexit":   "its last words: line 99999",
		"stuffed":     "it ended with exit status 6",
		"manyanswers": "65536 are allowed",
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, name)
			lines := 0
			s.Log = func(string) { lines++ }
			s.Handler = noHandler{}
			s.Deadline = time.Minute
			p := start(t, s)
			began := time.Now()
			_, err := downloads(p)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			want(t, err, words)
			p.Close()
			gone(t, p)
			if name == "floodexit" && lines != maxLogLines+1 {
				t.Errorf("%d lines were logged", lines)
			}
		})
	}
}

func TestTheDeadlineEndsWhatDoesNotAnswer(t *testing.T) {
	for _, name := range []string{"sleep", "stubborn", "grandchild", "deaf"} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, name)
			s.Handler = noHandler{}
			p := start(t, s)
			p.spec.Deadline = 400 * time.Millisecond
			began := time.Now()
			_, err := downloads(p)
			want(t, err, "the extension did not answer within 0.4 s")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			gone(t, p)
			if used := p.Used(); used < 400*time.Millisecond || used > 5*time.Second {
				t.Errorf("used %v", used)
			}
		})
	}
}

func TestASilentStartMeetsTheDeadlineToo(t *testing.T) {
	s := spec(t, "silent")
	s.Deadline = 300 * time.Millisecond
	_, err := Start(context.Background(), s)
	want(t, err, "did not answer within 0.3 s")
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	s := spec(t, "good")
	s.Path = filepath.Join(s.Container, "absent")
	_, err := Start(context.Background(), s)
	want(t, err, "it could not be started")
	s.Path = "relative"
	_, err = Start(context.Background(), s)
	want(t, err, `its path "relative" is not absolute`)
}

func TestMemoryOverTheLimitEndsTheWholeGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is watched on Linux only")
	}
	for _, name := range []string{"hog", "hogchild"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, spec(t, name))
			_, err := downloads(p)
			want(t, err, "MiB of memory; 256 MiB are allowed")
			gone(t, p)
		})
	}
}

func TestGoAndNodeLiveUnderTheLimits(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node here; the other tests run Go")
	}
	s := spec(t, "good")
	s.Path = filepath.Join(s.Container, "ext.js")
	script := "#!" + node + `
const rl = require('readline').createInterface({input: process.stdin});
const grown = []; for (let i = 0; i < 60; i++) grown.push(Buffer.alloc(1 << 20, i));
rl.on('line', l => { const m = JSON.parse(l); if (m.id) console.log(JSON.stringify(m.method == 'downloads'
  ? {jsonrpc: '2.0', id: m.id, result: {downloads: [{identifier: 'n', url: 'https://x.example/', fileSize: grown.length, essential: false}]}}
  : {jsonrpc: '2.0', id: m.id, error: {code: -32601, message: 'no'}})); });
`
	if err := os.WriteFile(s.Path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := downloads(start(t, s))
	if err != nil || len(got) != 1 || got[0].FileSize != 60 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestALongAnswerAndAnEndlessOneKeepTheServiceSmall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident memory is read from /proc")
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // forgets the peak
		t.Skip(err)
	}
	before := resident(t)
	for _, name := range []string{"huge", "bigcount"} {
		p := start(t, spec(t, name))
		_ = p.Downloads(context.Background(), extension.DownloadsRequest{}, func(asset.Download) error { return nil })
		p.Close()
	}
	grown := resident(t) - before
	t.Logf("resident memory grew by %d MiB", grown>>20)
	if grown > 48<<20 && !raceEnabled {
		t.Errorf("resident memory grew by %d MiB", grown>>20)
	}
}

// resident is the most that this process has held.
func resident(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

func TestAnExtensionThatKnowsNothingHasTheDefaults(t *testing.T) {
	p := start(t, spec(t, "ignorant"))
	if got, err := downloads(p); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := p.BackgroundDownloadFinished(context.Background(), asset.Download{}, "x"); err != extension.ErrNotHandled {
		t.Error(err)
	}
	if err := p.BackgroundDownloadFailed(context.Background(), asset.Download{}, &asset.Error{Op: "fetch", Message: "x"}); err != nil {
		t.Error(err)
	}
}

func TestAnErrorAnswerLeavesTheProcessForMore(t *testing.T) {
	p := start(t, spec(t, "refuse"))
	_, err := downloads(p)
	want(t, err, "extensionless")
	if a, err := p.ReceivedChallenge(context.Background(), asset.Download{}, extension.Challenge{}); err != nil || a.Disposition != extension.DefaultHandling {
		t.Error(a, err)
	}
	if ok, err := p.ShouldDownload(context.Background(), extension.AssetPack{ID: "a"}, extension.PackNew); !ok || err != nil {
		t.Error(ok, err)
	}
}

func TestAnIdleProcessLeavesAndTheNextCallSaysSo(t *testing.T) {
	s := spec(t, "terminator")
	s.Idle = 50 * time.Millisecond
	logged := make(chan string, 10)
	s.Log = func(line string) { logged <- line }
	p := start(t, s)
	gone(t, p)
	select {
	case line := <-logged:
		if line != "goodbye" {
			t.Errorf("it logged %q", line)
		}
	default:
		t.Error("it was not told")
	}
	if _, err := downloads(p); err != ErrEnded {
		t.Error(err)
	}
}

func TestTheEndOfTheContextEndsTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p, err := Start(ctx, spec(t, "sleep"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = downloads(p)
	want(t, err, "the service stopped it")
	gone(t, p)
}

func TestACallerThatGivesUpEndsTheProcess(t *testing.T) {
	p := start(t, spec(t, "sleep"))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := p.Downloads(ctx, extension.DownloadsRequest{}, func(asset.Download) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	gone(t, p)
}

func TestCloseEndsWhatIgnoresEverything(t *testing.T) {
	p := start(t, spec(t, "stubborn"))
	began := time.Now()
	p.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	gone(t, p)
}

func TestRequestsBackReachTheHandlerDuringARequest(t *testing.T) {
	s := spec(t, "askback")
	s.Handler = noHandler{}
	got, err := downloads(start(t, s))
	if err != nil || len(got) != 2 || got[1].Identifier != "refused 111" {
		t.Errorf("%v, %v", got, err)
	}
}

// noHandler lists one download, schedules none, and never gives the lock.
type noHandler struct{}

func (noHandler) CurrentDownloads(_ context.Context, each func(asset.Download) error) error {
	return each(asset.Download{Identifier: "have"})
}

func (noHandler) ScheduleDownload(_ context.Context, d asset.Download) error {
	return &asset.Error{Code: asset.CodeBackgroundActivityProhibited, Op: "schedule", Message: fmt.Sprint("not ", d.Identifier)}
}

func (noHandler) CancelDownload(context.Context, string) error { return nil }

func (noHandler) AcquireExclusiveControl(ctx context.Context, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

func (noHandler) ReleaseExclusiveControl(context.Context) error { return nil }
