package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/localapi"
)

// habit is how a group of the fifty apps is used.
type habit struct {
	name  string
	apps  int
	every time.Duration // between launches; 0: never launched
	until time.Duration // no launches afterwards; 0: to the end
}

const (
	oneDay  = 24 * time.Hour
	oneWeek = 7 * oneDay
)

var habits = []habit{
	{"hourly", 3, time.Hour, 0},
	{"daily", 10, oneDay, 0},
	{"weekly", 12, oneWeek, 0},
	{"monthly", 5, 30 * oneDay, 0},
	{"given-up", 15, oneDay, 14 * oneDay},
	{"never", 5, 0, 0},
}

// lived is what came of a simulated time.
type lived struct {
	checks   map[string][]int // by group and week
	launches map[string][]int
	minutes  [60]int // of the hour at which checks began
	lowPower int     // extensions asked in low power
	metered  int64   // file bytes sent on a metered network
}

// live lets fifty apps be used for days while power and network change: low power
// every third night, a metered network at weekends, two hours without any a day.
func (p *planned) live(days int) lived {
	out := lived{checks: map[string][]int{}, launches: map[string][]int{}}
	group := map[asset.AppID]string{}
	begun := time.Now()
	next := map[asset.AppID]time.Time{}
	every := map[asset.AppID]habit{}
	for _, h := range habits {
		out.checks[h.name], out.launches[h.name] = make([]int, (days+6)/7), make([]int, (days+6)/7)
		for n := range h.apps {
			id := asset.AppID(fmt.Sprintf("org.example.%s-%d", h.name, n))
			p.manifestAnswers(id, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintf(rw, "%d", time.Since(begun)/oneWeek) })
			group[p.app(id)], every[id] = h.name, h
			if h.every > 0 {
				next[id] = begun.Add(time.Duration(n+1) * 37 * time.Minute)
			}
		}
	}
	facts := asset.Facts{LowPower: asset.No, Metered: asset.No, Online: asset.Yes}
	p.device(facts)
	p.notify = func(asset.AppID) {
		if facts.LowPower == asset.Yes {
			out.lowPower++
		}
	}
	for step := range days * 48 {
		at := begun.Add(time.Duration(step) * 30 * time.Minute)
		hour, day := step/2%24, step/48
		now := asset.Facts{LowPower: answer(day%3 == 2 && (hour >= 22 || hour < 6)), Metered: answer(day%7 >= 5), Online: answer(hour != 12 && hour != 13)}
		if now.LowPower != facts.LowPower || now.Metered != facts.Metered || now.Online != facts.Online {
			p.setOffline(now.Online == asset.No)
			before := p.sentFiles()
			if facts.Metered == asset.Yes {
				out.metered += before
			}
			p.server.ResetLog()
			facts = now
			p.device(facts)
		}
		if hour == 0 && step%2 == 0 && day%7 == 0 {
			p.release(day / 7)
		}
		for id, t := range next {
			h := every[id]
			if t.After(at) || h.until > 0 && t.Sub(begun) > h.until {
				continue
			}
			p.launch(id)
			out.launches[h.name][day/7]++
			next[id] = t.Add(h.every)
		}
		p.pass(time.Until(begun.Add(time.Duration(step+1) * 30 * time.Minute)))
	}
	for _, a := range p.asks("") {
		if a.request == asset.RequestPeriodic {
			out.checks[group[a.app]][int(a.at.Sub(begun)/oneWeek)]++
			out.minutes[a.at.Minute()]++
		}
	}
	return out
}

func answer(yes bool) asset.Answer {
	if yes {
		return asset.Yes
	}
	return asset.No
}

// release brings out a new file of every app.
func (p *planned) release(week int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range habits {
		for n := range h.apps {
			id := asset.AppID(fmt.Sprintf("org.example.%s-%d", h.name, n))
			p.files[id] = []asset.Download{p.put(fmt.Sprintf("%s-%d-week-%d", h.name, n, week), 2000, false, "")}
		}
	}
}

