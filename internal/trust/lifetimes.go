package trust

import "time"

// Lifetimes say how long signatures may be acted on. Zero values are replaced.
type Lifetimes struct {
	// Offline is for root, targets and publisher: 3 years, since a person must
	// come with keys to renew them.
	Offline time.Duration
	// Release is for releases and the snapshot: a year.
	Release time.Duration
	// Timestamp is how long a device may be kept from news without noticing: 90
	// days, as a static site is touched by hand. A host takes a week.
	Timestamp time.Duration
}

const day = 24 * time.Hour

func (l Lifetimes) withDefaults() Lifetimes {
	if l.Offline == 0 {
		l.Offline = 3 * 365 * day
	}
	if l.Release == 0 {
		l.Release = 365 * day
	}
	if l.Timestamp == 0 {
		l.Timestamp = 90 * day
	}
	return l
}
