package service

import (
	"context"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/localapi"
)

// Simulate makes something happen to an app now, with a whole day's budget for
// its extension (classic §6). What forbids the extension to run forbids it here
// too, until the device is simulated otherwise.
func (s *Service) Simulate(ctx context.Context, id asset.AppID, event localapi.Simulation) (asset.AppStatus, error) {
	request := asset.ContentRequest(event)
	if event == localapi.SimulateFirstLaunchState || event == localapi.SimulateReset {
		request = ""
	}
	err := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil {
			return id, err
		}
		if request != "" && !request.AllowsEssential() && app.Life.Phase != asset.AppReady && app.Life.Request.AllowsEssential() {
			return id, &asset.Error{Code: asset.CodeState, Op: "simulate " + string(event) + " of", Subject: string(id),
				Message: "an installation or update of it is under way", Help: "wait for its end, or cancel it"}
		}
		if event == localapi.SimulateFirstLaunchState {
			err = apps.Unlaunch(tx, id)
		}
		if err == nil {
			err = apps.ResetBudget(tx, id)
		}
		return id, err
	})
	if err == nil && request != "" {
		s.busy.end(id)
		err = s.change(ctx, func(tx *db.Tx) (asset.AppID, error) { return id, begin(tx, id, request) })
	}
	if err != nil {
		return asset.AppStatus{}, err
	}
	return s.one(ctx, id)
}

// SimulateDevice puts an answer over what the device is, until the service ends.
func (s *Service) SimulateDevice(_ context.Context, fact asset.Fact, answer asset.Answer) (asset.Facts, error) {
	if err := s.device.Simulate(fact, answer); err != nil {
		return asset.Facts{}, err
	}
	if answer == asset.Yes && (fact == asset.FactOffline || fact == asset.FactLowDisk) {
		s.dispatcher.Stop(func(asset.AppID, string) bool { return false })
	}
	return s.deviceChanged(), nil
}

// ResetDevice ends the simulations of the device.
func (s *Service) ResetDevice(context.Context) (asset.Facts, error) {
	s.device.Reset()
	return s.deviceChanged(), nil
}
