package host

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/internal/host/access"
	"larder/internal/host/api"
	"larder/internal/site"
)

// stock is a host with an app that has one of everything.
type stock struct {
	*world
	app, foreign, pack, version, open, file, submission, key, hook, delivery string
	releases                                                                 map[string]string // by type
}

func newStock(t *testing.T) *stock {
	t.Helper()
	s := &stock{world: newWorld(t, func(o *Options) { o.Limits = api.Limits{Hourly: 1 << 30, Failures: 1 << 30} }), releases: map[string]string{}}
	s.app, s.foreign = s.newApp(bundle), s.newApp("org.example.other")
	s.must("PATCH", "/larder/v1/apps/"+s.app, entity("apps", s.app, object{"review": true}))
	s.pack = s.newPack(s.app, "level")
	s.version = s.publish(s.pack, level(t, "one"))
	s.open = s.newVersion(s.pack)
	s.file = str(s.newFile(s.open, "MANIFEST", "m.json", 10), "id")
	s.submission = str(s.must("POST", "/v1/reviewSubmissions", submission(s.app)), "id")
	_, out := s.ask("GET", "/v1/backgroundAssetVersions/"+s.version+"?include=internalBetaRelease,externalBetaRelease,appStoreRelease", nil)
	for _, r := range out["included"].([]any) {
		s.releases[str(r, "type")] = str(r, "id")
	}
	s.key = s.newKey("READ_ONLY", "").KeyID
	s.hook = str(s.must("POST", "/larder/v1/webhooks", newHook(s.app, "https://hooks.example.invalid/x", object{"enabled": false})), "id")
	s.must("POST", "/larder/v1/webhookPings", entity("webhookPings", "", nil, "webhook", "webhooks", s.hook))
	_, out = s.ask("GET", "/larder/v1/webhooks/"+s.hook+"/deliveries", nil)
	s.delivery = str(out["data"].([]any)[0], "id")
	return s
}

