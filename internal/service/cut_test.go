package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

// What an installation of 1 GiB, paced at 32 MiB/s, must survive 20 times.
const (
	cutFiles = 4
	cutRate  = 32 << 20
)

func (w *world) installGiB() asset.AppID {
	w.Helper()
	w.server.SetRate(cutRate)
	var m manifest
	for n := range cutFiles {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("part", n), cutSize, true, ""))
	}
	return w.install(app{manifest: m})
}

// written gives, by request path, the bytes of each download that are in its
// partial file: what the client had.
func (w *world) written(ids map[string]string) map[string]int64 {
	w.Helper()
	out := map[string]int64{}
	filepath.WalkDir(filepath.Join(w.dirs.Data, "groups"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // moved away meanwhile
		}
		if name := ids[d.Name()]; name != "" {
			if info, err := d.Info(); err == nil {
				out["/"+name] = info.Size()
			}
		}
		return nil
	})
	return out
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// atRandom waits until the client has got to a random point of the next of the
// equal parts between 5 and 95 % of all bytes.
func (w *world) atRandom(ids map[string]string, rnd *rand.Rand, cut int) {
	w.Helper()
	const all = cutFiles * cutSize
	from, width := all/20+cut*(all*9/10/cuts), all*9/10/cuts
	goal := int64(from + rnd.IntN(width))
	for deadline := time.Now().Add(2 * time.Minute); w.got(ids) < goal; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("cut %d: stuck at %d of %d bytes", cut, w.got(ids), goal)
		}
	}
}

// got counts what is written, and what was handed over to the container.
func (w *world) got(ids map[string]string) int64 {
	n := sum(w.written(ids))
	for _, name := range ids {
		if info, err := os.Stat(filepath.Join(w.dirs.Container("group.org.example.game"), name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

func (w *world) identifiers(id asset.AppID) map[string]string {
	w.Helper()
	st := w.until(id, "the extension answered", func(st asset.AppStatus) bool { return len(st.Downloads) == cutFiles })
	ids := map[string]string{}
	for _, d := range st.Downloads {
		ids[d.UniqueIdentifier] = d.Identifier
	}
	return ids
}

// again sums up the bytes that were asked for although the client had them.
func again(had map[string]int64, requests []fault.Request) (n int64) {
	seen := map[string]bool{}
	for _, r := range requests {
		if size, ok := had[r.Path]; ok && !seen[r.Path] {
			seen[r.Path] = true
			n += max(size-r.Start, 0)
		}
	}
	return n
}

func (w *world) complete(id asset.AppID) {
	w.Helper()
	if p := w.open(id); p.Finished != cutFiles || p.Gate.Reason.Code != asset.WhyReady {
		w.Fatalf("ended as %s", pretty(p))
	}
	for n := range cutFiles {
		w.holds(id, fmt.Sprint("part", n), cutSize)
	}
}

func TestKillAtTwentyMomentsLosesNoBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kill := w.startProcess()
	id := w.installGiB()
	ids := w.identifiers(id)
	rnd := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	var had map[string]int64
	var worst int64
	mark := 0
	for cut := range cuts {
		w.atRandom(ids, rnd, cut)
		kill()
		if had != nil {
			worst = max(worst, again(had, w.server.Requests()[mark:]))
		}
		had, mark = w.written(ids), len(w.server.Requests())
		kill = w.startProcess()
	}
	w.complete(id)
	worst = max(worst, again(had, w.server.Requests()[mark:]))
	t.Logf("most bytes asked for again after one kill: %d", worst)
	if worst > 2<<20 { // two connections to one host
		t.Errorf("%d bytes were asked for again after one kill, over two connections", worst)
	}
}

// startProcess runs the service as a process of its own and gives its killer.
func (w *world) startProcess() (kill func()) {
	w.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LARDER_TEST_SERVICE="+w.dirs.Data)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	w.Cleanup(kill)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := w.client.Hello(w.Context()); err == nil {
			return kill
		} else if time.Now().After(deadline) {
			w.Fatal("the service does not answer:", err)
		}
	}
}

func TestPowerCutAtTwentyMomentsLosesLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.MkdirAll(w.dirs.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	p := w.power()
	w.start()
	id := w.installGiB()
	ids := w.identifiers(id)
	rnd := rand.New(rand.NewPCG(2, uint64(os.Getpid())))
	var had map[string]int64
	var worst int64
	mark := 0
	for cut := range cuts {
		w.atRandom(ids, rnd, cut)
		if had != nil {
			worst = max(worst, again(had, w.server.Requests()[mark:]))
		}
		had, mark = w.written(ids), len(w.server.Requests())
		keep := crash.Keep{}
		if cut%2 == 1 {
			keep.Random = rand.New(rand.NewPCG(3, uint64(cut)))
		}
		p.cut(keep)
		p.again()
	}
	w.complete(id)
	worst = max(worst, again(had, w.server.Requests()[mark:]))
	t.Logf("most bytes asked for again after one power cut: %d", worst)
	if worst > 4<<20 {
		t.Errorf("%d bytes were asked for again after one power cut", worst)
	}
}

// power is what disk and database of a world's service have in common: both lose it
// at one moment.
type power struct {
	*world
	disk     *crash.FS
	off      atomic.Bool
	boot     int
	snapshot string
	// before, if set, is asked before each commit; true cuts the power there.
	before func() bool
	// foreign is a pattern of directories that are written past the disk, see crash.FS.
	foreign string
}

// power puts a service that is to be started under a power that can be cut.
func (w *world) power() *power {
	w.Helper()
	if err := os.MkdirAll(w.dirs.Data, 0o700); err != nil {
		w.Fatal(err)
	}
	p := &power{world: w, disk: crash.New(fsx.OS(), w.dirs.Data)}
	w.config.Boot = func() string { return fmt.Sprint("boot ", p.boot) }
	w.config.FS, w.config.DB.Commit = p.disk, p.commit
	return p
}

var errNoPower = errors.New("there is no power")

func (p *power) commit() error {
	if !p.off.Load() && p.before != nil && p.before() {
		p.off.Store(true)
		p.leave(crash.Keep{})
	}
	if p.off.Load() {
		return errNoPower
	}
	return nil
}

// cut takes the power away. From the last commit on nothing is written into the
// database, and the disk goes a little later. That is one moment for the service,
// which moves and hands over nothing before the commit that speaks of it.
func (p *power) cut(keep crash.Keep) {
	p.Helper()
	p.off.Store(true)
	d, err := sql.Open("sqlite", p.dirs.Database()+"?_pragma=busy_timeout(60000)&_txlock=immediate")
	if err != nil {
		p.Fatal(err)
	}
	defer d.Close()
	last, err := d.BeginTx(p.Context(), nil) // waits for the one that is going on
	if err != nil {
		p.Fatal(err)
	}
	p.leave(keep)
	if err := last.Rollback(); err != nil {
		p.Error(err)
	}
}

// leave keeps what a power cut leaves: of the database all that was committed, since
// every commit is synced, and of the files what keep says.
func (p *power) leave(keep crash.Keep) {
	p.snapshot = filepath.Join(p.TempDir(), "snapshot.db")
	d, err := sql.Open("sqlite", p.dirs.Database())
	if err == nil {
		_, err = d.ExecContext(context.Background(), "VACUUM INTO '"+strings.ReplaceAll(p.snapshot, "'", "''")+"'")
		_ = d.Close() // it only read
	}
	if err = errors.Join(err, p.disk.Crash(keep)); err != nil {
		p.Error(err)
	}
}

// again starts the machine after a cut.
func (p *power) again() {
	p.Helper()
	p.stop()
	p.revive()
}

// revive starts it when the service that ran has ended.
func (p *power) revive() {
	p.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(p.dirs.Database() + end)
	}
	if err := os.Rename(p.snapshot, p.dirs.Database()); err != nil {
		p.Fatal(err)
	}
	p.boot++
	p.disk, p.before = p.disk.Reopen(), nil
	p.watch()
	p.off.Store(false)
	p.config.FS = p.disk
	p.start()
}

