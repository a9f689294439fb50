package conformance

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

func TestClassic_3_1_UniqueIdentifierIsMadeByTheSystem(t *testing.T) {
	row(t, "classic §3.1", "uniqueIdentifier is a UUID made by the system and identifies one download object", "a random UUID, new for each scheduling; one that the caller names is not taken")
	a := alone(t, shared(t))
	d := a.put("x", 1000, false)
	d.UniqueIdentifier, d.State = "mine", asset.StateFinished
	st := a.schedule(a.manager(), d)
	if !regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").MatchString(st.UniqueIdentifier) {
		t.Errorf("unique identifier %q", st.UniqueIdentifier)
	}
	a.untilState("x", asset.StateFinished)
}

func TestClassic_3_1_States(t *testing.T) {
	row(t, "classic §3.1", "failed -1, created 0, waiting 1, downloading 2, finished 3; there is no paused state", "the five words with Apple's numbers; what is paused is waiting, with a reason")
	a := alone(t, shared(t))
	m := a.manager()
	d, release := a.trickle("x", 1<<20, false)
	st := a.schedule(m, d)
	if st.State != asset.StateWaiting && st.State != asset.StateDownloading || asset.StateWaiting.Number() != 1 { // it does not wait for long
		t.Errorf("scheduled: %s", pretty(st))
	}
	a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	for identifier, want := range map[string]int{"x": 2, "bad": -1} {
		a.until(identifier, func(st asset.AppStatus) bool { return find(st, identifier).State.Number() == want })
	}
	release()
	if d := a.untilState("x", asset.StateFinished); d.State.Number() != 3 || asset.StateCreated.Number() != 0 {
		t.Errorf("finished: %s", pretty(d))
	}
}

func TestClassic_3_1_IdentifierMayComeAgainAfterItsEnd(t *testing.T) {
	row(t, "classic §3.1", "One identifier may follow itself once the first has ended (implied)", "our call: at once after a failure; the new one has bytes and name of its own")
	a := alone(t, shared(t))
	m := a.manager()
	d := a.file("x", fault.File{Content: content("x", 1000), Script: "status=404:1"}, false)
	first := a.schedule(m, d)
	a.untilState("x", asset.StateFailed)
	second := a.schedule(m, d)
	if first.UniqueIdentifier == second.UniqueIdentifier {
		t.Error("both have one unique identifier")
	}
	a.untilState("x", asset.StateFinished)
}

func TestClassic_3_2_HigherPriorityGoesFirst(t *testing.T) {
	row(t, "classic §3.2", "Within an app higher priority goes first, whatever the order of scheduling", "so it does")
	a := newApp(t, newWorld(t, single))
	list := []asset.Download{a.put("low", 1000, false), a.put("middle", 1000, false), a.put("high", 1000, false)}
	list[0].Priority, list[2].Priority = -7, 7
	a.installed(list...)
	a.untilTaken("low", "middle", "high")
	if got := a.order(); !slices.Equal(got, []string{"/high", "/middle", "/low"}) {
		t.Errorf("order: %v", got)
	}
}

// order is the paths asked for after the manifest, in order.
func (a *app) order() (out []string) {
	for _, r := range a.server.Requests() {
		if r.Path != "/manifest" {
			out = append(out, r.Path)
		}
	}
	return out
}

func TestClassic_3_2_PrioritiesHaveBounds(t *testing.T) {
	row(t, "classic §3.2", "Values outside [min, max] are refused; the numbers are UNCONFIRMED", "our call: -100, 0, 100; the bounds are taken, beyond is error 0")
	a := alone(t, shared(t))
	m := a.manager()
	for name, p := range map[string]asset.Priority{"min": asset.PriorityMin, "max": asset.PriorityMax, "under": -101, "over": 101} {
		d := a.put(name, 10, false)
		d.Priority = p
		st, err := m.Schedule(t.Context(), d)
		if p < asset.PriorityMin || p > asset.PriorityMax {
			wantCode(t, name, err, asset.CodeDownloadInvalid)
		} else if err != nil || st.Priority != p {
			t.Errorf("%s: %v, %s", name, err, pretty(st))
		}
	}
}

func TestClassic_3_3_OnlyHTTPS(t *testing.T) {
	row(t, "classic §3.3", "The scheme must be https, on loopback too", "our call: http for loopback hosts, for local tests; everything else is error 0")
	a := alone(t, shared(t))
	m := a.manager()
	for _, u := range []string{"http://example.org/x", "ftp://example.org/x", "file:///etc/hosts", "x", "", "https://", "https://user:word@example.org/x"} {
		_, err := m.Schedule(t.Context(), asset.URLDownload{Identifier: "x", URL: u, FileSize: 10})
		wantCode(t, u, err, asset.CodeDownloadInvalid)
	}
	a.schedule(m, a.put("x", 10, false))
	a.untilState("x", asset.StateFinished)
}

