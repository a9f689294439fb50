package lifecycle

import (
	"math"
	"time"

	"larder/asset"
)

// Habit is what the time of an app's next check follows from: how much the app
// is used, and when it was last asked about. The zero value was never launched.
type Habit struct {
	// Score counts launches, each halved for every week that has passed since, as
	// of ScoredAt. One launch a day keeps it near 10, one a week between 1 and 2.
	Score      float64
	ScoredAt   time.Time
	LastLaunch time.Time
	// Checked is when the last content request of any kind began.
	Checked time.Time
	// NotBefore is what a server asked for, at most a day after its answer.
	NotBefore time.Time
	// Chance, in [0, 1), is drawn at each request and makes devices differ.
	Chance float64
}

// The rhythm of checks. Spans are no divisors of a day, and every one is
// stretched by chance, so that no two devices, and no two days, agree.
const (
	halfLife  = 7 * 24 * time.Hour
	fadeOut   = 60 * 24 * time.Hour // without a launch: no more checks
	often     = 5 * time.Hour       // for an app that is used many times a day
	rarely    = 167 * time.Hour     // for one that is hardly used
	perScore  = 113 * time.Hour     // divided by the score: near 11 h for daily use
	stretch   = 0.2                 // either way
	settling  = 10 * time.Minute    // after a launch, or after checks could not be made
	spread    = 50 * time.Minute    // times Chance, on top of settling
	restless  = 400                 // a score of a launch every half hour around the clock: no quiet moment comes
	maxNotice = 24 * time.Hour      // a NotBefore further ahead comes from another clock
)

// Launched counts a launch.
func (h Habit) Launched(at time.Time) Habit {
	h.Score = h.scoreAt(at) + 1
	h.ScoredAt, h.LastLaunch = at, at
	return h
}

func (h Habit) scoreAt(t time.Time) float64 {
	age := max(t.Sub(h.ScoredAt), 0)
	if h.Score == 0 || h.ScoredAt.IsZero() {
		return 0
	}
	return h.Score * math.Exp2(-float64(age)/float64(halfLife))
}

// FadedOut reports that the app has not been launched for so long that nobody
// asks about it any more.
func (h Habit) FadedOut(now time.Time) bool { return now.Sub(h.LastLaunch) >= fadeOut }

// NoChecks says why NextCheck has no time for an app.
func NoChecks(h Habit, now time.Time) *asset.Reason {
	if h.LastLaunch.IsZero() {
		return &asset.Reason{Code: asset.WhyNotLaunched, Message: "the app was never launched, so nobody looks for new content of it",
			Unblock: "launch the app", Since: h.Checked}
	}
	since := h.LastLaunch.Add(fadeOut)
	if since.After(now) {
		since = now
	}
	return &asset.Reason{Code: asset.WhyUnused, Message: "the app has not been launched for about 60 days, so nobody looks for new content of it",
		Unblock: "launch the app", Since: since}
}

// NextCheck is when the next periodic check may begin, which may be past; false
// when only a launch can bring one (classic §2.4). free is since when nothing but
// the time has kept the app from being checked: what was held up then does not
// begin all at once. A clock that was set back makes a check due, never overdue
// for ever.
func (h Habit) NextCheck(now, free time.Time) (time.Time, bool) {
	if h.LastLaunch.IsZero() || h.FadedOut(now) {
		return time.Time{}, false
	}
	launch, checked := h.LastLaunch, h.Checked
	if launch.After(now) {
		launch = now
	}
	next := now
	if !checked.After(now) {
		asOf := checked
		if launch.After(asOf) {
			asOf = launch
		}
		next = checked.Add(h.interval(asOf))
	}
	calm := settling + time.Duration(h.Chance*float64(spread))
	if h.Score < restless {
		next = later(next, launch.Add(calm))
	}
	next = later(next, free.Add(calm))
	if h.NotBefore.After(next) && h.NotBefore.Sub(now) <= maxNotice {
		next = h.NotBefore
	}
	return next, next.Sub(launch) < fadeOut
}

// interval is the span between two checks for the use there was as of t.
func (h Habit) interval(t time.Time) time.Duration {
	span := float64(rarely)
	if score := h.scoreAt(t); score > 0 {
		span = min(max(float64(perScore)/score, float64(often)), float64(rarely))
	}
	return time.Duration(span * (1 - stretch + 2*stretch*h.Chance))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
