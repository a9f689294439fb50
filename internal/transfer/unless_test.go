package transfer

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWhatTheOwnerHasIsNotFetchedAgain(t *testing.T) {
	long := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct{ tag, modified, want string }{
		"strong tag":      {`"one"`, "", `"one"`},
		"weak tag":        {`W/"one"`, long, `W/"one"`},
		"date":            {"", long, long},
		"date of now":     {"", time.Now().UTC().Format(http.TimeFormat), ""},
		"nothing":         {"", "", ""},
		"malformed tag":   {`one`, long, ""},
		"tag with spaces": {`"o n e"`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Handle("/f", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if c.tag != "" {
					w.Header().Set("ETag", c.tag)
				}
				if c.modified != "" {
					w.Header().Set("Last-Modified", c.modified)
				}
				if h := q.Header; h.Get("If-None-Match") != "" && h.Get("If-None-Match") == c.tag || h.Get("If-Modified-Since") != "" && h.Get("If-Modified-Since") == c.modified {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = w.Write([]byte("text")) // the client's side is judged
			}))
			var got string
			j := r.job("/f", Held{})
			j.Events.Named = func(s string) { got = s }
			if held, fail := r.fetch(j); fail != nil || held.Bytes != 4 {
				t.Fatal(held, fail)
			}
			if got != c.want {
				t.Fatalf("it is named %q, not %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			again := r.job("/f", Held{})
			again.Path += ".again"
			again.Unless = got
			if held, err := r.fetcher.Fetch(t.Context(), again); !errors.Is(err, ErrUnchanged) || held != (Held{}) {
				t.Errorf("the same again gave %+v, %v", held, err)
			}
			again.Unless = `"other"`
			if held, fail := r.fetch(again); fail != nil || held.Bytes != 4 {
				t.Errorf("another gave %+v, %v", held, fail)
			}
		})
	}
}

func TestAnAnswerThatNobodyAskedForIsNoGoodNews(t *testing.T) {
	r := newRig(t)
	r.Handle("/f", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }))
	if _, fail := r.fetch(r.job("/f", Held{})); fail == nil {
		t.Error("304 without a condition passed for the file")
	}
	if d, err := r.fetcher.Document(t.Context(), Job{ID: "d", URL: r.URL + "/f", MaxBytes: 10}, ""); err == nil {
		t.Errorf("304 without a condition passed for a document: %+v", d)
	}
}

// A condition holds for the whole alone: what is held of an entity is gone on with.
func TestAPartIsAskedForWithoutTheCondition(t *testing.T) {
	r := newRig(t)
	var conditions []string
	r.Handle("/f", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		conditions = append(conditions, q.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"new"`)
		w.Header().Set("Content-Range", "bytes 2-3/4")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("xt")) // the client's side is judged
	}))
	r.write(strings.NewReader("te"))
	j := r.job("/f", Held{Bytes: 2, Validator: `"new"`, Total: 4})
	j.Unless = `"old"`
	var named string
	j.Events.Named = func(s string) { named = s }
	held, fail := r.fetch(j)
	if fail != nil || held.Bytes != 4 || named != `"new"` || len(conditions) != 1 || conditions[0] != "" {
		t.Errorf("%+v, %v, named %q, conditions %q", held, fail, named, conditions)
	}
}
