package localapi

import (
	"net/http"
	"slices"

	"larder/asset"
)

var simulations = []Simulation{SimulateInstall, SimulateUpdate, SimulatePeriodic, SimulateLanguageChange, SimulateFirstLaunchState, SimulateReset}

func (c *call) simulate() error {
	var req SimulateRequest
	if err := read(c.w, c.r, &req, true); err != nil {
		return err
	}
	id, err := asset.ParseAppID(string(req.App))
	if err != nil {
		return err
	}
	if !slices.Contains(simulations, req.Event) {
		return badRequest("its event is none of install, update, periodic, languageChange, firstLaunchState and reset", "")
	}
	app, err := c.svc.Simulate(c.r.Context(), id, req.Event)
	return c.reply(http.StatusOK, wholeApp(app), err)
}

func (c *call) simulateDevice() error {
	var req SimulateDeviceRequest
	if err := read(c.w, c.r, &req, true); err != nil {
		return err
	}
	f, err := c.svc.SimulateDevice(c.r.Context(), req.Fact, req.Answer)
	f.Notes = listed(f.Notes)
	return c.reply(http.StatusOK, f, err)
}

func (c *call) resetDevice() error {
	f, err := c.svc.ResetDevice(c.r.Context())
	f.Notes = listed(f.Notes)
	return c.reply(http.StatusOK, f, err)
}
