package peer

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// server is a plain file server on loopback that counts the bytes of its bodies.
// It serves several ranges in one answer as zsync and zchunk expect them (a
// blank line before the first part), which the one of the standard library does not.
type server struct {
	url  string
	dir  string
	sent atomic.Int64
	http *http.Server
}

func serve(dir string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + l.Addr().String(), dir: dir}
	s.http = &http.Server{Handler: s}
	go s.http.Serve(l) //nolint:errcheck // it ends with an error always
	return s, nil
}

func (s *server) close()        { s.http.Close() }
func (s *server) served() int64 { return s.sent.Load() }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(filepath.Join(s.dir, filepath.FromSlash(path.Clean("/"+r.URL.Path))))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out := counting{w, &s.sent}
	spans, err := parseRanges(r.Header.Get("Range"), info.Size())
	if err != nil || len(spans) < 2 {
		http.ServeContent(out, r, info.Name(), info.ModTime(), f)
		return
	}
	var body bytes.Buffer
	for _, p := range spans {
		fmt.Fprintf(&body, "\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %d-%d/%d\r\n\r\n", boundary, p[0], p[1], info.Size())
		if _, err := io.Copy(&body, io.NewSectionReader(f, p[0], p[1]-p[0]+1)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	fmt.Fprintf(&body, "\r\n--%s--\r\n", boundary)
	w.Header().Set("Content-Type", "multipart/byteranges; boundary="+boundary)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len())) // else it would come in pieces, which zsync cannot read
	w.WriteHeader(http.StatusPartialContent)
	out.Write(body.Bytes()) //nolint:errcheck // the reader is gone
}

const boundary = "larderbenchpart"

// parseRanges gives the first and last byte of each range of the header.
func parseRanges(header string, size int64) (all [][2]int64, err error) {
	list, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil, nil
	}
	for one := range strings.SplitSeq(list, ",") {
		var p [2]int64
		if _, err := fmt.Sscanf(strings.TrimSpace(one), "%d-%d", &p[0], &p[1]); err != nil {
			return nil, err
		}
		if p[1] = min(p[1], size-1); p[0] < 0 || p[0] > p[1] {
			return nil, fmt.Errorf("range %q of %d bytes", one, size)
		}
		all = append(all, p)
	}
	return all, nil
}

// counting counts the bytes of bodies.
type counting struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.sent.Add(int64(n))
	return n, err
}
