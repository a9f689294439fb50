package install

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/shelf"
)

// read holds a view and answers on standard output: each line asks for a file, or for
// something with the view.
func (o order) read() error {
	s, err := shelf.Open(o.Dir, shelf.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch word, rest, _ := strings.Cut(in.Text(), " "); word {
		case "add":
			fmt.Println(s.Add(asset.PackID(rest)))
		case "refresh":
			changed, err := s.Refresh()
			fmt.Println(changed, err)
		case "read":
			f, err := s.Open(rest, shelf.In{})
			if err != nil {
				fmt.Println(err)
				continue
			}
			b, err := io.ReadAll(f)
			fmt.Println(string(b), err)
			f.Close()
		}
	}
	return nil
}

// reader is another process with a view.
type reader struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	kill func()
}

func startReader(t *testing.T, dir string) *reader {
	t.Helper()
	cmd := child(t, order{Read: true, Dir: dir})
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	r := &reader{t: t, in: in, out: bufio.NewReader(out), kill: func() {
		if !dead {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		dead = true
	}}
	t.Cleanup(r.kill)
	if got := r.line(); got != "open" {
		t.Fatalf("it said %q", got)
	}
	return r
}

func (r *reader) line() string {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatalf("it ended: %v", err)
	}
	return strings.TrimSpace(line)
}

func (r *reader) says(ask, want string) {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, ask); err != nil {
		r.t.Fatal(err)
	}
	if got := r.line(); got != want {
		r.t.Errorf("%s: %q, want %q", ask, got, want)
	}
}

func TestARunningAppLosesNoFileAndADeadOneHoldsNone(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	version := func(n int64) *issue {
		return publish(t, "a", n, tree{"a/file": fmt.Sprint("version ", n), "a/same": "same"})
	}
	prune := func(want Pruned) {
		t.Helper()
		if got, err := s.Prune(t.Context(), nil); err != nil || got != want {
			t.Errorf("pruned %+v, %v; want %+v", got, err, want)
		}
	}
	install(t, s, version(1))
	one := startReader(t, dir)
	install(t, s, version(2), publish(t, "b", 1, tree{"b/file": "new"}))
	two := startReader(t, dir)
	install(t, s, version(3))
	prune(Pruned{Held: 2})
	one.says("read a/file", "version 1 <nil>")
	two.says("read a/file", "version 2 <nil>")

	// The first adds a pack and keeps what it has.
	one.says("add b", "<nil>")
	one.says("read b/file", "new <nil>")
	one.says("read a/file", "version 1 <nil>")
	install(t, s, version(4))
	prune(Pruned{Held: 3}) // of 1 and 3 by the first, of 2 by the second

	// kill -9 frees what the process held, at once.
	two.kill()
	prune(Pruned{Views: 1, Held: 2, Trees: 1})
	one.says("read a/file", "version 1 <nil>")
	one.says("read a/same", "same <nil>")

	// Who moves on frees the old, and the app has lost nothing in between.
	one.says("refresh", "true <nil>")
	one.says("read a/file", "version 4 <nil>")
	prune(Pruned{Views: 2, Trees: 2})
	one.says("read a/file", "version 4 <nil>")
	one.says("read b/file", "new <nil>")

	// Removing packs leaves them to those who have them.
	if _, err := s.Commit(t.Context(), nil, []asset.PackID{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	prune(Pruned{Held: 1})
	one.says("read a/file", "version 4 <nil>")
	one.kill()
	prune(Pruned{Views: 1, Trees: 2})
	shows(t, dir)
	if left := below(t, filepath.Join(dir, packsDir)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