func TestClassic_3_3_EssentialSizeIsExact(t *testing.T) {
	row(t, "classic §3.3", "For essential downloads fileSize must equal the received size, or the download fails", "off by one fails with 1001 (Apple has no code for it), and the gate opens")
	a := newApp(t, shared(t))
	one, two := a.put("longer", 1001, true), a.put("shorter", 999, true)
	one.FileSize, two.FileSize = 1000, 1000
	p := a.installed(one, two, a.put("right", 1000, true))
	a.wantGate(p.Gate, asset.WhyEssential)
	a.untilTaken("right")
	a.wantFailed(a.status(), "longer", asset.CodeSizeMismatch)
	a.wantFailed(a.status(), "shorter", asset.CodeSizeMismatch)
}

func TestClassic_3_3_EveryMethodOfAskingIsChecked(t *testing.T) {
	row(t, "classic §3.3", "No restriction of methods is documented; whether others than GET work is UNCONFIRMED", "our call: GET and POST with at most 1 MiB of body; others are error 0")
	a := alone(t, shared(t))
	m := a.manager()
	for what, change := range map[string]func(*asset.Download){
		"PUT": func(d *asset.Download) { d.Method = "PUT" }, "get": func(d *asset.Download) { d.Method = "get" },
		"a body with GET": func(d *asset.Download) { d.Body = []byte("x") },
		"1 MiB and one":   func(d *asset.Download) { d.Method, d.Body = "POST", make([]byte, asset.MaxBody+1) },
	} {
		d := a.put("x", 10, false)
		change(&d)
		if _, err := m.Schedule(t.Context(), d); asset.CodeOf(err) != asset.CodeDownloadInvalid && asset.CodeOf(err) != asset.CodeTooLarge {
			t.Errorf("%s: %v", what, err)
		}
	}
	bodies := make(chan string, 1)
	a.server.Handle("/ask", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		n, _ := r.Body.Read(b)
		bodies <- r.Method + " " + string(b[:n]) + " " + r.Header.Get("X-Mine")
		_, _ = w.Write([]byte("0123456789"))
	}))
	a.schedule(m, asset.URLDownload{Identifier: "ask", URL: a.server.URL + "/ask", Method: "POST", Body: []byte("a question"), Headers: map[string]string{"X-Mine": "yes"}, FileSize: 10})
	a.untilState("ask", asset.StateFinished)
	if got := <-bodies; got != "POST a question yes" {
		t.Errorf("the server got %q", got)
	}
}

func TestClassic_3_3_GroupIsTheAppsOwn(t *testing.T) {
	row(t, "classic §3.3", "applicationGroupIdentifier names a group that the process belongs to", "the app's own group, or none; another is error 0; the file lies on that group's file system")
	a := alone(t, shared(t))
	m := a.manager()
	d := a.put("x", 10, false)
	d.Group = "group.org.example.others"
	_, err := m.Schedule(t.Context(), d)
	wantCode(t, "a foreign group", err, asset.CodeDownloadInvalid)
	d.Group = asset.GroupID("group." + string(a.id))
	a.schedule(m, d)
	st := a.untilState("x", asset.StateFinished)
	if !strings.HasPrefix(st.FilePath, a.w.dirs.Group(d.Group)) {
		t.Errorf("it lies at %s", st.FilePath)
	}
	if err := os.Rename(st.FilePath, a.container("x")); err != nil {
		t.Error(err)
	}
}

func TestClassic_3_3_WrongArgumentsAreErrors(t *testing.T) {
	row(t, "classic §3.3", "Wrong arguments raise exceptions or abort", "our call: typed errors with a help text; the process lives on")
	a := alone(t, shared(t))
	m := a.manager()
	good := a.put("x", 10, false)
	for what, change := range map[string]func(*asset.Download){
		"no identifier":         func(d *asset.Download) { d.Identifier = "" },
		"an endless identifier": func(d *asset.Download) { d.Identifier = strings.Repeat("x", 1025) },
		"a negative size":       func(d *asset.Download) { d.FileSize = -1 },
		"an endless URL":        func(d *asset.Download) { d.URL += "?" + strings.Repeat("x", 9000) },
		"a header of ours":      func(d *asset.Download) { d.Headers = map[string]string{"range": "bytes=0-1"} },
		"a header in two lines": func(d *asset.Download) { d.Headers = map[string]string{"X-A": "b\r\nX-C: d"} },
	} {
		d := good
		d.Headers = maps.Clone(good.Headers)
		change(&d)
		_, err := m.Schedule(t.Context(), d)
		wantCode(t, what, err, asset.CodeDownloadInvalid)
		if e := asset.AsError(err); err != nil && e.Help == "" {
			t.Errorf("%s: no help", what)
		}
	}
	a.schedule(m, good)
}

func TestClassic_3_4_EssentialIsForTheExtensionsAnswerOnly(t *testing.T) {
	row(t, "classic §3.4", "Essential downloads come only from the answer to install or update, never through the manager (109)", "109 from the app, in the foreground and the background, and from the extension's own scheduling")
	a := newApp(t, shared(t))
	d := a.put("e", 10, true)
	a.script.On = map[string][]step{"finished": {{Do: "schedule", Download: &d}, {Do: "take"}}}
	a.launched(a.put("x", 10, false))
	m := a.active()
	_, err := m.Schedule(t.Context(), d)
	wantCode(t, "schedule", err, asset.CodeEssentialNotPermitted)
	_, err = m.StartForeground(t.Context(), d)
	wantCode(t, "start foreground", err, asset.CodeEssentialNotPermitted)
	if h := a.untilDid("schedule", 1); h.Err == nil || h.Err.Code != asset.CodeEssentialNotPermitted {
		t.Errorf("from the extension: %s", pretty(h))
	}
}

