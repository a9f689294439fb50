package conformance

import (
	"net/http"
	"testing"

	"larder/asset"
	"larder/internal/fault"
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