// newKey makes a key with a role, for an app or for all.
func (w *world) newKey(role, app string) access.Credential {
	w.t.Helper()
	var rel []string
	if app != "" {
		rel = []string{"app", "apps", app}
	}
	k, err := access.ParseSecret(str(w.must("POST", "/larder/v1/keys", entity("larderKeys", "", object{"name": "k", "role": role}, rel...)), "attributes.secret"))
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// asks gives the request of an operation of doc/host-api.yaml that is about the stock's app.
func (s *stock) asks(operation string) (path string, body any, ok bool) {
	method, at, _ := strings.Cut(operation, " ")
	kind := strings.Split(strings.TrimPrefix(strings.TrimPrefix(at, "/larder"), "/v1/"), "/")[0]
	id := map[string]string{"apps": s.app, "backgroundAssets": s.pack, "backgroundAssetVersions": s.version, "backgroundAssetUploadFiles": s.file,
		"reviewSubmissions": s.submission, "keys": s.key, "webhooks": s.hook, "webhookDeliveries": s.delivery}[kind]
	if r := s.releases[kind]; r != "" {
		id = r
	}
	path = strings.ReplaceAll(at, "{id}", id)
	bodies := map[string]any{
		"POST /v1/backgroundAssets":                 entity("backgroundAssets", "", object{"assetPackIdentifier": "more"}, "app", "apps", s.app),
		"PATCH /v1/backgroundAssets/{id}":           entity("backgroundAssets", s.pack, object{"archived": nil}),
		"POST /v1/backgroundAssetVersions":          entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", s.pack),
		"POST /v1/backgroundAssetUploadFiles":       entity("backgroundAssetUploadFiles", "", object{"assetType": "ASSET", "fileName": "a", "fileSize": 5}, "backgroundAssetVersion", "backgroundAssetVersions", s.open),
		"PATCH /v1/backgroundAssetUploadFiles/{id}": entity("backgroundAssetUploadFiles", s.file, object{"sourceFileChecksum": strings.Repeat("ab", 16)}),
		"POST /v1/reviewSubmissions":                submission(s.app),
		"PATCH /v1/reviewSubmissions/{id}":          entity("reviewSubmissions", s.submission, object{"submitted": true}),
		"POST /v1/reviewSubmissionItems":            item(s.submission, s.version),
		"POST /larder/v1/promotions":                promotion(s.version, "external"),
		"POST /larder/v1/decisions":                 decision(s.version, "external", "APPROVE"),
		"POST /larder/v1/rollbacks":                 rollback(s.pack, "internal"),
		"PATCH /larder/v1/apps/{id}":                entity("apps", s.app, object{"name": "changed"}),
		"POST /larder/v1/apps":                      entity("apps", "", object{"bundleId": "org.example.third"}),
		"POST /larder/v1/webhooks":                  newHook(s.app, "https://hooks.example.invalid/y", object{"enabled": false}),
		"PATCH /larder/v1/webhooks/{id}":            entity("webhooks", s.hook, object{"name": "changed"}),
		"POST /larder/v1/webhookDeliveries":         entity("webhookDeliveries", "", nil, "template", "webhookDeliveries", s.delivery),
		"POST /larder/v1/webhookPings":              entity("webhookPings", "", nil, "webhook", "webhooks", s.hook),
		"POST /larder/v1/keys":                      entity("larderKeys", "", object{"name": "x", "role": "READ_ONLY"}),
	}
	body = bodies[operation]
	if operation == "GET /v1/reviewSubmissions" {
		path += "?filter[app]=" + s.app
	}
	return path, body, body != nil || method == "GET" || method == "DELETE"
}

// allApps are operations that take a key for all apps.
var allApps = []string{"POST /larder/v1/apps", "GET /larder/v1/keys", "POST /larder/v1/keys", "DELETE /larder/v1/keys/{id}"}

func TestEveryRouteLetsThoseInWhoMayAndTellsOthersNothing(t *testing.T) {
	s := newStock(t)
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string][]string{}
	for path, i := range doc.Paths.Map() {
		for method, op := range i.Operations() {
			if strings.Contains(path, "/uploads/") {
				continue // has no token
			}
			for _, r := range op.Extensions["x-larder-roles"].([]any) {
				roles[method+" "+path] = append(roles[method+" "+path], r.(string))
			}
		}
	}
	if len(roles) < 40 {
		t.Fatalf("%d operations are documented", len(roles))
	}
	keys := map[[2]string]access.Credential{} // by role and scope
	for _, role := range access.Roles() {
		for scope, app := range map[string]string{"all": "", "own": s.app, "foreign": s.foreign} {
			keys[[2]string{role, scope}] = s.newKey(role, app)
		}
	}
	before := s.everything()
	var allowed []func()
	for _, operation := range slices.Sorted(maps.Keys(roles)) {
		path, body, ok := s.asks(operation)
		if !ok {
			t.Errorf("the test has no body for %s", operation)
		}
		method, _, _ := strings.Cut(operation, " ")
		s.deniesStrangers(method, path)
		for who, key := range keys {
			role, scope := who[0], who[1]
			name := fmt.Sprintf("%s by %s of %s", operation, role, scope)
			if slices.Contains(roles[operation], role) && (scope == "all" || scope == "own" && !slices.Contains(allApps, operation)) {
				if method == "DELETE" {
					continue // once, and after all others: below
				}
				allowed = append(allowed, func() {
					if status, out := s.askAs(key, method, path, body); status == 401 || status == 403 || status == 404 || status >= 500 {
						t.Errorf("%s: %d %v", name, status, out)
					}
				})
				continue
			}
			status, out := s.askAs(key, method, path, body)
			switch {
			case !slices.Contains(roles[operation], role) || slices.Contains(allApps, operation):
				if status != 403 {
					t.Errorf("%s: %d %v", name, status, out)
				}
			case operation == "GET /v1/apps":
				if list := out["data"].([]any); len(list) != 1 || str(list[0], "id") != s.foreign {
					t.Errorf("%s: %v", name, out)
				}
			default:
				errs, _ := out["errors"].([]any)
				if len(errs) != 1 || status != 404 && (status != 409 || str(errs[0], "code") != "ENTITY_ERROR.RELATIONSHIP.INVALID") {
					t.Errorf("%s: %d %v", name, status, out)
				}
			}
		}
	}
	if diff := cmp.Diff(before, s.everything()); diff != "" {
		t.Errorf("those who may not have changed something:\n%s", diff)
	}
	for _, f := range allowed {
		f()
	}
	for _, operation := range slices.Sorted(maps.Keys(roles)) {
		method, _, _ := strings.Cut(operation, " ")
		if path, _, _ := s.asks(operation); method == "DELETE" {
			if status, out := s.ask(method, path, nil); status != 200 {
				t.Errorf("%s: %d %v", operation, status, out)
			}
		}
	}
}

