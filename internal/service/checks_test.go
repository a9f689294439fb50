package service

import (
	"net/http"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/localapi"
)

const idle asset.AppID = "org.example.idle"

var unsafe = db.Options{Unsafe: true}

func requests(asks []ask) (out []asset.ContentRequest) {
	for _, a := range asks {
		out = append(out, a.request)
	}
	return out
}

func TestAppsAreCheckedOnlyAfterALaunch(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.pass(30 * 24 * time.Hour)
		if got := requests(p.asks(id)); len(got) != 1 || got[0] != asset.RequestInstall {
			p.Fatalf("asked %v", got)
		}
		if st := p.status(id); st.Check == nil || st.Check.Reason == nil || st.Check.Reason.Code != asset.WhyNotLaunched {
			p.Errorf("check %s", pretty(st.Check))
		}
		p.launch(id)
		st := p.status(id)
		if st.Check.Next == nil || time.Until(*st.Check.Next) < 10*time.Minute {
			p.Errorf("after the launch: %s", pretty(st.Check))
		}
		p.pass(24 * time.Hour)
		if got := requests(p.asks(id)); len(got) != 2 || got[1] != asset.RequestPeriodic {
			p.Errorf("asked %v", got)
		}
		p.pass(70 * 24 * time.Hour)
		if st := p.status(id); st.Check.Next != nil || st.Check.Reason == nil || st.Check.Reason.Code != asset.WhyUnused {
			p.Errorf("70 days later: %s", pretty(st.Check))
		}
	})
}

func TestAPeriodicCheckClosesNoGateAndRefusesEssentials(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.offer(id, p.put("new", 1000, false, ""))
		p.offer(id, p.put("must", 1000, true, ""))
		p.launch(id)
		p.notify = func(asset.AppID) {
			if st, err := p.s.one(p.Context(), id); err != nil || !st.Gate.Open {
				p.Errorf("the gate during a check: %v, %s", err, pretty(st.Gate))
			}
		}
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulatePeriodic); err != nil {
			p.Fatal(err)
		}
		p.pass(time.Minute)
		st := p.status(id)
		if d := find(st, "must"); d.State != asset.StateFailed || d.Reason.Code != asset.CodeEssentialNotPermitted.String() {
			p.Errorf("an essential download of a periodic answer is %s", pretty(d))
		}
		if p.taken["new"] != 1 || p.taken["must"] != 0 {
			p.Errorf("handed over: %v", p.taken)
		}
	})
}

func TestAFailedManifestOfACheckIsTriedAgainWithPatienceAndItsNoticeObeyed(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		p.pass(time.Minute)
		var tries []time.Time
		p.manifestAnswers(id, func(rw http.ResponseWriter, _ *http.Request) {
			tries = append(tries, time.Now())
			rw.Header().Set("Retry-After", "7200")
			rw.WriteHeader(503)
		})
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulatePeriodic); err != nil {
			p.Fatal(err)
		}
		p.pass(11 * time.Hour)
		if len(tries) != 6 {
			p.Errorf("a server that asks for two hours each time was asked %d times in eleven", len(tries))
		}
		if st := p.status(id); !st.Gate.Open || st.State != asset.AppManifest {
			p.Errorf("meanwhile %s, gate %s", st.State, pretty(st.Gate))
		}
	})
}

func TestANoticeOnAGoodAnswerHoldsTheNextCheck(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		for range 300 { // often enough for a check every few hours
			p.launch(id)
		}
		p.manifestAnswers(id, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "72000") // 20 h
			rw.Write([]byte("{}"))
		})
		p.pass(4 * 24 * time.Hour)
		asks := p.asks(id)[1:]
		for n := 1; n < len(asks); n++ {
			if gap := asks[n].at.Sub(asks[n-1].at); gap < 20*time.Hour {
				p.Errorf("checked again after %v", gap)
			}
		}
		if len(asks) < 4 {
			p.Errorf("%d checks in four days", len(asks))
		}
	})
}

