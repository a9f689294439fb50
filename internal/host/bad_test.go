package host

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/internal/host/api"
	"larder/internal/host/process"
)

// first is the first error of an answer.
func first(out object) any {
	list, _ := out["errors"].([]any)
	if len(list) != 1 {
		return nil
	}
	return list[0]
}

func TestWhatIsWrongIsToldInApplesFormAndNothingIsHalfMade(t *testing.T) {
	s := newStock(t)
	archived := s.newPack(s.app, "gone")
	s.must("PATCH", "/v1/backgroundAssets/"+archived, entity("backgroundAssets", archived, object{"archived": true}))
	small := s.newApp("org.example.small")
	s.must("PATCH", "/larder/v1/apps/"+small, entity("apps", small, object{"quota": 1000}))
	tight := s.newVersion(s.newPack(small, "tight"))
	newPack := func(id any) object {
		return entity("backgroundAssets", "", object{"assetPackIdentifier": id}, "app", "apps", s.app)
	}
	newFile := func(version string, size any, name, typ string) object {
		return entity("backgroundAssetUploadFiles", "", object{"assetType": typ, "fileName": name, "fileSize": size}, "backgroundAssetVersion", "backgroundAssetVersions", version)
	}
	const packs, files, hooks = "POST /v1/backgroundAssets", "POST /v1/backgroundAssetUploadFiles", "POST /larder/v1/webhooks"
	before := s.everything()
	for _, c := range []struct {
		name, ask string
		body      any
		status    int
		code      string
		source    string // pointer or parameter
	}{
		{"a dot in an identifier", packs, newPack("a.b"), 400, "PARAMETER_ERROR", "/data/attributes/assetPackIdentifier"},
		{"an underscore", packs, newPack("a_b"), 400, "PARAMETER_ERROR", "/data/attributes/assetPackIdentifier"},
		{"a space", packs, newPack("a b"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/assetPackIdentifier"},
		{"no identifier", packs, newPack(nil), 409, "ENTITY_ERROR.ATTRIBUTE.REQUIRED", "/data/attributes/assetPackIdentifier"},
		{"a number for it", packs, newPack(7), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/assetPackIdentifier"},
		{"one too long", packs, newPack(strings.Repeat("a", 101)), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/assetPackIdentifier"},
		{"one that is there in another case", packs, newPack("LEVEL"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", "/data/attributes/assetPackIdentifier"},
		{"one of an archived pack", packs, newPack("gone"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", "/data/attributes/assetPackIdentifier"},
		{"no such app", packs, entity("backgroundAssets", "", object{"assetPackIdentifier": "x"}, "app", "apps", "99"), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/app"},
		{"no app", packs, entity("backgroundAssets", "", object{"assetPackIdentifier": "x"}), 409, "ENTITY_ERROR.RELATIONSHIP.REQUIRED", "/data/relationships/app"},
		{"another attribute", packs, entity("backgroundAssets", "", object{"colour": "red"}), 409, "ENTITY_ERROR.ATTRIBUTE.UNKNOWN", "/data/attributes/colour"},
		{"truncated JSON", packs, `{"data": {"type": "backgroundAss`, 400, "ENTITY_INVALID", ""},
		{"no JSON", packs, "hello", 400, "ENTITY_INVALID", ""},
		{"a huge body", packs, `{"data": "` + strings.Repeat("x", 1<<20) + `"}`, 400, "ENTITY_INVALID", ""},
		{"deep JSON", packs, strings.Repeat(`{"data":`, 50_000), 400, "ENTITY_INVALID", ""},
		{"100,000 includes", "GET /v1/backgroundAssets/" + s.pack + "?include=" + strings.Repeat("app,", 100_000) + "app", nil, 400, "PARAMETER_ERROR", ""},
		{"an unknown include", "GET /v1/backgroundAssets/" + s.pack + "?include=builds", nil, 400, "PARAMETER_ERROR.INVALID", "include"},
		{"an unknown parameter", "GET /v1/backgroundAssets/" + s.pack + "?colour=red", nil, 400, "PARAMETER_ERROR.ILLEGAL", "colour"},
		{"a limit too high", "GET /v1/apps/" + s.app + "/backgroundAssets?limit=201", nil, 400, "PARAMETER_ERROR.INVALID", "limit"},
		{"a state there is not", "GET /v1/backgroundAssets/" + s.pack + "/versions?filter[state]=NEW", nil, 400, "PARAMETER_ERROR.INVALID", "filter[state]"},
		{"another order", "GET /v1/backgroundAssets/" + s.pack + "/versions?sort=state", nil, 400, "PARAMETER_ERROR.INVALID", "sort"},
		{"no such pack", "GET /v1/backgroundAssets/none", nil, 404, "NOT_FOUND", ""},
		{"no such release", "GET /v1/backgroundAssetVersionAppStoreReleases/" + s.releases["backgroundAssetVersionInternalBetaReleases"], nil, 404, "NOT_FOUND", ""},
		{"no such path", "GET /v1/builds", nil, 404, "NOT_FOUND", ""},
		{"a method there is not", "DELETE /v1/backgroundAssets/" + s.pack, nil, 405, "METHOD_NOT_ALLOWED", ""},
		{"a version of an archived pack", "POST /v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", archived), 409, "STATE_ERROR", ""},
		{"a version of no pack", "POST /v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", "x"), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/backgroundAsset"},
		{"a relationship of another type", "POST /v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "apps", s.app), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/backgroundAsset/data/type"},
		{"a file of 0 bytes", files, newFile(s.open, 0, "a", "ASSET"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/fileSize"},
		{"a file of -1 bytes", files, newFile(s.open, -1, "a", "ASSET"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/fileSize"},
		{"a file beyond all bounds", files, newFile(s.open, 1<<50, "a", "ASSET"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/fileSize"},
		{"a manifest beyond its bound", files, newFile(s.open, 1<<20+1, "a", "MANIFEST"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/fileSize"},
		{"a second manifest", files, newFile(s.open, 10, "a", "MANIFEST"), 409, "STATE_ERROR", ""},
		{"a path for a name", files, newFile(s.open, 10, "../a", "ASSET"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/fileName"},
		{"another type of file", files, newFile(s.open, 10, "a", "ICON"), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/assetType"},
		{"a file for a complete version", files, newFile(s.version, 10, "a", "ASSET"), 409, "STATE_ERROR", ""},
		{"a file beyond the quota", files, newFile(tight, 1001, "a", "ASSET"), 409, "STATE_ERROR.QUOTA_EXCEEDED", ""},
		{"a commit without parts", "PATCH /v1/backgroundAssetUploadFiles/" + s.file, entity("backgroundAssetUploadFiles", s.file, object{"uploaded": true}), 409, "STATE_ERROR", ""},
		{"a checksum of another length", "PATCH /v1/backgroundAssetUploadFiles/" + s.file, entity("backgroundAssetUploadFiles", s.file, object{"sourceFileChecksum": "abcd"}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/sourceFileChecksum"},
		{"a composite by SHA-256", "PATCH /v1/backgroundAssetUploadFiles/" + s.file, entity("backgroundAssetUploadFiles", s.file, object{"sourceFileChecksums": object{"composite": object{"hash": strings.Repeat("ab", 32), "algorithm": "SHA_1"}}}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/sourceFileChecksums/composite/algorithm"},
		{"another ID in the body", "PATCH /v1/backgroundAssets/" + s.pack, entity("backgroundAssets", archived, object{"archived": true}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/id"},
		{"a webhook to this machine", hooks, newHook(s.app, "https://127.0.0.1/x", nil), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/url"},
		{"a webhook to the machine's own cloud", hooks, newHook(s.app, "https://169.254.169.254/latest/meta-data", nil), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/url"},
		{"a webhook without encryption", hooks, newHook(s.app, "http://hooks.example.org/x", nil), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/url"},
		{"a webhook for what never happens", hooks, newHook(s.app, "https://hooks.example.org/x", object{"eventTypes": []string{"BUILD_UPLOAD_STATE_UPDATED"}}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/eventTypes"},
		{"a webhook for nothing", hooks, newHook(s.app, "https://hooks.example.org/x", object{"eventTypes": []string{}}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/eventTypes"},
		{"a webhook with a secret that can be guessed", hooks, newHook(s.app, "https://hooks.example.org/x", object{"secret": "1234"}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/secret"},
		{"a ping of no webhook", "POST /larder/v1/webhookPings", entity("webhookPings", "", nil, "webhook", "webhooks", "x"), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/webhook"},
		{"no delivery to repeat", "POST /larder/v1/webhookDeliveries", entity("webhookDeliveries", "", nil, "template", "webhookDeliveries", "x"), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "/data/relationships/template"},
		{"no role", "POST /larder/v1/keys", entity("larderKeys", "", object{"name": "k", "role": "GOD"}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/role"},
		{"an app that is there", "POST /larder/v1/apps", entity("apps", "", object{"bundleId": bundle}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", "/data/attributes/bundleId"},
		{"no identifier of an app", "POST /larder/v1/apps", entity("apps", "", object{"bundleId": "../x"}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/bundleId"},
		{"no locale", "PATCH /larder/v1/apps/" + s.app, entity("apps", s.app, object{"primaryLocale": "???"}), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "/data/attributes/primaryLocale"},
		{"a decision that nobody waits for", "POST /larder/v1/decisions", decision(s.version, "production", "APPROVE"), 409, "STATE_ERROR", ""},
		{"an empty submission", "PATCH /v1/reviewSubmissions/" + s.submission, entity("reviewSubmissions", s.submission, object{"submitted": true}), 409, "STATE_ERROR", ""},
		{"a release of what is not complete", "POST /larder/v1/promotions", promotion(s.open, "external"), 409, "STATE_ERROR", ""},
	} {
		method, path, _ := strings.Cut(c.ask, " ")
		status, out := s.ask(method, path, c.body)
		err := first(out)
		source := ""
		if m, ok := at(err, "source").(object); ok {
			source = fmt.Sprint(m["pointer"], m["parameter"])
			source = strings.ReplaceAll(source, "<nil>", "")
		}
		if status != c.status || str(err, "code") != c.code || source != c.source || str(err, "status") != fmt.Sprint(status) || len(str(err, "detail")) > 500 {
			t.Errorf("%s: %d %v; want %d %s %s", c.name, status, out, c.status, c.code, c.source)
		}
	}
	if after := s.everything(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("something was half made:\n%v\n%v", before, after)
	}
}

func TestPartsAreHeldToTheirOperations(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Part: 10} })
	v := w.newVersion(w.newPack(w.newApp(bundle), "level"))
	data := []byte("0123456789abcdefghijXYZ")
	f := w.newFile(v, "ASSET", "a", len(data))
	id, ops := str(f, "id"), w.operations(f)
	commit := entity("backgroundAssetUploadFiles", id, object{"uploaded": true})
	if len(ops) != 3 || at(ops[2], "length") != 3.0 || at(ops[2], "offset") != 20.0 {
		t.Fatalf("the operations are %v", ops)
	}
	url := str(ops[0], "url")
	for name, c := range map[string]struct {
		url, data string
		status    int
	}{
		"too short":           {url, "012345678", 400},
		"too long":            {url, "0123456789a", 400},
		"empty":               {url, "", 400},
		"another part's":      {strings.Replace(url, "/1?", "/2?", 1), "0123456789", 403},
		"another file's":      {strings.Replace(url, id, "x", 1), "0123456789", 403},
		"a longer life":       {strings.Replace(url, "expires=", "expires=9", 1), "0123456789", 403},
		"no signature":        {strings.Split(url, "&")[0], "0123456789", 403},
		"a part there is not": {strings.Replace(url, "/1?", "/9?", 1), "0123456789", 403},
	} {
		if status, text := w.put(c.url, []byte(c.data)); status != c.status {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	for _, n := range []int{2, 0} {
		if status, text := w.send(ops[n], data); status != 200 {
			t.Fatal(status, text)
		}
	}
	if status, out := w.ask("PATCH", "/v1/backgroundAssetUploadFiles/"+id, commit); status != 409 || !strings.Contains(str(first(out), "detail"), "part 2") {
		t.Errorf("a commit without part 2: %d %v", status, out)
	}
	w.send(ops[1], data)
	w.send(ops[1], data) // a part may be sent again
	again := w.must("GET", "/v1/backgroundAssetUploadFiles/"+id, nil)
	sum := md5.Sum(data[:10])
	if got := str(w.operations(again)[0], "entityTag"); got != hex.EncodeToString(sum[:]) {
		t.Errorf("the tag of a part is %s", got)
	}
	w.must("PATCH", "/v1/backgroundAssetUploadFiles/"+id, commit)
	if status, _ := w.send(ops[1], data); status != 409 {
		t.Errorf("a part after the commit: %d", status)
	}
	w.must("PATCH", "/v1/backgroundAssetUploadFiles/"+id, commit) // said again: its answer may have been lost
	if got := w.settled(v); str(got, "attributes.state") != "FAILED" {
		t.Errorf("what is no pack became %v", got)
	}
}

func TestAnExpiredOperationIsToldAndReadAgainItIsFresh(t *testing.T) {
	now := time.Now()
	var late atomic.Int64 // the worker reads the clock too
	w := newWorld(t, func(o *Options) {
		o.Limits, o.Now = api.Limits{Upload: time.Minute}, func() time.Time { return now.Add(time.Duration(late.Load())) }
	})
	f := w.newFile(w.newVersion(w.newPack(w.newApp(bundle), "level")), "ASSET", "a", 4)
	late.Store(int64(2 * time.Minute))
	if status, text := w.send(w.operations(f)[0], []byte("abcd")); status != 403 || !strings.Contains(text, "UPLOAD_ERROR.EXPIRED") {
		t.Errorf("an expired operation: %d %s", status, text)
	}
	f = w.must("GET", "/v1/backgroundAssetUploadFiles/"+str(f, "id"), nil)
	if status, text := w.send(w.operations(f)[0], []byte("abcd")); status != 200 {
		t.Errorf("a fresh one: %d %s", status, text)
	}
}

func TestWhatIsWrongWithFilesIsToldInTheStateDetails(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	good := level(t, "one")
	damaged := slices.Clone(good)
	damaged[len(damaged)/3] ^= 1
	other := fmt.Appendf(nil, manifestOf, "other")
	same := fmt.Appendf(nil, strings.ReplaceAll(manifestOf, `"."`, `"elsewhere"`), "level")
	sum, bad := sha256.Sum256(good), sha256.Sum256([]byte("x"))
	file := func(hash []byte) object {
		return object{"sourceFileChecksums": object{"file": object{"hash": hex.EncodeToString(hash), "algorithm": "SHA_256"}}}
	}
	p := w.newPack(app, "level")
	for _, c := range []struct {
		name            string
		manifest, asset []byte
		sums            object
		want            string // a code; "" for none
	}{
		{"a sound pack with its checksum", nil, good, file(sum[:]), ""},
		{"another checksum", nil, good, file(bad[:]), "CHECKSUM_MISMATCH"},
		{"another MD5", nil, good, object{"sourceFileChecksum": strings.Repeat("00", 16)}, "CHECKSUM_MISMATCH"},
		{"another composite", nil, good, object{"sourceFileChecksums": object{"composite": object{"hash": strings.Repeat("00", 16), "algorithm": "MD5"}}}, "CHECKSUM_MISMATCH"},
		{"a damaged pack", nil, damaged, nil, "ARCHIVE_DAMAGED"},
		{"no pack", nil, []byte("hello, this is no pack at all"), nil, "ARCHIVE_INVALID"},
		{"a short file", nil, []byte("x"), nil, "ARCHIVE_INVALID"},
		{"half a pack", nil, good[:len(good)/2], nil, "ARCHIVE_INVALID"},
		{"another pack", nil, build(t, "other", map[string]string{"a": "b"}), nil, "ARCHIVE_OTHER_PACK"},
		{"a manifest that cannot be read", []byte("{"), nil, nil, "MANIFEST_INVALID"},
		{"a manifest of another pack", other, nil, nil, "MANIFEST_OTHER_PACK"},
		{"a manifest that is not the archive's", same, good, nil, "MANIFEST_DISAGREES"},
		{"a manifest that is", fmt.Appendf(nil, manifestOf, "level"), good, nil, ""},
	} {
		v := w.newVersion(p)
		if c.manifest != nil {
			w.upload(v, "MANIFEST", "m.json", c.manifest)
		}
		if c.asset != nil {
			f := w.newFile(v, "ASSET", "a", len(c.asset))
			id := str(f, "id")
			for _, op := range w.operations(f) {
				w.send(op, c.asset)
			}
			attributes := object{"uploaded": true}
			for k, sums := range c.sums {
				attributes[k] = sums
			}
			w.must("PATCH", "/v1/backgroundAssetUploadFiles/"+id, entity("backgroundAssetUploadFiles", id, attributes))
		}
		got := w.settled(v)
		errs, _ := at(got, "attributes.stateDetails.errors").([]any)
		code := ""
		if len(errs) > 0 {
			code = str(errs[0], "code")
		}
		if code != c.want || (c.want == "") != (str(got, "attributes.state") == "COMPLETE") {
			t.Errorf("%s: %v; want %q", c.name, got, c.want)
		}
		if at(got, "relationships.internalBetaRelease.data") != nil != (c.want == "") {
			t.Errorf("%s: its release is %v", c.name, got)
		}
	}
	for w.offered("internal") != "level 13" && w.offered("internal") != "level 13 with 1 deltas" {
		w.step("release noted")
	}
}

func TestAnAppleArchiveIsDeliveredAsItIs(t *testing.T) {
	w := newWorld(t)
	p := w.newPack(w.newApp(bundle), "level")
	v := w.newVersion(p)
	w.upload(v, "ASSET", "a.aar", []byte("pbze and whatever follows"))
	got := w.settled(v)
	details := at(got, "attributes.stateDetails")
	if str(got, "attributes.state") != "COMPLETE" || !strings.Contains(fmt.Sprint(details), "OPAQUE_ARCHIVE") || !strings.Contains(fmt.Sprint(details), "NO_MANIFEST") {
		t.Errorf("an Apple Archive: %v", got)
	}
	if got := w.offered("internal"); got != "level 1" {
		t.Errorf("testers are offered %q", got)
	}
}

func TestPacksVersionsAndRoomAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Packs: 2, Versions: 2, Parts: 3, Part: 10} })
	app := w.newApp(bundle)
	w.must("PATCH", "/larder/v1/apps/"+app, entity("apps", app, object{"quota": int64(1) << 60}))
	p := w.newPack(app, "a")
	w.newPack(app, "b")
	refused := func(what string, status int, out object) {
		t.Helper()
		if status != 409 || str(first(out), "code") != "STATE_ERROR.QUOTA_EXCEEDED" {
			t.Errorf("%s: %d %v", what, status, out)
		}
	}
	status, out := w.ask("POST", "/v1/backgroundAssets", entity("backgroundAssets", "", object{"assetPackIdentifier": "c"}, "app", "apps", app))
	refused("a third pack of two", status, out)
	first, second := w.newVersion(p), w.newVersion(p)
	status, out = w.ask("POST", "/v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", p))
	refused("a third version of two", status, out)
	if n := len(w.operations(w.newFile(first, "ASSET", "a", 31))); n > 3 {
		t.Errorf("a file has %d parts, of 3", n)
	}
	const huge = 1 << 40
	newHuge := func(version string) (int, object) {
		return w.ask("POST", "/v1/backgroundAssetUploadFiles", entity("backgroundAssetUploadFiles", "", object{"assetType": "ASSET", "fileName": "a", "fileSize": int64(huge)}, "backgroundAssetVersion", "backgroundAssetVersions", version))
	}
	status, out = newHuge(second)
	for n := 0; status == 201 && n < 100; n++ { // until what is announced is more than the disk has
		b := w.newApp(fmt.Sprint("org.example.huge", n))
		w.must("PATCH", "/larder/v1/apps/"+b, entity("apps", b, object{"quota": int64(1) << 60}))
		status, out = newHuge(w.newVersion(w.newPack(b, "a")))
	}
	refused("more than the disk has room for", status, out)
}

func TestASenderWhoStopsIsNotWaitedForAndMaySendAgain(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Patience: time.Second} })
	f := w.newFile(w.newVersion(w.newPack(w.newApp(bundle), "level")), "ASSET", "a", 4)
	stuck, end := io.Pipe()
	defer end.Close()
	go func() { _, _ = end.Write([]byte("ab")) }() // and no more
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, str(w.operations(f)[0], "url"), stuck)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 4
	if resp, err := http.DefaultClient.Do(req); err == nil { // or the connection was cut
		resp.Body.Close()
		if resp.StatusCode != 408 {
			t.Errorf("it is answered %d", resp.StatusCode)
		}
	}
	if strings.Contains(w.log.String(), "a request failed") {
		t.Error("the host blames itself")
	}
	for { // the part is free as soon as the host has given up; on a busy machine a good sender may be late too
		status, text := w.send(w.operations(f)[0], []byte("abcd"))
		if status == 200 {
			return
		}
		if status != 409 && status != 408 {
			t.Fatalf("sent again: %d %s", status, text)
		}
	}
}

func TestAVersionGoesLiveWithoutTheDeltaThatTookTooLong(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Settings = process.Settings{DeltaTime: time.Nanosecond} })
	p := w.newPack(w.newApp(bundle), "level")
	w.publish(p, level(t, "one"))
	v := w.must("GET", "/v1/backgroundAssetVersions/"+w.publish(p, level(t, noise(1000))), nil)
	if !strings.Contains(fmt.Sprint(at(v, "attributes.stateDetails.warnings")), "DELTA_TIMEOUT") {
		t.Errorf("the version is %v", v)
	}
	if got := w.offered("internal"); got != "level 2" {
		t.Errorf("testers are offered %q", got)
	}
}

func TestAnAppleArchiveIsOfferedToApplesPlatformsAlone(t *testing.T) {
	w := newWorld(t)
	p := w.newPack(w.newApp(bundle), "level")
	for platforms, want := range map[string]string{`[]`: "[IOS MAC_OS TV_OS VISION_OS]", `["macOS", "Linux"]`: "[MAC_OS]", `["Linux", "Windows"]`: "FAILED"} {
		v := w.newVersion(p)
		w.upload(v, "MANIFEST", "m.json", []byte(strings.ReplaceAll(fmt.Sprintf(manifestOf, "level"), `"platforms": []`, `"platforms": `+platforms)))
		w.upload(v, "ASSET", "a.aar", []byte("pbze and whatever follows"))
		got := w.settled(v)
		has := str(got, "attributes.platforms")
		if str(got, "attributes.state") == "FAILED" {
			has = "FAILED"
		}
		if has != want {
			t.Errorf("for %s: %v", platforms, got)
		}
	}
}

func TestAFileThatNeverComesIsGivenUp(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Settings = process.Settings{Stale: time.Nanosecond, Sweep: time.Millisecond} })
	v := w.newVersion(w.newPack(w.newApp(bundle), "level"))
	w.newFile(v, "ASSET", "a", 10)
	for {
		got := w.must("GET", "/v1/backgroundAssetVersions/"+v, nil)
		if str(got, "attributes.state") == "FAILED" {
			if !strings.Contains(fmt.Sprint(got), "UPLOAD_EXPIRED") {
				t.Errorf("it failed with %v", got)
			}
			return
		}
		w.step("job claimed")
	}
}
