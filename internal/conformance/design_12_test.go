package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/service"
)

func TestDesign_12_RedirectsAreCheckedAtEveryHop(t *testing.T) {
	row(t, "design §12", "Restrictions on redirects", "every hop has to be on the list before the first launch (202), and none is asked that is not; after it, all are free")
	a := newApp(t, shared(t))
	a.put("target", 1000, false)
	a.server.Handle("/one", fault.Redirect(302, "http://localhost"+port(a)+"/two"))
	a.server.Handle("/two", fault.Redirect(307, elsewhere(a, "/target")))
	a.server.Handle("/fine", fault.Redirect(308, "http://localhost"+port(a)+"/target"))
	bad := asset.Download{Identifier: "bad", URL: a.server.URL + "/one", FileSize: 1000, Essential: true}
	good := asset.Download{Identifier: "good", URL: a.server.URL + "/fine", FileSize: 1000, Essential: true}
	a.installed(bad, good)
	a.wantFailed(a.status(), "bad", asset.CodeDisallowedByDomain)
	if n := len(a.asked("/target")); n != 1 || find(a.status(), "good").State != asset.StateFinished {
		t.Errorf("the target was asked %d times; good is %s", n, pretty(find(a.status(), "good")))
	}
	a.launch()
	bad.Essential = false
	a.schedule(a.manager(), bad)
	a.untilTaken("bad")
}

func TestDesign_12_RedirectsNeverLeaveHTTPS(t *testing.T) {
	row(t, "design §12", "Restrictions on redirects, after the first launch", "plain http to another machine and more than ten hops fail with 1003; what was meant for the first host (headers) is not sent to another")
	a := alone(t, shared(t))
	m := a.manager()
	a.server.Handle("/plain", fault.Redirect(302, "http://example.org/x"))
	a.server.Handle("/loop", fault.Redirect(302, "/loop"))
	a.server.Handle("/away", fault.Redirect(302, elsewhere(a, "/x")))
	a.put("x", 10, false)
	for _, name := range []string{"plain", "loop"} {
		a.schedule(m, asset.URLDownload{Identifier: name, URL: a.server.URL + "/" + name, FileSize: 10})
		a.untilState(name, asset.StateFailed)
		a.wantFailed(a.status(), name, asset.CodeRedirectRefused)
	}
	a.schedule(m, asset.URLDownload{Identifier: "away", URL: a.server.URL + "/away", FileSize: 10, Headers: map[string]string{"Authorization": "Bearer secret"}})
	a.untilState("away", asset.StateFinished)
	if a.asked("/away")[0].Header.Get("Authorization") == "" || a.asked("/x")[0].Header.Get("Authorization") != "" {
		t.Error("the header went astray")
	}
}

func TestDesign_12_WildcardsNameSubdomainsOnly(t *testing.T) {
	row(t, "design §12", "A wildcard *.x", "names the subdomains of x, however deep, and not x; case is folded")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000, "127.0.0.1", "*.Assets.LocalHost")
	a.put("f", 10, false)
	var list []asset.Download
	hosts := map[string]bool{"a.assets.localhost": true, "B.a.ASSETS.localhost": true, "assets.localhost": false, "xassets.localhost": false, "localhost": false}
	for host := range hosts {
		list = append(list, asset.Download{Identifier: host, URL: "http://" + host + port(a) + "/f", FileSize: 10, Essential: true})
	}
	a.installed(list...)
	for host, allowed := range hosts {
		if allowed {
			a.untilTaken(host)
		} else {
			a.wantFailed(a.status(), host, asset.CodeDisallowedByDomain)
		}
	}
}

func TestDesign_12_AddressesOnlyWhenListed(t *testing.T) {
	row(t, "design §12", "IP addresses and ports on the list", "an address is allowed only when listed itself; ports are ignored")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000, "localhost")
	a.keys["BAManifestURL"] = "http://localhost" + port(a) + "/manifest"
	ip, name := a.put("ip", 10, true), a.put("name", 10, true)
	name.URL = "http://localhost" + port(a) + "/name"
	a.installed(ip, name)
	a.untilTaken("name")
	a.wantFailed(a.status(), "ip", asset.CodeDisallowedByDomain)
}

