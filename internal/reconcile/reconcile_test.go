package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/language"
)

var (
	first = []asset.InstallationEvent{asset.EventFirstInstallation}
	later = []asset.InstallationEvent{asset.EventSubsequentUpdate}
	both  = append(append([]asset.InstallationEvent{}, first...), later...)
)

func policy(kind asset.PolicyKind, events []asset.InstallationEvent) asset.DownloadPolicy {
	return asset.DownloadPolicy{Kind: kind, Events: events}
}

func tag(s string) language.Tag {
	t, err := language.Parse(s)
	if err != nil {
		return language.Tag{}
	}
	return t
}

// brief writes steps as "download! a@2, remove b (obsolete)"; ! is essential.
func brief(steps []Step) string {
	var out []string
	for _, s := range steps {
		text := string(s.Action)
		if s.Essential {
			text += "!"
		}
		text += " " + string(s.ID)
		if s.Action == Download || s.Action == Update {
			text += fmt.Sprint("@", s.Pack.Version)
		}
		if s.Why != "" {
			text += " (" + string(s.Why) + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestReconcile(t *testing.T) {
	essential, prefetch, onDemand := policy(asset.PolicyEssential, first), policy(asset.PolicyPrefetch, first), policy(asset.PolicyOnDemand, nil)
	always := policy(asset.PolicyEssential, both)
	version := func(v int64, p asset.DownloadPolicy, from, below string) asset.Pack {
		return asset.Pack{ID: "a", Version: v, DownloadPolicy: p, AppVersions: &asset.AppVersions{Minimum: from, Below: below}}
	}
	foreign := asset.Pack{ID: "a", Version: 1, DownloadPolicy: essential, Platforms: []asset.Platform{asset.PlatformWindows}}
	loc := func(id asset.PackID, lang string) asset.Pack {
		return asset.Pack{ID: id, Version: 1, DownloadPolicy: prefetch, Language: lang}
	}
	for _, c := range []struct {
		name  string
		packs []asset.Pack
		have  []Installed
		event asset.ContentRequest
		want  string
	}{
		{"install fetches what lists the first installation, essential first", []asset.Pack{{ID: "p", Version: 1, DownloadPolicy: prefetch}, {ID: "d", DownloadPolicy: onDemand}, {ID: "e", Version: 2, DownloadPolicy: essential}}, nil,
			asset.RequestInstall, "download! e@2, download p@1"},
		{"install leaves what lists updates alone", []asset.Pack{{ID: "a", DownloadPolicy: policy(asset.PolicyEssential, later)}}, nil, asset.RequestInstall, ""},
		{"an update blocks for what lists updates", []asset.Pack{{ID: "a", Version: 1, DownloadPolicy: policy(asset.PolicyEssential, later)}, {ID: "b", DownloadPolicy: essential}}, nil,
			asset.RequestUpdate, "download! a@1"},
		{"both events block both times", []asset.Pack{{ID: "a", DownloadPolicy: always}}, nil, asset.RequestUpdate, "download! a@0"},
		{"a check blocks nothing", []asset.Pack{{ID: "a", DownloadPolicy: always}}, nil, asset.RequestPeriodic, "download a@0"},
		{"every installed pack is kept current, also on demand", []asset.Pack{{ID: "a", Version: 2, DownloadPolicy: onDemand}}, []Installed{{ID: "a", Version: 1}}, asset.RequestPeriodic, "update a@2"},
		{"an essential update blocks an update of the app", []asset.Pack{{ID: "a", Version: 2, DownloadPolicy: always}}, []Installed{{ID: "a", Version: 1}}, asset.RequestUpdate, "update! a@2"},
		{"the same version is kept", []asset.Pack{{ID: "a", Version: 2, DownloadPolicy: essential}}, []Installed{{ID: "a", Version: 2}}, asset.RequestInstall, "keep a"},
		{"a version never falls", []asset.Pack{{ID: "a", Version: 1, DownloadPolicy: essential}}, []Installed{{ID: "a", Version: 2}}, asset.RequestPeriodic, "keep a (older)"},
		{"what is no longer offered goes", nil, []Installed{{ID: "b"}, {ID: "a", Explicit: true}}, asset.RequestPeriodic, "remove a (obsolete), remove b (obsolete)"},
		{"so does what is offered to other platforms only", []asset.Pack{foreign}, []Installed{{ID: "a", Version: 1}}, asset.RequestPeriodic, "remove a (obsolete)"},
		{"a foreign platform is not fetched", []asset.Pack{foreign}, nil, asset.RequestInstall, ""},
		{"the newest that fits", []asset.Pack{version(3, essential, "2", ""), version(2, essential, "1", "2"), version(1, essential, "", "1")}, nil, asset.RequestInstall, "download! a@2"},
		{"what fits no more stays until something does", []asset.Pack{version(3, essential, "2", "")}, []Installed{{ID: "a", Version: 1}}, asset.RequestPeriodic, "keep a (noFit)"},
		{"a lower version that fits replaces one that does not", []asset.Pack{version(3, essential, "2", ""), version(2, essential, "1", "2")}, []Installed{{ID: "a", Version: 3}}, asset.RequestUpdate, "update a@2"},
		{"only the wanted language", []asset.Pack{loc("de", "de"), loc("en", "en-US"), loc("fr", "fr")}, nil, asset.RequestInstall, "download de@1"},
		{"a new language comes before the old one goes", []asset.Pack{loc("de", "de"), loc("en", "en")}, []Installed{{ID: "en", Version: 1, Language: tag("en")}}, asset.RequestLanguageChange,
			"download de@1, keep en (awaiting)"},
		{"then the old one goes", []asset.Pack{loc("de", "de"), loc("en", "en")}, []Installed{{ID: "en", Version: 1, Language: tag("en")}, {ID: "de", Version: 1, Language: tag("de-DE")}},
			asset.RequestLanguageChange, "remove en (language), keep de"},
		{"but not what the app asked for", []asset.Pack{loc("en", "en")}, []Installed{{ID: "en", Version: 1, Language: tag("en"), Explicit: true}}, asset.RequestLanguageChange, "keep en"},
		{"a change of language fetches nothing neutral", []asset.Pack{{ID: "a", DownloadPolicy: always}}, nil, asset.RequestLanguageChange, ""},
		{"an app's own check fetches nothing new and loses no language", []asset.Pack{{ID: "a", DownloadPolicy: always}, loc("en", "en"), {ID: "u", Version: 2, DownloadPolicy: onDemand}},
			[]Installed{{ID: "en", Version: 1, Language: tag("en")}, {ID: "u", Version: 1}, {ID: "x"}}, Check, "update u@2, remove x (obsolete), keep en"},
		{"an event of a later Larder fetches nothing new", []asset.Pack{{ID: "a", DownloadPolicy: always}}, nil, "eclipse", ""},
	} {
		d := Device{Platform: asset.PlatformLinux, App: bundle.Version{Major: 1, Minor: 5}, Language: tag("de")}
		if got := brief(Reconcile(&asset.DownloadManifest{Packs: c.packs}, c.have, c.event, d)); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
}

func TestARefusalNamesTheVersions(t *testing.T) {
	m := &asset.DownloadManifest{Packs: []asset.Pack{{ID: "a", Version: 7, AppVersions: &asset.AppVersions{Minimum: "2", Below: "3"}}}}
	o := Offers(m, Device{App: bundle.Version{Major: 1}})
	if len(o) != 1 || o[0].Fit != nil {
		t.Fatalf("%+v", o)
	}
	if err := o[0].Refusal(); err.Code != asset.CodeDoesNotFit || !strings.Contains(err.Message, "1.0.0") || !strings.Contains(err.Message, "below 3") {
		t.Error(err)
	}
}

func TestResolveLeavesNobodyWithout(t *testing.T) {
	m := &asset.DownloadManifest{Packs: []asset.Pack{{ID: "n"}, {ID: "a", Language: "fr"}, {ID: "b", Language: "en-US"}, {ID: "c", Language: "ja", Platforms: []asset.Platform{asset.PlatformIOS}}}}
	d := Device{Platform: asset.PlatformLinux}
	for _, c := range []struct{ primary, preferred, want string }{
		{"en", "en-GB", "en-US"}, {"en", "ja", "en-US"}, {"", "ja", "fr"}, {"de", "ja", "fr"}, {"", "", "fr"},
	} {
		m.PrimaryLanguage = c.primary
		var preferred []language.Tag
		if c.preferred != "" {
			preferred = append(preferred, tag(c.preferred))
		}
		if got := Resolve(m, d, preferred); got.String() != c.want {
			t.Errorf("primary %q, preferred %q: %q, want %q", c.primary, c.preferred, got, c.want)
		}
	}
	if got := Resolve(&asset.DownloadManifest{PrimaryLanguage: "de"}, d, nil); !got.IsZero() {
		t.Errorf("without localized packs the language is %v", got)
	}
	if got := fmt.Sprint(Languages(m, d)); got != "[fr en-US]" {
		t.Errorf("languages: %s", got)
	}
}

// Doing what Reconcile says makes the shelf such that it has nothing more to say,
// whatever manifest and shelf were; no pack has two steps, nothing is fetched that
// does not fit, and nothing goes that is offered and wanted.
func TestReconcileSettles(t *testing.T) {
	kinds := []asset.DownloadPolicy{policy(asset.PolicyEssential, first), policy(asset.PolicyEssential, both), policy(asset.PolicyPrefetch, later), policy(asset.PolicyOnDemand, nil), {}}
	ids := rapid.SampledFrom([]asset.PackID{"a", "b", "c", "d"})
	tongues := rapid.SampledFrom([]string{"", "", "en", "de", "zh-Hant", "nonsense!"})
	versions := rapid.SampledFrom([]string{"", "1", "1.5", "2", "x"})
	rapid.Check(t, func(t *rapid.T) {
		m := &asset.DownloadManifest{}
		for range rapid.IntRange(0, 8).Draw(t, "packs") {
			p := asset.Pack{ID: ids.Draw(t, "id"), Version: rapid.Int64Range(0, 4).Draw(t, "version"), DownloadPolicy: rapid.SampledFrom(kinds).Draw(t, "policy"), Language: tongues.Draw(t, "language")}
			if rapid.Bool().Draw(t, "bound") {
				p.AppVersions = &asset.AppVersions{Minimum: versions.Draw(t, "minimum"), Below: versions.Draw(t, "below")}
			}
			if rapid.Bool().Draw(t, "platformed") {
				p.Platforms = []asset.Platform{rapid.SampledFrom([]asset.Platform{asset.PlatformLinux, asset.PlatformMacOS}).Draw(t, "platform")}
			}
			m.Packs = append(m.Packs, p)
		}
		var have []Installed
		for range rapid.IntRange(0, 4).Draw(t, "installed") {
			have = append(have, Installed{ID: ids.Draw(t, "id"), Version: rapid.Int64Range(0, 4).Draw(t, "version"), Language: tag(tongues.Draw(t, "language")), Explicit: rapid.Bool().Draw(t, "explicit")})
		}
		event := rapid.SampledFrom([]asset.ContentRequest{asset.RequestInstall, asset.RequestUpdate, asset.RequestPeriodic, asset.RequestLanguageChange, Check, "?"}).Draw(t, "event")
		d := Device{Platform: asset.PlatformLinux, App: bundle.Version{Major: 1, Minor: 5}}
		d.Language = Resolve(m, d, []language.Tag{tag(rapid.SampledFrom([]string{"en", "fr"}).Draw(t, "preferred"))})

		shelf := map[asset.PackID]Installed{}
		for _, p := range have {
			shelf[p.ID] = p
		}
		for round := range 3 {
			var now []Installed
			for _, p := range shelf {
				now = append(now, p)
			}
			steps, seen, work := Reconcile(m, now, event, d), map[asset.PackID]bool{}, 0
			for _, s := range steps {
				if seen[s.ID] {
					t.Fatalf("%s has two steps: %s", s.ID, brief(steps))
				}
				seen[s.ID] = true
				switch s.Action {
				case Download, Update:
					work++
					if !fits(s.Pack.AppVersions, d.App) || len(s.Pack.Platforms) > 0 && s.Pack.Platforms[0] != d.Platform || s.Pack.ID != s.ID {
						t.Fatalf("%s does not fit: %+v", s.ID, s.Pack)
					}
					if s.Essential && !event.AllowsEssential() {
						t.Fatalf("%s holds up a %s", s.ID, event)
					}
					shelf[s.ID] = Installed{ID: s.ID, Version: s.Pack.Version, Language: tag(s.Pack.Language), Explicit: shelf[s.ID].Explicit}
				case Remove:
					work++
					delete(shelf, s.ID)
				}
			}
			for id := range shelf {
				if !seen[id] {
					t.Fatalf("%s is on the shelf and nothing is said of it: %s", id, brief(steps))
				}
			}
			if round == 2 && work > 0 {
				t.Fatalf("it never settles: %s", brief(steps))
			}
		}
	})
}

func TestWithoutManifestNothingIsDone(t *testing.T) {
	if got := Reconcile(nil, []Installed{{ID: "a"}}, asset.RequestPeriodic, Device{}); got != nil {
		t.Error(brief(got))
	}
}
