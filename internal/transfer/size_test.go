package transfer

import (
	"net/http"
	"os"
	"testing"

	"larder/asset"
	"larder/internal/fault"
)

func TestSizesAreHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		file fault.File
		size int64
		max  int64
		kind Kind // "" succeeds
		code asset.Code
		left int64 // bytes in the file afterwards; -1: no file at all
	}{
		{name: "size unknown", file: fault.File{Content: small}, left: small.Size},
		{name: "chunked, size unknown", file: fault.File{Content: small, Chunked: true}, left: small.Size},
		{name: "chunked, size right", file: fault.File{Content: small, Chunked: true}, size: small.Size, left: small.Size},
		{name: "empty", file: fault.File{Content: fault.Content(1, 0)}, left: 0},
		{name: "announced longer", file: fault.File{Content: small}, size: 1, kind: KindPermanent, code: asset.CodeSizeMismatch, left: -1},
		{name: "announced empty", file: fault.File{Content: fault.Content(1, 0)}, size: 1, kind: KindPermanent, code: asset.CodeSizeMismatch, left: -1},
		{name: "chunked longer", file: fault.File{Content: small, Chunked: true}, size: 200 << 10, kind: KindPermanent, code: asset.CodeSizeMismatch},
		{name: "chunked shorter", file: fault.File{Content: small, Chunked: true}, size: 400 << 10, kind: KindPermanent, code: asset.CodeSizeMismatch},
		{name: "too large", file: fault.File{Content: small}, max: 1000, kind: KindPermanent, code: asset.CodeTooLarge, left: -1},
		{name: "chunked too large", file: fault.File{Content: small, Chunked: true}, max: 1000, kind: KindPermanent, code: asset.CodeTooLarge},
		{name: "just not too large", file: fault.File{Content: small}, max: small.Size, left: small.Size},
		{name: "shorter than announced", file: fault.File{Content: small, Script: "drop@200KiB"}, size: small.Size, kind: KindConnectivity, code: asset.CodeNetwork, left: 200 << 10},
		{name: "chunked and cut", file: fault.File{Content: small, Chunked: true, Script: "drop@200KiB"}, kind: KindConnectivity, code: asset.CodeNetwork, left: 200 << 10},
		{name: "encoded, stored as sent", file: fault.File{Content: small, Rewrite: func(s int, h http.Header) int {
			h.Set("Content-Encoding", "gzip")
			return s
		}}, size: small.Size, left: small.Size},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", c.file)
			j := r.job("/a", Held{})
			j.Size, j.MaxBytes = c.size, c.max
			held, fail := r.fetch(j)
			if c.kind == "" {
				r.wantWhole(c.file.Content, held, fail)
				return
			}
			wantFailure(t, fail, c.kind)
			if fail.Err.Code != c.code {
				t.Errorf("code %v: %v", fail.Err.Code, fail)
			}
			if c.left < 0 {
				if _, err := os.Stat(r.path); !os.IsNotExist(err) {
					t.Errorf("a partial file was made: %v", err)
				}
				return
			}
			r.wantFile(c.file.Content, c.left)
			if held.Bytes != c.left {
				t.Errorf("held %+v; want %d bytes", held, c.left)
			}
		})
	}
}

func TestConnectionCloseIsNoProofOfTheEnd(t *testing.T) {
	r := newRig(t)
	r.Handle("/a", r.Raw("HTTP/1.0 200 OK\r\n\r\nhello"))
	j := r.job("/a", Held{})
	j.Size = 6
	_, fail := r.fetch(j)
	wantFailure(t, fail, KindConnectivity)
	j.Size = 5
	held, fail := r.fetch(j)
	if fail != nil || held.Bytes != 5 || held.Total != 5 {
		t.Errorf("held %+v, %v", held, fail)
	}
}