func TestDesign_12_OverTheAllowanceOneByOne(t *testing.T) {
	row(t, "design §12", "The answer exceeds the allowance", "accounted one by one in priority order: each that does not fit is refused (112), the next is tried")
	a := newApp(t, shared(t))
	a.restrict(1000, 0)
	list := []asset.Download{a.put("low", 300, false), a.put("big", 800, false), a.put("high", 600, false)}
	list[0].Priority, list[1].Priority, list[2].Priority = -1, 0, 1
	a.installed(list...)
	a.untilTaken("high", "low")
	a.wantFailed(a.status(), "big", asset.CodeWouldExceedAllowance)
}

func TestDesign_12_RestrictionsDoNotComeBack(t *testing.T) {
	row(t, "design §12", "Do allowances and allow list come back after an update?", "no: the first launch lifts them for good")
	a := newApp(t, shared(t))
	a.restrict(0, 0)
	a.launched()
	d := a.put("x", 5000, true)
	d.URL = elsewhere(a, "/x")
	a.update(d)
	a.wantGate(a.open().Gate, asset.WhyReady)
	a.untilTaken("x")
}

func TestDesign_12_ManifestFailureEndsTheRound(t *testing.T) {
	row(t, "design §12", "The manifest fails", "delivered as a failed manifest download; no content request; the gate opens")
	a := newApp(t, shared(t))
	a.server.Handle("/manifest", http.NotFoundHandler())
	a.wantGate(a.installed(a.put("x", 10, true)).Gate, asset.WhyManifest)
	a.untilCalled("failed", 1)
	if len(a.calls("downloads")) != 0 || len(a.asked("/x")) != 0 {
		t.Errorf("it was asked: %s", pretty(a.heard()))
	}
	a.launch()
}

func TestDesign_12_ManifestIsBounded(t *testing.T) {
	row(t, "design §12", "How large a manifest may be (Apple names no bound)", "64 MiB; a larger one fails with 1012, also when the server does not say how large it is")
	a := newApp(t, shared(t))
	a.server.Put("/manifest", fault.File{Content: content("manifest", 65<<20), Chunked: true})
	a.wantGate(a.installed().Gate, asset.WhyManifest)
	if h := a.untilCalled("failed", 1); h.Cause.Code != asset.CodeTooLarge {
		t.Errorf("told: %s", pretty(h.Cause))
	}
}

func TestDesign_12_SizeMismatchAlwaysFails(t *testing.T) {
	row(t, "design §12", "CONFLICT: a size mismatch fails always (header), or only if essential (WWDC23)", "always, with 1001; it is not tried again")
	a := alone(t, shared(t))
	d := a.put("x", 1000, false)
	d.FileSize = 1001
	a.schedule(a.manager(), d)
	a.untilState("x", asset.StateFailed)
	a.wantFailed(a.status(), "x", asset.CodeSizeMismatch)
	if n := len(a.asked("/x")); n != 1 {
		t.Errorf("it was asked for %d times", n)
	}
}

func TestDesign_12_UnknownSizeForNonEssentialOnly(t *testing.T) {
	row(t, "design §12", "fileSize 0", "unknown; only non-essential downloads may have it")
	a := newApp(t, shared(t))
	x, y := a.put("x", 5000, false), a.put("y", 5000, true)
	x.FileSize, y.FileSize = 0, 0
	a.installed(x, y)
	a.untilTaken("x")
	a.holds("x", 5000)
	a.wantFailed(a.status(), "y", asset.CodeDownloadInvalid)
}

func TestDesign_12_SizesAreWireBytes(t *testing.T) {
	row(t, "design §12", "Content encoding", "identity is asked for; what comes is stored as it came, and its size counts as on the wire")
	a := alone(t, shared(t))
	body := strings.Repeat("not really gzip ", 10)
	a.server.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte(body))
	}))
	a.schedule(a.manager(), asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: int64(len(body))})
	a.untilState("x", asset.StateFinished)
	if got := a.asked("/x")[0].Header.Get("Accept-Encoding"); got != "identity" {
		t.Errorf("asked for encoding %q", got)
	}
}

