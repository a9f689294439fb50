package lifecycle

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const day = 24 * time.Hour

// checks counts the checks of days days, with a launch every so often until stop.
func checks(days int, every time.Duration, stop time.Duration, chance func() float64) (perWeek []int) {
	h := Habit{Checked: t0, Chance: chance()}
	perWeek = make([]int, (days+6)/7)
	launch := t0
	for now := t0; now.Before(t0.Add(time.Duration(days) * day)); now = now.Add(10 * time.Minute) {
		if every > 0 && !now.Before(launch) && launch.Sub(t0) < stop {
			h = h.Launched(now)
			launch = launch.Add(every)
		}
		if at, ok := h.NextCheck(now, t0); ok && !at.After(now) {
			h.Checked, h.Chance = now, chance()
			perWeek[now.Sub(t0)/(7*day)]++
		}
	}
	return perWeek
}

func half() float64 { return 0.5 }

func TestChecksFollowUse(t *testing.T) {
	for _, c := range []struct {
		name     string
		every    time.Duration
		low, top int // of the seventh week
	}{
		{"ten launches a day", 140 * time.Minute, 25, 34},
		{"daily", day, 12, 16},
		{"weekly", 7 * day, 1, 3},
		{"monthly", 30 * day, 1, 2},
	} {
		got := checks(49, c.every, 1000*day, half)
		if n := got[6]; n < c.low || n > c.top {
			t.Errorf("%s: %v checks a week, want %d to %d at last", c.name, got, c.low, c.top)
		}
	}
	if got := checks(49, 0, 0, half); got[0]+got[6] != 0 {
		t.Errorf("an app that was never launched is checked: %v", got)
	}
}

func TestUnusedAppsFadeOut(t *testing.T) {
	got := checks(98, day, 14*day, half)
	for n := 3; n < len(got); n++ {
		if got[n] > got[n-1] {
			t.Errorf("week %d has more checks than the one before: %v", n, got)
		}
	}
	if got[1] < 7 || got[6] > 1 || got[11]+got[12]+got[13] != 0 {
		t.Errorf("used for two weeks, then not: %v", got)
	}
}

func TestNoticeOfAServerIsObeyed(t *testing.T) {
	h := Habit{Checked: t0, Chance: 0.5}.Launched(t0)
	h.Checked = t0.Add(-30 * day)
	now := t0.Add(time.Hour)
	h.NotBefore = now.Add(20 * time.Hour)
	if at, ok := h.NextCheck(now, t0); !ok || !at.Equal(h.NotBefore) {
		t.Errorf("next check %v, %v; want %v", at, ok, h.NotBefore)
	}
	h.NotBefore = now.Add(400 * day) // written by a clock that went wrong
	if at, _ := h.NextCheck(now, t0); at.After(now.Add(day)) {
		t.Errorf("a notice from another clock holds until %v", at)
	}
}

func TestNothingBeginsAtALaunchOrAtTheStartOfTheService(t *testing.T) {
	h := Habit{Checked: t0.Add(-10 * day)}.Launched(t0.Add(-2 * day))
	for _, chance := range []float64{0, 0.3, 0.999} {
		h.Chance = chance
		at, _ := h.NextCheck(t0, t0)
		if wait := at.Sub(t0); wait < 10*time.Minute || wait > time.Hour {
			t.Errorf("chance %v: %v after the service began", chance, wait)
		}
		at, _ = h.Launched(t0).NextCheck(t0, t0.Add(-day))
		if wait := at.Sub(t0); wait < 10*time.Minute || wait > time.Hour {
			t.Errorf("chance %v: %v after a launch", chance, wait)
		}
	}
}

func TestAClockSetBackHoldsNothingForEver(t *testing.T) {
	h := Habit{Checked: t0.Add(365 * day), Chance: 0.5}.Launched(t0.Add(365 * day))
	if at, ok := h.NextCheck(t0, t0.Add(-day)); !ok || at.After(t0.Add(time.Hour)) {
		t.Errorf("next check %v, %v; now it is %v", at, ok, t0)
	}
}

// Whatever was stored: no check is planned sooner than the shortest interval
// after the last, and none later than the longest and a server's notice allow.
func TestAnyHabitKeepsTheBounds(t *testing.T) {
	span := func(t *rapid.T, name string) time.Time {
		return t0.Add(-time.Duration(rapid.Int64Range(0, int64(90*day)).Draw(t, name)))
	}
	rapid.Check(t, func(t *rapid.T) {
		h := Habit{Checked: span(t, "checked"), Chance: rapid.Float64Range(0, 0.999).Draw(t, "chance")}
		for range rapid.IntRange(1, 40).Draw(t, "launches") {
			h = h.Launched(span(t, "launch"))
		}
		free := span(t, "free")
		at, ok := h.NextCheck(t0, free)
		if !ok {
			return
		}
		if at.Sub(h.Checked) < 4*time.Hour {
			t.Fatalf("checked at %v, again at %v", h.Checked, at)
		}
		if at.After(t0.Add(10 * day)) {
			t.Fatalf("the next check is at %v, now it is %v", at, t0)
		}
	})
}
