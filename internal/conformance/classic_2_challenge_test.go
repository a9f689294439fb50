package conformance

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
	"larder/internal/fault"
)

// guarded serves a file to those who give the right Authorization; without it it
// asks with the demands given.
func (a *app) guarded(name, authorization string, demands ...string) asset.Download {
	c := content(name, 1000)
	a.server.Handle("/"+name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != authorization {
			for _, d := range demands {
				w.Header().Add("WWW-Authenticate", d)
			}
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, c.Reader())
	}))
	return asset.Download{Identifier: name, URL: a.server.URL + "/" + name, FileSize: 1000}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// login is a step with which the extension answers a challenge.
func login(user, password string) step {
	return step{Do: "answer", Answer: &asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{User: user, Password: password}}}
}

func dispose(d asset.Disposition) step {
	return step{Do: "answer", Answer: &asset.ChallengeAnswer{Disposition: d}}
}

// delegate answers challenges until the test ends, and gives those that came.
func (a *app) delegate(answer func(asset.Challenge) asset.ChallengeAnswer) chan asset.Challenge {
	a.Helper()
	seen := make(chan asset.Challenge, 64)
	m := a.manager()
	ctx, cancel := context.WithCancel(a.Context())
	done, heard := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(heard) })
	go func() {
		defer close(done)
		_ = m.SetDelegate(ctx, client.Delegate{Progress: func(asset.Download, int64, int64) { first() }, Challenge: func(_ asset.Download, c asset.Challenge) asset.ChallengeAnswer {
			seen <- c
			return answer(c)
		}})
	}()
	a.Cleanup(func() { cancel(); <-done })
	a.untilHeard(heard)
	return seen
}

// untilHeard waits until a delegate has heard of something: then it listens.
func (a *app) untilHeard(heard <-chan struct{}) {
	a.Helper()
	d, _ := a.trickle("beat", 1<<30, false)
	m := a.manager()
	st := a.schedule(m, d)
	select {
	case <-heard:
	case <-time.After(patience):
		a.Fatal("the delegate hears nothing")
	}
	if err := m.Cancel(a.Context(), st.UniqueIdentifier); err != nil {
		a.Fatal(err)
	}
}

// untilWaits waits until a download waits for a reason.
func (a *app) untilWaits(identifier, why string) {
	a.Helper()
	a.until(identifier+" waits for "+why, func(st asset.AppStatus) bool {
		d := find(st, identifier)
		return d.State == asset.StateWaiting && d.Reason != nil && d.Reason.Code == why
	})
}

// untold checks that a secret stands nowhere on the disk and in no log.
func (a *app) untold(secrets ...string) {
	a.Helper()
	a.w.restartless(func(path string, text []byte) {
		for _, s := range secrets {
			if strings.Contains(string(text), s) {
				a.Errorf("%s holds %q", path, s)
			}
		}
	})
	for _, s := range secrets {
		if contains(a.w.log.String(), s) || contains(pretty(a.status()), s) {
			a.Errorf("log or status holds %q", s)
		}
	}
}

// restartless gives every file of the data directory, outside the containers.
func (w *world) restartless(f func(path string, text []byte)) {
	_ = filepath.WalkDir(w.dirs.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "container" {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			if text, err := os.ReadFile(path); err == nil {
				f(path, text)
			}
		}
		return nil
	})
}

func TestClassic_2_7_ChallengeOfADownload(t *testing.T) {
	row(t, "classic §2.7", "didReceive: HTTP authentication for a download; a disposition and a credential", "httpBasic with host, port and realm, to the extension when no delegate is there; asked once for all files of that server, and the credential stands on no disk and in no log")
	w := newWorld(t)
	a := newApp(t, w)
	a.script.On = map[string][]step{"challenge": {login("ann", "open-sesame")}}
	one, two := a.guarded("one", basic("ann", "open-sesame"), `Basic realm="the \"vault\""`), a.guarded("two", basic("ann", "open-sesame"), `Basic realm="the \"vault\""`)
	one.Essential, two.Essential = true, true
	a.wantGate(a.installed(one, two).Gate, asset.WhyReady)
	a.untilTaken("one", "two")
	h := a.calls("challenge")
	u, _ := url.Parse(a.server.URL)
	if len(h) != 1 || h[0].Challenge.Method != asset.ChallengeBasic || h[0].Challenge.Realm != `the "vault"` || h[0].Challenge.Host != u.Hostname() || h[0].Challenge.Failures != 0 {
		t.Errorf("it was asked: %s", pretty(h))
	}
	a.untold("open-sesame", base64.StdEncoding.EncodeToString([]byte("ann:open-sesame")))
}

func TestClassic_2_7_ChallengeOfTheManifest(t *testing.T) {
	row(t, "classic §2.7", "didReceive: HTTP authentication for the manifest", "the extension is started for it before it is asked what to download; the download is marked manifest")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"challenge": {{Do: "answer", Answer: &asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{Token: "abc.def"}}}}}
	a.server.Handle("/manifest", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc.def" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="m", error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("what it has"))
	}))
	a.wantGate(a.installed().Gate, asset.WhyReady)
	h := a.heard()
	if len(a.calls("challenge")) != 1 || !a.calls("challenge")[0].Download.Manifest || a.calls("challenge")[0].Challenge.Method != asset.ChallengeBearer || a.calls("downloads")[0].Manifest != "what it has" {
		t.Errorf("it noted: %s", pretty(h))
	}
}

