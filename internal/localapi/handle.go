package localapi

import (
	"context"
	_ "embed"
	"net/http"
	"path/filepath"
	"strings"

	"larder/asset"
)

//go:embed openapi.yaml
var openAPI []byte

func (c *call) hello() error {
	h := Hello{Name: "larder", Version: c.self.Version, API: Versions{APIVersion, APIVersion}, PID: c.self.PID, DataDir: c.self.DataDir, Role: RoleOwner}
	if c.app != "" {
		h.Role, h.App = RoleApp, c.app
	}
	return c.reply(http.StatusOK, h, nil)
}

func (c *call) document() error {
	c.w.Header().Set("Content-Type", "application/yaml")
	_, _ = c.w.Write(openAPI)
	return nil
}

// state is what Viewer.Status gives, held to what was asked: one app is that app
// or an error, whatever the service answered.
func (c *call) state(ctx context.Context, app asset.AppID) (asset.Status, error) {
	st, err := c.svc.Status(ctx, app)
	if err != nil {
		return asset.Status{}, err
	}
	st.Apps, st.Device.Notes = wholeApps(st.Apps), listed(st.Device.Notes)
	if app == "" {
		return st, nil
	}
	for _, a := range st.Apps {
		if a.ID == app {
			st.Apps = []asset.AppStatus{a}
			return st, nil
		}
	}
	return asset.Status{}, noApp(string(app))
}

func (c *call) asked() (asset.Status, error) {
	app, err := c.queryApp()
	if err != nil {
		return asset.Status{}, err
	}
	return c.state(c.r.Context(), app)
}

func (c *call) status() error {
	st, err := c.asked()
	return c.reply(http.StatusOK, st, err)
}

func (c *call) listApps() error {
	st, err := c.state(c.r.Context(), "")
	return c.reply(http.StatusOK, appList{st.Apps}, err)
}

func (c *call) showApp() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	st, err := c.state(c.r.Context(), id)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, st.Apps[0], nil)
}

func (c *call) listDownloads() error {
	st, err := c.asked()
	out := downloadList{Apps: make([]AppDownloads, len(st.Apps))}
	for i, a := range st.Apps {
		out.Apps[i] = AppDownloads{ID: a.ID, Downloads: a.Downloads}
	}
	return c.reply(http.StatusOK, out, err)
}

func (c *call) install() error {
	var req InstallRequest
	if err := read(c.w, c.r, &req, true); err != nil {
		return err
	}
	if err := checkBundle(req.Bundle); err != nil {
		return err
	}
	switch req.Context {
	case "":
		req.Context = ContextProduction
	case ContextInternal, ContextExternal, ContextProduction:
	default:
		return badRequest("its context is unknown", "use internal, external or production")
	}
	if req.URLOverride != nil {
		if err := asset.CheckURLOverride(*req.URLOverride); err != nil {
			return err
		}
	}
	app, err := c.svc.Install(c.r.Context(), req)
	return c.reply(http.StatusCreated, wholeApp(app), err)
}

// checkBundle refuses what the service could only misread: it has another
// working directory than its caller.
func checkBundle(dir string) error {
	if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) {
		return badRequest("its bundle is not an absolute path", "give the absolute path of the app bundle's folder")
	}
	return nil
}

func (c *call) update() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	var req UpdateRequest
	if err := read(c.w, c.r, &req, false); err != nil {
		return err
	}
	if req.Bundle != "" {
		if err := checkBundle(req.Bundle); err != nil {
			return err
		}
	}
	app, err := c.svc.Update(c.r.Context(), id, req)
	return c.reply(http.StatusOK, wholeApp(app), err)
}

func (c *call) uninstall() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	return c.done(c.svc.Uninstall(c.r.Context(), id))
}

func control(action Action) func(*call) error {
	return func(c *call) error {
		id, err := c.pathApp()
		if err != nil {
			return err
		}
		if err := read(c.w, c.r, new(struct{}), false); err != nil {
			return err
		}
		app, err := c.svc.Control(c.r.Context(), id, action)
		return c.reply(http.StatusOK, wholeApp(app), err)
	}
}

func (c *call) launch() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	var req LaunchRequest
	if err := read(c.w, c.r, &req, false); err != nil {
		return err
	}
	if req.PID < 0 {
		return badRequest("its pid is negative", "leave the pid out when it is not known")
	}
	l, err := c.svc.Launch(c.r.Context(), id, req)
	if l.Env == nil {
		l.Env = map[string]string{}
	}
	return c.reply(http.StatusOK, l, err)
}

func (c *call) cancelDownload() error { return c.download(c.svc.CancelDownload) }

func (c *call) acknowledge() error { return c.download(c.svc.Acknowledge) }

func (c *call) download(act func(context.Context, asset.AppID, string) error) error {
	if err := read(c.w, c.r, new(struct{}), false); err != nil {
		return err
	}
	unique := c.r.PathValue("uniqueIdentifier")
	err := act(c.r.Context(), c.app, unique)
	if c.app != "" && err != nil {
		// One text for every cause, so that an app learns nothing of others.
		if code := asset.CodeOf(err); code == asset.CodeDownloadDoesNotExist || code == asset.CodeNotFound {
			return noDownload(unique)
		}
	}
	return c.done(err)
}

func (c *call) reply(status int, v any, err error) error {
	if err == nil {
		writeJSON(c.w, status, v)
	}
	return err
}

func (c *call) done(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}
