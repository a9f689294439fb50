package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"larder/internal/host/catalog"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func TestOnlyPublicAddressesMayBeSpokenTo(t *testing.T) {
	for _, s := range []string{"1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"} {
		if !(Allowed{}).Address(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
		"192.168.1.1", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "100::1", "2001:db8::1"} {
		if (Allowed{}).Address(netip.MustParseAddr(s)) {
			t.Errorf("%s may be spoken to", s)
		}
	}
}

func TestTheOperatorAllowsNamesAndNetworks(t *testing.T) {
	a, err := ParseAllowed([]string{"10.1.0.0/16", "192.168.1.7", "Hooks.LAN", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{"10.1.255.1": true, "10.2.0.1": false, "192.168.1.7": true, "::ffff:192.168.1.7": true, "192.168.1.8": false, "fd12::1": true, "127.0.0.1": false} {
		if got := a.Address(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	for url, want := range map[string]bool{
		"https://packs.example.org/hook?x=1": true, "http://hooks.lan/x": true, "http://HOOKS.lan:8080/": true, "https://10.1.2.3/": true, "http://10.1.2.3/": true,
		"http://packs.example.org/": false, "https://10.2.0.1/": false, "https://127.0.0.1/": false, "https://[::1]/": false, "https://[::ffff:127.0.0.1]:443/": false,
		"https://a:b@packs.example.org/": false, "https://packs.example.org/#x": false, "ftp://hooks.lan/": false, "https://": false, "": false, "hooks.lan": false,
		"https:///x": false, "https://packs.example.org/" + strings.Repeat("x", maxURL): false, "file:///etc/passwd": false, "https://169.254.169.254/latest": false,
	} {
		if fault := a.URL(url); (fault == "") != want {
			t.Errorf("%.60s: %q", url, fault)
		}
	}
	for _, bad := range []string{"", "http://x", "10.0.0.0/99", "a b", "*.lan"} {
		if _, err := ParseAllowed([]string{bad}); err == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
}

func sender(t *testing.T, allow ...string) Sender {
	t.Helper()
	a, err := ParseAllowed(allow)
	if err != nil {
		t.Fatal(err)
	}
	return Sender{Allowed: a, Base: "https://packs.example.org", Now: func() time.Time { return noon }}
}

// What a name leads to is known only when it is dialled.
func TestANameThatLeadsToThisMachineIsRefusedWhenItIsDialled(t *testing.T) {
	asked := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	s := sender(t)
	if fault := s.Allowed.URL(url); fault != "" {
		t.Fatalf("the name is refused before it is looked up: %s", fault)
	}
	_, err := s.Send(t.Context(), catalog.Webhook{URL: url, Secret: "s"}, catalog.Event{Type: catalog.PingCreated}, "d")
	if err == nil || !strings.Contains(err.Error(), "not public") || asked {
		t.Errorf("it was sent (%v), with %v", asked, err)
	}
}

func TestAnErrorTellsNeitherURLNorSecret(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/elsewhere":
			t.Error("a redirect was followed")
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/hangs":
			<-hang
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}
	}))
	defer server.Close()
	defer close(hang)
	s := sender(t, "127.0.0.0/8")
	for path, c := range map[string]struct {
		status int
		text   string
	}{"/away": {307, "redirect"}, "/broken": {500, "500"}, "/hangs": {0, "within"}, "/endless": {200, ""}} {
		ctx, cancel := context.WithCancel(t.Context())
		if path == "/hangs" {
			cancel()
		}
		status, err := s.Send(ctx, catalog.Webhook{URL: server.URL + path + "?token=visible", Secret: "hidden"}, catalog.Event{Type: catalog.PingCreated}, "d")
		cancel()
		if status != c.status || (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %d %v", path, status, err)
		}
		if err != nil && (strings.Contains(err.Error(), "visible") || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "127.0.0.1")) {
			t.Errorf("%s: it tells too much: %v", path, err)
		}
	}
	if _, err := s.Send(t.Context(), catalog.Webhook{URL: "http://127.0.0.1:1/"}, catalog.Event{}, "d"); err == nil || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("of a port where nobody listens: %v", err)
	}
}

func TestASignatureIsOfTimeAndBody(t *testing.T) {
	// printf '1795694400.{}' | openssl dgst -sha256 -hmac secret
	const want = "t=1795694400,v1=f99862e13dcdcc6d2890577b2e5591f9e4271ac9ded9e53e1a77ebc36bef9010"
	if got := Signature("secret", noon, []byte("{}")); got != want {
		t.Errorf("it is %s", got)
	}
	for what, other := range map[string]string{"secret": Signature("other", noon, []byte("{}")), "time": Signature("secret", noon.Add(time.Second), []byte("{}")), "body": Signature("secret", noon, []byte("[]"))} {
		if strings.HasSuffix(other, want[len("t=1795694400"):]) {
			t.Errorf("another %s has the same signature", what)
		}
	}
}

func TestAPayloadHasAppStoreConnectsForm(t *testing.T) {
	e := catalog.Event{ID: "e", Type: catalog.ExternalUpdated, Instance: "r", Pack: "level", Number: 7, Old: "WAITING_FOR_REVIEW", New: "REJECTED", Created: noon}
	want := `{"data":{"attributes":{"assetPackIdentifier":"level","newState":"REJECTED","oldState":"WAITING_FOR_REVIEW","timestamp":"2026-11-26T12:00:00Z","version":"7"},"id":"e",` +
		`"relationships":{"instance":{"data":{"id":"r","type":"backgroundAssetVersionExternalBetaReleases"},"links":{"self":"https://packs.example.org/v1/backgroundAssetVersionExternalBetaReleases/r"}}},` +
		`"type":"backgroundAssetVersionExternalBetaReleaseStateUpdated","version":1}}`
	if got := string(Payload(e, "https://packs.example.org")); got != want {
		t.Errorf("it is %s", got)
	}
	want = `{"data":{"attributes":{"timestamp":"2026-11-26T12:00:00Z"},"id":"p","type":"webhookPingCreated","version":1}}`
	if got := string(Payload(catalog.Event{ID: "p", Type: catalog.PingCreated, Created: noon}, "")); got != want {
		t.Errorf("a ping is %s", got)
	}
}
