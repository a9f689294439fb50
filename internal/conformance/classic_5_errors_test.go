package conformance

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

func TestClassic_5_Domains(t *testing.T) {
	row(t, "classic §5", "Apple's codes lie in BAErrorDomain; transport failures come in other domains", "BAErrorDomain; cancelled is -999 in NSURLErrorDomain; ours from 1000 in larder; the same in the API and to the extension")
	a := newApp(t, shared(t))
	a.launched()
	m := a.manager()
	_, err := m.Schedule(t.Context(), asset.URLDownload{})
	if e := asset.AsError(err); e.Domain != asset.DomainBA || e.Code != 0 {
		t.Errorf("schedule: %s", pretty(e))
	}
	st := a.schedule(m, a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
	if err := m.Cancel(t.Context(), st.UniqueIdentifier); err != nil {
		t.Fatal(err)
	}
	if h := a.untilCalled("failed", 1); h.Cause.Domain != asset.DomainURL || h.Cause.Code != -999 {
		t.Errorf("cancelled: %s", pretty(h.Cause))
	}
	a.schedule(m, asset.URLDownload{Identifier: "y", URL: a.server.URL + "/y", FileSize: 7})
	if h := a.untilCalled("failed", 2); h.Cause.Domain != asset.DomainLarder || h.Cause.Code < 1000 {
		t.Errorf("not found: %s", pretty(h.Cause))
	}
}

func TestClassic_5_Code0_DownloadInvalid(t *testing.T) {
	row(t, "classic §5", "0 downloadInvalid", "a download whose description breaks a rule")
	a := alone(t, shared(t))
	_, err := a.manager().Schedule(t.Context(), asset.URLDownload{Identifier: "x", URL: "https://", FileSize: 1})
	wantCode(t, "schedule", err, asset.CodeDownloadInvalid)
}

func TestClassic_5_Code50_FromTheExtension(t *testing.T) {
	row(t, "classic §5", "50 callFromExtensionNotAllowed: startForegroundDownload from the extension", "an extension that asks for it by hand gets 50; the Go SDK does not offer it")
	a := newApp(t, shared(t))
	a.script.Raw = "startForegroundDownload"
	a.installed()
	if h := a.untilDid(a.script.Raw, 1); h.Err == nil || h.Err.Code != asset.CodeCallFromExtensionNotAllowed {
		t.Errorf("told: %s", pretty(h))
	}
}

func TestClassic_5_Code51_InactiveApp(t *testing.T) {
	row(t, "classic §5", "51 callFromInactiveProcessNotAllowed: the app is not in the foreground", "unless SetActive(true) was called, also after SetActive(false)")
	a := alone(t, shared(t))
	m := a.manager()
	d := a.put("x", 10, false)
	_, err := m.StartForeground(t.Context(), d)
	wantCode(t, "before", err, asset.CodeCallFromInactiveProcess)
	for _, active := range []bool{true, false} {
		if err := m.SetActive(t.Context(), active); err != nil {
			t.Fatal(err)
		}
	}
	_, err = m.StartForeground(t.Context(), d)
	wantCode(t, "afterwards", err, asset.CodeCallFromInactiveProcess)
	if len(a.status().Downloads) != 0 {
		t.Error("it was scheduled")
	}
}

func TestClassic_5_Code56_NoConnection(t *testing.T) {
	row(t, "classic §5", "56 callerConnectionInvalid: the connection to the service is broken", "when no service runs, and for an app that was uninstalled")
	a := alone(t, shared(t))
	m := a.manager()
	if err := a.w.owner.Uninstall(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	_, err := m.CurrentDownloads(t.Context())
	wantCode(t, "list", err, asset.CodeConnectionInvalid)
	wantCode(t, "set active", m.SetActive(t.Context(), true), asset.CodeConnectionInvalid)
}

func TestClassic_5_Code101_NotScheduled(t *testing.T) {
	row(t, "classic §5", "101 downloadNotScheduled: cancel of one that was never scheduled or is complete; a failed one: 103 or 101", "101 after it has finished, failed or was cancelled")
	a := alone(t, shared(t))
	m := a.manager()
	good := a.schedule(m, a.put("good", 10, false))
	bad := a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	gone := a.schedule(m, a.file("gone", fault.File{Content: content("gone", 64<<20), Rate: 1 << 20}, false))
	if err := m.Cancel(t.Context(), gone.UniqueIdentifier); err != nil {
		t.Fatal(err)
	}
	a.untilState("good", asset.StateFinished)
	a.untilState("bad", asset.StateFailed)
	for _, d := range []asset.DownloadStatus{good, bad, gone} {
		wantCode(t, d.Identifier, m.Cancel(t.Context(), d.UniqueIdentifier), asset.CodeNotScheduled)
	}
}

func TestClassic_5_Code112_OverTheAllowance(t *testing.T) {
	row(t, "classic §5", "112 downloadWouldExceedAllowance: enqueueing it would pass the allowance", "in the answer, with the bytes that are left; what fits goes on")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000+a.manifest())
	a.installed(a.put("fits", 1000, true), a.put("over", 1001, false), a.put("more", 1000, true))
	a.untilTaken("fits")
	a.wantFailed(a.status(), "over", asset.CodeWouldExceedAllowance)
	a.wantFailed(a.status(), "more", asset.CodeWouldExceedAllowance)
	if len(a.asked("/over"))+len(a.asked("/more")) != 0 {
		t.Error("they were asked for")
	}
}

func TestClassic_5_Code113_NoSuchDownload(t *testing.T) {
	row(t, "classic §5", "113 downloadDoesNotExist: no such download object", "for an unknown unique identifier, and for another app's: it cannot be told which")
	a, b := newAppNamed(t, shared(t), "a"), newAppNamed(t, shared(t), "b")
	b.w = a.w
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
	}
	st := a.schedule(a.manager(), a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
	m := b.manager()
	unknown, foreign := m.Cancel(t.Context(), "nothing"), m.Cancel(t.Context(), st.UniqueIdentifier)
	wantCode(t, "unknown", unknown, asset.CodeDownloadDoesNotExist)
	wantCode(t, "another app's", foreign, asset.CodeDownloadDoesNotExist)
	if find(a.status(), "x").State.Settled() {
		t.Error("it was cancelled")
	}
}

func TestClassic_5_Code202_ForeignHost(t *testing.T) {
	row(t, "classic §5", "202 sessionDownloadDisallowedByDomain: the host is not permitted until the first launch", "in the answer; after the launch the same host is permitted")
	a := newApp(t, shared(t))
	d := a.put("x", 1000, true)
	d.URL = elsewhere(a, "/x")
	a.installed(d)
	a.wantFailed(a.status(), "x", asset.CodeDisallowedByDomain)
	if len(a.asked("/x")) != 0 {
		t.Error("it was asked for")
	}
	a.launch()
	d.Essential = false
	a.schedule(a.manager(), d)
	a.untilTaken("x")
}

func TestClassic_5_NoProgrammingFaultAborts(t *testing.T) {
	row(t, "classic §5", "Programming faults (bad plist, essential in the foreground) abort the process", "a bundle is refused with every fault named, code 1000; calls get typed errors")
	a := newApp(t, shared(t))
	a.keys["BAManifestURL"], a.keys["BAMaxInstallSize"] = "http://example.org/m", "big"
	_, err := a.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: a.bundle()})
	wantCode(t, "install", err, asset.CodeConfiguration)
	if _, err := a.w.owner.App(t.Context(), a.id); asset.CodeOf(err) != asset.CodeNotFound {
		t.Errorf("the app is known: %v", err)
	}
}