func TestClassic_2_7_DefaultHandling(t *testing.T) {
	row(t, "classic §2.7", "performDefaultHandling, also the answer of an extension without that entry point", "without a credential the server's 401 stands: it fails with 1011 and is asked once")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"challenge": {dispose(asset.DefaultHandling)}}
	a.launched(func() asset.Download { d := a.guarded("one", "never", `Basic realm="r"`); d.Essential = true; return d }())
	a.wantFailed(a.status(), "one", asset.CodeServer)
	if n := len(a.asked("/one")); n != 1 || len(a.calls("challenge")) != 1 {
		t.Errorf("asked %d times", n)
	}
	b := newAppNamed(t, a.w, "minimal")
	b.w, b.script.Minimal = a.w, true
	b.launched()
	b.schedule(b.manager(), b.guarded("two", "never", `Basic realm="r"`))
	b.untilState("two", asset.StateFailed)
	b.wantFailed(b.status(), "two", asset.CodeServer)
}

func TestClassic_2_7_CancelAChallenge(t *testing.T) {
	row(t, "classic §2.7", "cancelAuthenticationChallenge", "the download ends as cancelled (-999)")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"challenge": {dispose(asset.CancelChallenge)}}
	a.launched()
	a.schedule(a.manager(), a.guarded("x", "never", `Basic realm="r"`))
	a.untilState("x", asset.StateFailed)
	a.wantFailed(a.status(), "x", asset.CodeCancelled)
	if h := a.untilCalled("failed", 1); h.Cause.Code != asset.CodeCancelled || h.Cause.Domain != asset.DomainURL {
		t.Errorf("told: %s", pretty(h.Cause))
	}
}

func TestClassic_2_7_RejectAProtectionSpace(t *testing.T) {
	row(t, "classic §2.7", "rejectProtectionSpace", "the next method that the server offers is asked about; one that we do not know is left out")
	a := alone(t, shared(t))
	seen := a.delegate(func(c asset.Challenge) asset.ChallengeAnswer {
		if c.Method != asset.ChallengeBearer {
			return asset.ChallengeAnswer{Disposition: asset.RejectProtectionSpace}
		}
		return asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{Token: "t0k"}}
	})
	a.schedule(a.manager(), a.guarded("x", "Bearer t0k", `Negotiate, Digest realm="d", nonce="n/,", Basic realm="b"`, `Bearer realm="t"`))
	a.untilState("x", asset.StateFinished)
	if one, two := <-seen, <-seen; one.Method != asset.ChallengeBasic || one.Realm != "b" || two.Method != asset.ChallengeBearer {
		t.Errorf("asked for %s, then %s", pretty(one), pretty(two))
	}
}

func TestDesign_12_ChallengesAreBounded(t *testing.T) {
	row(t, "design §12", "How often is a wrong credential tried? (Apple's previousFailureCount has no bound)", "three times, each counted in previousFailureCount; then the server's 401 stands")
	a := alone(t, shared(t))
	seen := a.delegate(func(c asset.Challenge) asset.ChallengeAnswer {
		return asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{User: "ann", Password: "wrong"}}
	})
	a.schedule(a.manager(), a.guarded("x", "never", `Basic realm="r"`))
	a.untilState("x", asset.StateFailed)
	a.wantFailed(a.status(), "x", asset.CodeServer)
	var failures []int
	for len(seen) > 0 {
		failures = append(failures, (<-seen).Failures)
	}
	if !slices.Equal(failures, []int{0, 1, 2}) || len(a.asked("/x")) != 4 {
		t.Errorf("asked with %v failures, and the server %d times", failures, len(a.asked("/x")))
	}
}

func TestClassic_4_5_ChallengesGoToTheDelegateFirst(t *testing.T) {
	row(t, "classic §4.5", "A challenge goes to the live delegate; without one, or when it does not implement that, the extension is started", "so it is; and what a delegate leaves unanswered is passed on to the extension")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"challenge": {login("ext", "ension")}}
	a.launched()
	m := a.manager()
	ctx, cancel := context.WithCancel(t.Context())
	told, heard := make(chan string, 8), make(chan struct{})
	first := sync.OnceFunc(func() { close(heard) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev, err := range m.Events(ctx) {
			if err != nil {
				return
			}
			first()
			if ev.Type == asset.EventChallenge {
				told <- ev.Download.Identifier
				if ev.Download.Identifier == "answered" {
					wrong := asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{Token: "no"}}
					wantCode(t, "a token for a password", ev.Answer(ctx, wrong), asset.CodeBadRequest)
					right := asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{User: "a", Password: "p"}}
					if err := ev.Answer(ctx, right); err != nil {
						t.Error(err)
					}
					wantCode(t, "a second answer", ev.Answer(ctx, right), asset.CodeNotFound)
				}
			}
		}
	}()
	a.untilHeard(heard)
	a.schedule(a.manager(), a.guarded("answered", basic("a", "p"), `Basic realm="one"`))
	a.untilState("answered", asset.StateFinished)
	if len(a.calls("challenge")) != 0 {
		t.Errorf("the extension was started: %s", pretty(a.heard()))
	}
	a.schedule(a.manager(), a.guarded("left", basic("ext", "ension"), `Basic realm="two"`))
	a.untilState("left", asset.StateFinished)
	if one, two := <-told, <-told; one != "answered" || two != "left" || len(a.calls("challenge")) != 1 {
		t.Errorf("the delegate was told of %s and %s, the extension noted %s", one, two, pretty(a.heard()))
	}
	cancel()
	<-done
	a.schedule(a.manager(), a.guarded("alone", basic("ext", "ension"), `Basic realm="three"`))
	a.untilTaken("alone")
	if len(a.calls("challenge")) != 2 {
		t.Errorf("without a delegate: %s", pretty(a.heard()))
	}
}

