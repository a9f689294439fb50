package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fault"
)

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
	r := a.asked("/x")
	if len(r) < 2 {
		t.Error("what stalled was waited for")
	}
	for i := 1; i < len(r); i++ { // a busy machine may pause too
		if r[i].Start < r[i-1].Start+r[i-1].Sent-1<<20 {
			t.Errorf("asked for: %s", pretty(r))
		}
	}
}
