package install

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/shelf"
	"larder/pack"
)

// orders make the test binary another process: a writer that may be killed, or a
// reader that holds a view.
const orders = "LARDER_TEST_ORDERS"

type order struct {
	Read  bool   // be a reader
	Dir   string // of the shelf
	Packs string // where the new versions are
	Kill  string // the point at which to die by SIGKILL
	Skip  int    // times that the point is passed first
}

func TestMain(m *testing.M) {
	text := os.Getenv(orders)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil && o.Read {
		err = o.read()
	} else if err == nil {
		err = o.write()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// write is the whole life of an update, the same each time: two packs, both to
// their second version, committed together; then what is old is pruned.
func (o order) write() error {
	ctx := context.Background()
	die := func(string) {}
	if o.Kill != "" {
		die = func(point string) {
			if point != o.Kill {
				return
			}
			if o.Skip--; o.Skip < 0 {
				p, err := os.FindProcess(os.Getpid())
				if err == nil {
					err = p.Kill()
				}
				fmt.Println("not killed:", err)
				select {}
			}
		}
	}
	s, err := Open(o.Dir, Options{})
	if err != nil {
		return err
	}
	s.mark = die
	log, err := os.OpenFile(o.Dir+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	var targets []*issue
	var add []shelf.Pack
	var wanted []Target
	for _, id := range []asset.PackID{"a", "b"} {
		i, err := readIssue(id, filepath.Join(o.Packs, string(id)))
		if err != nil {
			return err
		}
		targets, wanted = append(targets, i), append(wanted, i.Target)
	}
	for _, i := range targets {
		last := int64(0)
		i.after = func(total int64) {
			fmt.Fprintln(log, i.ID, total-last)
			last = total
			die("fetched " + string(i.ID))
		}
		got, err := s.Stage(ctx, i.Target, i)
		if err != nil {
			return err
		}
		add = append(add, got.Pack)
	}
	if _, err := s.Commit(ctx, add, nil); err != nil {
		return err
	}
	if _, err := s.Prune(ctx, wanted); err != nil {
		return err
	}
	return s.Close()
}

// readIssue reads a pack that the test built: to build it again would take each process
// longer than all else.
func readIssue(id asset.PackID, name string) (*issue, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	a, err := pack.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return issued(id, 2, nil, data, a.Totals()), nil
}

func run(t *testing.T, o order) (killed bool) {
	t.Helper()
	cmd := child(t, o)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if cmd.ProcessState.Success() {
		return false
	}
	if cmd.ProcessState.ExitCode() != -1 || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	return true
}

func child(t *testing.T, o order) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), orders+"="+string(text))
	return cmd
}

// fetched adds up what the writers asked for, and forgets it.
func fetchedBy(t *testing.T, dir string) map[asset.PackID]int64 {
	t.Helper()
	sum := map[asset.PackID]int64{}
	f, err := os.Open(dir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		id, n, _ := strings.Cut(s.Text(), " ")
		k, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum[asset.PackID(id)] += k
	}
	if err := os.Remove(dir + ".log"); err != nil {
		t.Fatal(err)
	}
	return sum
}

