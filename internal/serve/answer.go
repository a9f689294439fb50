package serve

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"larder/internal/faulty"
	"larder/internal/site"
)

// Request is one that was answered.
type Request struct {
	Time   time.Time
	Method string
	Path   string // without the query
	Range  string // as it was asked for
	Name   string // of the pack, or empty
	Status int    // 0: the connection ended before
	Bytes  int64  // of the body
	Faults []string
}

// String is the line of the log.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	if r.Name != "" {
		fmt.Fprintf(&b, " (%s)", r.Name)
	}
	if r.Range != "" {
		fmt.Fprintf(&b, " %s", r.Range)
	}
	if r.Status == 0 {
		b.WriteString(" no answer")
	} else {
		fmt.Fprintf(&b, " %d, %d bytes", r.Status, r.Bytes)
	}
	if len(r.Faults) > 0 {
		fmt.Fprintf(&b, " [%s]", strings.Join(r.Faults, ", "))
	}
	return b.String()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &counting{ResponseWriter: w}
	line := Request{Time: time.Now(), Method: clip(r.Method), Path: clip(shortened(r.URL.Path)), Range: clip(r.Header.Get("Range"))}
	defer func() { // also when the answer is broken off by a panic
		line.Status, line.Bytes = out.status, out.sent
		s.recent.add(line)
		if s.Events.Answered != nil {
			s.Events.Answered(line)
		}
	}()
	s.answer(out, r, &line)
}

// shortened is a path that a person can read: of a blob's 64 digits the first dozen.
func shortened(asked string) string {
	if dir, hash := path.Split(asked); len(hash) == 64 && strings.HasSuffix(dir, "/"+hash[:2]+"/") {
		return dir + hash[:12] + "…"
	}
	return asked
}

// clip bounds what of a request is kept and shown.
func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, line *Request) {
	switch r.URL.Path {
	case "/":
		http.Redirect(w, r, "/help", http.StatusFound)
		return
	case "/help":
		s.help(w, r)
		return
	}
	name := s.find(r.URL.Path)
	names := []string{name}
	if own := s.now.Load().names[name]; own != nil {
		names, line.Name = own, own[1]
	}
	if _, err := fs.Stat(s.root.FS(), name); name == "" || err != nil {
		http.Error(w, "nothing is served here; see /help", http.StatusNotFound)
		return
	}
	if path.Base(name) == "manifest.json" && s.stock != nil {
		names = []string{"manifest.json"}
	}
	asked := r.Clone(r.Context())
	asked.URL.Path = "/" + name
	s.Faults.Serve(w, asked, s.files, faulty.Serving{Names: names, Struck: func(word string) { line.Faults = append(line.Faults, word) }})
}

// find is the file of the site that a path asks for, "" for none. What stands before it is
// heeded only where it names an app: whoever points an app here keeps the path of its own manifest, so
// packs that are served for any app are found whatever that is.
func (s *Server) find(asked string) string {
	part := strings.Split(strings.TrimPrefix(asked, "/"), "/")
	n := len(part)
	if n >= 3 && part[n-3] == "blobs" {
		return strings.Join(part[n-3:], "/")
	}
	below, hosted := strings.CutPrefix(asked, site.Prefix)
	if s.stock == nil {
		switch {
		case hosted && path.Clean(below) == below:
			return below
		case asked == "/manifest.json" && s.App != "":
			return site.ManifestPath(s.App, current)
		case path.Clean(asked) == asked:
			return asked[1:]
		}
		return ""
	}
	if hosted && (n != 6 || part[2] != "apps" || part[5] != "manifest.json" || s.App != "" && part[3] != string(s.App)) {
		return ""
	}
	if hosted || path.Ext(asked) == ".json" || part[n-1] == "manifest" {
		return site.ManifestPath(anyApp, current)
	}
	return ""
}

// counting sees what was answered.
type counting struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (c *counting) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counting) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.sent += int64(n)
	return n, err
}

func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// recent is the newest requests.
type recent struct {
	mu   sync.Mutex
	list []Request
}

const keepRequests = 30

func (r *recent) add(line Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, line)
	r.list = append([]Request(nil), r.list[max(0, len(r.list)-keepRequests):]...)
}

// newestFirst is for showing.
func (r *recent) newestFirst() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Request, 0, len(r.list))
	for i := len(r.list) - 1; i >= 0; i-- {
		out = append(out, r.list[i])
	}
	return out
}
