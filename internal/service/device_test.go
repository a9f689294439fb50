package service

import (
	"context"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// sent counts the body bytes of files, not of manifests.
func (p *planned) sent() (n int64) {
	for _, r := range p.server.Requests() {
		if r.Path != "/"+string(idle)+"/manifest.json" {
			n += r.Sent
		}
	}
	return n
}

func TestMeteredNetworkStopsFilesAndNotManifests(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		p.server.SetRate(1 << 20)
		p.offer(idle, p.put("big", 64<<20, true, ""))
		p.offer(idle, p.put("later", 1<<20, false, ""))
		id := p.app(idle)
		p.pass(10 * time.Second)
		p.device(asset.Facts{Metered: asset.Yes})
		p.pass(2 * time.Second)
		had := p.sent()
		p.pass(10 * time.Minute)
		if now := p.sent(); now != had || had < 8<<20 {
			p.Errorf("%d bytes came in 10 s, and %d more on a metered network", had, now-had)
		}
		st := p.status(id)
		if d := find(st, "big"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyMetered || d.Bytes < 8<<20 {
			p.Errorf("the essential file is %s", pretty(d))
		}
		if d := find(st, "later"); d.Reason == nil || d.Reason.Code != asset.WhyMetered || time.Since(d.Reason.Since) < 10*time.Minute {
			p.Errorf("the other file is %s", pretty(d))
		}
		var speed meter
		if pr, err := p.s.progress(p.Context(), id, &speed); err != nil || pr.Reason == nil || pr.Reason.Code != asset.WhyMetered {
			p.Errorf("progress: %v, %s", err, pretty(pr))
		}
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulateUpdate); err != nil {
			p.Fatal(err)
		}
		p.pass(time.Second)
		if n := len(p.asks(id)); n != 2 {
			p.Errorf("the manifest of an update was not fetched: asked %d times", n)
		}

		rule := "allow"
		if _, err := p.s.SetSettings(p.Context(), localapi.SettingsChange{MeteredRule: &rule}); err != nil {
			p.Fatal(err)
		}
		p.pass(90 * time.Second)
		if st := p.status(id); find(st, "big").State != asset.StateFinished || p.taken["later"] != 1 {
			p.Errorf("with the rule allow: %s", pretty(st))
		}
		if all := p.sent(); all > 65<<20+1<<18 {
			p.Errorf("%d bytes were sent of 65 MiB", all)
		}
	})
}

func TestUnknownMeteredHoldsNothing(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		p.device(asset.Facts{Metered: asset.Unknown})
		p.offer(idle, p.put("file", 1000, false, ""))
		p.app(idle)
		p.pass(time.Minute)
		if p.taken["file"] != 1 {
			p.Errorf("on an unknown network: %v", p.taken)
		}
	})
}

// Design §12: low power or refresh off at an installation.
func TestInLowPowerAnInstallationGetsItsEssentialsAndNothingElse(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		p.device(asset.Facts{LowPower: asset.Yes})
		p.offer(idle, p.put("must", 1000, true, ""))
		p.offer(idle, p.put("later", 1000, false, ""))
		id := p.app(idle)
		p.pass(time.Hour)
		st := p.status(id)
		if !st.Gate.Open || st.Gate.Reason.Code != asset.WhyReady || p.taken["must"] != 1 || len(p.asks(id)) != 1 {
			p.Errorf("gate %s, handed over %v, asked %d times", pretty(st.Gate), p.taken, len(p.asks(id)))
		}
		if d := find(st, "later"); d.State != asset.StateWaiting || d.Reason.Code != asset.WhyLowPower || d.Bytes != 0 {
			p.Errorf("the other file is %s", pretty(d))
		}
		p.device(asset.Facts{LowPower: asset.No})
		p.pass(time.Second)
		if p.taken["later"] != 1 {
			p.Errorf("after low power: %s", pretty(p.status(id)))
		}
	})
}

func TestResultsOfTheBackgroundWaitForTheEndOfLowPower(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.server.SetRate(100)
		p.launch(id)
		p.offer(id, p.put("new", 1000, false, ""))
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulatePeriodic); err != nil {
			p.Fatal(err)
		}
		p.pass(5 * time.Second)
		p.device(asset.Facts{LowPower: asset.Yes})
		p.pass(time.Hour)
		if d := find(p.status(id), "new"); d.State != asset.StateWaiting || d.Bytes == 0 || d.Reason.Code != asset.WhyLowPower {
			p.Errorf("a running download in low power is %s", pretty(d))
		}
		p.device(asset.Facts{LowPower: asset.No})
		p.pass(time.Minute)
		if p.taken["new"] != 1 {
			p.Errorf("after low power: %s", pretty(p.status(id)))
		}
	})
}

func TestSchedulingIsRefusedWhileTheBackgroundIsProhibited(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		d := p.put("mine", 1000, false, "")
		p.device(asset.Facts{LowPower: asset.Yes})
		if _, err := p.s.Schedule(p.Context(), id, d); asset.CodeOf(err) != asset.CodeBackgroundActivityProhibited || asset.AsError(err).Help == "" {
			p.Errorf("scheduling in low power: %v", err)
		}
		p.device(asset.Facts{})
		if _, err := p.s.Schedule(p.Context(), id, d); err != nil {
			p.Error(err)
		}
	})
}

