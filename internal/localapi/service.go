// Package localapi is both ends of the local API: the Server that the background
// service runs on its sockets, and the Client that CLI, stores and apps call it
// with. doc/local-api.md is the contract for people, openapi.yaml for machines.
//
// It promises that the socket is the identity (the owner's socket sees all, an
// app's socket sees that app only and cannot learn of others), that every body
// is bounded and strictly read, that every error is an asset.Error, and that a
// slow reader of events loses no state: it is told to resync and gets a snapshot.
//
// It does not know what an installation or a download is: the service implements
// the interfaces below. internal/service calls Server, Hub and Listen; cmd/larder
// and client call Client.
package localapi

import (
	"context"
	"time"

	"larder/asset"
)

// APIVersion is the version of the routes in this package: the 1 of "/v1".
const APIVersion = 1

// Service is what the API serves. Every ctx ends when the caller goes away or
// the server closes; a call that has begun to change something either completes
// it or leaves no trace. Errors are *asset.Error where a person should read
// them; CodeNotFound (1013) names an unknown app.
type Service interface {
	Installer
	Viewer
	Launcher
	Downloads
	Preferences
	Simulator
	Sessions
	Manager
	Storer
	Packs
}

// Installer changes what is installed. Its calls return as soon as the change is
// recorded; Progress and events tell the rest.
type Installer interface {
	Install(ctx context.Context, req InstallRequest) (asset.AppStatus, error)
	Update(ctx context.Context, app asset.AppID, req UpdateRequest) (asset.AppStatus, error)
	Uninstall(ctx context.Context, app asset.AppID) error
	// Control acts on a running installation or update: cancel opens the gate; it fails with CodeState when none runs.
	Control(ctx context.Context, app asset.AppID, action Action) (asset.AppStatus, error)
}

// Viewer tells the present state.
type Viewer interface {
	// Status describes all apps, or the one named; the state it gives is at
	// least as new as every event published before the call.
	Status(ctx context.Context, app asset.AppID) (asset.Status, error)
	// Progress calls send with the present progress, then at each change, and
	// returns nil after the one with Done set, or send's error when that fails.
	Progress(ctx context.Context, app asset.AppID, send func(asset.Progress) error) error
}

// Launcher lets an app start.
type Launcher interface {
	// Launch records first launch and usage and says what to execute. It fails
	// with CodeState (1015) while the gate is closed, unless req.Anyway.
	Launch(ctx context.Context, app asset.AppID, req LaunchRequest) (Launch, error)
}

// Downloads acts on single downloads. app is the caller, "" for the owner. For a
// download of another app both methods answer as for an unknown one:
// CodeDownloadDoesNotExist (113).
type Downloads interface {
	CancelDownload(ctx context.Context, app asset.AppID, unique string) error
	// Acknowledge says that a held finished file was taken (classic §7).
	Acknowledge(ctx context.Context, app asset.AppID, unique string) error
}

// Preferences are the person's settings.
type Preferences interface {
	Settings(ctx context.Context) (Settings, error)
	SetSettings(ctx context.Context, change SettingsChange) (Settings, error)
	AppSettings(ctx context.Context, app asset.AppID) (AppSettings, error)
	SetAppSettings(ctx context.Context, app asset.AppID, change AppSettingsChange) (AppSettings, error)
}

// Simulator makes things happen for developers (classic §6).
type Simulator interface {
	// Simulate makes event happen to an app now and resets its extension's budget.
	Simulate(ctx context.Context, app asset.AppID, event Simulation) (asset.AppStatus, error)
	// SimulateDevice puts an answer over a fact of the device until the service
	// ends; it fails with CodeBadRequest for an unknown fact or answer.
	SimulateDevice(ctx context.Context, fact asset.Fact, answer asset.Answer) (asset.Facts, error)
	// ResetDevice ends these.
	ResetDevice(ctx context.Context) (asset.Facts, error)
}

// Storer tells of the disk and gives space back (classic §7).
type Storer interface {
	Storage(ctx context.Context) (asset.Storage, error)
	// Purge deletes what is purgeable, of all apps or of the group of the one named.
	Purge(ctx context.Context, app asset.AppID) (asset.Purged, error)
}

// PurgeRequest is the body of POST /v1/storage/purge; no App means all.
type PurgeRequest struct {
	App asset.AppID `json:"app,omitempty"`
}

// Sessions are the connections of an app's own processes (classic §4).
type Sessions interface {
	// Connect serves one process of app until ctx ends: send gets a line with the
	// session's name, then what its delegate handles. All that hangs on the
	// session ends with it: foreground, exclusive control, delivery.
	Connect(ctx context.Context, app asset.AppID, handles []asset.EventType, send func(SessionLine) error) error
	// SetActive says whether the process is in the foreground.
	SetActive(ctx context.Context, app asset.AppID, session string, active bool) error
	// AcquireControl waits for the app's lock until deadline; zero waits for ever.
	AcquireControl(ctx context.Context, app asset.AppID, session string, deadline time.Time) error
	ReleaseControl(ctx context.Context, app asset.AppID, session string) error
	// AnswerChallenge answers a server on behalf of the session's delegate; nil
	// passes it on, to another delegate or the extension. 1013 when it is not, or
	// no longer, open.
	AnswerChallenge(ctx context.Context, app asset.AppID, session, challenge string, answer *asset.ChallengeAnswer) error
}

