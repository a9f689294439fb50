package dispatch

import (
	"sync"
	"time"

	"larder/asset"
)

// hosts remembers which servers cannot be reached, so that a thousand waiting
// downloads do not each find out. It is memory only: a new service asks again.
// What a gate waits for is held up a few seconds at most by what others found out,
// who may look again in an hour.
type hosts struct {
	mu  sync.Mutex
	bad map[string]trouble
}

type trouble struct {
	since, until time.Time
	gates        time.Time // until, for what a gate waits for
	reason       *asset.Reason
}

// failed notes now that host could not be reached since, and is not to be asked until.
func (h *hosts) failed(host string, since, now, until time.Time, reason *asset.Reason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bad[host] = trouble{since, until, earlier(until, now.Add(essentialOffline)), reason}
}

// since is when host was first not reached; otherwise when it was.
func (h *hosts) since(host string, otherwise time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t, ok := h.bad[host]; ok {
		return t.since
	}
	return otherwise
}

func (h *hosts) reached(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.bad, host)
}

// forgive lets every host be asked again at once: a person waits.
func (h *hosts) forgive() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.bad)
}

func (h *hosts) state(host string, gated bool) (time.Time, *asset.Reason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.bad[host]
	if gated {
		t.until = t.gates
	}
	return t.until, t.reason
}

// away names the hosts that are not to be asked yet, those of them that are for what a
// gate waits for, and when that changes first.
func (h *hosts) away(now time.Time) (names, gated []string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for host, t := range h.bad {
		if !t.until.After(now) {
			continue
		}
		names = append(names, host)
		if t.gates.After(now) {
			t.until = t.gates
		} else {
			gated = append(gated, host)
		}
		until = earlier(until, t.until)
	}
	return names, gated, until
}
