package service

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/fault"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/localapi/localapitest"
	"larder/internal/queue"
	"larder/internal/transfer"
)

// history is one random life of a service and its apps, in simulated time over a
// real database, real files and real HTTP. Whatever happens, with the service
// killed at any step and started again:
//
//   - no download is lost: each that was ever listed or accepted is finished or
//     failed in the end, and somebody was told, unless a person cancelled it;
//   - no finished file is delivered zero times, and its bytes are the server's;
//   - an app's lock never has two holders;
//   - before the first launch no more bytes come over the wire than the allowances
//     say, counting those that a kill took away again;
//   - in the end no file lies in inbox or partial that no row speaks of.
type history struct {
	t         *testing.T
	dirs      dirs.Dirs
	options   db.Options
	server    *fault.Server
	transport *http.Transport
	network   counting
	apps      []*actor

	s    *Service
	stop func()

	mu      sync.Mutex
	r       *rand.Rand
	fuse    *fuse
	sockets map[string]*localapitest.Listener
	names   int
	seen    map[string]*fate // by unique identifier
	faults  []string
	trail   []string
	calm    bool // the end: everybody behaves
}

// fate is what became of a download.
type fate struct {
	app        asset.AppID
	identifier string
	last       asset.DownloadState
	told       int
	excused    bool // a person cancelled it, or removed its app
}

func (h *history) pick(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calm {
		return n - 1 // the good case is always the last
	}
	return h.r.IntN(n)
}

func (h *history) name() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names++
	return strconv.Itoa(h.names)
}

func (h *history) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

func (h *history) note(format string, args ...any) {
	h.trail = append(h.trail, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *history) told(unique string, a *actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fateOf(unique, a.id).told++
}

func (h *history) fateOf(unique string, app asset.AppID) *fate {
	f := h.seen[unique]
	if f == nil {
		f = &fate{app: app}
		h.seen[unique] = f
	}
	return f
}

func (h *history) actor(id asset.AppID) *actor {
	return h.apps[slices.IndexFunc(h.apps, func(a *actor) bool { return a.id == id })]
}

func (h *history) client(socket string) *localapi.Client {
	return localapi.NewClientOver(func(ctx context.Context) (net.Conn, error) {
		h.mu.Lock()
		l := h.sockets[socket]
		h.mu.Unlock()
		if l == nil {
			return nil, net.ErrClosed
		}
		return l.Dial(ctx)
	})
}

// start opens a service on whatever is there.
func (h *history) start() {
	ctx, cancel := context.WithCancel(context.Background())
	fuse := newFuse(cancel)
	h.mu.Lock()
	h.fuse, h.sockets = fuse, map[string]*localapitest.Listener{}
	h.mu.Unlock()
	options := h.options
	options.Commit = fuse.burn
	s, err := Open(context.Background(), Config{Dirs: h.dirs, FS: mortalFS{fsx.OS(), fuse}, Transport: h.network.through(h), DB: options, Extensions: h.startLoader(fuse), Boot: func() string { return "boot" },
		Listen: func(path string) (net.Listener, error) {
			l := localapitest.New()
			h.mu.Lock()
			defer h.mu.Unlock()
			h.sockets[path] = l
			return l, nil
		}})
	if err != nil {
		h.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	h.s, h.stop = s, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		h.transport.CloseIdleConnections()
	})
}

// killed ends a service whose fuse has burnt down, or burns it down now, and
// starts the next. What hung on its connections is gone.
func (h *history) killed() {
	h.fuse.blow()
	h.mu.Lock()
	for _, a := range h.apps {
		a.holder = ""
	}
	h.mu.Unlock()
	h.stop()
	for _, a := range h.apps {
		if a.process != nil {
			a.process.dies()
		}
	}
	h.note("killed")
	h.start()
}

// look notes the downloads that there are.
func (h *history) look() {
	rows := h.rows()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range rows {
		f := h.fateOf(e.UniqueIdentifier, e.App)
		f.identifier, f.last = e.Identifier, e.State
		if e.State == asset.StateFailed && e.Delivery == queue.NotDue {
			f.excused = true // a person cancelled the installation
		}
	}
}

// excuse notes that a person gave up what an app still has.
func (h *history) excuse(a *actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.seen {
		if f.app == a.id {
			f.excused = true
		}
	}
}

// size is that of the file an identifier names.
func size(identifier string) int64 {
	_, n, _ := strings.Cut(identifier, "-")
	bytes, _ := strconv.ParseInt(n, 10, 64)
	return bytes
}

