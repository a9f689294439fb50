package localapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestAnAppSeesItselfAndNothingElse(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	app := w.appClient(game)

	hello, err := app.Hello(ctx)
	if err != nil || hello.Role != RoleApp || hello.App != game {
		t.Errorf("hello = %+v, %v", hello, err)
	}
	for _, narrow := range []asset.AppID{"", game} {
		st, err := app.Status(ctx, narrow)
		if err != nil || len(st.Apps) != 1 || st.Apps[0].ID != game {
			t.Errorf("status of %q = %+v, %v", narrow, st.Apps, err)
		}
		downloads, err := app.Downloads(ctx, narrow)
		if err != nil || len(downloads) != 1 || downloads[0].ID != game {
			t.Errorf("downloads of %q = %+v, %v", narrow, downloads, err)
		}
		for ev, err := range app.Events(ctx, narrow) {
			if err != nil || len(ev.Status.Apps) != 1 || ev.Status.Apps[0].ID != game {
				t.Errorf("snapshot for %q = %+v, %v", narrow, ev, err)
			}
			break
		}
	}
	if own, err := app.App(ctx, game); err != nil || own.ID != game {
		t.Errorf("own app = %+v, %v", own, err)
	}
	if err := app.CancelDownload(ctx, "unique-"+string(game)); err != nil {
		t.Errorf("cancel of its own download: %v", err)
	}
	if err := app.Acknowledge(ctx, "unique-"+string(game)); err != nil {
		t.Errorf("acknowledge of its own download: %v", err)
	}
}

func TestAnAppCannotTellAnotherAppFromNone(t *testing.T) {
	w := newWorld(t)
	app := w.appClient(game)
	const none = "org.example.nobody"
	for _, call := range []string{
		"GET /v1/status?app=APP", "GET /v1/events?app=APP", "GET /v1/downloads?app=APP", "GET /v1/apps/APP", "GET /v1/apps/APP/progress",
		"DELETE /v1/apps/APP", "POST /v1/apps/APP/update", "POST /v1/apps/APP/cancel", "POST /v1/apps/APP/pause",
		"POST /v1/apps/APP/resume", "POST /v1/apps/APP/launch", "POST /v1/downloads/unique-APP/cancel", "POST /v1/downloads/unique-APP/acknowledge",
	} {
		method, path, _ := strings.Cut(call, " ")
		ask := func(id string) answer {
			got := rawCall(t, app, method, strings.ReplaceAll(path, "APP", id), "")
			got.body = []byte(strings.ReplaceAll(string(got.body), id, "APP"))
			got.header.Del("Date")
			got.header.Del("Content-Length") // differs with the length of the identifier
			got.err = nil
			return got
		}
		real, unreal := ask(string(paint)), ask(none)
		if real.status != 404 && real.status != 403 {
			t.Errorf("%s answered %d", call, real.status)
		}
		if diff := cmp.Diff(unreal, real, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s betrays the other app:\n%s", call, diff)
		}
	}
}

func TestOwnersCallsAreRefusedOnAnAppsSocket(t *testing.T) {
	w := newWorld(t)
	app := w.appClient(game)
	for _, r := range routes {
		if r.on.app {
			if !r.on.owner {
				owners := rawCall(t, w.owner, r.method, strings.ReplaceAll(r.path, "{session}", "s"), "{}")
				if owners.status != http.StatusForbidden {
					t.Errorf("%s %s answered %d on the owner's socket", r.method, r.path, owners.status)
				}
			}
			continue
		}
		got := rawCall(t, app, r.method, strings.ReplaceAll(r.path, "{id}", string(game)), `{"bundle":"/b"}`)
		if got.status != http.StatusForbidden || got.err == nil || got.err.Code != asset.CodeBadRequest {
			t.Errorf("%s %s answered %d %v", r.method, r.path, got.status, got.err)
		}
	}
	if len(w.calls) != 0 {
		t.Errorf("the service was called: %q", w.calls)
	}
}