// elsewhere is the app's server under a name that no list has.
func elsewhere(a *app, path string) string { return "http://elsewhere.localhost" + port(a) + path }

func TestClassic_5_TheSameWordsEverywhere(t *testing.T) {
	row(t, "classic §5", "An error has a domain, a number and a description", "and a help text; one text in the API, in status and to the extension; addresses without query")
	a := newApp(t, shared(t))
	secret := asset.Download{Identifier: "x", URL: a.server.URL + "/none?token=hush", FileSize: 10, Essential: true}
	a.installed(secret)
	h := a.untilCalled("failed", 1)
	st := find(a.status(), "x")
	if h.Cause.Error() != st.Reason.Message || contains(h.Cause.Error(), "hush") || st.Reason.Unblock != h.Cause.Help {
		t.Errorf("status says %s, the extension heard %s", pretty(st), pretty(h.Cause))
	}
	text, err := json.Marshal(h.Cause)
	if err != nil || contains(a.w.log.String(), "hush") || !contains(string(text), `"domain"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestClassic_3_5_RetryAfterIsObeyed(t *testing.T) {
	row(t, "classic §3.5", "Background transfers start at the system's discretion", "our call: a server's Retry-After is obeyed, told as the reason, and survives a restart of the service")
	w := newWorld(t)
	a := newApp(t, w)
	a.bare = true
	a.launched()
	begun := time.Now()
	a.server.Handle("/x", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if len(a.asked("/x")) == 1 {
			rw.Header().Set("Retry-After", "4")
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = rw.Write([]byte("0123456789"))
	}))
	a.schedule(a.manager(), asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 10})
	a.until("it waits", func(st asset.AppStatus) bool {
		d := find(st, "x")
		return d.State == asset.StateWaiting && d.Reason != nil && d.Reason.Code == asset.WhyRetry
	})
	w.restart(t)
	a.untilState("x", asset.StateFinished)
	if r := a.asked("/x"); len(r) != 2 || r[1].Time.Sub(begun) < 3500*time.Millisecond {
		t.Errorf("asked %d times", len(r))
	}
}