func (p *planned) sentFiles() (n int64) {
	for _, r := range p.server.Requests() {
		if !strings.HasSuffix(r.Path, "manifest.json") {
			n += r.Sent
		}
	}
	return n
}

func TestFiftyAppsForSixtyDays(t *testing.T) {
	t.Parallel()
	before := cpuTime()
	bubbleWith(t, db.Options{Unsafe: true}, func(p *planned) {
		got := p.live(manyDays)
		perApp := func(name string, week int) float64 {
			for _, h := range habits {
				if h.name == name {
					return float64(got.checks[name][week]) / float64(h.apps)
				}
			}
			return 0
		}
		table := "checks (launches) of an app in each week:\n"
		for _, h := range habits {
			table += fmt.Sprintf("%-9s", h.name)
			for week := range got.checks[h.name] {
				table += fmt.Sprintf("  %4.1f (%5.1f)", perApp(h.name, week), float64(got.launches[h.name][week])/float64(h.apps))
			}
			table += "\n"
		}
		p.Log(table)
		for week := 1; week < manyDays/7; week++ {
			for name, bounds := range map[string][2]float64{"hourly": {16, 34}, "daily": {8, 16}, "weekly": {0.7, 3}, "monthly": {0.5, 2.5}, "never": {0, 0}} {
				if n := perApp(name, week); n < bounds[0] || n > bounds[1] {
					p.Errorf("week %d: %.1f checks of an app that is used %s, want %v", week, n, name, bounds)
				}
			}
			if fade := perApp("given-up", week); week > 2 && fade > perApp("given-up", week-1)+0.2 {
				p.Errorf("week %d: %.1f checks of an app that nobody uses any more, after %.1f the week before", week, fade, perApp("given-up", week-1))
			}
		}
		if last := manyDays/7 - 1; last > 3 && (perApp("given-up", 1) < 8 || perApp("given-up", last) > 1.3) {
			p.Errorf("no fade-out: %v", got.checks["given-up"])
		}
		if got.lowPower > 0 || got.metered > 0 {
			p.Errorf("%d extensions were asked in low power, and %d bytes of files came over a metered network", got.lowPower, got.metered)
		}
		most, all := 0, 0
		for _, n := range got.minutes {
			most, all = max(most, n), all+n
		}
		if most > 5+all/20 {
			p.Errorf("checks gather at one minute of the hour: %v", got.minutes)
		}
		for n := range 10 {
			for week := range manyDays / 7 {
				if id := fmt.Sprintf("daily-%d-week-%d", n, week); p.taken[id] != 1 {
					p.Errorf("%s was handed over %d times", id, p.taken[id])
				}
			}
		}
		st, err := p.s.Status(p.Context(), "")
		if err != nil {
			p.Fatal(err)
		}
		if text, _ := json.Marshal(st); len(text) > 1<<20 {
			p.Errorf("the status has grown to %d bytes", len(text))
		}
	})
	// A machine that has nothing else to do takes as long by the clock.
	if took := cpuTime() - before; took > time.Minute {
		t.Errorf("%d days took %v of a processor", manyDays, took)
	} else {
		t.Logf("%d days took %v of a processor", manyDays, took)
	}
}

func TestFiftyAppsForTwoDaysOverADurableDatabase(t *testing.T) {
	t.Parallel()
	bubbleWith(t, db.Options{}, func(p *planned) {
		got := p.live(fewDays)
		if n := got.checks["daily"][0] + got.checks["hourly"][0]; n < 3*fewDays || got.lowPower > 0 || got.metered > 0 {
			p.Errorf("%d checks of apps that are used daily or more, %d in low power, %d bytes on a metered network", n, got.lowPower, got.metered)
		}
		settings, err := p.s.Settings(p.Context())
		if err != nil || settings != (localapi.Settings{InAppContent: true, BackgroundRefresh: true, MeteredRule: "wait"}) {
			p.Errorf("settings: %+v, %v", settings, err)
		}
	})
}
