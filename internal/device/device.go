// Package device knows what the device is like at the moment: whether it saves
// power, whether its network costs by the byte, whether there is one. It promises
// that facts come with their changes, without polling, and that what cannot be
// learned is unknown and says why. It decides nothing: internal/policy does. The
// service runs one Monitor; cmd/larder gives it System as its Source.
package device

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"larder/asset"
)

// Source is where facts come from.
type Source interface {
	// Watch calls tell with the facts as they are, then after each change, one
	// call at a time, and returns when ctx has ended.
	Watch(ctx context.Context, tell func(asset.Facts))
}

// Monitor holds the present facts: those of a Source, and over them the simulated
// ones. The zero value knows nothing yet. Its methods may be called at any time
// from any goroutine.
type Monitor struct {
	mu        sync.Mutex
	real      asset.Facts
	simulated map[asset.Fact]asset.Answer
	since     time.Time
}

// Run follows src until ctx ends, and calls changed after each change.
func (m *Monitor) Run(ctx context.Context, src Source, changed func()) {
	src.Watch(ctx, func(f asset.Facts) {
		m.mu.Lock()
		same := reflect.DeepEqual(f, m.real)
		if !same {
			m.real, m.since = f, time.Now()
		}
		m.mu.Unlock()
		if !same {
			changed()
		}
	})
}

// Facts are the present facts, every answer of them in words, and since when
// they are so.
func (m *Monitor) Facts() (asset.Facts, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.real
	f.Notes, f.Simulated = append([]string{}, f.Notes...), maps.Clone(m.simulated)
	for fact, answer := range m.simulated {
		switch fact {
		case asset.FactLowPower:
			f.LowPower = answer
		case asset.FactMetered:
			f.Metered = answer
		case asset.FactOffline:
			f.Online = opposite(answer)
		}
	}
	for _, a := range []*asset.Answer{&f.LowPower, &f.OnBattery, &f.Metered, &f.Online} {
		if *a == "" {
			*a = asset.Unknown
		}
	}
	return f, m.since
}

// Simulated is what is simulated of fact; unknown when nothing is.
func (m *Monitor) Simulated(fact asset.Fact) asset.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.simulated[fact]; ok {
		return a
	}
	return asset.Unknown
}

var facts = []asset.Fact{asset.FactLowPower, asset.FactMetered, asset.FactOffline, asset.FactRefresh, asset.FactLowDisk}

// Simulate puts an answer over the real one; code 1014 for a fact or answer that
// there is not. Only the network can be simulated as unknown.
func (m *Monitor) Simulate(fact asset.Fact, answer asset.Answer) error {
	wrong := func(message, help string) error {
		return &asset.Error{Code: asset.CodeBadRequest, Op: "simulate", Subject: string(fact), Message: message, Help: help}
	}
	switch {
	case !slices.Contains(facts, fact):
		return wrong("there is no such fact", "use lowPower, metered, offline, refresh or lowDisk")
	case answer == asset.Unknown && fact != asset.FactMetered, answer != asset.Yes && answer != asset.No && answer != asset.Unknown:
		return wrong("its value is neither yes nor no", "use yes or no; metered may also be unknown")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.simulated == nil {
		m.simulated = map[asset.Fact]asset.Answer{}
	}
	m.simulated[fact], m.since = answer, time.Now()
	return nil
}

// Reset ends all simulations.
func (m *Monitor) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.simulated, m.since = nil, time.Now()
}

func opposite(a asset.Answer) asset.Answer {
	switch a {
	case asset.Yes:
		return asset.No
	case asset.No:
		return asset.Yes
	}
	return a
}