// Manager is what an app does with downloads (classic §4.1, §4.2).
type Manager interface {
	Schedule(ctx context.Context, app asset.AppID, d asset.Download) (asset.DownloadStatus, error)
	// StartForeground starts d now or promotes it; 51 unless the session is active.
	StartForeground(ctx context.Context, app asset.AppID, session string, d asset.Download) (asset.DownloadStatus, error)
}

// SessionLine is one line of GET /v1/session. The first has Session set, every
// other an event for the app's delegate (classic §4.4).
type SessionLine struct {
	Session string `json:"session,omitempty"`

	Type     asset.EventType       `json:"type,omitempty"` // began, paused, progress, challenge, finished, failed or purged
	Download *asset.Download       `json:"download,omitempty"`
	Status   *asset.DownloadStatus `json:"status,omitempty"`
	Error    *asset.Error          `json:"cause,omitempty"` // failed

	// Challenge is what a server demands, and ChallengeID names it for the answer.
	Challenge   *asset.Challenge `json:"challenge,omitempty"`
	ChallengeID string           `json:"challengeIdentifier,omitempty"`

	Purged []asset.PurgedFile `json:"purged,omitempty"`
	Last   int64              `json:"-"` // of the service: what Purged ends with
}

// ActiveRequest is the body of POST /v1/session/{session}/active.
type ActiveRequest struct {
	Active bool `json:"active"`
}

// ControlRequest is the body of POST /v1/session/{session}/control. No deadline
// waits for ever; one that has passed tries once (classic §4.3).
type ControlRequest struct {
	Deadline *time.Time `json:"deadline,omitempty"`
}

// Action is a person's word on a running installation or update.
type Action string

// The actions.
const (
	ActionCancel Action = "cancel"
	ActionPause  Action = "pause"
	ActionResume Action = "resume"
)

// Release contexts (design §1). An install without one gets production.
const (
	ContextInternal   = "internal"
	ContextExternal   = "external"
	ContextProduction = "production"
)

// InstallRequest is the body of POST /v1/apps.
type InstallRequest struct {
	Bundle  string `json:"bundle"` // absolute path of the bundle's folder
	Context string `json:"context,omitempty"`
	// URLOverride is AppSettings.URLOverride from the beginning on. Of an app that is
	// installed already it is changed, and nothing else happens; nil leaves that an error.
	URLOverride *string `json:"urlOverride,omitempty"`
}

// UpdateRequest is the body of POST /v1/apps/{id}/update. An empty Bundle means
// the folder the app was installed from.
type UpdateRequest struct {
	Bundle string `json:"bundle,omitempty"`
}

// LaunchRequest is the body of POST /v1/apps/{id}/launch.
type LaunchRequest struct {
	Anyway bool `json:"anyway,omitempty"` // do not wait for the gate
	PID    int  `json:"pid,omitempty"`    // the process that becomes the app; 0 when not known
}

// Launch says how to start an app: Executable and Dir are absolute, Env comes on
// top of the caller's environment.
type Launch struct {
	Executable string            `json:"executable"`
	Dir        string            `json:"dir"`
	Env        map[string]string `json:"env"`
}

// Simulation is what can be made to happen to an app: a content request, or one
// of the two below.
type Simulation string

// The simulations.
const (
	SimulateInstall        = Simulation(asset.RequestInstall)
	SimulateUpdate         = Simulation(asset.RequestUpdate)
	SimulatePeriodic       = Simulation(asset.RequestPeriodic)
	SimulateLanguageChange = Simulation(asset.RequestLanguageChange)
	// SimulateFirstLaunchState makes the app as it was before its first launch.
	SimulateFirstLaunchState Simulation = "firstLaunchState"
	// SimulateReset only resets the budget.
	SimulateReset Simulation = "reset"
)

// SimulateRequest is the body of POST /v1/simulate.
type SimulateRequest struct {
	App   asset.AppID `json:"app"`
	Event Simulation  `json:"event"`
}

// SimulateDeviceRequest is the body of POST /v1/simulate/device.
type SimulateDeviceRequest struct {
	Fact   asset.Fact   `json:"fact"`
	Answer asset.Answer `json:"answer"`
}

// Role says whom a socket belongs to.
type Role string

// The roles.
const (
	RoleOwner Role = "owner"
	RoleApp   Role = "app"
)

// Hello is the answer of GET /v1/hello: who listens, and as whom it sees the caller.
type Hello struct {
	Name    string      `json:"name"` // always "larder"
	Version string      `json:"version"`
	API     Versions    `json:"api"`
	PID     int         `json:"pid"`
	DataDir string      `json:"dataDir"`
	Role    Role        `json:"role"`
	App     asset.AppID `json:"app,omitempty"` // set when Role is app
}

// Versions is the range of API versions a service speaks.
type Versions struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// AppDownloads are the downloads of one app, as GET /v1/downloads lists them.
type AppDownloads struct {
	ID        asset.AppID            `json:"id"`
	Downloads []asset.DownloadStatus `json:"downloads"`
}

type appList struct {
	Apps []asset.AppStatus `json:"apps"`
}

type downloadList struct {
	Apps []AppDownloads `json:"apps"`
}

type errorBody struct {
	Error *asset.Error `json:"error"`
}
