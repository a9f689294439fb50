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
	on           sockets
	serve        func(*call) error
}

// sockets says where a route exists; on an app's socket it is for that app only.
type sockets struct{ owner, app bool }

var (
	forOwner  = sockets{owner: true}
	forAnyone = sockets{owner: true, app: true}
	forItself = sockets{app: true}
)

var routes = []route{
	{"GET", "/v1/hello", forAnyone, (*call).hello},
	{"GET", "/v1/openapi.yaml", forAnyone, (*call).document},
	{"GET", "/v1/status", forAnyone, (*call).status},
	{"GET", "/v1/events", forAnyone, (*call).events},
	{"GET", "/v1/apps", forOwner, (*call).listApps},
	{"POST", "/v1/apps", forOwner, (*call).install},
	{"GET", "/v1/apps/{id}", forAnyone, (*call).showApp},
	{"DELETE", "/v1/apps/{id}", forOwner, (*call).uninstall},
	{"POST", "/v1/apps/{id}/update", forOwner, (*call).update},
	{"POST", "/v1/apps/{id}/cancel", forOwner, control(ActionCancel)},
	{"POST", "/v1/apps/{id}/pause", forOwner, control(ActionPause)},
	{"POST", "/v1/apps/{id}/resume", forOwner, control(ActionResume)},
	{"GET", "/v1/apps/{id}/progress", forAnyone, (*call).progress},
	{"POST", "/v1/apps/{id}/launch", forOwner, (*call).launch},
	{"GET", "/v1/downloads", forAnyone, (*call).listDownloads},
	{"POST", "/v1/downloads", forItself, (*call).schedule},
	{"POST", "/v1/downloads/{uniqueIdentifier}/cancel", forAnyone, (*call).cancelDownload},
	{"POST", "/v1/downloads/{uniqueIdentifier}/acknowledge", forAnyone, (*call).acknowledge},
	{"GET", "/v1/session", forItself, (*call).session},
	{"POST", "/v1/session/{session}/active", forItself, (*call).setActive},
	{"POST", "/v1/session/{session}/foreground", forItself, (*call).startForeground},
	{"POST", "/v1/session/{session}/control", forItself, (*call).acquireControl},
	{"DELETE", "/v1/session/{session}/control", forItself, (*call).releaseControl},
	{"POST", "/v1/session/{session}/challenges/{challenge}", forItself, (*call).answerChallenge},
	{"DELETE", "/v1/session/{session}/challenges/{challenge}", forItself, (*call).passChallenge},
	{"GET", "/v1/apps/{id}/manifest", forAnyone, (*call).offer},
	{"GET", "/v1/apps/{id}/packs", forAnyone, (*call).listPacks},
	{"POST", "/v1/apps/{id}/packs/check", forAnyone, (*call).checkPacks},
	{"POST", "/v1/apps/{id}/packs/ensure", forAnyone, (*call).ensurePacks},
	{"POST", "/v1/apps/{id}/packs/languages", forAnyone, (*call).reconcileLanguages},
	{"PUT", "/v1/apps/{id}/packs/language", forAnyone, (*call).setPackLanguage},
	{"DELETE", "/v1/apps/{id}/packs/{pack}", forAnyone, (*call).removePack},
	{"POST", "/v1/simulate", forOwner, (*call).simulate},
	{"GET", "/v1/settings", forOwner, (*call).settings},
	{"PATCH", "/v1/settings", forOwner, (*call).setSettings},
	{"GET", "/v1/apps/{id}/settings", forAnyone, (*call).appSettings},
	{"PATCH", "/v1/apps/{id}/settings", forOwner, (*call).setAppSettings},
	{"POST", "/v1/simulate/device", forOwner, (*call).simulateDevice},
	{"DELETE", "/v1/simulate/device", forOwner, (*call).resetDevice},
	{"GET", "/v1/storage", forOwner, (*call).storage},
	{"POST", "/v1/storage/purge", forOwner, (*call).purge},
	{"GET", "/v1/settings/schema", forOwner, (*call).settingsDocument},
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
	case e.app != "" && !methods[i].on.app:
		writeError(w, http.StatusForbidden, badRequest("it is for the owner's socket only", "an app may ask about itself only"))
		return
	case e.app == "" && !methods[i].on.owner:
		writeError(w, http.StatusForbidden, badRequest("it is for an app's socket only", "ask on the socket of the app, LARDER_SOCKET"))
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
