package device

import (
	"context"
	"testing"

	"larder/asset"
)

type told struct{ facts []asset.Facts }

func (s told) Watch(_ context.Context, tell func(asset.Facts)) {
	for _, f := range s.facts {
		tell(f)
	}
}

func TestSimulationStandsOverTheSourceUntilReset(t *testing.T) {
	var m Monitor
	if f, _ := m.Facts(); f.Metered != asset.Unknown || f.Online != asset.Unknown || f.Notes == nil {
		t.Errorf("before the first word: %+v", f)
	}
	for fact, a := range map[asset.Fact]asset.Answer{asset.FactMetered: asset.Yes, asset.FactOffline: asset.Yes, asset.FactRefresh: asset.No} {
		if err := m.Simulate(fact, a); err != nil {
			t.Fatal(err)
		}
	}
	changes := 0
	same := asset.Facts{Metered: asset.No, Online: asset.Yes, LowPower: asset.No, OnBattery: asset.Yes}
	m.Run(t.Context(), told{[]asset.Facts{same, same}}, func() { changes++ })
	f, since := m.Facts()
	if f.Metered != asset.Yes || f.Online != asset.No || f.LowPower != asset.No || len(f.Simulated) != 3 || since.IsZero() {
		t.Errorf("simulated: %+v", f)
	}
	if changes != 1 {
		t.Errorf("one change was told %d times", changes)
	}
	if m.Simulated(asset.FactRefresh) != asset.No || m.Simulated(asset.FactLowDisk) != asset.Unknown {
		t.Error("simulated facts are not as they were set")
	}
	m.Reset()
	if f, _ := m.Facts(); f.Metered != asset.No || f.Online != asset.Yes || f.Simulated != nil {
		t.Errorf("after reset: %+v", f)
	}
}

func TestNonsenseIsNotSimulated(t *testing.T) {
	var m Monitor
	for _, c := range [][2]string{{"weather", "yes"}, {"lowPower", "unknown"}, {"metered", "maybe"}, {"offline", ""}} {
		if err := m.Simulate(asset.Fact(c[0]), asset.Answer(c[1])); asset.CodeOf(err) != asset.CodeBadRequest {
			t.Errorf("%v: %v", c, err)
		}
	}
	if err := m.Simulate(asset.FactMetered, asset.Unknown); err != nil {
		t.Error(err)
	}
}
