package faulty

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// writer stands between a handler and the socket.
type writer struct {
	http.ResponseWriter
	file    *file
	ctx     context.Context
	serving Serving
	slow    *Pace
	changes int // the body is altered as often
	began   bool
	whole   bool  // the answer is a file, or a range of one
	size    int64 // of the file; 0 means unknown
	at      int64 // offset in the file of the next byte
}

func (w *writer) WriteHeader(status int) {
	header := w.Header()
	switch status {
	case http.StatusOK:
		w.whole, w.size = true, number(header.Get("Content-Length"))
	case http.StatusPartialContent:
		span, size, _ := strings.Cut(strings.TrimPrefix(header.Get("Content-Range"), "bytes "), "/")
		first, _, _ := strings.Cut(span, "-")
		w.whole, w.at, w.size = true, number(first), number(size)
	}
	w.began = w.began || status >= 200
	if w.changes > 0 {
		changeTags(header, w.changes)
	}
	w.ResponseWriter.WriteHeader(status)
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Write sends p in pieces, each at its pace and up to the next fault.
func (w *writer) Write(p []byte) (int, error) {
	if !w.began {
		w.WriteHeader(http.StatusOK)
	}
	piece, done := 16<<10, 0
	for _, l := range w.paces() {
		piece = min(piece, l.Piece())
	}
	for done < len(p) {
		part := p[done:min(len(p), done+piece)]
		x, cut := w.strikes(int64(len(part)))
		switch {
		case x.Kind == Corrupt:
			part = append([]byte(nil), part...)
			part[cut] ^= 0xff
		case x.Kind != "":
			part = part[:cut]
		}
		n, err := w.send(part)
		done += n
		if err == nil && x.Kind == Stall {
			<-w.ctx.Done()
		}
		if err != nil || x.Kind == Stall || x.Kind == Drop {
			// Anything else would end a chunked body as if it were whole.
			panic(http.ErrAbortHandler)
		}
	}
	return done, nil
}

// strikes finds what strikes the next length bytes, and how far from their begin.
func (w *writer) strikes(length int64) (x Fault, cut int64) {
	if !w.whole {
		return Fault{}, 0
	}
	x, struck := w.file.strike(func(x *strike) bool {
		at := int64(-1)
		if x.Kind == Drop || x.Kind == Stall || x.Kind == Corrupt {
			at = w.file.place(x, w.size)
		}
		cut = at - w.at
		if x.Kind == Corrupt {
			return at >= 0 && cut >= 0 && cut < length
		}
		return at >= 0 && cut > 0 && cut <= length && (w.size == 0 || at < w.size)
	})
	if struck {
		w.serving.Struck(x.Word)
	}
	return x, cut
}

func (w *writer) send(p []byte) (int, error) {
	for _, l := range w.paces() {
		if err := l.Wait(w.ctx, len(p)); err != nil {
			return 0, err
		}
	}
	if w.changes > 0 {
		p = altered(p, w.changes)
	}
	n, err := w.ResponseWriter.Write(p)
	w.at += int64(n)
	if err == nil {
		err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return n, err
}

// paces are those that hold this answer back now.
func (w *writer) paces() []*Pace {
	all := []*Pace{w.slow}
	if w.serving.Paces != nil {
		all = append(all, w.serving.Paces()...)
	}
	return slices.DeleteFunc(all, func(p *Pace) bool { return p == nil })
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