func TestDesign_12_OnlyGETResumes(t *testing.T) {
	row(t, "design §12", "Methods and bodies", "a POST that breaks off is asked anew from its start; a GET goes on")
	a := alone(t, shared(t))
	m := a.manager()
	for _, name := range []string{"get", "post"} {
		d := a.file(name, fault.File{Content: content(name, 2<<20), Script: "drop@1MiB"}, false)
		if name == "post" {
			d.Method, d.Body = "POST", []byte("give")
		}
		a.schedule(m, d)
		a.fileHolds(a.untilState(name, asset.StateFinished).FilePath, name, 2<<20)
	}
	if r := a.asked("/get"); len(r) != 2 || r[1].Start == 0 {
		t.Errorf("get: %s", pretty(r))
	}
	if r := a.asked("/post"); len(r) != 2 || r[1].Start != 0 || r[1].Header.Get("Range") != "" {
		t.Errorf("post: %s", pretty(r))
	}
}

func TestDesign_12_ResumeNeverMixesTwoFiles(t *testing.T) {
	row(t, "design §12", "Resuming when the file on the server has changed", "only under a strong validator; otherwise, and when it changed, from the start")
	a := alone(t, shared(t))
	m := a.manager()
	a.schedule(m, a.file("weak", fault.File{Content: content("weak", 2<<20), ETag: `W/"x"`, Script: "drop@1MiB"}, false))
	a.fileHolds(a.untilState("weak", asset.StateFinished).FilePath, "weak", 2<<20)
	for _, r := range a.asked("/weak") {
		if r.Start != 0 {
			t.Errorf("weak was resumed from %d", r.Start)
		}
	}
	a.schedule(m, a.file("new", fault.File{Content: content("new", 2<<20), Script: "drop@1MiB,etag-change"}, false))
	path := a.untilState("new", asset.StateFinished).FilePath
	c := content("new", 2<<20)
	c.Seed++
	a.fileIs(path, c)
}

func TestDesign_12_TiesGoOldestFirst(t *testing.T) {
	row(t, "design §12", "Ties of priority", "oldest first")
	a := newApp(t, newWorld(t, single))
	var names, paths []string
	var list []asset.Download
	for n := range 6 {
		list = append(list, a.put(fmt.Sprint("f", n), 1000, false))
		names, paths = append(names, list[n].Identifier), append(paths, "/"+list[n].Identifier)
	}
	a.installed(list...)
	a.untilTaken(names...)
	if got := a.order(); !slices.Equal(got, paths) {
		t.Errorf("order: %v", got)
	}
}

func TestDesign_12_FourAtOnceTwoPerHost(t *testing.T) {
	row(t, "design §12", "Parallelism", "four downloads at once, two per host; those that wait say that they do")
	a := newApp(t, newWorld(t))
	a.bare = true
	a.launched()
	m := a.manager()
	running := func(names ...string) int {
		n := 0
		for _, name := range names {
			n += len(a.asked("/" + name))
		}
		return n
	}
	for n, host := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "a.localhost", "a.localhost", "b.localhost"} {
		d, _ := a.trickle(fmt.Sprint("f", n), 1<<20, false)
		d.URL = "http://" + host + port(a) + "/" + d.Identifier
		a.schedule(m, d)
	}
	a.until("four run", func(asset.AppStatus) bool { return running("f0", "f1", "f3", "f4") == 4 })
	st := a.status()
	for _, name := range []string{"f2", "f5"} {
		if d := find(st, name); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyQueued || running(name) != 0 {
			t.Errorf("%s is %s", name, pretty(d))
		}
	}
}

func TestDesign_12_AppsShareFairly(t *testing.T) {
	row(t, "design §12", "Fairness between apps", "connections are dealt out by bytes given (deficit round robin): an app that comes later gets its part at once")
	w := newWorld(t)
	a, b := newAppNamed(t, w, "a"), newAppNamed(t, w, "b")
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
		for n := range 4 {
			d := x.file(fmt.Sprint("f", n), fault.File{Content: content("f", 64<<20), Rate: 1 << 20}, false)
			for host, place := range []string{"127.0.0.1", "a.localhost"} {
				if n%2 == host {
					d.URL = "http://" + place + port(x) + "/" + d.Identifier
				}
			}
			x.schedule(x.manager(), d)
		}
		x.untilFlowing("f0", 1)
	}
	count := func(x *app) (n int) {
		for _, d := range x.status().Downloads {
			if d.State == asset.StateDownloading {
				n++
			}
		}
		return n
	}
	b.until("b has two of four", func(asset.AppStatus) bool { return count(a) == 2 && count(b) == 2 })
}

