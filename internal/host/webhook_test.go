package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/internal/host/access"
	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/host/webhook"
)

func newHook(app, url string, more object) object {
	attributes := object{"name": "hook", "url": url, "eventTypes": catalog.EventTypes()}
	for k, v := range more {
		attributes[k] = v
	}
	return entity("webhooks", "", attributes, "app", "apps", app)
}

// thisMachine allows receivers of tests.
func thisMachine(o *Options) {
	var err error
	if o.Webhooks, err = webhook.ParseAllowed([]string{"127.0.0.0/8"}); err != nil {
		panic(err)
	}
}

// notice is what a receiver got.
type notice struct {
	header http.Header
	body   string
}

// what is the type of an event and the state that it tells.
func (m notice) what(t *testing.T) string {
	t.Helper()
	var doc object
	if err := json.Unmarshal([]byte(m.body), &doc); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(str(doc, "data.type")+" "+str(doc, "data.attributes.newState"), "backgroundAssetVersion")
}

// receiver is a server that is told, and answers what answer says.
func receiver(t *testing.T, answer func(n int64) int) (url string, got chan notice) {
	t.Helper()
	got = make(chan notice, 1000)
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		status := answer(n.Add(1))
		got <- notice{r.Header, string(body)}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/hook?token=in-the-url", got
}

func fine(int64) int { return http.StatusNoContent }

func TestAWebhookIsToldWhatHappensAndByWhom(t *testing.T) {
	w := newWorld(t, thisMachine)
	url, got := receiver(t, fine)
	const secret = "a secret of more than 16 bytes"
	app := w.newApp(bundle)
	hook := w.must("POST", "/larder/v1/webhooks", newHook(app, url, object{"secret": secret}))
	v := w.publish(w.newPack(app, "level"), level(t, "one"))
	w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
	want := []string{"StateUpdated PROCESSING", "StateUpdated COMPLETE", "InternalBetaReleaseCreated READY_FOR_TESTING", "AppStoreReleaseStateUpdated READY_FOR_DISTRIBUTION"}
	for seen := []string{}; !slices.Equal(want, seen); {
		m := <-got
		stamp, _, _ := strings.Cut(strings.TrimPrefix(m.header.Get("X-Larder-Signature"), "t="), ",")
		at, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || m.header.Get("X-Larder-Signature") != webhook.Signature(secret, time.Unix(at, 0), []byte(m.body)) {
			t.Errorf("the signature is %q", m.header)
		}
		if i := slices.Index(want, m.what(t)); i >= 0 {
			seen = append(seen, want[i]) // they come in any order
		}
		slices.SortFunc(seen, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) })
	}
	for _, path := range []string{"/larder/v1/webhooks/" + str(hook, "id"), "/larder/v1/apps/" + app + "/webhooks", "/larder/v1/webhooks/" + str(hook, "id") + "/deliveries"} {
		_, out := w.ask("GET", path, nil)
		text, err := json.Marshal(out)
		if err != nil || strings.Contains(string(text), secret) || len(text) < 100 {
			t.Errorf("%s: %s, %v", path, text, err)
		}
	}
	if text := w.log.String(); strings.Contains(text, secret) || strings.Contains(text, "in-the-url") {
		t.Errorf("the log tells it: %s", text)
	}
}

func TestAWebhookIsPingedChangedAndToldAgain(t *testing.T) {
	w := newWorld(t, thisMachine)
	url, got := receiver(t, fine)
	app := w.newApp(bundle)
	hook := w.must("POST", "/larder/v1/webhooks", newHook(app, url, nil))
	id := str(hook, "id")
	if len(str(hook, "attributes.secret")) < 32 {
		t.Errorf("its secret is not shown when it is made: %v", hook)
	}
	if again := w.must("GET", "/larder/v1/webhooks/"+id, nil); at(again, "attributes.secret") != nil {
		t.Error("its secret is shown again")
	}
	ping := w.must("POST", "/larder/v1/webhookPings", entity("webhookPings", "", nil, "webhook", "webhooks", id))
	first := <-got
	if !strings.Contains(first.body, "webhookPingCreated") || !strings.Contains(first.body, str(ping, "id")) {
		t.Errorf("the ping is %s", first.body)
	}
	w.step("delivery noted")
	_, out := w.ask("GET", "/larder/v1/webhooks/"+id+"/deliveries?filter[deliveryState]=SUCCEEDED", nil)
	list, _ := out["data"].([]any)
	if len(list) != 1 || str(list[0], "attributes.response.httpStatusCode") != "204" || at(list[0], "attributes.attempts") != 1.0 || str(list[0], "attributes.request.body") != first.body {
		t.Fatalf("the deliveries are %v", out)
	}
	again := w.must("POST", "/larder/v1/webhookDeliveries", entity("webhookDeliveries", "", nil, "template", "webhookDeliveries", str(list[0], "id")))
	second := <-got
	if second.body != first.body || second.header.Get("X-Larder-Delivery") != str(again, "id") || at(again, "attributes.redelivery") != true {
		t.Errorf("told again: %v, by %v", second, again)
	}
	w.step("delivery noted")
	if now := w.must("GET", "/larder/v1/webhookDeliveries/"+str(again, "id"), nil); str(now, "attributes.deliveryState") != "SUCCEEDED" {
		t.Errorf("it became %v", now)
	}
	w.must("PATCH", "/larder/v1/webhooks/"+id, entity("webhooks", id, object{"enabled": false}))
	w.publish(w.newPack(app, "level"), level(t, "one"))
	_, out = w.ask("GET", "/larder/v1/webhooks/"+id+"/deliveries", nil)
	if n := at(out, "meta.paging.total"); n != 2.0 || len(got) > 0 {
		t.Errorf("one that is not enabled has %v deliveries, and got %d", n, len(got))
	}
	w.must("DELETE", "/larder/v1/webhooks/"+id, nil)
	if status, _ := w.ask("GET", "/larder/v1/webhooks/"+id, nil); status != 404 {
		t.Errorf("a deleted webhook: %d", status)
	}
	for n := range 11 {
		if status, out := w.ask("POST", "/larder/v1/webhooks", newHook(app, url, nil)); (status == 201) != (n < 10) {
			t.Errorf("webhook %d: %d %v", n+1, status, out)
		}
	}
}

