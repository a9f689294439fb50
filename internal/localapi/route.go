package localapi

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"larder/asset"
)

// route is one line of the API. openapi.yaml describes each; a test compares.
type route struct {
	method, path string
	app          bool // also on an app's socket, for that app only
	serve        func(*call) error
}

var routes = []route{
	{"GET", "/v1/hello", true, (*call).hello},
	{"GET", "/v1/openapi.yaml", true, (*call).document},
	{"GET", "/v1/status", true, (*call).status},
	{"GET", "/v1/events", true, (*call).events},
	{"GET", "/v1/apps", false, (*call).listApps},
	{"POST", "/v1/apps", false, (*call).install},
	{"GET", "/v1/apps/{id}", true, (*call).showApp},
	{"DELETE", "/v1/apps/{id}", false, (*call).uninstall},
	{"POST", "/v1/apps/{id}/update", false, (*call).update},
	{"POST", "/v1/apps/{id}/cancel", false, control(ActionCancel)},
	{"POST", "/v1/apps/{id}/pause", false, control(ActionPause)},
	{"POST", "/v1/apps/{id}/resume", false, control(ActionResume)},
	{"GET", "/v1/apps/{id}/progress", true, (*call).progress},
	{"POST", "/v1/apps/{id}/launch", false, (*call).launch},
	{"GET", "/v1/downloads", true, (*call).listDownloads},
	{"POST", "/v1/downloads/{uniqueIdentifier}/cancel", true, (*call).cancelDownload},
	{"POST", "/v1/downloads/{uniqueIdentifier}/acknowledge", true, (*call).acknowledge},
	{"GET", "/v1/apps/{id}/settings", true, (*call).appSettings},
	{"PATCH", "/v1/apps/{id}/settings", false, (*call).setAppSettings},
	{"POST", "/v1/simulate", false, (*call).simulate},
	{"POST", "/v1/simulate/device", false, (*call).simulateDevice},
	{"DELETE", "/v1/simulate/device", false, (*call).resetDevice},
	{"GET", "/v1/settings", false, (*call).settings},
	{"PATCH", "/v1/settings", false, (*call).setSettings},
	{"GET", "/v1/settings/schema", false, (*call).settingsDocument},
}

// call is one request on one socket.
type call struct {
	*endpoint
	w   http.ResponseWriter
	r   *http.Request
	out *stream // set once the answer is a stream
}

func (e *endpoint) handler() http.Handler {
	byPath := map[string][]route{}
	for _, r := range routes {
		byPath[r.path] = append(byPath[r.path], r)
	}
	mux := http.NewServeMux()
	for p, methods := range byPath {
		mux.HandleFunc(p, func(w http.ResponseWriter, r *http.Request) { e.dispatch(w, r, methods) })
	}
	mux.HandleFunc("/", noRoute)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := foreign(r); reason != "" {
			writeError(w, http.StatusForbidden, badRequest(reason, "the local API is not for web pages or proxies"))
			return
		}
		if p := r.URL.EscapedPath(); path.Clean(p) != p || p[0] != '/' {
			noRoute(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// foreign says why a request cannot come from a local program. No page of a
// browser reaches a socket by itself, but a proxy may forward one.
func foreign(r *http.Request) string {
	if _, ok := r.Header["Origin"]; ok {
		return "it has an Origin header"
	}
	switch strings.ToLower(r.Host) {
	case "", "larder", "localhost":
		return ""
	}
	return "its host is neither larder nor localhost"
}

func noRoute(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, &asset.Error{Code: asset.CodeNotFound, Op: "find endpoint",
		Subject: clip(r.Method + " " + r.URL.Path), Message: "there is no such endpoint", Help: "GET /v1/openapi.yaml lists them"})
}

func (e *endpoint) dispatch(w http.ResponseWriter, r *http.Request, methods []route) {
	i := slices.IndexFunc(methods, func(m route) bool { return m.method == r.Method })
	switch {
	case i < 0:
		allow := make([]string, len(methods))
		for i, m := range methods {
			allow[i] = m.method
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		writeError(w, http.StatusMethodNotAllowed, badRequest("its method is not allowed here", "allowed: "+list(allow)))
		return
	case e.app != "" && !methods[i].app:
		writeError(w, http.StatusForbidden, badRequest("it is for the owner's socket only", "an app may ask about itself only"))
		return
	}
	c := &call{endpoint: e, w: w, r: r}
	err := methods[i].serve(c)
	if err == nil {
		return
	}
	status, wire := toWire(err)
	if c.out != nil && c.out.begun {
		// The answer is under way: the error is its last line.
		_ = c.out.send(errorBody{wire})
		return
	}
	writeError(w, status, wire)
}

// pathApp is the app that the path names, as far as the caller may know of it.
func (c *call) pathApp() (asset.AppID, error) { return c.known(c.r.PathValue("id")) }

// queryApp is the app that the stream or list is narrowed to: "" is all, which on
// an app's socket never comes.
func (c *call) queryApp() (asset.AppID, error) {
	for name, values := range c.r.URL.Query() {
		if name != "app" || len(values) != 1 {
			return "", badRequest("it has an unknown or repeated query parameter", "known here: app")
		}
		return c.known(values[0])
	}
	return c.app, nil
}

func (c *call) known(id string) (asset.AppID, error) {
	if c.app != "" && id != string(c.app) {
		return "", noApp(id)
	}
	return asset.ParseAppID(id)
}
