package asset

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPackIdentifiers(t *testing.T) {
	for _, s := range []string{"a", "Level-2", "-", "0", "communication", strings.Repeat("x", MaxPackID)} {
		if got, err := ParsePackID(s); err != nil || string(got) != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "a.b", "a_b", "a b", "a/b", "é", "nul", "Com1", "a\x00", strings.Repeat("x", MaxPackID+1)} {
		if _, err := ParsePackID(s); CodeOf(err) != CodeConfiguration {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestLanguagesOfPacksAreSpelledInOneWay(t *testing.T) {
	for in, want := range map[string]string{"ja": "ja", "EN-us": "en-US", "zh-hant": "zh-Hant", "zh-HANS-vn": "zh-Hans-VN", "es-419": "es-419", "fil": "fil"} {
		if got, err := ParsePackLanguage(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, s := range []string{"", "d", "german", "de_DE", "de-", "de-DE-1996", "de-1996", "de-US-Latn", "de-x-y", "d1"} {
		if _, err := ParsePackLanguage(s); CodeOf(err) != CodeConfiguration {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestPoliciesAreReadAndWrittenAsApples(t *testing.T) {
	for text, want := range map[string]DownloadPolicy{
		`{"onDemand":{}}`: {Kind: PolicyOnDemand},
		`{"essential":{"installationEventTypes":["firstInstallation"]}}`: {Kind: PolicyEssential, Events: []InstallationEvent{EventFirstInstallation}},
		`{"prefetch":{"installationEventTypes":["firstInstallation","subsequentUpdate"]}}`: {Kind: PolicyPrefetch,
			Events: []InstallationEvent{EventFirstInstallation, EventSubsequentUpdate}},
	} {
		var got DownloadPolicy
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`{}`, `{"essential":{}}`, `{"essential":{"installationEventTypes":[]}}`, `{"onDemand":{"installationEventTypes":[]}}`,
		`{"onDemand":{},"prefetch":{"installationEventTypes":["firstInstallation"]}}`, `{"Essential":{}}`, `[]`, `"onDemand"`,
		`{"prefetch":{"installationEventTypes":["firstInstallation","firstInstallation"]}}`, `{"prefetch":{"installationEventTypes":["install"]}}`} {
		var got DownloadPolicy
		if err := json.Unmarshal([]byte(text), &got); CodeOf(err) != CodeConfiguration {
			t.Errorf("%s was taken as %v (%v)", text, got, err)
		}
	}
}

func TestAPolicyBlocksTheLaunchAfterEachOfItsEvents(t *testing.T) {
	both := []InstallationEvent{EventFirstInstallation, EventSubsequentUpdate}
	for _, c := range []struct {
		policy           DownloadPolicy
		event            InstallationEvent
		fetches, blocked bool
	}{
		{DownloadPolicy{PolicyEssential, both}, EventSubsequentUpdate, true, true},
		{DownloadPolicy{PolicyEssential, both[:1]}, EventSubsequentUpdate, false, false},
		{DownloadPolicy{PolicyPrefetch, both}, EventFirstInstallation, true, false},
		{DownloadPolicy{PolicyOnDemand, nil}, EventFirstInstallation, false, false},
	} {
		if f, b := c.policy.Fetches(c.event), c.policy.Blocks(c.event); f != c.fetches || b != c.blocked {
			t.Errorf("%v at %s: fetches %v, blocks %v", c.policy, c.event, f, b)
		}
	}
}

const hash64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const wholeManifest = `{ // of Apple's, and ours
  "primaryLanguage": "en-US", "later": {"b": 1, "a": 2},
  "assetPacks": [ {
    "id": "tutorial", "version": 3, "downloadSize": 282967394, "url": "https://cdn.example.com/tutorial",
    "downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation"]}},
    "host": {"thirdParty": {}}, "userInfo": {"z": 1.50, "a": "<&>"},
    "content": "` + hash64 + `", "index": "` + hash64 + `", "indexSize": 7, "installSize": 300000000,
    "platforms": ["Windows", "Linux"], "language": "en-us",
    "deltas": [{"from": "` + hash64 + `", "url": "https://cdn.example.com/d", "size": 1, "hash": "` + hash64 + `"}],
    "appVersions": {"minimum": "1.2", "below": "2"}, "rollout": {"percent": 25, "seed": "x"}, "new": [1]
  } ] }`

func TestADownloadManifestSurvivesReadingAndWriting(t *testing.T) {
	m, err := ParseDownloadManifest([]byte(wholeManifest))
	if err != nil {
		t.Fatal(err)
	}
	p := m.Packs[0]
	if p.ID != "tutorial" || p.Version != 3 || p.AppVersions.Below != "2" || p.Rollout.Percent != 25 || p.Deltas[0].Size != 1 ||
		!reflect.DeepEqual(p.Platforms, []Platform{PlatformLinux, PlatformWindows}) || p.Language != "en-US" ||
		string(p.UserInfo) != `{"a":"<&>","z":1.50}` || string(p.Extra["new"]) != "[1]" || string(m.Extra["later"]) != `{"a":2,"b":1}` {
		t.Errorf("it reads as %+v", m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var again DownloadManifest
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*m, again); diff != "" {
		t.Error(diff)
	}
}

func TestADownloadManifestTellsAllItsFaults(t *testing.T) {
	_, err := ParseDownloadManifest([]byte(`{"primaryLanguage": "german",
 "assetPacks": [
  {"id": "a_b", "version": -1, "downloadSize": "7", "url": "ftp://cdn/tutorial", "downloadPolicy": {}},
  {"id": "x", "version": 1, "downloadSize": 5, "url": "https://c/x", "downloadPolicy": {"onDemand": {}}, "content": "12", "platforms": ["iPadOS"],
   "rollout": {"percent": 101}, "appVersions": {"minimum": "1.x"}, "deltas": [{}], "indexSize": 6},
  {"id": "X", "version": 1, "downloadSize": 5, "url": "https://c/x", "downloadPolicy": {"onDemand": {}}},
  3
 ]}`))
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	got := ""
	for _, f := range faults.List {
		got += f.String() + "\n"
		if f.Mend == "" || f.Line == 0 {
			t.Errorf("%+v lacks its mend or line", f)
		}
	}
	for _, want := range []string{"primaryLanguage", "[0].id", "[0].version", "[0].downloadSize", "[0].url", "[0].downloadPolicy", "[1].content", `platforms[0] "iPadOS"`,
		"[1].rollout.percent", "[1].appVersions.minimum", "deltas[0].from", "deltas[0].url", "deltas[0].size", "deltas[0].hash", "[1].indexSize", "version 1 of X stands there twice", "assetPacks[3]"} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing is said of %s in\n%s", want, got)
		}
	}
	if len(faults.List) != 17 {
		t.Errorf("%d faults:\n%s", len(faults.List), got)
	}
}

func FuzzParseDownloadManifest(f *testing.F) {
	f.Add([]byte(wholeManifest))
	f.Add([]byte(`{"assetPacks":[]}`))
	f.Add([]byte("{\"a\":\"//\\\"\"} // x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseDownloadManifest(data)
		if err != nil {
			if CodeOf(err) != CodeConfiguration || err.Error() == "" {
				t.Fatal(err)
			}
			return
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDownloadManifest(text)
		if err != nil && len(text) <= MaxDownloadManifest {
			t.Fatalf("%s is written as %s: %v", data, text, err)
		}
		if diff := cmp.Diff(m, again); err == nil && diff != "" {
			t.Fatal(diff)
		}
	})
}