// watch has the disk take back what others wrote on it.
func (p *power) watch() {
	p.Helper()
	if p.foreign == "" {
		return
	}
	if err := p.disk.Foreign(p.foreign); err != nil {
		p.Fatal(err)
	}
}

// The power goes when the file lies in the inbox and its row does not say so yet.
func TestPowerCutBetweenTheMoveToTheInboxAndItsRecordAsksForNothingAgain(t *testing.T) {
	for _, size := range []int64{100_000, 8 << 20} {
		w := newWorld(t)
		p := w.power()
		cut := make(chan struct{})
		p.before = func() bool {
			here, _ := filepath.Glob(filepath.Join(w.dirs.Data, "groups", "*", "inbox", "*", "*"))
			for _, path := range here {
				if info, err := os.Stat(path); err == nil && info.Size() == size {
					close(cut)
					return true
				}
			}
			return false
		}
		w.start()
		id := w.install(app{manifest: manifest{Downloads: []asset.Download{w.put("x", size, true, "")}}})
		<-cut
		p.again()
		if got := w.open(id); got.Gate.Reason.Code != asset.WhyReady {
			t.Errorf("ended as %s", pretty(got))
		}
		w.holds(id, "x", size)
		n := 0
		for _, r := range w.server.Requests() {
			if r.Path == "/x" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d bytes were asked for %d times", size, n)
		}
		w.stop()
	}
}

// Killed again and again after a few milliseconds, at whatever step that is, the
// installation gets through, and every file is handed over.
func TestKilledAtEveryStepGetsThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kill := w.startProcess()
	var m manifest
	for n := range 24 {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("small", n), int64(1000*n+1), n%2 == 0, ""))
	}
	id := w.install(app{manifest: m})
	rnd := rand.New(rand.NewPCG(4, uint64(os.Getpid())))
	for range 15 {
		time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
		kill()
		kill = w.startProcess()
	}
	if p := w.open(id); p.Gate.Reason.Code != asset.WhyReady || p.Finished != 12 {
		t.Errorf("ended as %s", pretty(p))
	}
	w.until(id, "all are handed over", func(st asset.AppStatus) bool {
		for _, d := range st.Downloads {
			if d.State != asset.StateFinished || d.FilePath != "" {
				return false
			}
		}
		return len(st.Downloads) == 24
	})
	for n := range 24 {
		w.holds(id, fmt.Sprint("small", n), int64(1000*n+1))
	}
}
