package host

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/site"
)

func promotion(version, channel string) object {
	return entity("larderPromotions", "", object{"channel": channel}, "backgroundAssetVersion", "backgroundAssetVersions", version)
}

func decision(version, channel, word string) object {
	return entity("larderDecisions", "", object{"channel": channel, "decision": word}, "backgroundAssetVersion", "backgroundAssetVersions", version)
}

func rollback(packID, channel string) object {
	return entity("larderRollbacks", "", object{"channel": channel}, "backgroundAsset", "backgroundAssets", packID)
}

// offered lists what a context's manifest has: "level 1 …".
func (w *world) offered(context string) string {
	w.t.Helper()
	at := w.base + site.Prefix + site.ManifestPath(bundle, context)
	resp, err := http.Get(at)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := site.Read(text, at)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	var all []string
	for _, p := range m.Packs {
		s := fmt.Sprint(p.ID, " ", p.Version)
		if p.AppVersions != nil {
			s += fmt.Sprintf(" from %s below %s", p.AppVersions.Minimum, p.AppVersions.Below)
		}
		if len(p.Deltas) > 0 {
			s += fmt.Sprintf(" with %d deltas", len(p.Deltas))
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// becomes waits until a release of a version is in a state.
func (w *world) becomes(version, include, state string) {
	w.t.Helper()
	for {
		_, out := w.ask("GET", "/v1/backgroundAssetVersions/"+version+"?include="+include, nil)
		list, _ := out["included"].([]any)
		if len(list) == 1 && str(list[0], "attributes.state") == state {
			return
		}
		if str(out, "data.attributes.state") == "FAILED" {
			w.t.Fatalf("the version failed: %v", out)
		}
		w.step("release noted")
	}
}

func (w *world) is(version, include, want string) {
	w.t.Helper()
	_, out := w.ask("GET", "/v1/backgroundAssetVersions/"+version+"?include="+include, nil)
	list, _ := out["included"].([]any)
	if len(list) != 1 || str(list[0], "attributes.state") != want {
		w.t.Errorf("%s of %s is %v, not %s", include, version, list, want)
	}
}

func level(t *testing.T, text string) []byte {
	return build(t, "level", map[string]string{"map.txt": text, "fixed.bin": strings.Repeat("the same in every version ", 1000)})
}

// A delta that is smaller than its pack may spare a device nothing: then there is none.
func TestAHostKeepsADeltaByThePublishersRule(t *testing.T) {
	w := newWorld(t)
	p := w.newPack(w.newApp(bundle), "level")
	v1 := w.publish(p, level(t, noise(1000)))
	w.becomes(v1, "internalBetaRelease", "READY_FOR_TESTING")
	v2 := w.publish(p, build(t, "level", map[string]string{"word": "two"}))
	w.becomes(v2, "internalBetaRelease", "READY_FOR_TESTING")
	if got := w.offered("internal"); got != "level 2" {
		t.Errorf("internal testers are offered %q", got)
	}
}

func TestAReleaseSupersedesTheOneBeforeAndRollbackBringsItBack(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	p := w.newPack(app, "level")
	v1 := w.publish(p, level(t, "one"))
	w.must("POST", "/larder/v1/promotions", promotion(v1, "production"))
	w.becomes(v1, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	v2 := w.publish(p, level(t, noise(1000)))
	w.is(v1, "internalBetaRelease", "SUPERSEDED")
	w.is(v2, "internalBetaRelease", "READY_FOR_TESTING")
	if got := w.offered("production"); got != "level 1" {
		t.Errorf("before its release the public is offered %q", got)
	}
	w.must("POST", "/larder/v1/promotions", promotion(v2, "production"))
	w.becomes(v2, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	w.is(v1, "appStoreRelease", "SUPERSEDED")
	if got := w.offered("production"); got != "level 2 with 1 deltas" {
		t.Errorf("the public is offered %q", got)
	}
	if status, _ := w.ask("POST", "/larder/v1/promotions", promotion(v1, "production")); status != 409 {
		t.Errorf("an older version was promoted: %d", status)
	}
	back := w.must("POST", "/larder/v1/rollbacks", rollback(p, "production"))
	if str(back, "attributes.version") != "3" {
		t.Errorf("the version that came back is %v", back)
	}
	w.becomes(str(back, "id"), "appStoreRelease", "READY_FOR_DISTRIBUTION")
	w.is(v2, "appStoreRelease", "SUPERSEDED")
	if got := w.offered("production"); got != "level 3 with 1 deltas" {
		t.Errorf("after the rollback the public is offered %q", got)
	}
	if got := w.offered("internal"); got != "level 2 with 1 deltas" {
		t.Errorf("after the rollback internal testers are offered %q", got)
	}
	if status, _ := w.ask("POST", "/larder/v1/rollbacks", rollback(p, "external")); status != 409 {
		t.Errorf("a rollback where nothing was: %d", status)
	}
	packNow := w.must("GET", "/v1/backgroundAssets/"+p, nil)
	if str(packNow, "relationships.appStoreVersion.data.id") != str(back, "id") || str(packNow, "relationships.internalBetaVersion.data.id") != v2 {
		t.Errorf("the pack is %v", packNow)
	}
}

func TestWhatWasNeverReviewedDoesNotComeByRollback(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	w.must("PATCH", "/larder/v1/apps/"+app, entity("apps", app, object{"review": true}))
	p := w.newPack(app, "level")
	w.publish(p, level(t, "never reviewed"))
	v2 := w.publish(p, level(t, "reviewed"))
	w.must("POST", "/larder/v1/promotions", promotion(v2, "external"))
	w.is(v2, "externalBetaRelease", "WAITING_FOR_REVIEW")
	if got := w.offered("external"); got != "" {
		t.Errorf("before review testers are offered %q", got)
	}
	w.must("POST", "/larder/v1/decisions", decision(v2, "external", "APPROVE"))
	w.becomes(v2, "externalBetaRelease", "READY_FOR_TESTING")
	if status, _ := w.ask("POST", "/larder/v1/rollbacks", rollback(p, "external")); status != 409 {
		t.Errorf("a rollback to what nobody reviewed: %d", status)
	}
}

func submission(app string) object { return entity("reviewSubmissions", "", nil, "app", "apps", app) }

func item(submission, version string) object {
	return entity("reviewSubmissionItems", "", nil, "reviewSubmission", "reviewSubmissions", submission, "backgroundAssetVersion", "backgroundAssetVersions", version)
}

func TestPacksOfOneSubmissionGoToThePublicTogether(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	w.must("PATCH", "/larder/v1/apps/"+app, entity("apps", app, object{"review": true}))
	var versions []string
	for _, id := range []string{"a", "b", "c"} {
		versions = append(versions, w.publish(w.newPack(app, id), build(t, id, map[string]string{id: id})))
	}
	s := str(w.must("POST", "/v1/reviewSubmissions", submission(app)), "id")
	for _, v := range versions {
		w.must("POST", "/v1/reviewSubmissionItems", item(s, v))
		w.is(v, "appStoreRelease", "READY_FOR_REVIEW")
	}
	if status, _ := w.ask("POST", "/v1/reviewSubmissionItems", item(s, versions[0])); status != 409 {
		t.Errorf("a pack twice in one submission: %d", status)
	}
	submit := entity("reviewSubmissions", s, object{"submitted": true})
	if got := str(w.must("PATCH", "/v1/reviewSubmissions/"+s, submit), "attributes.state"); got != "WAITING_FOR_REVIEW" {
		t.Errorf("the submission is %s", got)
	}
	if status, _ := w.ask("PATCH", "/v1/reviewSubmissions/"+s, submit); status != 409 {
		t.Errorf("submitted twice: %d", status)
	}
	w.must("POST", "/larder/v1/decisions", decision(versions[0], "production", "APPROVE"))
	w.is(versions[0], "appStoreRelease", "ACCEPTED")
	w.must("POST", "/larder/v1/decisions", decision(versions[1], "production", "REJECT"))
	w.is(versions[1], "appStoreRelease", "REJECTED")
	if got := w.offered("production"); got != "" {
		t.Errorf("before all is decided the public is offered %q", got)
	}
	w.must("POST", "/larder/v1/decisions", decision(versions[2], "production", "APPROVE"))
	w.becomes(versions[0], "appStoreRelease", "READY_FOR_DISTRIBUTION")
	w.becomes(versions[2], "appStoreRelease", "READY_FOR_DISTRIBUTION")
	if got := w.offered("production"); got != "a 1, c 1" {
		t.Errorf("the public is offered %q", got)
	}
	if got := str(w.must("GET", "/v1/reviewSubmissions/"+s+"?include=items", nil), "attributes.state"); got != "UNRESOLVED_ISSUES" {
		t.Errorf("the submission is %s", got)
	}
	if _, out := w.ask("GET", "/v1/reviewSubmissions?filter[app]="+app+"&limit=1", nil); len(out["data"].([]any)) != 1 {
		t.Errorf("the app's submissions are %v", out)
	}
	if _, out := w.ask("GET", "/v1/reviewSubmissions/"+s+"/items?limit=2", nil); at(out, "links.next") == nil {
		t.Errorf("the items are %v", out)
	}
}

func TestACanceledSubmissionGivesItsVersionsBack(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	w.must("PATCH", "/larder/v1/apps/"+app, entity("apps", app, object{"review": true}))
	v := w.publish(w.newPack(app, "level"), level(t, "one"))
	s := str(w.must("POST", "/v1/reviewSubmissions", submission(app)), "id")
	w.must("POST", "/v1/reviewSubmissionItems", item(s, v))
	w.must("PATCH", "/v1/reviewSubmissions/"+s, entity("reviewSubmissions", s, object{"submitted": true}))
	w.must("PATCH", "/v1/reviewSubmissions/"+s, entity("reviewSubmissions", s, object{"canceled": true}))
	w.is(v, "appStoreRelease", "PREPARE_FOR_SUBMISSION")
	if status, _ := w.ask("POST", "/larder/v1/decisions", decision(v, "production", "APPROVE")); status != 409 {
		t.Errorf("a decision about what was taken back: %d", status)
	}
	w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
	w.is(v, "appStoreRelease", "WAITING_FOR_REVIEW")
}

func TestASubmissionHasAtMostTenPacks(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	s := str(w.must("POST", "/v1/reviewSubmissions", submission(app)), "id")
	for n := range 11 {
		id := fmt.Sprint("p", n)
		v := w.publish(w.newPack(app, id), build(t, id, map[string]string{id: id}))
		if status, out := w.ask("POST", "/v1/reviewSubmissionItems", item(s, v)); (status == 201) != (n < 10) {
			t.Errorf("pack %d: %d %v", n+1, status, out)
		}
	}
}

func TestSeveralVersionsOfAPackAreLiveForSeveralVersionsOfTheApp(t *testing.T) {
	w := newWorld(t)
	p := w.newPack(w.newApp(bundle), "level")
	v1 := w.publish(p, level(t, "one"))
	old := promotion(v1, "production")
	old["data"].(object)["attributes"].(object)["appVersions"] = object{"below": "2.0"}
	w.must("POST", "/larder/v1/promotions", old)
	w.becomes(v1, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	v2 := w.publish(p, level(t, "two"))
	young := promotion(v2, "production")
	young["data"].(object)["attributes"].(object)["appVersions"] = object{"minimum": "2.0"}
	w.must("POST", "/larder/v1/promotions", young)
	w.becomes(v2, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	w.is(v1, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	if got := w.offered("production"); got != "level 1 from  below 2.0, level 2 from 2.0 below  with 1 deltas" {
		t.Errorf("the public is offered %q", got)
	}
	bad := promotion(v2, "external")
	bad["data"].(object)["attributes"].(object)["appVersions"] = object{"minimum": "two"}
	if status, _ := w.ask("POST", "/larder/v1/promotions", bad); status != 409 {
		t.Errorf("no version of an app: %d", status)
	}
}

func TestAnArchivedPackIsGoneForGood(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	p := w.newPack(app, "level")
	v := w.publish(p, level(t, "one"))
	w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
	w.becomes(v, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	got := w.must("PATCH", "/v1/backgroundAssets/"+p, entity("backgroundAssets", p, object{"archived": true}))
	if at(got, "attributes.archived") != true || at(got, "attributes.usedBytes") != 0.0 {
		t.Errorf("the pack is %v", got)
	}
	for w.offered("production")+w.offered("internal") != "" {
		w.step("release noted")
	}
	for what, ask := range map[string]func() (int, object){
		"a new version": func() (int, object) {
			return w.ask("POST", "/v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", p))
		},
		"its identifier": func() (int, object) {
			return w.ask("POST", "/v1/backgroundAssets", entity("backgroundAssets", "", object{"assetPackIdentifier": "Level"}, "app", "apps", app))
		},
		"coming back": func() (int, object) {
			return w.ask("PATCH", "/v1/backgroundAssets/"+p, entity("backgroundAssets", p, object{"archived": false}))
		},
		"a release":  func() (int, object) { return w.ask("POST", "/larder/v1/promotions", promotion(v, "external")) },
		"a rollback": func() (int, object) { return w.ask("POST", "/larder/v1/rollbacks", rollback(p, "production")) },
	} {
		if status, out := ask(); status != 409 {
			t.Errorf("%s: %d %v", what, status, out)
		}
	}
}

func TestStatesOfReleasesChangeOnlyAsTheyMay(t *testing.T) {
	for _, c := range []struct {
		channel, state string
		act            process.Act
		want           string // empty: refused
	}{
		{catalog.External, catalog.ReadyForBetaSubmission, process.Submit, catalog.WaitingForReview},
		{catalog.External, catalog.WaitingForReview, process.Approve, catalog.ProcessingForTesting},
		{catalog.External, catalog.WaitingForReview, process.Recall, catalog.ReadyForBetaSubmission},
		{catalog.External, catalog.Rejected, process.Submit, catalog.WaitingForReview},
		{catalog.External, catalog.ReadyForBetaSubmission, process.Approve, ""},
		{catalog.External, catalog.ReadyForTesting, process.Submit, ""},
		{catalog.External, catalog.Superseded, process.Submit, ""},
		{catalog.Production, catalog.PrepareForSubmission, process.Submit, catalog.WaitingForReview},
		{catalog.Production, catalog.InReview, process.Approve, catalog.Accepted},
		{catalog.Production, catalog.InReview, process.Reject, catalog.Rejected},
		{catalog.Production, catalog.WaitingForReview, process.Recall, catalog.PrepareForSubmission},
		{catalog.Production, catalog.ReadyForDistribution, process.Reject, ""},
		{catalog.Production, catalog.Accepted, process.Approve, ""},
	} {
		got, ok := process.Next(c.channel, c.state, c.act)
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s %s %s: %s, %v", c.channel, c.state, c.act, got, ok)
		}
	}
}

func TestALargerPackHasAFineFileToo(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	p := w.newPack(app, "level")
	large := noise(300 << 10)
	w.publish(p, level(t, large+"one"))
	w.publish(p, level(t, large+"two"))
	if got := w.offered("internal"); got != "level 2 with 2 deltas" {
		t.Errorf("internal testers are offered %q", got)
	}
}
