package policy

import (
	"time"

	"larder/asset"
)

// Device is what the device and the person's settings forbid at the moment.
type Device struct {
	Metered       bool // the network costs by the byte, and files are to wait for another
	MeteredFront  bool // these in the foreground too
	LowPower      bool
	RefreshOff    bool // background refresh, for all apps
	AppRefreshOff bool // for this app
	// Since is when a fact of these last changed; zero when that is not known.
	Since time.Time
}

// Background says why nothing may happen for the app in the background: no
// download that nobody waits for, and no run of its extension but at an
// installation or update (classic §2.9, design §12). Nil when it may.
func (d Device) Background(now time.Time) *asset.Reason {
	now = d.since(now)
	switch {
	case d.LowPower:
		return &asset.Reason{Code: asset.WhyLowPower, Message: "the device saves power, so nothing is done in the background",
			Unblock: "leave the device's low power mode", Since: now}
	case d.RefreshOff:
		return &asset.Reason{Code: asset.WhyRefreshOff, Message: "background refresh is switched off, so nothing is done in the background",
			Unblock: "switch background refresh on", Since: now}
	case d.AppRefreshOff:
		return &asset.Reason{Code: asset.WhyRefreshOff, Message: "background refresh of this app is switched off, so nothing is done for it in the background",
			Unblock: "switch background refresh on for this app", Since: now}
	}
	return nil
}

// Hold says why a download must not run on this device now, even if it runs
// already; nil when it may. On a metered network manifests go and files wait, but
// for what a person looks at, unless the person said never (classic §4.2); what
// somebody waits for at a gate is not background.
func Hold(f Facts, it Item) *asset.Reason {
	var r *asset.Reason
	if f.Metered && !it.Manifest && (!it.Foreground || f.MeteredFront) {
		r = &asset.Reason{Code: asset.WhyMetered, Message: "the network is metered, so files wait",
			Unblock: "use an unmetered network, or set meteredRule to allow", Since: f.since(f.Now)}
	} else if it.Background && !it.Foreground {
		r = f.Background(f.Now)
	}
	if r != nil && it.Reason != nil && it.Reason.Code == r.Code {
		r.Since = it.Reason.Since
	}
	return r
}

func (d Device) since(now time.Time) time.Time {
	if d.Since.IsZero() {
		return now
	}
	return d.Since
}
