package localapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"larder/asset"
)

const (
	game  asset.AppID = "org.example.game"
	paint asset.AppID = "org.example.paint"
)

// fake is a Service of two apps with one download each, in memory.
type fake struct {
	mu       sync.Mutex
	apps     map[asset.AppID]asset.AppStatus
	calls    []string
	settings Settings
	fail     error // when set, every call answers it
	progress func(ctx context.Context, send func(asset.Progress) error) error
}

func newFake() *fake {
	f := &fake{settings: Settings{InAppContent: true, BackgroundRefresh: true, MeteredRule: "wait"}, apps: map[asset.AppID]asset.AppStatus{}}
	for _, id := range []asset.AppID{game, paint} {
		f.apps[id] = asset.AppStatus{ID: id, Version: "1.0.0", Build: "1", State: asset.AppEssential,
			Gate: asset.Gate{Reason: &asset.Reason{Code: asset.WhyInstalling, Message: "it is being installed", Unblock: "wait"}},
			Downloads: []asset.DownloadStatus{{Identifier: "levels", UniqueIdentifier: "unique-" + string(id), State: asset.StateDownloading,
				Essential: true, Bytes: 1, TotalBytes: 2}}}
	}
	return f
}

func (f *fake) failWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fake) note(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	return f.fail
}

func (f *fake) app(id asset.AppID) (asset.AppStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.apps[id]
	if !ok {
		return asset.AppStatus{}, &asset.Error{Code: asset.CodeNotFound, Op: "find app", Subject: string(id), Message: "there is no such app"}
	}
	return a, nil
}

