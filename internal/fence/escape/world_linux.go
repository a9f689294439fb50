package escape

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// World is what a program would get at outside of its fence.
type World struct {
	// Vars is what an attempt needs to know, by the name of an environment variable:
	// SECRET, a file of the person's, in the directory OUTSIDE; the sockets OWNER and
	// APP, and ABSTRACT without a file; the ports TCP and UDP; the processes VICTIM and
	// SERVICE. The caller adds BUNDLE, and OTHER, which is another app's inbox.
	Vars map[string]string

	victim  *exec.Cmd
	reached chan string // networks on which somebody came
}

// Surround makes a world below dir and in this process. It ends with the test.
func Surround(t testing.TB, dir string) *World {
	t.Helper()
	w := &World{reached: make(chan string, 100), victim: exec.Command("/bin/sleep", "300")}
	home := filepath.Join(dir, "home")
	secret := filepath.Join(home, "secret")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(home, 0o700))
	check(os.WriteFile(secret, []byte("secret"), 0o600))
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		check(err)
		t.Cleanup(func() { l.Close() })
		go w.accept(l)
		return l.Addr().String()
	}
	abstract := "larder-test-" + strconv.Itoa(os.Getpid()) + filepath.Base(dir)
	listen("unix", "@"+abstract)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(err)
	t.Cleanup(func() { udp.Close() })
	go w.resolve(udp)
	check(w.victim.Start())
	t.Cleanup(func() { _ = w.victim.Process.Kill(); _ = w.victim.Wait() })
	w.Vars = map[string]string{"SECRET": secret, "OUTSIDE": home, "ABSTRACT": abstract,
		"OWNER": listen("unix", filepath.Join(dir, "owner.sock")), "APP": listen("unix", filepath.Join(dir, "app.sock")),
		"TCP": port(listen("tcp", "127.0.0.1:0")), "UDP": port(udp.LocalAddr().String()),
		"VICTIM": strconv.Itoa(w.victim.Process.Pid), "SERVICE": strconv.Itoa(os.Getpid())}
	return w
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func (w *World) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w.reached <- l.Addr().Network()
		c.Close()
	}
}

// resolve answers each question for an address, as a server of DNS.
func (w *World) resolve(udp net.PacketConn) {
	for b := make([]byte, 512); ; {
		n, from, err := udp.ReadFrom(b)
		if err != nil {
			return
		}
		w.reached <- "udp"
		if n < 17 {
			continue
		}
		name := bytes.IndexByte(b[12:n], 0)
		if name < 0 || 12+name+5 > n {
			continue
		}
		answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}, b[12:12+name+5]...)
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
		_, _ = udp.WriteTo(answer, from)
	}
}

// Harmed looks from outside whether the attempt called name did something, and
// forgets who came. container is where the program worked.
func (w *World) Harmed(t testing.TB, name, container string) bool {
	t.Helper()
	switch name {
	case Files:
		text, err := os.ReadFile(w.Vars["SECRET"])
		_, new := os.Stat(filepath.Join(w.Vars["OUTSIDE"], "new"))
		return err != nil || string(text) != "secret" || new == nil
	case Signals, Trace:
		return w.victim.Process.Signal(syscall.Signal(0)) != nil
	case Survivors:
		beat := filepath.Join(container, "heartbeat")
		if err := os.Remove(beat); err != nil {
			t.Errorf("there never was a heartbeat: %v", err)
		}
		time.Sleep(100 * time.Millisecond) // five beats
		_, err := os.Stat(beat)
		return err == nil
	}
	harmed := false
	for {
		select {
		case network := <-w.reached:
			t.Logf("reached over %s", network)
			harmed = true
		default:
			return harmed
		}
	}
}
