// Package policy is pure judgement: may this download run now, must it wait and
// why, or is it refused. It also deals out the connections among apps. It reads
// no clock and does no I/O; the service gives it facts and obeys.
package policy

import (
	"fmt"
	"time"

	"larder/asset"
)

// Item is a scheduled download, as far as judgement needs it.
type Item struct {
	ID        string
	App       asset.AppID
	Host      string
	Manifest  bool
	Essential bool
	// Background tells that no gate waits for it.
	Background bool
	// Foreground downloads were asked for by an app that a person looks at: they
	// run regardless of all else (classic §4.2), a metered network included unless
	// the person said that nothing may use it.
	Foreground bool
	Remaining  int64     // bytes still to fetch; 0 when unknown
	NextTry    time.Time // not before
	Reason     *asset.Reason
}

// Facts are what is true of the app and the machine at one moment.
type Facts struct {
	Now              time.Time
	Paused           bool // the person paused the installation
	ContentOff       bool // in-app content is off and the app was never launched
	EssentialPending bool // essential downloads of this app have not settled
	Free             int64
	Reserve          int64     // bytes that are left free for the rest of the machine
	HostNotBefore    time.Time // the host is in trouble until then
	HostReason       *asset.Reason
	Device
}

// Verdict is run when Wait is nil.
type Verdict struct {
	Wait *asset.Reason
	// Until is when time alone will change the verdict; zero if it will not.
	Until time.Time
}

// Decide judges one download. The first obstacle in the order a person would
// name them is the reason.
func Decide(f Facts, it Item) Verdict {
	wait := func(code, message, unblock string) Verdict {
		r := &asset.Reason{Code: code, Message: message, Unblock: unblock, Since: f.Now}
		if it.Reason != nil && it.Reason.Code == code {
			r.Since = it.Reason.Since
		}
		return Verdict{Wait: r}
	}
	held := Hold(f, it)
	switch {
	case it.Foreground && held == nil && !it.NextTry.After(f.Now):
		return Verdict{}
	case f.Paused:
		return wait(asset.WhyPaused, "the installation is paused", "resume the installation")
	case f.ContentOff:
		return wait(asset.WhyContentOff, "in-app content is switched off, so nothing is fetched before the first launch", "switch in-app content on, or launch the app")
	case held != nil:
		return Verdict{Wait: held}
	case f.EssentialPending && !it.Essential && !it.Manifest:
		return wait(asset.WhyEssentialFirst, "the app's essential downloads come first", "nothing to do: it starts when they have ended")
	case it.Remaining > 0 && f.Free < it.Remaining+f.Reserve:
		return wait(asset.WhyNoSpace, fmt.Sprintf("the disk has %s free; this download needs %s more, and %s are left for the rest of the machine",
			Bytes(f.Free), Bytes(it.Remaining), Bytes(f.Reserve)), "free some space")
	case it.NextTry.After(f.Now):
		return Verdict{Wait: it.Reason, Until: it.NextTry}
	case f.HostNotBefore.After(f.Now):
		v := wait(asset.WhyNetwork, "the server cannot be reached at the moment", "nothing to do: it is tried again by itself")
		if f.HostReason != nil {
			v.Wait = f.HostReason
		}
		v.Until = f.HostNotBefore
		return v
	}
	return Verdict{}
}

// Bytes writes n for a person: "612 MB". Units are powers of 1000, as on a
// disk's label.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n)/1000, "kMGTPE"
	for v >= 999.5 && len(units) > 1 {
		v, units = v/1000, units[1:]
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %cB", v, units[0])
	}
	return fmt.Sprintf("%.0f %cB", v, units[0])
}
