package lifecycle

import (
	"time"

	"larder/asset"
)

// words are the plain sentences behind each reason a gate can have.
var words = map[string][2]string{
	asset.WhyReady:      {"everything the first start needs is here", "nothing: the app can be launched"},
	asset.WhyPaused:     {"the installation is paused", "resume the installation"},
	asset.WhyCancelled:  {"the installation was cancelled", "update or install the app again to fetch what is missing"},
	asset.WhyContentOff: {"in-app content is switched off, so nothing is fetched before the first launch", "switch in-app content on, or launch the app"},
	asset.WhyManifest:   {"the manifest could not be fetched, so nothing else was", "see the failed manifest download; the next update or check tries again"},
	asset.WhyExtension:  {"the downloader extension failed, so the app opens with what is there", "see the log of the extension; the next update or check tries again"},
	asset.WhyNoProgress: {"no byte moved for 30 minutes, so the app opens with what is there", "check the network; the downloads go on in the background"},
	asset.WhyEssential:  {"an essential download failed, so the app opens without it", "see the failed download; the app may fetch it again"},
}

// reason is the event's own reason if it has one, else the words for code.
func reason(e Event, code string) *asset.Reason {
	if e.Reason != nil {
		r := *e.Reason
		if r.Since.IsZero() {
			r.Since = e.At
		}
		return &r
	}
	w := words[code]
	return &asset.Reason{Code: code, Message: w[0], Unblock: w[1], Since: e.At}
}

func installing(s State, at time.Time) *asset.Reason {
	r := &asset.Reason{Code: asset.WhyInstalling, Unblock: "wait, or pause or cancel the installation", Since: at}
	switch s.Phase {
	case asset.AppInstalled:
		r.Message = "the installation is about to begin"
	case asset.AppManifest:
		r.Message = "the app's manifest is being fetched"
	case asset.AppExtension:
		r.Message = "the app's downloader extension is being asked what to fetch"
	default:
		r.Message = "essential downloads are under way"
	}
	return r
}

// Failed makes a reason out of an error that ended a step. The code says which
// step: one of asset's Why constants.
func Failed(code string, err *asset.Error, at time.Time) *asset.Reason {
	unblock := err.Help
	if unblock == "" {
		unblock = words[code][1]
	}
	return &asset.Reason{Code: code, Message: err.Error(), Unblock: unblock, Since: at}
}
