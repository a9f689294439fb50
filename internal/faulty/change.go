package faulty

import (
	"net/http"
	"strconv"
	"strings"
)

// A file that has changed has other bytes of the same number, another entity tag, and
// no date: of the two validators only one is said to be strong.

func suffix(changes int) string { return "~" + strconv.Itoa(changes) + `"` }

// altered is a copy of p whose every byte is another.
func altered(p []byte, changes int) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = b ^ byte(1+(changes-1)%255)
	}
	return out
}

// changeTags gives an answer the entity tag that the file has now.
func changeTags(h http.Header, changes int) {
	if tag := h.Get("ETag"); strings.HasSuffix(tag, `"`) {
		h.Set("ETag", strings.TrimSuffix(tag, `"`)+suffix(changes))
	}
	h.Del("Last-Modified")
}

// restoreTags makes the conditions of a request those that the sound handler would
// hear: the tag that the file has now is its own tag, and all others match nothing.
func restoreTags(h http.Header, changes int) {
	own := func(name string) bool {
		tag, ok := strings.CutSuffix(h.Get(name), suffix(changes))
		if ok {
			h.Set(name, tag+`"`)
		} else {
			h.Del(name)
		}
		return ok
	}
	if h.Get("If-Range") != "" && !own("If-Range") {
		h.Del("Range")
	}
	own("If-None-Match")
	h.Del("If-Modified-Since")
}