// A writer is killed at every named point, and at some while it fetches. Whoever looks
// then sees the old packs or the new ones; and the next writer ends with the new
// ones, having fetched only frames that were not proved on the disk.
func TestAKilledWriterIsFollowedByOneThatGoesOn(t *testing.T) {
	olds := []*issue{publish(t, "a", 1, tree{"a/keep": noise(1, 1<<20), "a/old": "x", "a/small": "1"}), publish(t, "b", 1, tree{"b/zero": "0"})}
	news := []*issue{
		publish(t, "a", 2, tree{"a/keep": noise(1, 1<<20), "a/new": noise(3, 2<<20), "a/small": "2"}),
		publish(t, "b", 2, tree{"b/one": noise(4, 3<<20), "b/link": "→one"}),
	}
	packs := t.TempDir()
	for _, i := range news {
		if err := os.WriteFile(filepath.Join(packs, string(i.ID)), i.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	points := []order{{Kill: "index"}, {Kill: "sync"}, {Kill: "applied"}, {Kill: "seen"}, {Kill: "moved"}, {Kill: "index", Skip: 1}, {Kill: "sync", Skip: 1},
		{Kill: "applied", Skip: 1}, {Kill: "seen", Skip: 1}, {Kill: "moved", Skip: 1}, {Kill: "view"}, {Kill: "view made"}, {Kill: "view written"},
		{Kill: "view synced"}, {Kill: "view durable"}, {Kill: "view removed"}, {Kill: "views pruned"}, {Kill: "trees moved"},
		{Kill: "fetched a", Skip: 1}, {Kill: "fetched a", Skip: 2}, {Kill: "fetched b", Skip: 1}, {Kill: "fetched b", Skip: 2}}
	for _, o := range points {
		t.Run(fmt.Sprint(o.Kill, " ", o.Skip), func(t *testing.T) {
			t.Parallel()
			o.Dir, o.Packs = filepath.Join(t.TempDir(), "shelf"), packs
			s := openStore(t, o.Dir, Options{})
			install(t, s, fresh(olds)...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if !run(t, o) {
				t.Fatal("it never came to that point")
			}
			first := fetchedBy(t, o.Dir)
			lacks := lacking(t, o.Dir, news)
			v, err := shelf.Current(o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if p, _ := v.Pack("a"); p.Version == 1 {
				shows(t, o.Dir, olds...)
			} else {
				shows(t, o.Dir, news...)
			}
			if run(t, order{Dir: o.Dir, Packs: packs}) {
				t.Fatal("it was killed")
			}
			second := fetchedBy(t, o.Dir)
			for _, i := range news {
				if second[i.ID] > lacks[i.ID] {
					t.Errorf("%s: %d bytes fetched before the kill and %d after; only %d were not there", i.ID, first[i.ID], second[i.ID], lacks[i.ID])
				}
			}
			shows(t, o.Dir, news...)
			if left := append(below(t, filepath.Join(o.Dir, stagingDir)), below(t, filepath.Join(o.Dir, trashDir))...); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
			if homes := below(t, filepath.Join(o.Dir, packsDir)); len(homes) != 2 {
				t.Errorf("on the shelf: %v", homes)
			}
			if numbers := onDisk(t, filepath.Join(o.Dir, viewsDir)); len(numbers) != 1 {
				t.Errorf("%d views", len(numbers))
			}
		})
	}
}

// lacking is how many bytes of each pack have to be fetched: frames of which some chunk is
// neither in staging nor on the shelf.
func lacking(t *testing.T, dir string, issues []*issue) map[asset.PackID]int64 {
	t.Helper()
	sum := map[asset.PackID]int64{}
	for _, i := range issues {
		a, err := pack.Open(strings.NewReader(string(i.data)), int64(len(i.data)))
		if err != nil {
			t.Fatal(err)
		}
		places := []string{filepath.Join(dir, stagingDir, string(i.ID), filesDir)}
		homes, err := filepath.Glob(filepath.Join(dir, packsDir, string(i.ID), "*", filesDir))
		if err != nil {
			t.Fatal(err)
		}
		var copies []tree
		for _, root := range append(places, homes...) {
			if _, err := os.Stat(root); err == nil {
				copies = append(copies, onDisk(t, root))
			}
		}
		lacks := map[int]bool{}
		for c, err := range a.Chunks() {
			if err != nil {
				t.Fatal(err)
			}
			there := false
			for _, f := range copies {
				b, end := f[c.Path], c.Offset+c.Size
				there = there || int64(len(b)) >= end && b[c.Offset:end] == i.tree[c.Path][c.Offset:end]
			}
			lacks[c.Frame] = lacks[c.Frame] || !there
		}
		n := 0
		for f, err := range a.Frames() {
			if err != nil {
				t.Fatal(err)
			}
			if lacks[n] {
				sum[i.ID] += f.Size
			}
			n++
		}
	}
	return sum
}

// fresh are the same packs, for another store to fetch.
func fresh(issues []*issue) (all []*issue) {
	for _, i := range issues {
		all = append(all, &issue{Target: i.Target, tree: i.tree, data: i.data, fetched: make([]byte, len(i.data))})
	}
	return all
}