// Status always tells of all apps, more than it was asked for.
func (f *fake) Status(context.Context, asset.AppID) (asset.Status, error) {
	if err := f.note("status"); err != nil {
		return asset.Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	st := asset.Status{Service: asset.ServiceStatus{Version: "9.9.9", PID: 42, DataDir: "/data"},
		Device: asset.Facts{LowPower: asset.No, OnBattery: asset.Yes, Metered: asset.Unknown, Online: asset.Yes}}
	for _, id := range slices.Sorted(maps.Keys(f.apps)) {
		st.Apps = append(st.Apps, f.apps[id])
	}
	return st, nil
}

func (f *fake) Progress(ctx context.Context, id asset.AppID, send func(asset.Progress) error) error {
	if _, err := f.app(id); err != nil {
		return err
	}
	if f.progress != nil {
		return f.progress(ctx, send)
	}
	eta := int64(3)
	for done := range 3 {
		if err := send(asset.Progress{App: id, State: asset.AppEssential, Bytes: int64(done), TotalBytes: 2, ETASeconds: &eta, Done: done == 2}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) Install(_ context.Context, req InstallRequest) (asset.AppStatus, error) {
	if err := f.note("install " + req.Bundle + " " + req.Context); err != nil {
		return asset.AppStatus{}, err
	}
	return f.app(game)
}

func (f *fake) Update(_ context.Context, id asset.AppID, req UpdateRequest) (asset.AppStatus, error) {
	if err := f.note("update " + req.Bundle); err != nil {
		return asset.AppStatus{}, err
	}
	return f.app(id)
}

func (f *fake) Uninstall(_ context.Context, id asset.AppID) error {
	if err := f.note("uninstall " + string(id)); err != nil {
		return err
	}
	_, err := f.app(id)
	return err
}

func (f *fake) Control(_ context.Context, id asset.AppID, action Action) (asset.AppStatus, error) {
	if err := f.note(string(action)); err != nil {
		return asset.AppStatus{}, err
	}
	a, err := f.app(id)
	a.Paused = action == ActionPause
	return a, err
}

func (f *fake) Simulate(_ context.Context, id asset.AppID, event Simulation) (asset.AppStatus, error) {
	if err := f.note("simulate " + string(event)); err != nil {
		return asset.AppStatus{}, err
	}
	return f.app(id)
}

func (f *fake) SimulateDevice(_ context.Context, fact asset.Fact, answer asset.Answer) (asset.Facts, error) {
	err := f.note("simulate " + string(fact) + " " + string(answer))
	return asset.Facts{LowPower: asset.Unknown, OnBattery: asset.No, Metered: asset.Yes, Online: asset.Yes, Simulated: map[asset.Fact]asset.Answer{fact: answer}}, err
}

func (f *fake) ResetDevice(context.Context) (asset.Facts, error) {
	return asset.Facts{LowPower: asset.Unknown, OnBattery: asset.No, Metered: asset.Yes, Online: asset.Yes}, f.note("reset device")
}

func (f *fake) Launch(_ context.Context, id asset.AppID, req LaunchRequest) (Launch, error) {
	a, err := f.app(id)
	if err != nil {
		return Launch{}, err
	}
	if !a.Gate.Open && !req.Anyway {
		return Launch{}, &asset.Error{Code: asset.CodeState, Op: "launch", Subject: string(id), Message: "its gate is closed", Help: "wait"}
	}
	return Launch{Executable: "/bundle/game", Dir: "/bundle"}, nil
}

func (f *fake) CancelDownload(_ context.Context, app asset.AppID, unique string) error {
	return f.download("cancel", app, unique)
}

func (f *fake) Acknowledge(_ context.Context, app asset.AppID, unique string) error {
	return f.download("acknowledge", app, unique)
}

// download tells unknown and foreign ones apart, which the API must hide.
func (f *fake) download(call string, app asset.AppID, unique string) error {
	if err := f.note(call + " " + unique); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, a := range f.apps {
		if a.Downloads[0].UniqueIdentifier != unique {
			continue
		}
		if app != "" && app != id {
			return &asset.Error{Code: asset.CodeDownloadDoesNotExist, Op: call, Subject: unique, Message: "it belongs to another app"}
		}
		return nil
	}
	return &asset.Error{Code: asset.CodeDownloadDoesNotExist, Op: call, Subject: unique, Message: "no row", Err: errors.New("sql: no rows")}
}

func (f *fake) Settings(context.Context) (Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings, f.fail
}

func (f *fake) SetSettings(_ context.Context, change SettingsChange) (Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if change.InAppContent != nil {
		f.settings.InAppContent = *change.InAppContent
	}
	if change.BackgroundCap != nil {
		f.settings.BackgroundCap = *change.BackgroundCap
	}
	return f.settings, f.fail
}

func (f *fake) AppSettings(_ context.Context, id asset.AppID) (AppSettings, error) {
	_, err := f.app(id)
	return AppSettings{BackgroundRefresh: true, Language: "de"}, err
}

func (f *fake) SetAppSettings(_ context.Context, id asset.AppID, change AppSettingsChange) (AppSettings, error) {
	_, err := f.app(id)
	s := AppSettings{BackgroundRefresh: true}
	if change.Language != nil {
		s.Language = *change.Language
	}
	return s, err
}

func (f *fake) Connect(ctx context.Context, app asset.AppID, handles []asset.EventType, send func(SessionLine) error) error {
	if err := f.note(fmt.Sprint("connect ", app, " ", handles)); err != nil {
		return err
	}
	if err := send(SessionLine{Session: "s1"}); err != nil {
		return err
	}
	a, _ := f.app(app)
	st := a.Downloads[0]
	st.State = asset.StateFailed
	err := send(SessionLine{Type: asset.EventFailed, Download: &asset.Download{Identifier: st.Identifier, URL: "https://e.example/x"}, Status: &st,
		Error: &asset.Error{Code: asset.CodeSizeMismatch, Domain: asset.DomainLarder, Op: "fetch", Message: "wrong size"}})
	if err != nil {
		return err
	}
	if err := send(SessionLine{Type: asset.EventPurged, Purged: []asset.PurgedFile{{Path: "levels/1", Size: 7}}, Last: 3}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Storage(context.Context) (asset.Storage, error) {
	return asset.Storage{Free: 5, Apps: []asset.AppStorage{{ID: game, Group: "group.x", Container: 9, Purgeable: 7, PurgeableFiles: 1}}}, f.note("storage")
}

func (f *fake) Purge(_ context.Context, app asset.AppID) (asset.Purged, error) {
	return asset.Purged{Files: 1, Bytes: 7}, f.note("purge " + string(app))
}

func (f *fake) SetActive(_ context.Context, app asset.AppID, session string, active bool) error {
	return f.note(fmt.Sprint("active ", app, " ", session, " ", active))
}

func (f *fake) AcquireControl(_ context.Context, app asset.AppID, session string, deadline time.Time) error {
	return f.note(fmt.Sprint("acquire ", app, " ", session, " ", deadline.IsZero()))
}

func (f *fake) ReleaseControl(_ context.Context, app asset.AppID, session string) error {
	return f.note(fmt.Sprint("release ", app, " ", session))
}

func (f *fake) AnswerChallenge(_ context.Context, app asset.AppID, session, challenge string, a *asset.ChallengeAnswer) error {
	word := "passed on"
	if a != nil {
		word = string(a.Disposition)
	}
	return f.note(fmt.Sprint("challenge ", app, " ", session, " ", challenge, " ", word))
}

func (f *fake) Schedule(_ context.Context, app asset.AppID, d asset.Download) (asset.DownloadStatus, error) {
	err := f.note(fmt.Sprint("schedule ", app, " ", d.Identifier))
	return asset.DownloadStatus{Identifier: d.Identifier, State: asset.StateWaiting}, err
}

func (f *fake) StartForeground(_ context.Context, app asset.AppID, session string, d asset.Download) (asset.DownloadStatus, error) {
	err := f.note(fmt.Sprint("foreground ", app, " ", session, " ", d.Identifier))
	return asset.DownloadStatus{Identifier: d.Identifier, State: asset.StateWaiting}, err
}

func (f *fake) Packs(_ context.Context, app asset.AppID) (PackList, error) {
	err := f.note(fmt.Sprint("packs ", app))
	version := int64(1)
	return PackList{Shelf: "/shelf", Offer: "/offer", Packs: []asset.PackStatus{{ID: "a", Status: 69, Installed: &version}}}, err
}

func (f *fake) Offer(_ context.Context, app asset.AppID, fresh bool) (asset.PackOffer, error) {
	return asset.PackOffer{ResolvedLanguage: "de"}, f.note(fmt.Sprint("offer ", app, " ", fresh))
}

func (f *fake) CheckForUpdates(_ context.Context, app asset.AppID) (PackChanges, error) {
	return PackChanges{Updating: []asset.PackID{"a"}}, f.note(fmt.Sprint("check packs ", app))
}

func (f *fake) EnsurePacks(_ context.Context, app asset.AppID, req EnsureRequest, send func(EnsureLine) error) error {
	if err := f.note(fmt.Sprint("ensure ", app, " ", req.Packs, " ", req.Latest)); err != nil {
		return err
	}
	for n, id := range req.Packs {
		l := EnsureLine{Pack: asset.PackID(id), Version: 1}
		if n > 0 {
			l = EnsureLine{Pack: asset.PackID(id), Failed: asset.PackNotFound("ensure", asset.PackID(id))}
		}
		if err := send(l); err != nil {
			return err
		}
	}
	return send(EnsureLine{Done: true})
}

func (f *fake) RemovePack(_ context.Context, app asset.AppID, pack asset.PackID) error {
	if err := f.note(fmt.Sprint("remove ", app, " ", pack)); err != nil {
		return err
	}
	if pack != "a" {
		return asset.PackNotFound("remove", pack)
	}
	return nil
}

func (f *fake) SetPackLanguage(_ context.Context, app asset.AppID, tag string) (PackLanguage, error) {
	return PackLanguage{Language: tag}, f.note(fmt.Sprint("language ", app, " ", tag))
}

func (f *fake) ReconcileLanguages(_ context.Context, app asset.AppID, send func(EnsureLine) error) error {
	if err := f.note(fmt.Sprint("languages ", app)); err != nil {
		return err
	}
	return send(EnsureLine{Done: true})
}
