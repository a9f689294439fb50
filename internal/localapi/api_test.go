package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/internal/dirs"
)

// world is a server with a fake service on real sockets.
type world struct {
	*fake
	t      *testing.T
	hub    *Hub
	server *Server
	dirs   dirs.Dirs
	owner  *Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fake: newFake(), t: t, hub: new(Hub), dirs: dirs.Dirs{Data: "/data", Run: filepath.Join(t.TempDir(), "run")}}
	w.server = NewServer(w.fake, w.hub, asset.ServiceStatus{Version: "9.9.9", PID: 42, DataDir: "/data"})
	ln, err := Listen(w.dirs.OwnerSocket())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.ServeOwner(ln) }()
	t.Cleanup(func() {
		w.server.Close()
		if err := <-served; err != nil {
			t.Errorf("serving the owner ended: %v", err)
		}
	})
	w.owner = w.checked(NewClient(w.dirs))
	return w
}

func (w *world) checked(c *Client) *Client {
	c.http.Transport = checked{w.t, c.http.Transport}
	return c
}

// appClient opens the socket of one app.
func (w *world) appClient(id asset.AppID) *Client {
	w.t.Helper()
	ln, err := Listen(w.dirs.AppSocket(id))
	if err != nil {
		w.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.ServeApp(ln, id) }()
	w.t.Cleanup(func() {
		w.server.Close()
		if err := <-served; err != nil {
			w.t.Errorf("serving %s ended: %v", id, err)
		}
	})
	return w.checked(NewAppClient(w.dirs.AppSocket(id)))
}

func TestTheOwnerReachesEveryRoute(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	hello, err := w.owner.Hello(ctx)
	must("hello", err)
	if diff := cmp.Diff(Hello{Name: "larder", Version: "9.9.9", API: Versions{1, 1}, PID: 42, DataDir: "/data", Role: RoleOwner}, hello); diff != "" {
		t.Error(diff)
	}
	st, err := w.owner.Status(ctx, "")
	must("status", err)
	if len(st.Apps) != 2 || st.Apps[0].Packs == nil {
		t.Errorf("status = %+v", st)
	}
	one, err := w.owner.Status(ctx, paint)
	must("status of one", err)
	if len(one.Apps) != 1 || one.Apps[0].ID != paint {
		t.Errorf("status of paint = %+v", one.Apps)
	}
	apps, err := w.owner.Apps(ctx)
	must("apps", err)
	if len(apps) != 2 {
		t.Errorf("apps = %+v", apps)
	}
	app, err := w.owner.App(ctx, game)
	must("app", err)
	if app.ID != game {
		t.Errorf("app = %+v", app)
	}
	_, err = w.owner.Install(ctx, InstallRequest{Bundle: "/bundles/game"})
	must("install", err)
	_, err = w.owner.Update(ctx, game, UpdateRequest{})
	must("update", err)
	for _, action := range []Action{ActionCancel, ActionPause, ActionResume} {
		a, err := w.owner.Control(ctx, game, action)
		must(string(action), err)
		if a.Paused != (action == ActionPause) {
			t.Errorf("%s: paused = %v", action, a.Paused)
		}
	}
	_, err = w.owner.Launch(ctx, game, LaunchRequest{})
	if !errors.Is(err, asset.Sentinel(asset.CodeState)) {
		t.Errorf("launch at a closed gate: %v", err)
	}
	launch, err := w.owner.Launch(ctx, game, LaunchRequest{Anyway: true, PID: 7})
	must("launch anyway", err)
	if diff := cmp.Diff(Launch{Executable: "/bundle/game", Dir: "/bundle", Env: map[string]string{}}, launch); diff != "" {
		t.Error(diff)
	}
	_, err = w.owner.Simulate(ctx, game, SimulateUpdate)
	must("simulate", err)
	f, err := w.owner.SimulateDevice(ctx, asset.FactMetered, asset.Yes)
	must("simulate device", err)
	if f.Metered != asset.Yes || f.Simulated[asset.FactMetered] != asset.Yes {
		t.Errorf("simulated facts = %+v", f)
	}
	_, err = w.owner.ResetDevice(ctx)
	must("reset device", err)
	language := "pt-BR"
	mine, err := w.owner.SetAppSettings(ctx, game, AppSettingsChange{Language: &language})
	must("set settings of an app", err)
	if mine.Language != language {
		t.Errorf("settings of an app = %+v", mine)
	}
	_, err = w.owner.AppSettings(ctx, game)
	must("settings of an app", err)
	downloads, err := w.owner.Downloads(ctx, "")
	must("downloads", err)
	if len(downloads) != 2 || len(downloads[0].Downloads) != 1 {
		t.Errorf("downloads = %+v", downloads)
	}
	must("cancel download", w.owner.CancelDownload(ctx, "unique-"+string(game)))
	must("acknowledge", w.owner.Acknowledge(ctx, "unique-"+string(game)))
	off, most := false, int64(4096)
	set, err := w.owner.SetSettings(ctx, SettingsChange{InAppContent: &off, BackgroundCap: &most})
	must("set settings", err)
	got, err := w.owner.Settings(ctx)
	must("settings", err)
	if set.InAppContent || got.InAppContent || got.BackgroundCap != most || !got.BackgroundRefresh {
		t.Errorf("settings = %+v, %+v", set, got)
	}
	storage, err := w.owner.Storage(ctx)
	must("storage", err)
	if storage.Notes == nil || len(storage.Apps) != 1 || storage.Apps[0].Purgeable != 7 {
		t.Errorf("storage = %+v", storage)
	}
	purged, err := w.owner.Purge(ctx, game)
	must("purge", err)
	if purged != (asset.Purged{Files: 1, Bytes: 7}) {
		t.Errorf("purged = %+v", purged)
	}
	must("uninstall", w.owner.Uninstall(ctx, game))

	want := []string{"install /bundles/game production", "update ", "cancel", "pause", "resume", "simulate update", "simulate metered yes", "reset device",
		"cancel unique-org.example.game", "acknowledge unique-org.example.game", "storage", "purge org.example.game", "uninstall org.example.game"}
	calls := slices.DeleteFunc(w.calls, func(c string) bool { return c == "status" })
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("the service was called otherwise:\n%s", diff)
	}
}

