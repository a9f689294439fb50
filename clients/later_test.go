package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// unknownEvent is a kind of line that no client knows.
const unknownEvent = "future"

// future passes calls on, and gives every object of every answer a field that no
// client knows; after each line of a stream comes one of an unknown kind.
func future(to http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     to,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "larder"})
			r.Out.Host = "larder"
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Content-Length")
			r.ContentLength = -1
			in, stream := r.Body, r.Header.Get("Content-Type") == "application/x-ndjson"
			if r.StatusCode == http.StatusNoContent {
				return nil
			}
			out, w := io.Pipe()
			r.Body = struct {
				io.Reader
				io.Closer
			}{out, in}
			go func() { w.CloseWithError(decorate(w, in, stream)) }()
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as if nobody listened
	}
}

func decorate(to io.Writer, from io.Reader, stream bool) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		text := append(more(lines.Bytes()), '\n')
		if stream {
			text = append(text, `{"type":"`+unknownEvent+`","matter":{"new":true}}`+"\n"...)
		}
		if _, err := to.Write(text); err != nil {
			return err
		}
	}
	return lines.Err()
}

// more adds a field to every object in text.
func more(text []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return text
	}
	extend(v)
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return out
}

func extend(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			extend(e)
		}
	case map[string]any:
		for _, e := range v {
			extend(e)
		}
		v["future"] = map[string]any{"is": []any{1, nil}}
	}
}
