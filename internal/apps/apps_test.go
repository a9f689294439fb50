package apps

import (
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/lifecycle"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var now = time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)

func with(t *testing.T, f func(tx *db.Tx) error) {
	t.Helper()
	d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), db.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func game() App {
	return App{Context: "production", Life: lifecycle.State{Phase: asset.AppManifest, Request: asset.RequestInstall},
		Bundle: bundle.Bundle{ID: "org.example.game", Group: "group.g", Build: "7", ManifestURL: "https://e.example/m",
			Restrictions: &bundle.Restrictions{DownloadAllowance: 100, EssentialDownloadAllowance: 50, DomainAllowList: []string{"*.example"}},
			Extension:    &bundle.Extension{Dir: "/x", ID: "org.example.game.x", Executable: "/x/y"}}}
}

func TestAppIsKeptWhole(t *testing.T) {
	with(t, func(tx *db.Tx) error {
		if err := Add(tx, game()); err != nil {
			return err
		}
		got, err := Get(tx, "org.example.game")
		if diff := cmp.Diff(game(), got, cmpopts.IgnoreUnexported(App{})); diff != "" {
			t.Error(diff)
		}
		if err := Add(tx, game()); asset.CodeOf(err) != asset.CodeState {
			t.Errorf("installing twice: %v", err)
		}
		if _, err := Get(tx, "org.example.other"); asset.CodeOf(err) != asset.CodeNotFound {
			t.Errorf("unknown app: %v", err)
		}
		if err := SetLife(tx, "org.example.other", lifecycle.State{}); asset.CodeOf(err) != asset.CodeNotFound {
			t.Errorf("changing an unknown app: %v", err)
		}
		return err
	})
}

func TestAllowancesShrinkAndAreLiftedByTheFirstLaunch(t *testing.T) {
	with(t, func(tx *db.Tx) error {
		Add(tx, game())
		Spend(tx, "org.example.game", false, 30)
		Spend(tx, "org.example.game", true, 60)
		a, _ := Get(tx, "org.example.game")
		if others, essential := a.Allowances().Told(); *others != 70 || *essential != 0 {
			t.Errorf("%d and %d are left", *others, *essential)
		}
		Launch(tx, "org.example.game", now)
		Launch(tx, "org.example.game", now.Add(time.Hour))
		a, err := Get(tx, "org.example.game")
		if others, essential := a.Allowances().Told(); others != nil || essential != nil || !a.FirstLaunch.Equal(now) || a.Launches != 2 {
			t.Errorf("after launches: %+v", a)
		}
		return err
	})
}

func TestBudgetIsPerDay(t *testing.T) {
	with(t, func(tx *db.Tx) error {
		Add(tx, game())
		left := func(at time.Time) time.Duration {
			d, err := Budget(tx, "org.example.game", at)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		Use(tx, "org.example.game", now, 4*time.Minute)
		Use(tx, "org.example.game", now, 7*time.Minute)
		if d := left(now); d != 0 {
			t.Errorf("left after 11 minutes: %v", d)
		}
		if d := left(NextDay(now)); d != DailyBudget {
			t.Errorf("left the next day: %v", d)
		}
		Use(tx, "org.example.game", NextDay(now), time.Minute)
		if d := left(NextDay(now)); d != DailyBudget-time.Minute {
			t.Errorf("left after a minute of the next day: %v", d)
		}
		return ResetBudget(tx, "org.example.game")
	})
}

func TestSettingsDefaultToContentOn(t *testing.T) {
	with(t, func(tx *db.Tx) error {
		if s, err := LoadSettings(tx); err != nil || !s.InAppContent {
			t.Errorf("defaults: %+v, %v", s, err)
		}
		if err := SaveSettings(tx, Settings{}); err != nil {
			return err
		}
		s, err := LoadSettings(tx)
		if s.InAppContent {
			t.Error("the setting was not kept")
		}
		return err
	})
}

func TestRestListsAppsThatCouldBeAskedAndKeepsTheirHabits(t *testing.T) {
	with(t, func(tx *db.Tx) error {
		g := game()
		g.Life.Phase = asset.AppReady
		bare := g
		bare.Bundle.ID, bare.Bundle.Extension = "org.example.bare", nil
		busy := g
		busy.Bundle.ID, busy.Life.Phase = "org.example.busy", asset.AppExtension
		for _, a := range []App{g, bare, busy} {
			if err := Add(tx, a); err != nil {
				return err
			}
		}
		Launch(tx, g.ID(), now)
		Asked(tx, g.ID(), now.Add(time.Hour), 0.25)
		NotBefore(tx, g.ID(), now.Add(2*time.Hour))
		SetPreferences(tx, g.ID(), Preferences{RefreshOff: true, Language: "de"})
		got, err := Rest(tx)
		if err != nil {
			return err
		}
		want := []Resting{{ID: g.ID(), Launched: true, RefreshOff: true, LanguageChanged: true, Habit: lifecycle.Habit{Score: 1, ScoredAt: now, LastLaunch: now,
			Checked: now.Add(time.Hour), NotBefore: now.Add(2 * time.Hour), Chance: 0.25}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		Asked(tx, g.ID(), now, 0)
		if got, err = Rest(tx); err != nil || got[0].LanguageChanged {
			t.Error("the language counts as changed after the extension was asked")
		}
		a, _ := Get(tx, g.ID())
		if diff := cmp.Diff(got[0].Habit, a.Habit); diff != "" {
			t.Errorf("Get and Rest tell different habits: %s", diff)
		}
		Unlaunch(tx, g.ID())
		if a, _ := Get(tx, g.ID()); a.Launched() || a.Habit.Score != 0 || !a.Allowances().Restricted {
			t.Errorf("as before the first launch: %+v", a)
		}
		bare.Bundle.Extension = g.Bundle.Extension
		SetBundle(tx, bare.Bundle)
		if got, err = Rest(tx); len(got) != 2 {
			t.Errorf("after an update brought an extension: %+v", got)
		}
		return err
	})
}