// prepare makes the apps of a history and what the server has of them.
func (h *history) prepare() {
	for n := range 1 + h.pick(2) {
		a := &actor{h: h, id: asset.AppID(fmt.Sprintf("org.example.a%d", n)), strict: h.pick(3) == 0,
			allowance: int64(h.pick(60_000)), essential: int64(h.pick(60_000))}
		for k := range 1 + h.pick(5) {
			essential := h.pick(2) == 0
			id := fmt.Sprintf("%d%d-%d", n, k, 1+h.pick(20_000))
			script := []string{"", "", "", "drop@50%:2", "status=503:2", "status=404:1", "truncate", "drop@1:1"}[h.pick(8)]
			h.server.Put("/"+id, fault.File{Content: content(id, size(id)), Script: script, Rate: []int64{0, 0, 0, 5_000}[h.pick(4)]})
			a.files = append(a.files, asset.Download{Identifier: id, URL: h.server.URL + "/" + id, FileSize: size(id), Essential: essential})
		}
		manifest := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "manifest") })
		h.server.Handle("/"+string(a.id), manifest)
		h.apps = append(h.apps, a)
	}
}

// bundle writes an app's bundle, as its present build.
func (h *history) bundle(a *actor) string {
	dir := filepath.Join(h.dirs.Data, "..", "bundles", string(a.id))
	policy := "keep"
	if a.strict {
		policy = "strict"
	}
	info := map[string]any{"CFBundleIdentifier": a.id, "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": fmt.Sprint(a.build), "CFBundleExecutable": "game",
		"BAManifestURL": h.server.URL + "/" + string(a.id), "BAMaxInstallSize": 1 << 30, "BAEssentialMaxInstallSize": 1 << 30, "LarderFinishedFilePolicy": policy,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": a.allowance, "BAEssentialDownloadAllowance": a.essential, "BADownloadDomainAllowList": []string{"127.0.0.1"}}}
	ext := filepath.Join(dir, "Extensions", "Loader.appex")
	for path, v := range map[string]any{filepath.Join(dir, "Info.json"): info, filepath.Join(ext, "Info.json"): map[string]any{"CFBundleIdentifier": a.id + ".loader",
		"CFBundleExecutable": "loader", "CFBundleVersion": "1", "EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}},
		filepath.Join(dir, "game"): "", filepath.Join(ext, "loader"): ""} {
		text, err := json.Marshal(v)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o755)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return dir
}

// step is one thing that happens.
func (h *history) step() {
	ctx := context.Background()
	a := h.apps[h.pick(len(h.apps))]
	if !a.installed {
		h.note("install %s", a.id)
		_, err := h.s.Install(ctx, localapi.InstallRequest{Bundle: h.bundle(a), Context: ""})
		a.installed = err == nil || asset.CodeOf(err) == asset.CodeState
		return
	}
	d := a.files[h.pick(len(a.files))]
	switch what := h.pick(20); what {
	case 0:
		a.build++
		h.note("update %s", a.id)
		_, _ = h.s.Update(ctx, a.id, localapi.UpdateRequest{Bundle: h.bundle(a)})
	case 1, 2:
		h.note("check %s", a.id)
		_, _ = h.s.Simulate(ctx, a.id, localapi.SimulatePeriodic)
	case 3:
		h.checkAllowance(a)
		_, err := h.s.Launch(ctx, a.id, localapi.LaunchRequest{Anyway: h.pick(2) == 0})
		h.note("launch %s: %v", a.id, err)
		if err == nil || h.fuse.dead.Load() {
			a.launched = true
		}
	case 4, 5, 6:
		if a.process != nil {
			h.note("the app %s dies", a.id)
			a.process.dies()
			break
		}
		h.note("the app %s starts", a.id)
		a.connect([][]asset.EventType{nil, {asset.EventFinished}, {asset.EventFinished, asset.EventFailed}, {asset.EventFailed, asset.EventProgress}}[h.pick(4)]...)
	case 7, 8, 9:
		d.Essential = false
		st, err := h.client(h.dirs.AppSocket(a.id)).Schedule(ctx, d)
		h.note("schedule %s: %v", d.Identifier, err)
		if err == nil {
			h.mu.Lock()
			f := h.fateOf(st.UniqueIdentifier, a.id)
			f.identifier, f.last = d.Identifier, st.State
			h.mu.Unlock()
		}
	case 10:
		if p := a.process; p != nil {
			if s := p.named(); s != "" {
				d.Essential = false
				_ = p.api.SetActive(ctx, s, true)
				_, err := p.api.StartForeground(ctx, s, d)
				h.note("foreground %s: %v", d.Identifier, err)
			}
		}
	case 11:
		h.look()
		for id, f := range h.listed(a) {
			if !f.last.Settled() && h.pick(2) == 0 {
				h.note("cancel %s: %v", f.identifier, h.s.CancelDownload(ctx, a.id, id))
			}
		}
	case 12:
		h.look()
		action := []localapi.Action{localapi.ActionPause, localapi.ActionResume, localapi.ActionCancel}[h.pick(3)]
		_, err := h.s.Control(ctx, a.id, action)
		h.note("%s %s: %v", action, a.id, err)
		if action == localapi.ActionCancel && (err == nil || h.fuse.dead.Load()) {
			h.look()
			h.excuse(a)
		}
	case 13, 14:
		if p := a.process; p != nil {
			h.note("control of %s", a.id)
			p.control(ctx, time.Duration(h.pick(2000))*time.Millisecond, time.Duration(h.pick(2000))*time.Millisecond, h.pick(3) > 0)
		}
	case 15:
		fact := []asset.Fact{asset.FactLowPower, asset.FactOffline, asset.FactMetered, asset.FactLowDisk}[h.pick(4)]
		yes := answer(h.pick(2) == 0)
		h.note("%s %s", fact, yes)
		_, _ = h.s.SimulateDevice(ctx, fact, yes)
	case 16:
		sum, err := h.s.Purge(ctx, "")
		h.note("purge: %+v %v", sum, err)
	case 17:
		if h.pick(4) == 0 {
			h.note("uninstall %s", a.id)
			h.checkAllowance(a)
			h.look()
			if a.process != nil {
				a.process.dies()
			}
			h.excuse(a)
			if err := h.s.Uninstall(ctx, a.id); err == nil {
				a.installed, a.launched = false, false
				a.installs++
			}
		}
	default:
		h.killed()
	}
}

func (h *history) listed(a *actor) map[string]fate {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]fate{}
	for id, f := range h.seen {
		if f.app == a.id {
			out[id] = *f
		}
	}
	return out
}

// checkAllowance holds what came over the wire for an app that was never launched
// to its allowances, also what a kill took away again.
func (h *history) checkAllowance(a *actor) {
	if a.launched {
		return
	}
	if all := h.network.of(life{a.id, a.installs}).Load(); all > a.allowance+a.essential {
		h.fault("%s was never launched and got %d bytes over the wire; its allowances are %d and %d", a.id, all, a.allowance, a.essential)
	}
}

// live lets n things happen, with time between them and kills in the middle.
func (h *history) live(n int) {
	for range n {
		if h.pick(4) == 0 {
			h.fuse.left.Store(int64(h.pick(60)))
		}
		h.step()
		switch h.pick(5) {
		case 0:
			time.Sleep(time.Duration(h.pick(1000)) * time.Millisecond)
		case 1:
			time.Sleep(time.Duration(h.pick(600)) * time.Second)
		case 2:
			synctest.Wait()
		}
		if h.fuse.dead.Load() {
			h.killed()
		} else {
			h.look()
		}
	}
}

// settle lets everybody behave, until nothing is left to do.
func (h *history) settle() {
	for _, a := range h.apps {
		h.checkAllowance(a)
	}
	h.mu.Lock()
	h.calm = true
	h.mu.Unlock()
	h.note("calm")
	h.killed() // simulated facts and processes are gone
	ctx := context.Background()
	for _, a := range h.apps {
		if a.installed {
			_, _ = h.s.Control(ctx, a.id, localapi.ActionResume) // refused where nothing is paused
		}
	}
	for round := range 72 {
		time.Sleep(time.Hour)
		synctest.Wait()
		h.look()
		if h.over() {
			break
		}
		if round == 60 { // what was held is for the app
			for _, a := range h.apps {
				if a.installed && a.process == nil {
					a.connect(asset.EventFinished, asset.EventFailed)
				}
			}
		}
	}
	h.check()
}

func (h *history) rows() (out []queue.Entry) {
	err := h.s.db.Read(context.Background(), func(tx *db.Tx) error {
		for _, a := range h.apps {
			list, err := queue.List(tx, a.id)
			if err != nil {
				return err
			}
			out = append(out, list...)
		}
		return nil
	})
	if err != nil && !h.fuse.dead.Load() {
		h.t.Fatal(err)
	}
	return out
}

// over reports whether every download has come to its end.
func (h *history) over() bool {
	return !slices.ContainsFunc(h.rows(), func(e queue.Entry) bool {
		return !e.State.Settled() || e.Delivery == queue.Due || e.Delivery == queue.HeldBack
	})
}

func (h *history) check() {
	known := map[string]bool{}
	for _, e := range h.rows() {
		known[e.UniqueIdentifier] = e.Delivery == queue.Due || e.Delivery == queue.HeldBack
		if !e.State.Settled() || known[e.UniqueIdentifier] {
			h.fault("%s of %s is %s and its delivery is %q, after three days: %+v", e.Identifier, e.App, e.State, e.Delivery, e.Reason)
		}
	}
	for unique, f := range h.seen {
		forfeit := f.last.Settled() && h.actor(f.app).strict && h.actor(f.app).left.Load()
		if f.told == 0 && !f.excused && !forfeit {
			h.fault("of %s of %s, last seen %s, nobody was ever told (%s)", f.identifier, f.app, f.last, unique)
		}
	}
	for _, a := range h.apps { // a manifest that is still to be read
		_ = h.s.db.Read(context.Background(), func(tx *db.Tx) error {
			m, found, err := queue.ManifestOf(tx, a.id)
			app, aerr := apps.Get(tx, a.id)
			if found && err == nil && aerr == nil {
				h.note("%s is at %s, its manifest %s is %s: %s", a.id, app.Life.Phase, m.UniqueIdentifier, m.State, pretty(app.Life))
			}
			return err
		})
	}
	for _, kind := range []string{"inbox", "partial"} {
		found, _ := filepath.Glob(filepath.Join(h.dirs.Data, "groups", "*", kind, "*", "*"))
		for _, path := range found {
			if !known[filepath.Base(path)] {
				h.fault("%s lies in %s, and no row needs it", filepath.Base(path), kind)
			}
		}
	}
}

// emptied makes a lent database as it was when it was new.
func emptied(ctx context.Context, d *db.DB) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, table := range []string{"apps", "settings", "sqlite_sequence"} { // the others go with the apps
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
}

// runHistory lives one history, and gives what went wrong and how it came.
func runHistory(t *testing.T, dir string, seed uint64, options db.Options) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := dirs.Find(filepath.Join(dir, strconv.FormatUint(seed, 10), "d"))
		if err == nil && options.Opened != nil {
			err = emptied(t.Context(), options.Opened)
		}
		if err != nil {
			t.Fatal(err)
		}
		pipe := fault.NewPipe()
		h := &history{t: t, dirs: d, options: options, server: fault.Serve(pipe), transport: transfer.NewTransport(pipe.Dial), r: rand.New(rand.NewPCG(seed, 4)), seen: map[string]*fate{}, stop: func() {}}
		h.server.URL = "http://127.0.0.1"
		h.network.RoundTripper = h.transport
		defer func() {
			h.stop()
			for _, a := range h.apps {
				if a.process != nil {
					a.process.dies()
				}
			}
			h.server.Close()
			h.transport.CloseIdleConnections()
			if t.Failed() || len(h.faults) > 0 {
				for _, a := range h.apps {
					h.note("%s: strict %v, allowances %d and %d", a.id, a.strict, a.allowance, a.essential)
				}
				t.Errorf("seed %d:\n%s\nthe history:\n%s", seed, strings.Join(h.faults, "\n"), strings.Join(h.trail, "\n"))
			}
			_ = os.RemoveAll(filepath.Dir(d.Data))
		}()
		h.prepare()
		h.start()
		h.live(4 + h.pick(14))
		h.settle()
	})
}