func TestClassic_3_4_EssentialNeedsItsSize(t *testing.T) {
	row(t, "classic §3.4", "An accurate fileSize is mandatory for essential downloads", "without one it is refused (0), and the others go on")
	a := newApp(t, shared(t))
	d := a.put("unknown", 1000, true)
	d.FileSize = 0
	p := a.installed(d, a.put("known", 1000, true))
	a.wantGate(p.Gate, asset.WhyEssential)
	a.untilTaken("known")
	a.wantFailed(a.status(), "unknown", asset.CodeDownloadInvalid)
}

func TestClassic_3_4_EssentialWaitsSecondsForTheNetwork(t *testing.T) {
	row(t, "classic §3.4", "Essential downloads wait only a few seconds for connectivity, then fail", "after 5 s without a connection; the gate opens")
	a := newApp(t, shared(t))
	begun := time.Now()
	p := a.installed(asset.Download{Identifier: "x", URL: nowhere(t), FileSize: 10, Essential: true})
	a.wantGate(p.Gate, asset.WhyEssential)
	a.wantFailed(a.status(), "x", asset.CodeNetwork)
	if took := time.Since(begun); took < 4*time.Second || took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

// nowhere is a URL on this machine where nothing listens.
func nowhere(t *testing.T) string {
	t.Helper()
	s := fault.Start()
	s.Close()
	return s.URL + "/x"
}

func TestClassic_3_4_FailedEssentialIsNotRequeued(t *testing.T) {
	row(t, "classic §3.4", "After a failure the app or extension must requeue a non-essential copy; the system does not", "it stays failed until it is scheduled again")
	a := newApp(t, shared(t))
	a.installed(a.file("x", fault.File{Content: content("x", 10), Script: "status=404:1"}, true), a.put("later", 1<<20, false))
	a.untilTaken("later")
	a.untilCalled("failed", 1)
	a.wantFailed(a.status(), "x", asset.CodeServer)
	if n := len(a.asked("/x")); n != 1 {
		t.Errorf("it was asked for %d times", n)
	}
}

func TestClassic_3_4_EssentialOvertakesWhatRuns(t *testing.T) {
	row(t, "classic §3.4", "Essential downloads run with foreground priority, before non-essential ones", "at an update they take the connections of running ones, which go on afterwards from the bytes held")
	a := newApp(t, newWorld(t, single))
	a.launched(a.file("slow", fault.File{Content: content("slow", 4<<20), Rate: 1 << 17}, false))
	a.untilFlowing("slow", 1<<17)
	slow := a.script.Answer[0]
	a.update(slow, a.put("now", 1000, true))
	a.wantGate(a.open().Gate, asset.WhyReady)
	if d := find(a.status(), "slow"); d.State == asset.StateFinished {
		t.Error("the running one went first")
	}
	a.server.Put("/slow", fault.File{Content: content("slow", 4<<20)})
	a.untilTaken("slow", "now")
	a.holds("slow", 4<<20)
	if r := a.asked("/slow"); len(r) < 2 || r[1].Start < 1<<17 {
		t.Errorf("slow was asked for: %s", pretty(r))
	}
}

func TestClassic_3_5_BackgroundRetries(t *testing.T) {
	row(t, "classic §3.5", "Non-essential downloads are retried and wait for connectivity; counts and delays are UNCONFIRMED", "our call: after broken connections and 5xx they go on where they stopped, without an end")
	a := alone(t, shared(t))
	d := a.file("x", fault.File{Content: content("x", 4<<20), Script: "status=503:2,drop@1MiB,drop@3MiB"}, false)
	a.schedule(a.manager(), d)
	st := a.untilState("x", asset.StateFinished)
	a.fileHolds(st.FilePath, "x", 4<<20)
	var starts []int64
	for _, r := range a.asked("/x") {
		starts = append(starts, r.Start)
	}
	if len(starts) != 5 || starts[3] == 0 || starts[4] <= starts[3] {
		t.Errorf("asked from %v", starts)
	}
}

func TestClassic_3_5_ForegroundFailsAlmostAtOnce(t *testing.T) {
	row(t, "classic §3.5", "A foreground download fails almost at once on a connectivity problem", "after 5 s; the same in the background still waits")
	a := alone(t, shared(t))
	m := a.active()
	d := asset.URLDownload{Identifier: "front", URL: nowhere(t), FileSize: 10}
	a.schedule(m, asset.URLDownload{Identifier: "back", URL: d.URL, FileSize: 10})
	if _, err := m.StartForeground(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	a.untilState("front", asset.StateFailed)
	a.wantFailed(a.status(), "front", asset.CodeNetwork)
	if back := find(a.status(), "back"); back.State.Settled() {
		t.Errorf("in the background: %s", pretty(back))
	}
}
