package asset

import "time"

// Answer is what is known of a fact. The empty Answer counts as unknown.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Facts are what the service knows of the device. Unknown never holds anything
// back: an unknown network counts as unmetered (design §12), and said so in Notes.
type Facts struct {
	LowPower  Answer `json:"lowPower"` // the person asked the device to save power
	OnBattery Answer `json:"onBattery"`
	Metered   Answer `json:"metered"` // the network costs by the byte
	Online    Answer `json:"online"`
	// Notes say in plain sentences what could not be learned, or was guessed.
	Notes []string `json:"notes"`
	// Simulated are the answers of "larder simulate", which stand in for real ones
	// until the service ends.
	Simulated map[Fact]Answer `json:"simulated,omitempty"`
}

// Fact names what can be simulated of the device.
type Fact string

// The facts; Facts itself tells the first three.
const (
	FactLowPower Fact = "lowPower"
	FactMetered  Fact = "metered"
	FactOffline  Fact = "offline" // yes: no server is reached
	FactRefresh  Fact = "refresh" // no: background refresh is off for all apps
	FactLowDisk  Fact = "lowDisk" // yes: the disk has no byte free, and what is purgeable goes
)

// CheckStatus tells when an app is next checked for new content (classic §2.4).
type CheckStatus struct {
	// Last is when its extension was last asked, for whatever reason; nil if never.
	Last *time.Time `json:"last,omitempty"`
	// Next is when the check may begin; nil when nothing but an event brings one.
	Next *time.Time `json:"next,omitempty"`
	// Reason says why there is no next check, or why a check that is due waits.
	Reason *Reason `json:"reason"`
}