func TestDesign_12_RemovingEssentialIsAnother(t *testing.T) {
	row(t, "design §12", "RemovingEssential: does it keep identity and state?", "a new unique identifier, state created; everything else is the same")
	a := newApp(t, shared(t))
	a.launched(a.file("x", fault.File{Content: content("x", 1000), Script: "status=404:1"}, true))
	old := a.untilCalled("failed", 1).Download
	fresh := old.RemovingEssential()
	if fresh.Essential || fresh.UniqueIdentifier != "" || fresh.State != asset.StateCreated || fresh.Identifier != old.Identifier || fresh.URL != old.URL || fresh.FileSize != old.FileSize {
		t.Errorf("the copy of %s is %s", pretty(old), pretty(fresh))
	}
	st := a.schedule(a.manager(), fresh)
	if st.Essential || st.UniqueIdentifier == old.UniqueIdentifier {
		t.Errorf("scheduled: %s", pretty(st))
	}
	a.untilTaken("x")
}

func TestDesign_12_LockIsNotReentrant(t *testing.T) {
	row(t, "design §12", "Nesting of exclusive control", "an error (1015), for app and extension; the holder keeps it")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "acquire"}, {Do: "release"}, {Do: "release"}, {Do: "take"}}}
	a.launched(a.put("x", 10, true))
	for what, h := range map[string]heard{"acquired twice": a.untilDid("acquire", 2), "released twice": a.untilDid("release", 2)} {
		if h.Err == nil || h.Err.Code != asset.CodeState {
			t.Errorf("%s: %s", what, pretty(h))
		}
	}
	m := a.manager()
	none := func(context.Context) error { return nil }
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		wantCode(t, "nested", m.WithExclusiveControl(ctx, none), asset.CodeState)
		wantCode(t, "another", a.manager().WithExclusiveControlBefore(ctx, time.Now(), none), asset.CodeState)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDesign_12_LockIsFirstComeFirstServed(t *testing.T) {
	row(t, "design §12", "Fairness of exclusive control", "first come, first served")
	a := alone(t, shared(t))
	var mu sync.Mutex
	var order []int
	var all sync.WaitGroup
	err := a.manager().WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		for n := range 4 {
			m := a.manager()
			if err := m.SetActive(ctx, true); err != nil { // connected, so that the order of the calls is that of their arrival
				return err
			}
			all.Go(func() {
				err := m.WithExclusiveControl(ctx, func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, n)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond) // that it has begun to wait shows nowhere
		}
		return nil
	})
	all.Wait()
	if err != nil || !slices.IsSorted(order) || len(order) != 4 {
		t.Errorf("order %v, %v", order, err)
	}
}

func TestDesign_12_ForegroundFallsBack(t *testing.T) {
	row(t, "design §12", "The foreground ends", "when the app's connection ends, by kill -9 too, the download goes on in the background with its bytes")
	a := alone(t, shared(t))
	a.server.SetRate(2 << 20)
	kill := a.starts("foreground", a.put("x", 4<<20, false))
	a.untilFlowing("x", 1<<20)
	kill()
	a.server.SetRate(0)
	a.fileHolds(a.untilState("x", asset.StateFinished).FilePath, "x", 4<<20)
	if r := a.asked("/x"); len(r) != 1 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestDesign_12_SuccessAcknowledges(t *testing.T) {
	row(t, "design §12", "When is a finished file delivered?", "a success reply acknowledges: it is not offered again, also after a restart")
	w := newWorld(t)
	a := newApp(t, w)
	a.launched(a.put("x", 1000, true))
	a.untilTaken("x")
	w.restart(t)
	a.schedule(a.manager(), a.put("y", 10, false))
	a.untilTaken("y")
	if n := len(a.calls("finished")); n != 2 {
		t.Errorf("%d files were offered", n)
	}
}

func TestDesign_12_ErrorKeepsTheFile(t *testing.T) {
	row(t, "design §12", "The extension answers with an error", "the file stays in the inbox and is offered again, in a new session, after 1 s, 10 s, …")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "fail"}}}
	a.installed(a.put("x", 1000, true))
	a.untilDid("fail", 1)
	a.script.On = nil
	a.tell()
	a.untilCalled("finished", 2)
	a.untilTaken("x")
	a.holds("x", 1000)
}

