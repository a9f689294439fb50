package fault

import (
	"context"
	"net/http"
	"slices"
	"sync"
)

// fileHandler serves one File. Its faults are used up by all requests together.
type fileHandler struct {
	server *Server
	file   File

	mu       sync.Mutex
	faults   []Fault
	requests int
}

// strike uses up the first fault that fits.
func (h *fileHandler) strike(fits func(Fault) bool) (Fault, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.faults {
		if f := h.faults[i]; f.Times > 0 && fits(f) {
			h.faults[i].Times--
			return f, true
		}
	}
	return Fault{}, false
}

func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests++
	again := h.requests > 1
	content := h.file.Content
	for _, f := range h.faults {
		if f.Kind == "etag-change" && again {
			content.Seed++
		}
	}
	h.mu.Unlock()

	if f, ok := h.strike(func(f Fault) bool { return f.Kind == "status" }); ok {
		w.WriteHeader(int(f.Value))
		return
	}
	etag := h.file.ETag
	if etag == "" {
		etag = content.ETag()
	}
	if etag != "none" {
		w.Header().Set("ETag", etag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if h.file.IgnoreRange {
		r.Header.Del("Range")
	}
	body := &faulty{ResponseWriter: w, handler: h, ctx: r.Context(), size: content.Size, own: newPacer(h.file.Rate)}
	if f, ok := h.strike(func(f Fault) bool { return f.Kind == "slow" }); ok {
		body.slow = newPacer(f.Value)
	}
	http.ServeContent(body, r, "", h.file.Modified, content.Reader())
}

// faulty is the writer between http.ServeContent and the socket.
type faulty struct {
	http.ResponseWriter
	handler *fileHandler
	ctx     context.Context
	size    int64
	at      int64 // offset in the file of the next byte
	own     *pacer
	slow    *pacer
}

func (w *faulty) WriteHeader(status int) {
	file, header := w.handler.file, w.Header()
	if status == http.StatusPartialContent {
		w.at = contentStart(header.Get("Content-Range"))
	}
	if file.Chunked && status == http.StatusOK {
		header.Del("Content-Length")
	}
	if file.Rewrite != nil {
		status = file.Rewrite(status, header)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends p in pieces, each at its pace and up to the next fault.
func (w *faulty) Write(p []byte) (int, error) {
	piece, done := 16<<10, 0
	for _, l := range w.pacers() {
		piece = min(piece, l.piece())
	}
	for done < len(p) {
		part := p[done:min(len(p), done+piece)]
		f, struck := w.handler.strike(func(f Fault) bool {
			at := f.offset(w.size)
			switch f.Kind {
			case "drop", "stall":
				return at > w.at && at <= w.at+int64(len(part)) && at < w.size
			case "corrupt":
				return at >= w.at && at < w.at+int64(len(part))
			}
			return false
		})
		cut := f.offset(w.size) - w.at
		switch {
		case struck && f.Kind == "corrupt":
			part = append([]byte(nil), part...)
			part[cut] ^= 0xff
		case struck:
			part = part[:cut]
		}
		n, err := w.send(part)
		done += n
		if err == nil && struck && f.Kind == "stall" {
			<-w.ctx.Done()
		}
		if err != nil || struck && f.Kind != "corrupt" {
			// Anything else would end a chunked body as if it were whole.
			panic(http.ErrAbortHandler)
		}
	}
	return done, nil
}

func (w *faulty) send(p []byte) (int, error) {
	for _, l := range w.pacers() {
		if err := l.wait(w.ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n, err := w.ResponseWriter.Write(p)
	w.at += int64(n)
	if err == nil {
		err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return n, err
}

// pacers are those that hold this answer back now.
func (w *faulty) pacers() []*pacer {
	all := []*pacer{w.handler.server.shared.Load(), w.own, w.slow}
	return slices.DeleteFunc(all, func(p *pacer) bool { return p == nil })
}
