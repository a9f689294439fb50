package service

import (
	"fmt"
	"testing"
	"time"

	"larder/asset"
)

// What nobody waits for found out that a server is away, and looks again in up to an hour. Who
// installs an app meanwhile waits for his own.
func TestABackgroundDownloadHoldsNoGate(t *testing.T) {
	bubbleWith(t, unsafe, func(p *planned) {
		first := p.app("org.example.first")
		p.launch(first)
		for n := range 3 {
			p.setOffline(true)
			later := fmt.Sprint("later", n)
			if _, err := p.s.Schedule(p.Context(), first, p.put(later, 1000, false, "")); err != nil {
				p.Fatal(err)
			}
			p.pass(8 * time.Hour)
			if d := find(p.status(first), later); d.Reason == nil || d.Reason.Code != asset.WhyNetwork {
				p.Fatalf("without a network: %s", pretty(d))
			}
			p.setOffline(false) // and no fact of the device tells of it
			name, id := fmt.Sprint("must", n), asset.AppID(fmt.Sprint("org.example.app", n))
			p.offer(id, p.put(name, 1000, true, ""))
			p.app(id)
			p.pass(10 * time.Second)
			if st := p.status(id); !st.Gate.Open || st.Gate.Reason.Code != asset.WhyReady || p.taken[name] != 1 {
				p.Errorf("ten seconds after it was installed: %s", pretty(st))
			}
		}
	})
}