func TestDesign_12_CrashKeepsTheFile(t *testing.T) {
	row(t, "design §12", "The extension crashes while it is handed a file", "the same: the file is offered again; results of others wait with it and are not lost")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "crash"}}}
	a.installed(a.put("x", 1000, true), a.put("y", 1000, true))
	a.untilCalled("finished", 1)
	a.script.On = nil
	a.tell()
	a.untilTaken("x", "y")
	a.holds("x", 1000)
	a.holds("y", 1000)
}

func TestDesign_12_HeldForTheApp(t *testing.T) {
	row(t, "design §12", "Nobody takes a finished file", "it is held for the app: a delegate that connects later is offered it, and may acknowledge it")
	a := newApp(t, shared(t))
	a.script.Minimal = true
	a.launched(a.put("x", 1000, true))
	path := a.untilState("x", asset.StateFinished).FilePath
	a.fileHolds(path, "x", 1000)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ev, err := range a.manager().Events(ctx) {
		if err != nil || ev.Type != asset.EventFinished || ev.FilePath != path {
			t.Errorf("event %s, %v", pretty(ev), err)
		}
		break // not done with it
	}
	st := find(a.status(), "x")
	if err := localapi.NewAppClient(a.w.dirs.AppSocket(a.id)).Acknowledge(t.Context(), st.UniqueIdentifier); err != nil {
		t.Error(err)
	}
	if !missing(path) || find(a.status(), "x").FilePath != "" {
		t.Error("it is still offered")
	}
}

func TestDesign_12_UpdatesAlwaysAsk(t *testing.T) {
	row(t, "design §12", "The extension is asked at an update only if the app was not force-quit", "no counterpart: updates always ask, also when the app was never launched or was killed")
	a := newApp(t, shared(t))
	a.installed()
	kill := a.starts("schedule", a.put("x", 10, false))
	kill()
	a.untilTaken("x")
	a.update()
	a.open()
	if c := a.calls("downloads"); len(c) != 2 || c[1].Request != asset.RequestUpdate {
		t.Errorf("asked: %s", pretty(c))
	}
}

func TestDesign_12_PriorityDoesNotPreempt(t *testing.T) {
	row(t, "design §12", "Does priority pre-empt a running transfer? UNCONFIRMED", "no; only essential and foreground downloads do")
	a := newApp(t, newWorld(t, single))
	a.bare = true
	a.launched()
	m := a.manager()
	d, release := a.trickle("low", 1<<20, false)
	a.schedule(m, d)
	a.untilFlowing("low", 1)
	high := a.put("high", 10, false)
	high.Priority = asset.PriorityMax
	a.schedule(m, high)
	n := find(a.status(), "low").Bytes
	a.untilFlowing("low", n+1)
	if len(a.asked("/high")) != 0 {
		t.Error("high went first")
	}
	release()
	a.untilState("high", asset.StateFinished)
}

func TestDesign_12_EachRequestHasTheDeadline(t *testing.T) {
	row(t, "design §12", "Deadline of an extension", "60 s (2 s in this test) for one request, not for a session: two slow answers in one session are fine")
	a := newApp(t, newWorld(t, func(c *service.Config) { c.Deadline = 2 * time.Second }))
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "sleep", Arg: "1.2s"}}}
	a.installed(a.put("x", 10, true), a.put("y", 10, true))
	a.untilTaken("x", "y")
	if c := a.calls("finished"); len(c) != 2 || c[0].PID != c[1].PID {
		t.Errorf("told: %s", pretty(c))
	}
}