func TestErrorsArriveAsTheServiceMadeThem(t *testing.T) {
	w := newWorld(t)
	for code, status := range map[asset.Code]int{
		asset.CodeConfiguration: 400, asset.CodeNotFound: 404, asset.CodeDownloadDoesNotExist: 404, asset.CodeAlreadyScheduled: 409,
		asset.CodeNotScheduled: 409, asset.CodeState: 409, asset.CodeNoSpace: 507, asset.CodeExtensionFailed: 500, asset.CodeInternal: 500,
	} {
		failure := &asset.Error{Code: code, Op: "do", Subject: "it", Message: "no", Help: "try", Err: errors.New("cause")}
		w.failWith(failure)
		_, err := w.owner.Install(t.Context(), InstallRequest{Bundle: "/b"})
		want := asset.AsError(failure)
		if diff := cmp.Diff(want, err); diff != "" {
			t.Errorf("%v: %s", code, diff)
		}
		if resp := w.raw(http.MethodGet, "/v1/status", ""); resp.status != status {
			t.Errorf("%v gave status %d, want %d", code, resp.status, status)
		}
	}
	w.failWith(errors.New("plain"))
	if _, err := w.owner.Status(t.Context(), ""); asset.CodeOf(err) != asset.CodeInternal || err.Error() != "larder: plain" {
		t.Errorf("plain error became %v", err)
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
	err    *asset.Error
}

// raw makes a call that Client would not make.
func (w *world) raw(method, path, body string, edit ...func(*http.Request)) answer {
	return rawCall(w.t, w.owner, method, path, body, edit...)
}

func rawCall(t *testing.T, c *Client, method, path, body string, edit ...func(*http.Request)) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://larder"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(req)
	}
	resp, err := c.http.Transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out := answer{status: resp.StatusCode, header: resp.Header}
	out.body, _ = io.ReadAll(resp.Body)
	var told errorBody
	if json.Unmarshal(out.body, &told) == nil {
		out.err = told.Error
	}
	return out
}

func TestWrongCallsAreRefused(t *testing.T) {
	w := newWorld(t)
	origin := func(r *http.Request) { r.Header.Set("Origin", "https://example.org") }
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for _, tt := range []struct {
		name, method, path string
		edit               func(*http.Request)
		status             int
		code               asset.Code
	}{
		{"origin", "GET", "/v1/hello", origin, 403, asset.CodeBadRequest},
		{"origin of null", "GET", "/v1/hello", func(r *http.Request) { r.Header["Origin"] = []string{""} }, 403, asset.CodeBadRequest},
		{"other host", "GET", "/v1/hello", host("evil.example"), 403, asset.CodeBadRequest},
		{"host with port", "GET", "/v1/hello", host("localhost:80"), 403, asset.CodeBadRequest},
		{"localhost", "GET", "/v1/hello", host("localhost"), 200, 0},
		{"wrong method", "PUT", "/v1/apps", nil, 405, asset.CodeBadRequest},
		{"no path", "GET", "/v2/hello", nil, 404, asset.CodeNotFound},
		{"root", "GET", "/", nil, 404, asset.CodeNotFound},
		{"unclean path", "GET", "/v1//hello", nil, 404, asset.CodeNotFound},
		{"dots", "GET", "/v1/apps/../hello", nil, 404, asset.CodeNotFound},
		{"trailing slash", "GET", "/v1/hello/", nil, 404, asset.CodeNotFound},
		{"unknown app", "GET", "/v1/apps/org.example.none", nil, 404, asset.CodeNotFound},
		{"unknown app in query", "GET", "/v1/status?app=org.example.none", nil, 404, asset.CodeNotFound},
		{"events of unknown app", "GET", "/v1/events?app=org.example.none", nil, 404, asset.CodeNotFound},
		{"progress of unknown app", "GET", "/v1/apps/org.example.none/progress", nil, 404, asset.CodeNotFound},
		{"no app identifier", "GET", "/v1/apps/a%2Fb", nil, 400, asset.CodeConfiguration},
		{"unknown query", "GET", "/v1/status?ap=x", nil, 400, asset.CodeBadRequest},
		{"repeated query", "GET", "/v1/status?app=a&app=b", nil, 400, asset.CodeBadRequest},
		{"unknown download", "POST", "/v1/downloads/none/cancel", nil, 404, asset.CodeDownloadDoesNotExist},
		{"unknown content type", "POST", "/v1/apps/org.example.game/update", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 200, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edit := tt.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			got := w.raw(tt.method, tt.path, "", edit)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.status >= 400 && (got.err == nil || got.err.Code != tt.code) {
				t.Errorf("error %+v, want code %d", got.err, tt.code)
			}
		})
	}
	if got := w.raw("PUT", "/v1/apps", "").header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow = %q", got)
	}
	if len(w.raw("GET", "/v1/openapi.yaml", "").body) != len(openAPI) {
		t.Error("the document is not served whole")
	}
}
