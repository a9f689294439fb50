package extension

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"larder/asset"
)

func frameOf(t testing.TB, text []byte) *frame {
	f := &frame{}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func depthOf(text []byte) int {
	depth, most := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth--
		}
	}
	return most
}

// The scanner must accept exactly what encoding/json accepts, and parsing and
// walking whatever it is given must neither panic nor lose bytes.
func FuzzLine(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"downloads":[{"identifier":"a","fileSize":3}]}}`,
		`{"jsonrpc":"2.0","id":"x","method":"scheduleDownload","params":{"download":{"body":"AAAA"}}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`,
		"[1, -0.5e+3, \"\\u00e9\\n\", true, false, null, {}]", "01", "-", "1.", "\"\\ud800\"", "\"\x00\"", "{\"a\":1,}", "[\x10]", " \r\n\t0 ",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fr := frameOf(t, text)
		s := &scanner{f: fr}
		_, err := s.value()
		accepted := err == nil && s.end()
		if depthOf(text) <= MaxNesting && accepted != json.Valid(text) {
			t.Fatalf("scanner accepts %q: %v; encoding/json: %v", text, accepted, json.Valid(text))
		}
		m, err := parse(fr)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("parsed what is not JSON: %q", text)
		}
		if m.result != (span{}) {
			if !json.Valid(fr.bytes(m.result)) {
				t.Fatalf("the result of %q is %q", text, fr.bytes(m.result))
			}
			_ = eachDownload(fr, m.result, func(asset.Download) error { return nil })
		}
		_, _ = scheduled(m)
	})
}

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\n\nb"), uint32(3))
	f.Add([]byte("abc\n"), uint32(chunkSize))
	f.Fuzz(func(t *testing.T, text []byte, times uint32) {
		text = bytes.Repeat(text, int(times%200000)/(len(text)+1)+1)
		l := newLineReader(bytes.NewReader(text))
		var got []byte
		for {
			fr, err := l.next()
			if err == io.EOF {
				break
			}
			if err == io.ErrUnexpectedEOF {
				got = append(got, l.line.bytes(span{0, l.line.n})...)
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := fr.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), fr.bytes(span{0, fr.n})) {
				t.Fatal("WriteTo and bytes differ")
			}
			got = append(append(got, out.Bytes()...), '\n')
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("lines do not add up: %d bytes of %d", len(got), len(text))
		}
	})
}

func TestASpanAcrossChunksIsRead(t *testing.T) {
	text := `{"x":"` + strings.Repeat("é", chunkSize) + `"}`
	fr := frameOf(t, []byte(text))
	if got := string(fr.bytes(span{0, fr.n})); got != text {
		t.Error("the text differs")
	}
	if got := string(fr.bytes(span{chunkSize - 1, chunkSize + 1})); got != text[chunkSize-1:chunkSize+1] {
		t.Errorf("%q", got)
	}
}