// driven is a host that is driven by hand, at a time that the test says.
type driven struct {
	*Host
	t *testing.T
}

func drive(t *testing.T, dir string, now *atomic.Int64, change ...func(*Options)) driven {
	t.Helper()
	o := Options{Dir: dir, Base: "http://127.0.0.1", Log: discard, Now: func() time.Time { return time.UnixMilli(now.Load()) },
		Admin: func(access.Credential) error { return nil }, Settings: process.Settings{Resend: time.Minute}}
	thisMachine(&o)
	for _, f := range change {
		f(&o)
	}
	h, err := Open(t.Context(), o)
	if err == nil {
		err = h.worker.Recover(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return driven{h, t}
}

// work does all that is due.
func (d driven) work() {
	d.t.Helper()
	for {
		did, _, err := d.worker.Step(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if !did {
			return
		}
	}
}

func (d driven) delivery() (found catalog.Delivery) {
	d.t.Helper()
	err := d.catalog.Read(d.t.Context(), func(tx catalog.Tx) error {
		hooks, err := tx.Webhooks(1)
		if err != nil {
			return err
		}
		all, err := tx.Deliveries(hooks[0].ID)
		if len(all) != 1 {
			return errors.Join(err, errors.New("not one delivery: "+strconv.Itoa(len(all))))
		}
		found = all[0]
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// pinged is a host that owes a webhook a ping.
func pinged(t *testing.T, dir, url string, now *atomic.Int64, change ...func(*Options)) driven {
	t.Helper()
	d := drive(t, dir, now, change...)
	if err := d.catalog.Write(t.Context(), func(tx catalog.Tx) error {
		a, err := tx.AddApp(catalog.App{Bundle: bundle, Created: d.Now()})
		if err != nil {
			return err
		}
		h, err := tx.AddWebhook(catalog.Webhook{App: a.ID, Name: "h", URL: url, Secret: "s", Types: catalog.EventTypes(), Enabled: true})
		if err == nil {
			_, err = tx.AddEvent(catalog.Event{Type: catalog.PingCreated}, h)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADeliveryThatFailedIsTriedAgainLaterAndByTheNextHost(t *testing.T) {
	var now atomic.Int64
	now.Store(1_800_000_000_000)
	dir := filepath.Join(t.TempDir(), "host")
	url, got := receiver(t, func(n int64) int {
		if n <= 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	d := pinged(t, dir, url, &now)
	d.work()
	first := d.delivery()
	if first.State != catalog.Pending || first.Attempts != 1 || first.Status != 503 || first.Next.Sub(d.Now()) != time.Minute || !strings.Contains(first.Error, "503") {
		t.Errorf("after the first attempt: %+v", first)
	}
	d.work()
	if n := d.delivery().Attempts; n != 1 {
		t.Errorf("before its time it was told %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = drive(t, dir, &now)
	d.work()
	now.Add(time.Minute.Milliseconds())
	d.work()
	if second := d.delivery(); second.Attempts != 2 || second.Next.Sub(d.Now()) != 6*time.Minute {
		t.Errorf("after the second attempt, by another host: %+v", second)
	}
	now.Add(6 * time.Minute.Milliseconds())
	d.work()
	if third := d.delivery(); third.State != catalog.Succeeded || third.Status != 200 || third.Error != "" || !third.Next.IsZero() {
		t.Errorf("after the third: %+v", third)
	}
	bodies := map[string]bool{(<-got).body: true, (<-got).body: true, (<-got).body: true}
	if len(bodies) != 1 {
		t.Errorf("it was told in different words: %v", bodies)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAHostThatDiesBeforeItNotedTheAnswerTellsAgain(t *testing.T) {
	var now atomic.Int64
	now.Store(1_800_000_000_000)
	dir := filepath.Join(t.TempDir(), "host")
	url, got := receiver(t, fine)
	var dying atomic.Bool
	d := pinged(t, dir, url, &now, func(o *Options) {
		o.At = func(p string) {
			if p == "webhook told" {
				dying.Store(true)
			}
		}
		o.Commit = func() error {
			if dying.Load() {
				return errors.New("the host died")
			}
			return nil
		}
	})
	for range 10 { // what it owes beside
		if _, _, err := d.worker.Step(t.Context()); err != nil {
			break
		}
	}
	if !dying.Load() {
		t.Fatal("nobody was told")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = drive(t, dir, &now)
	d.work()
	if end := d.delivery(); end.State != catalog.Succeeded || end.Attempts != 1 {
		t.Errorf("the next host leaves %+v", end)
	}
	if first, second := <-got, <-got; first.body != second.body || first.header.Get("X-Larder-Delivery") != second.header.Get("X-Larder-Delivery") {
		t.Errorf("it was told %v and %v", first, second)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAReceiverThatNeverAnswersWellIsGivenUpAndForgotten(t *testing.T) {
	var now atomic.Int64
	now.Store(1_800_000_000_000)
	dir := filepath.Join(t.TempDir(), "host")
	url, _ := receiver(t, func(int64) int { return http.StatusFound })
	d := pinged(t, dir, url, &now)
	d.work()
	for range 20 {
		if next := d.delivery().Next; !next.IsZero() {
			now.Store(next.UnixMilli())
			d.work()
		}
	}
	if end := d.delivery(); end.State != catalog.Failed || end.Attempts != 8 || !strings.Contains(end.Error, "redirect") {
		t.Errorf("it ended as %+v", end)
	}
	if got := bad(t, dir, false); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "fails again") }) {
		t.Errorf("the doctor blames the host: %q", got)
	}
	now.Add((40 * 24 * time.Hour).Milliseconds())
	d.work() // the collector among it
	if err := d.catalog.Read(t.Context(), func(tx catalog.Tx) error {
		hooks, err := tx.Webhooks(1)
		if err != nil {
			return err
		}
		all, err := tx.Deliveries(hooks[0].ID)
		if len(all) != 0 {
			t.Errorf("after 40 days it is still known: %v", all)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// neverAnswers is a receiver that takes what is sent, and says nothing until the test ends.
func neverAnswers(t *testing.T) (url string, asked chan struct{}) {
	let := make(chan struct{})
	asked = make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-let:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(let); server.Close() })
	return server.URL, asked
}

func TestASlowReceiverHoldsNoReleaseUp(t *testing.T) {
	w := newWorld(t, thisMachine)
	url, asked := neverAnswers(t)
	app := w.newApp(bundle)
	hook := str(w.must("POST", "/larder/v1/webhooks", newHook(app, url, nil)), "id")
	for range 10 {
		w.must("POST", "/larder/v1/webhookPings", entity("webhookPings", "", nil, "webhook", "webhooks", hook))
	}
	<-asked
	v := w.publish(w.newPack(app, "level"), level(t, "one"))
	w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
	w.becomes(v, "appStoreRelease", "READY_FOR_DISTRIBUTION")
}

// What takes long for one app, as hashing and making deltas, is done beside the releases of others.
func TestAVersionInTheMakingHoldsNoReleaseOfAnotherAppUp(t *testing.T) {
	var hold atomic.Bool
	stuck, let := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(o *Options) {
		at := o.At
		o.At = func(p string) {
			at(p)
			if p == "pack judged" && hold.CompareAndSwap(true, false) {
				close(stuck)
				<-let
			}
		}
	})
	ready := w.publish(w.newPack(w.newApp(bundle), "level"), level(t, "one"))
	hold.Store(true)
	slow := w.newVersion(w.newPack(w.newApp("org.example.slow"), "level"))
	w.upload(slow, "ASSET", "a", level(t, "two"))
	<-stuck
	w.must("POST", "/larder/v1/promotions", promotion(ready, "production"))
	w.becomes(ready, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	other := w.newVersion(w.newPack(w.newApp("org.example.quick"), "level"))
	m := w.upload(other, "MANIFEST", "m.json", []byte("{")) // what is judged at once
	for str(w.must("GET", "/v1/backgroundAssetUploadFiles/"+m, nil), "attributes.assetDeliveryState.state") != "FAILED" {
		w.step("failure noted")
	}
	close(let)
	if got := w.settled(slow); str(got, "attributes.state") != "COMPLETE" {
		t.Errorf("it became %v", got)
	}
}

func TestAHostThatEndsDoesNotWaitForReceivers(t *testing.T) {
	url, asked := neverAnswers(t)
	var now atomic.Int64
	now.Store(1_800_000_000_000)
	d := pinged(t, filepath.Join(t.TempDir(), "host"), url, &now)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, nil) }()
	<-asked
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if now := d.delivery(); now.State != catalog.Pending || now.Attempts != 0 {
		t.Errorf("what was cut off counts: %+v", now)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
