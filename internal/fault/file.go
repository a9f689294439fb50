package fault

import (
	"net/http"

	"larder/internal/faulty"
)

// fileHandler serves one File. Its faults are used up by all requests together.
type fileHandler struct {
	file   File
	script *faulty.Script
}

func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.file.IgnoreRange {
		r.Header.Del("Range")
	}
	own := faulty.NewPace(h.file.Rate)
	h.script.Serve(&rewriter{w, h.file}, r, h.changed(0), faulty.Serving{Changed: h.changed,
		Paces: func() []*faulty.Pace { return []*faulty.Pace{own} }})
}

// changed serves what the file is after as many changes.
func (h *fileHandler) changed(times int) http.Handler {
	content := h.file.Content
	content.Seed += uint64(times)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		etag := h.file.ETag
		if etag == "" {
			etag = content.ETag()
		}
		if etag != "none" {
			w.Header().Set("ETag", etag)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", h.file.Modified, content.Reader())
	})
}

// rewriter lies in the head of an answer.
type rewriter struct {
	http.ResponseWriter
	file File
}

func (w *rewriter) WriteHeader(status int) {
	if w.file.Chunked && status == http.StatusOK {
		w.Header().Del("Content-Length")
	}
	if w.file.Rewrite != nil {
		status = w.file.Rewrite(status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rewriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
