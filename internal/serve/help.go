package serve

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"larder/internal/faulty"
	"larder/internal/policy"
	"larder/internal/site"
)

//go:embed help.html
var helpSource string

var helpPage = template.Must(template.New("help").Funcs(template.FuncMap{"bytes": policy.Bytes}).Parse(helpSource))

// help tells what is served, how to point an app here, and what is wrong on purpose.
func (s *Server) help(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	v := struct {
		Base, Manifest, App, Context, Authority, Trust string
		Site                                           bool
		Packs                                          []Pack
		Faults                                         []faulty.Count
		Syntax                                         string
		Requests                                       []Request
	}{s.base, s.base + "/manifest.json", string(s.App), current, s.about.File, "", s.IsSite(), s.Packs(), s.Faults.Counts(), faulty.Syntax, s.recent.newestFirst()}
	if v.App == "" {
		v.App = "ID"
	}
	if s.IsSite() {
		v.Manifest = s.base + site.Prefix + "apps/" + v.App + "/" + current + "/manifest.json"
	}
	if v.Authority != "" {
		v.Trust = s.about.Trust()
	}
	var page bytes.Buffer
	if err := helpPage.Execute(&page, v); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w) // whoever asked may be gone
}