func TestDesign_12_CredentialsStayWithTheirOriginAndApp(t *testing.T) {
	row(t, "design §12", "Where does a credential go?", "to the origin that asked, never along a redirect to another, and never for another app; another origin asks anew")
	w := shared(t)
	a, b := newAppNamed(t, w, "a"), newAppNamed(t, w, "b")
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
	}
	var leaked atomic.Bool
	away := fault.Start()
	t.Cleanup(away.Close)
	away.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		_, _ = w.Write([]byte("0123456789"))
	}))
	gate := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != basic("a", "for the first origin") {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, away.URL+"/x", http.StatusFound)
	})
	a.server.Handle("/x", gate)
	a.delegate(func(asset.Challenge) asset.ChallengeAnswer {
		return asset.ChallengeAnswer{Disposition: asset.UseCredential, Credential: &asset.Credential{User: "a", Password: "for the first origin"}}
	})
	d := asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 10}
	a.schedule(a.manager(), d)
	a.untilState("x", asset.StateFinished)
	if leaked.Load() {
		t.Error("the credential went along with the redirect")
	}
	b.schedule(b.manager(), d)
	b.untilState("x", asset.StateFailed)
	b.wantFailed(b.status(), "x", asset.CodeServer)
	a.untold("for the first origin")
}

// secure makes a web server with a certificate that no system trusts, and
// gives that as a file of the app's bundle.
func (a *app) secure(name string) (d asset.Download, certificate []byte) {
	a.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("0123456789")) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	s.StartTLS()
	a.Cleanup(s.Close)
	return asset.Download{Identifier: name, URL: s.URL + "/" + name, FileSize: 10},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestClassic_2_7_ServerTrust(t *testing.T) {
	row(t, "classic §2.7", "didReceive: server trust", "our call: asked only when the certificate is not valid, with its chain; useCredential trusts that server for this app alone, without a word to others; the default does not")
	w := newWorld(t)
	a, b := newAppNamed(t, w, "a"), newAppNamed(t, w, "b")
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
	}
	d, certificate := a.secure("x")
	seen := a.delegate(func(asset.Challenge) asset.ChallengeAnswer {
		return asset.ChallengeAnswer{Disposition: asset.UseCredential}
	})
	a.schedule(a.manager(), d)
	a.untilState("x", asset.StateFinished)
	block, _ := pem.Decode(certificate)
	if c := <-seen; c.Method != asset.ChallengeServerTrust || len(c.Certificates) == 0 || !slices.Equal(c.Certificates[0], block.Bytes) {
		t.Errorf("asked: %s", pretty(c))
	}
	b.schedule(b.manager(), d)
	b.untilWaits("x", asset.WhyNetwork)
}

func TestClassic_2_7_AuthoritiesOfAnAppGroup(t *testing.T) {
	row(t, "classic §2.7", "Trust in servers with an authority of the app's own", "our call: LarderCertificateAuthorities of a bundle are trusted beside the system's, for manifest and downloads of its app group and of no other")
	w := newWorld(t)
	a, sister, stranger := newAppNamed(t, w, "a"), newAppNamed(t, w, "sister"), newAppNamed(t, w, "stranger")
	d, certificate := a.secure("x")
	writeFile(t, filepath.Join(a.dir, "trust", "authorities.pem"), certificate)
	a.keys["LarderCertificateAuthorities"], a.keys["BAAppGroupID"] = "trust/authorities.pem", "group.org.example.sisters"
	a.keys["BAManifestURL"] = strings.TrimSuffix(d.URL, "/x") + "/manifest"
	e := d
	e.Essential = true
	if g := a.installed(e).Gate; g.Reason == nil || g.Reason.Code != asset.WhyReady {
		t.Errorf("the gate: %s", pretty(g))
	}
	sister.keys["BAAppGroupID"] = "group.org.example.sisters"
	for _, x := range []*app{sister, stranger} {
		x.bare = true
		x.launched()
		x.schedule(x.manager(), d)
	}
	sister.untilState("x", asset.StateFinished)
	stranger.untilWaits("x", asset.WhyNetwork)
}