// deniesStrangers asks without a token that is good.
func (s *stock) deniesStrangers(method, path string) {
	other, err := access.New(s.admin.Issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	if status, _ := s.askAs(other, method, path, nil); status != 401 {
		s.t.Errorf("%s %s by an unknown key: %d", method, path, status)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
		s.t.Errorf("%s %s without a token: %d", method, path, resp.StatusCode)
	}
}

// everything is all that the API tells of the stock's apps, and the keys.
func (s *stock) everything() map[string]any {
	out := map[string]any{}
	for _, path := range []string{"/v1/apps", "/v1/apps/" + s.app + "/backgroundAssets", "/v1/backgroundAssets/" + s.pack + "/versions?include=externalBetaRelease,appStoreRelease",
		"/v1/reviewSubmissions?filter[app]=" + s.app, "/v1/reviewSubmissions/" + s.submission + "/items", "/larder/v1/keys", "/v1/apps/" + s.foreign + "/backgroundAssets",
		"/larder/v1/apps/" + s.app + "/webhooks"} {
		_, out[path] = s.ask("GET", path, nil)
	}
	_, file := s.ask("GET", "/v1/backgroundAssetUploadFiles/"+s.file, nil)
	attributes := at(file, "data.attributes").(object)
	delete(attributes, "uploadOperations") // their URLs have the time
	out["file"] = attributes
	_, told := s.ask("GET", "/larder/v1/webhooks/"+s.hook+"/deliveries", nil)
	out["deliveries"] = at(told, "meta.paging.total") // their attempts go on
	return out
}

func TestARevokedKeyAsksNoMore(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("ADMIN", "")
	if status, _ := w.askAs(k, "GET", "/v1/apps", nil); status != 200 {
		t.Fatal(status)
	}
	w.must("DELETE", "/larder/v1/keys/"+k.KeyID, nil)
	if status, _ := w.askAs(k, "GET", "/v1/apps", nil); status != 401 {
		t.Errorf("a revoked key: %d", status)
	}
}

func TestAKeyHasSoManyRequestsAnHour(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Hourly: 5} })
	for range 5 {
		if status, _ := w.ask("GET", "/v1/apps", nil); status != 200 {
			t.Fatal(status)
		}
	}
	status, out := w.ask("GET", "/v1/apps", nil)
	if status != 429 || str(out["errors"].([]any)[0], "code") != "RATE_LIMIT_EXCEEDED" {
		t.Errorf("the sixth of five: %d %v", status, out)
	}
}

func TestWhoTriesTokensIsStoppedForAMinuteAndOthersAreNot(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	var late atomic.Int64
	w := newWorld(t, func(o *Options) {
		o.Limits, o.Now = api.Limits{Failures: 3}, func() time.Time { return now.Add(time.Duration(late.Load())) }
	})
	stranger, err := access.New(w.admin.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(key access.Credential, via string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.base+"/v1/apps", nil)
		if err != nil {
			t.Fatal(err)
		}
		token, err := key.Token(now)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("X-Forwarded-For", via) // as a proxy on this machine
		resp, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var got []int
	for range 4 {
		got = append(got, ask(stranger, "1.2.3.4, 2001:db8::1"))
	}
	got = append(got, ask(stranger, "2001:db8::2"), ask(w.admin, "2001:db8::3"), ask(w.admin, "2001:db8:0:1::1"), ask(stranger, "9.9.9.9"))
	if want := []int{401, 401, 401, 429, 429, 429, 200, 401}; !slices.Equal(got, want) {
		t.Errorf("the answers are %v, not %v", got, want)
	}
	late.Store(int64(time.Minute))
	if status := ask(w.admin, "2001:db8::3"); status != 200 {
		t.Errorf("after the minute: %d", status)
	}
	if strings.Contains(w.log.String(), "2001:db8") {
		t.Error("the log tells addresses")
	}
}

func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	w := newWorld(t)
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.base+"/larder/v1/apps", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("a page of another origin: %d", resp.StatusCode)
	}
}

// What a thief of the disk or the log finds signs no request.
func TestNoSecretIsInTheLogOrOnTheDisk(t *testing.T) {
	w := newWorld(t)
	key := w.newKey("DEVELOPER", "")
	p := w.newPack(w.newApp(bundle), "level")
	v := w.newVersion(p)
	url := str(w.operations(w.newFile(v, "ASSET", "a", 4))[0], "url")
	w.put(url+"x", []byte("abcd"))
	w.put(url, []byte("abc"))
	w.askAs(key, "POST", "/larder/v1/apps", "{")
	w.publish(p, level(t, "one"))
	var secrets []string
	for _, k := range []access.Credential{w.admin, key} {
		secret, err := k.Secret()
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		private := secret[strings.LastIndex(secret, ":")+1:]
		secrets = append(secrets, private, private[20:60], strings.Split(string(text), "\n")[1])
	}
	_, signature, _ := strings.Cut(url, "signature=")
	for _, s := range append(secrets, signature) {
		if strings.Contains(w.log.String(), s) {
			t.Errorf("the log has %s", s)
		}
	}
	err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s has %s", name, s)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatDevicesAskIsNotWrittenDown(t *testing.T) {
	w := newWorld(t)
	w.publish(w.newPack(w.newApp(bundle), "level"), level(t, "one"))
	before := w.log.String()
	for range 3 {
		w.offered("internal")
	}
	resp, err := http.Get(w.base + site.Prefix + "blobs/00/" + strings.Repeat("0", 64))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Set-Cookie") != "" {
		t.Error("a device is given a cookie")
	}
	if now := w.log.String(); now != before {
		t.Errorf("the log says of devices: %s", now[len(before):])
	}
}