func TestNothingIsCheckedInLowPowerOfflineOrWithRefreshOff(t *testing.T) {
	off, on := false, true
	for name, c := range map[string]struct {
		hold, free func(p *planned, id asset.AppID)
		why        string
	}{
		"low power": {func(p *planned, _ asset.AppID) { p.device(asset.Facts{LowPower: asset.Yes}) },
			func(p *planned, _ asset.AppID) { p.device(asset.Facts{LowPower: asset.No}) }, asset.WhyLowPower},
		"refresh off": {func(p *planned, _ asset.AppID) {
			p.s.SetSettings(p.Context(), localapi.SettingsChange{BackgroundRefresh: &off})
		}, func(p *planned, _ asset.AppID) {
			p.s.SetSettings(p.Context(), localapi.SettingsChange{BackgroundRefresh: &on})
		}, asset.WhyRefreshOff},
		"refresh of the app off": {func(p *planned, id asset.AppID) {
			p.s.SetAppSettings(p.Context(), id, localapi.AppSettingsChange{BackgroundRefresh: &off})
		}, func(p *planned, id asset.AppID) {
			p.s.SetAppSettings(p.Context(), id, localapi.AppSettingsChange{BackgroundRefresh: &on})
		}, asset.WhyRefreshOff},
		"offline": {func(p *planned, _ asset.AppID) { p.device(asset.Facts{Online: asset.No}) },
			func(p *planned, _ asset.AppID) { p.device(asset.Facts{Online: asset.Yes}) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, unsafe, func(p *planned) {
				id := p.app(idle)
				p.launch(id)
				c.hold(p, id)
				p.pass(20 * 24 * time.Hour)
				if got := p.asks(id); len(got) != 1 {
					p.Errorf("asked %v", requests(got))
				}
				if st := p.status(id); c.why != "" && (st.Check.Reason == nil || st.Check.Reason.Code != c.why) {
					p.Errorf("check %s", pretty(st.Check))
				}
				c.free(p, id)
				p.pass(61 * time.Minute)
				if got := requests(p.asks(id)); len(got) != 2 || got[1] != asset.RequestPeriodic {
					p.Errorf("an hour after it was free again asked %v", got)
				}
			})
		})
	}
}

func TestAnotherLanguageAsksTheExtensionOnce(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.pass(time.Minute)
		german := "de"
		if _, err := p.s.SetAppSettings(p.Context(), id, localapi.AppSettingsChange{Language: &german}); err != nil {
			p.Fatal(err)
		}
		p.pass(time.Minute)
		p.s.SetAppSettings(p.Context(), id, localapi.AppSettingsChange{Language: &german})
		p.pass(time.Hour)
		got := p.asks(id)
		if len(got) != 2 || got[1].request != asset.RequestLanguageChange || got[1].info.Language != "de" {
			p.Errorf("asked %+v", got)
		}
		l, err := p.s.Launch(p.Context(), id, localapi.LaunchRequest{})
		if err != nil || l.Env["LARDER_LANGUAGE"] != "de" {
			p.Errorf("launch: %v, %v", err, l.Env)
		}
	})
}

func TestALanguageChosenDuringAnInstallationFollowsIt(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		p.notify = func(id asset.AppID) {
			p.notify = nil
			german := "de"
			p.s.SetAppSettings(p.Context(), id, localapi.AppSettingsChange{Language: &german})
		}
		id := p.app(idle)
		p.pass(time.Minute)
		if got := requests(p.asks(id)); len(got) != 2 || got[1] != asset.RequestLanguageChange {
			p.Errorf("asked %v", got)
		}
	})
}

func TestACheckDoesNotBeginDuringAnUpdate(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		p.manifestAnswers(id, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "600")
			rw.WriteHeader(503)
		})
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulateUpdate); err != nil {
			p.Fatal(err)
		}
		p.pass(time.Minute)
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulatePeriodic); asset.CodeOf(err) != asset.CodeState {
			p.Errorf("a periodic check during an update: %v", err)
		}
	})
}