// histories lives n of them from a seed on, side by side. To open a database takes
// longer than most histories do, so of those in memory only each eighth does.
func histories(t *testing.T, from, n int, options db.Options) {
	dir := t.TempDir()
	if options.Unsafe {
		if memory, err := os.MkdirTemp("/dev/shm", "larder-test-"); err == nil {
			dir = memory
			t.Cleanup(func() { _ = os.RemoveAll(memory) })
		}
	}
	const lanes = 4
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			lent := options
			if options.Unsafe {
				d, err := db.Open(t.Context(), filepath.Join(dir, fmt.Sprint("lane", lane)), options)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				lent.Opened = d
			}
			for seed := from + lane; seed < from+n && !t.Failed(); seed += lanes {
				o := lent
				if seed/lanes%8 == 0 {
					o = options // the file is opened anew after each kill
				}
				runHistory(t, dir, uint64(seed), o)
			}
		})
	}
}

func TestNothingIsLostInAnyHistory(t *testing.T) {
	t.Parallel()
	n := manyHistories
	if one := os.Getenv("LARDER_HISTORY"); one != "" { // a seed that failed
		seed, err := strconv.Atoi(one)
		if err != nil {
			t.Fatal(err)
		}
		histories(t, seed, 1, db.Options{Unsafe: true})
		return
	}
	histories(t, 0, n, db.Options{Unsafe: true})
}

func TestNothingIsLostInAnyHistoryOverADurableDatabase(t *testing.T) {
	t.Parallel()
	histories(t, 1_000_000, fewHistories, db.Options{})
}