func TestWhatWaitsForTheNetworkGoesOnWhenItComesBack(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		p.device(asset.Facts{Online: asset.Yes})
		p.setOffline(true)
		p.device(asset.Facts{Online: asset.No})
		file := p.put("file", 1000, false, "")
		if _, err := p.s.Schedule(p.Context(), id, file); err != nil {
			p.Fatal(err)
		}
		p.pass(10 * time.Hour)
		if d := find(p.status(id), "file"); d.State != asset.StateWaiting || d.Reason.Code != asset.WhyNetwork {
			p.Errorf("without a network the file is %s", pretty(d))
		}
		p.setOffline(false)
		p.device(asset.Facts{Online: asset.Yes})
		p.pass(time.Second)
		if p.taken["file"] != 1 {
			p.Errorf("a second after the network came back: %s", pretty(p.status(id)))
		}
	})
}

func TestSimulatedOfflineAndLowDiskHoldUntilReset(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		p.server.SetRate(1 << 20)
		id := p.app(idle)
		p.launch(id)
		if _, err := p.s.Schedule(p.Context(), id, p.put("big", 200<<20, false, "")); err != nil {
			p.Fatal(err)
		}
		p.pass(5 * time.Second)
		for _, c := range []struct {
			fact asset.Fact
			why  string
		}{{asset.FactOffline, asset.WhyNetwork}, {asset.FactLowDisk, asset.WhyNoSpace}} {
			f, err := p.s.SimulateDevice(p.Context(), c.fact, asset.Yes)
			if err != nil || f.Simulated[c.fact] != asset.Yes {
				p.Errorf("%s: %v, %+v", c.fact, err, f)
			}
			p.pass(time.Second)
			had := p.sent()
			p.pass(time.Minute)
			if d := find(p.status(id), "big"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != c.why || p.sent() != had {
				p.Errorf("%s: the download is %s", c.fact, pretty(d))
			}
			if f, err := p.s.ResetDevice(p.Context()); err != nil || f.Simulated != nil {
				p.Errorf("reset: %v, %+v", err, f)
			}
			p.pass(time.Minute / 2)
			if d := find(p.status(id), "big"); d.State == asset.StateWaiting {
				p.Errorf("after %s the download is %s", c.fact, pretty(d))
			}
			p.pass(5 * time.Second)
		}
	})
}

func TestRefreshCanBeSimulatedOverTheSetting(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		if _, err := p.s.SimulateDevice(p.Context(), asset.FactRefresh, asset.No); err != nil {
			p.Fatal(err)
		}
		if st := p.status(id); st.Check.Reason == nil || st.Check.Reason.Code != asset.WhyRefreshOff {
			p.Errorf("check %s", pretty(st.Check))
		}
		if _, err := p.s.Simulate(p.Context(), id, localapi.SimulateFirstLaunchState); err != nil {
			p.Fatal(err)
		}
		if st := p.status(id); st.Check.Reason == nil || st.Check.Reason.Code != asset.WhyNotLaunched {
			p.Errorf("check of an app that was never launched: %s", pretty(st.Check))
		}
	})
}

func TestCapHoldsDownloadsAndAppliesLive(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		id := p.app(idle)
		p.launch(id)
		behind, front := int64(64<<10), int64(2<<20)
		if _, err := p.s.SetSettings(p.Context(), localapi.SettingsChange{BackgroundCap: &behind, ForegroundCap: &front}); err != nil {
			p.Fatal(err)
		}
		for _, name := range []string{"one", "two"} {
			if _, err := p.s.Schedule(p.Context(), id, p.put(name, 100<<20, false, "")); err != nil {
				p.Fatal(err)
			}
		}
		held := func() int64 {
			st := p.status(id)
			return find(st, "one").Bytes + find(st, "two").Bytes
		}
		p.pass(time.Second)
		had := held()
		p.pass(time.Minute)
		if n := held() - had; n < 60*behind*97/100 || n > 60*behind*103/100 {
			p.Errorf("%d bytes in a minute under a cap of %d a second", n, behind)
		}
		behind = 1 << 20
		if _, err := p.s.SetSettings(p.Context(), localapi.SettingsChange{BackgroundCap: &behind}); err != nil {
			p.Fatal(err)
		}
		p.pass(2 * time.Second)
		had = held()
		p.pass(time.Minute)
		if n := held() - had; n < 60*behind*97/100 || n > 60*behind*103/100 {
			p.Errorf("%d bytes in a minute under a cap of %d a second", n, behind)
		}
	})
}

func TestWatchersHearOfTheDevice(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		sub := p.s.hub.Subscribe("")
		defer sub.Close()
		ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
		defer cancel()
		if _, err := sub.Next(ctx); err != nil {
			p.Fatal(err)
		}
		p.device(asset.Facts{Metered: asset.Yes, Notes: []string{"a guess"}})
		ev, err := sub.Next(ctx)
		if err != nil || ev.Type != asset.EventDevice || ev.Device == nil || ev.Device.Metered != asset.Yes || ev.Device.LowPower != asset.Unknown {
			p.Errorf("event %s, %v", pretty(ev), err)
		}
		st, err := p.s.Status(p.Context(), "")
		if err != nil || st.Device.Metered != asset.Yes || len(st.Device.Notes) != 1 {
			p.Errorf("status: %v, %+v", err, st.Device)
		}
	})
}