func TestDesign_12_WireSaysNothingOfTheDevice(t *testing.T) {
	row(t, "design §12", "Identification", "no cookie, no device or user identifier, one constant User-Agent on every request")
	a := newApp(t, shared(t))
	a.server.Handle("/manifest", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "you", Path: "/"})
	}))
	a.launched(a.file("x", fault.File{Content: content("x", 2<<20), Script: "status=503:1,drop@1MiB"}, true))
	a.untilTaken("x")
	known := []string{"User-Agent", "Accept-Encoding", "Range", "If-Range"}
	for _, r := range a.server.Requests() {
		for name := range r.Header {
			if !slices.Contains(known, name) {
				t.Errorf("%s was asked with %s: %s", r.Path, name, r.Header.Get(name))
			}
		}
		if ua := r.Header.Get("User-Agent"); ua != "Larder/1" {
			t.Errorf("%s: User-Agent %q", r.Path, ua)
		}
	}
}

func TestDesign_12_AppsSeeThemselvesAlone(t *testing.T) {
	row(t, "design §12", "Who is the caller?", "the socket is the identity: on an app's own socket another app's state, downloads and lock are out of reach")
	a, b := newAppNamed(t, shared(t), "a"), newAppNamed(t, shared(t), "b")
	b.w = a.w
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
	}
	a.schedule(a.manager(), a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
	list, err := b.manager().CurrentDownloads(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("b sees %s, %v", pretty(list), err)
	}
	err = a.manager().WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		return b.manager().WithExclusiveControlBefore(ctx, time.Now(), func(context.Context) error { return nil })
	})
	if err != nil {
		t.Errorf("their locks are one: %v", err)
	}
}

func TestDesign_12_DiskFullWaits(t *testing.T) {
	row(t, "design §12", "The disk is full", "a download waits, with how much is needed and how to go on; it is not failed")
	a := alone(t, shared(t))
	m := a.manager()
	st := a.schedule(m, asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 1 << 60})
	d := find(a.until("it waits for space", func(st asset.AppStatus) bool {
		d := find(st, "x")
		return d.Reason != nil && d.Reason.Code == asset.WhyNoSpace
	}), "x")
	if d.State != asset.StateWaiting || d.Reason.Unblock == "" || len(a.asked("/x")) != 0 {
		t.Errorf("x is %s", pretty(d))
	}
	if err := m.Cancel(t.Context(), st.UniqueIdentifier); err != nil {
		t.Error(err)
	}
}

func TestDesign_12_TimeOutIsOnNoProgress(t *testing.T) {
	row(t, "design §12", "Time-outs of a transfer", "on no progress only, never on total time: a stalled connection is dropped and the file goes on where it stopped")
	w := newWorld(t, stallSoon)
	a := newApp(t, w)
	a.bare = true
	a.launched()
	d := a.file("x", fault.File{Content: content("x", 3<<20), Script: "stall@2MiB", Rate: 1 << 20}, false)
	a.schedule(a.manager(), d)
	a.fileHolds(a.untilState("x", asset.StateFinished).FilePath, "x", 3<<20)
	if r := a.asked("/x"); len(r) != 2 || r[1].Start < 1<<20 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestDesign_12_FailurePolicyOfABundle(t *testing.T) {
	row(t, "design §12", "An essential download failed and the bundle says LarderEssentialFailurePolicy", "open (as Apple) opens the gate; ask holds it closed with the reason, until the person cancels or launches anyway")
	a := newApp(t, shared(t))
	a.keys["LarderEssentialFailurePolicy"] = "ask"
	a.install(a.file("x", fault.File{Content: content("x", 10), Script: "status=404:*"}, true))
	st := a.until("it is held", func(st asset.AppStatus) bool {
		return st.Gate.Reason != nil && st.Gate.Reason.Code == asset.WhyEssential
	})
	if st.Gate.Open {
		t.Errorf("the gate is %s", pretty(st.Gate))
	}
	if _, err := a.w.owner.Control(t.Context(), a.id, localapi.ActionCancel); err != nil {
		t.Error(err)
	}
	if !a.status().Gate.Open {
		t.Error("it is closed after cancel")
	}
}
