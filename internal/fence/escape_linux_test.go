package fence

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the supervisor, and the hostile program.
func TestMain(m *testing.M) {
	Main()
	if filepath.Base(os.Args[0]) == "hostile" {
		hostile()
		syscall.Exit(0) // at once: the race detector would make os.Exit wait a second
	}
	os.Exit(m.Run())
}

const nobody = 65534

// All escapes are tried once more by a user without rights.
func TestTheFenceOfAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; this is an ordinary one already")
	}
	dir := openDir(t)
	self := filepath.Join(dir, "fence.test")
	copyFile(t, "/proc/self/exe", self)
	copyFile(t, "testdata/escape.py", filepath.Join(dir, "testdata", "escape.py"))
	cmd := exec.Command(self, "-test.v", "-test.run", "^TestEscapes$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "\nPASS") {
		t.Error(err)
	}
}

// openDir is a temporary directory that belongs to nobody; t.TempDir lies in one of
// root's.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "larder-fence-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// levels are those that the escapes are tried at, best first.
var levels = []string{"", "landlock+seccomp", "landlock"}

func TestEscapes(t *testing.T) {
	tries := []struct{ name, what string }{
		{Files, Files}, {Attributes, Attributes}, {TCP, TCP}, {UDP, UDP}, {UnixSockets, UnixSockets}, {AbstractSockets, AbstractSockets},
		{Trace, Trace}, {Signals, Signals}, {Sight, Sight}, {Survivors, Survivors}, {Processes, Processes}, {Memory, Memory}, {memoryFiles, Memory},
	}
	for _, layers := range levels {
		for _, language := range []string{"go", "python"} {
			t.Run(fmt.Sprintf("%s/%s", orBest(layers), language), func(t *testing.T) {
				for _, try := range tries {
					w := newWorld(t)
					got := w.run(t, try.name, language, layers)
					held := !strings.Contains(got.out, "ESCAPED") && !w.harmed(t, try.name)
					t.Logf("%-16s %-8s %s", try.name, map[bool]string{true: "held", false: "NOT HELD"}[held], got.end.Why)
					promised := slices.Contains(got.level.Holds, try.what)
					if promised && !held {
						t.Errorf("%s got out of %q:\n%s", try.name, got.level.Name, got.out)
					}
					if !strings.Contains(got.out, "held") && !strings.Contains(got.out, "ESCAPED") && got.end.Why == "" && try.name != Survivors {
						t.Errorf("%s did not try: %+v %s", try.name, got.end, got.out)
					}
					if try.name == Memory && !strings.Contains(got.end.Why, "MiB of memory; 256 MiB are allowed") {
						t.Errorf("the cause is not told: %+v %s", got.end, got.out)
					}
				}
			})
		}
	}
}

func orBest(layers string) string {
	if layers == "" {
		return "best"
	}
	return layers
}

// world is what a hostile program would get at.
type world struct {
	bundle, container, inbox, outside string
	env                               []string
	victim                            *exec.Cmd
	reached                           chan string // names of the listeners that were
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	group := filepath.Join(dir, "data", "groups", "g")
	w := &world{bundle: filepath.Join(dir, "bundle"), container: filepath.Join(group, "container"), inbox: filepath.Join(group, "inbox", "app"),
		outside: filepath.Join(dir, "home"), reached: make(chan string, 100)}
	other := filepath.Join(group, "inbox", "other")
	for _, d := range []string{w.bundle, w.container, w.inbox, w.outside, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(w.outside, "secret")
	for _, f := range []string{secret, filepath.Join(other, "theirs"), filepath.Join(w.inbox, "arrived")} {
		if err := os.WriteFile(f, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := func(network, address string) net.Addr {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				w.reached <- network + address
				c.Close()
			}
		}()
		return l.Addr()
	}
	owner, app := filepath.Join(dir, "owner.sock"), filepath.Join(dir, "app.sock")
	abstract := "larder-test-" + strconv.Itoa(os.Getpid()) + filepath.Base(dir)
	listen("unix", owner)
	listen("unix", app)
	listen("unix", "@"+abstract)
	_, tcp, _ := net.SplitHostPort(listen("tcp", "127.0.0.1:0").String())
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		for b := make([]byte, 10); ; {
			if _, _, err := udp.ReadFrom(b); err != nil {
				return
			}
			w.reached <- "udp"
		}
	}()
	_, udpPort, _ := net.SplitHostPort(udp.LocalAddr().String())
	w.victim = exec.Command("/bin/sleep", "60")
	if err := w.victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.victim.Process.Kill(); _ = w.victim.Wait() })
	w.env = []string{"SECRET=" + secret, "OUTSIDE=" + w.outside, "BUNDLE=" + w.bundle, "OTHER=" + other, "OWNER=" + owner, "APP=" + app,
		"ABSTRACT=" + abstract, "TCP=" + tcp, "UDP=" + udpPort, "VICTIM=" + strconv.Itoa(w.victim.Process.Pid), "PATH=/usr/bin:/bin"}
	return w
}

// harmed looks from outside whether the attempt did something.
func (w *world) harmed(t *testing.T, name string) bool {
	switch name {
	case Files:
		text, err := os.ReadFile(filepath.Join(w.outside, "secret"))
		_, new := os.Stat(filepath.Join(w.outside, "new"))
		return err != nil || string(text) != "secret" || new == nil
	case Signals, Trace:
		return w.victim.Process.Signal(syscall.Signal(0)) != nil
	case Survivors:
		beat := filepath.Join(w.container, "heartbeat")
		if err := os.Remove(beat); err != nil {
			t.Errorf("there never was a heartbeat: %v", err)
		}
		time.Sleep(100 * time.Millisecond) // five beats
		_, err := os.Stat(beat)
		return err == nil
	}
	select {
	case name := <-w.reached:
		t.Logf("reached %s", name)
		return true
	default:
		return false
	}
}

type outcome struct {
	out   string
	end   Ending
	level Level
}

// program puts the hostile program into the bundle and gives its path.
func (w *world) program(t *testing.T, language string) string {
	t.Helper()
	path := filepath.Join(w.bundle, "hostile")
	if language == "python" {
		if _, err := os.Stat("/usr/bin/python3"); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("python3 is needed:", err)
			}
			t.Skip("no /usr/bin/python3 here")
		}
		path += ".py"
		copyFile(t, "testdata/escape.py", path)
	} else if err := os.Symlink(executable(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func executable(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// run runs the hostile program to its end, or for a minute.
func (w *world) run(t *testing.T, escape, language, layers string) (o outcome) {
	t.Helper()
	return w.runProgram(t, w.program(t, language), append(w.env, "ESCAPE="+escape), layers)
}

func (w *world) runProgram(t *testing.T, path string, env []string, layers string) (o outcome) {
	t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := Start(Spec{Path: path, Bundle: w.bundle, Container: w.container, Inbox: w.inbox, Env: env, Layers: layers, Stdin: null, Stdout: out, Stderr: out})
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, p.Kill)
	defer timer.Stop()
	text, _ := io.ReadAll(io.LimitReader(r, 1<<20))
	return outcome{string(text), p.Ending(), p.Level()}
}
