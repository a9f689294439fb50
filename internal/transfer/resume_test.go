package transfer

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/internal/fault"
)

var small = fault.Content(1, 300<<10)

func TestWholeFileIsFetchedRecordedAndAsksNothingThatIdentifies(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: small})
	var began []int64
	j := r.job("/a?token=secret", Held{})
	j.Size, j.Headers = small.Size, map[string]string{"X-App": "1"}
	j.Events.Began = func(offset, total int64) { began = append(began, offset, total) }
	var last int64
	j.Events.Progress = func(n, _ int64) {
		if n <= last {
			t.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	}
	held, fail := r.fetch(j)
	r.wantWhole(small, held, fail)
	if diff := cmp.Diff([]int64{0, small.Size}, began); diff != "" {
		t.Error(diff)
	}
	want := []Mark{{"job", Held{0, small.ETag(), small.Size}}, {"job", Held{small.Size, small.ETag(), small.Size}}}
	if first := r.marks[0]; first != want[0] {
		t.Errorf("first mark %+v; want %+v", first, want[0])
	}
	if end := r.marks[len(r.marks)-1]; end != want[1] {
		t.Errorf("last mark %+v; want %+v", end, want[1])
	}
	reqs := r.Requests()
	wantHeader := http.Header{"User-Agent": {"Larder/1"}, "Accept-Encoding": {"identity"}, "X-App": {"1"}}
	if len(reqs) != 1 || reqs[0].Method != "GET" {
		t.Fatalf("requests: %+v; want one GET", reqs)
	}
	if diff := cmp.Diff(wantHeader, reqs[0].Header); diff != "" {
		t.Error(diff)
	}
	if last != small.Size {
		t.Errorf("progress ended at %d", last)
	}
}

func TestResumeAsksOnlyForTheRest(t *testing.T) {
	for _, extra := range []string{"", "bytes the owner does not trust"} {
		r := newRig(t)
		r.Put("/a", fault.File{Content: small})
		held := r.hold(small, 100<<10)
		f := io.MultiReader(io.NewSectionReader(small, 0, held.Bytes), io.LimitReader(zeros{}, int64(len(extra))))
		r.write(f)
		got, fail := r.fetch(r.job("/a", held))
		r.wantWhole(small, got, fail)
		reqs := r.Requests()
		if len(reqs) != 1 || reqs[0].Header.Get("Range") != "bytes=102400-" || reqs[0].Header.Get("If-Range") != small.ETag() {
			t.Errorf("requests: %+v", reqs)
		}
		if len(r.resets) != 0 {
			t.Errorf("bytes were given up: %q", r.resets)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestShorterFileIsResumedFromItsLength(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: small})
	held := r.hold(small, 50<<10)
	held.Bytes = 100 << 10
	got, fail := r.fetch(r.job("/a", held))
	r.wantWhole(small, got, fail)
	if reqs := r.Requests(); reqs[0].Start != 50<<10 {
		t.Errorf("asked from %d", reqs[0].Start)
	}
}

func TestCompleteFileNeedsNoRequest(t *testing.T) {
	r := newRig(t)
	held := r.hold(small, small.Size)
	got, fail := r.fetch(r.job("/a", held))
	r.wantWhole(small, got, fail)
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	if len(r.marks) != 1 || r.marks[0].Held != held {
		t.Errorf("marks %+v; a complete file must be on record", r.marks)
	}
}

func TestLastModifiedServesAsValidatorOnlyWhenStrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		age    time.Duration
		etag   string
		resume bool
	}{{"old", time.Hour, "none", true}, {"fresh", time.Second, "none", false}, {"beside a weak tag", time.Hour, `W/"x"`, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", fault.File{Content: small, ETag: c.etag, Modified: time.Now().Add(-c.age), Script: "drop@200KiB"})
			held, fail := r.fetch(r.job("/a", Held{}))
			wantFailure(t, fail, KindConnectivity)
			if (held.Validator != "") != c.resume || held.Bytes == 0 || !fail.Progressed {
				t.Fatalf("held %+v", held)
			}
			got, fail := r.fetch(r.job("/a", held))
			r.wantWhole(small, got, fail)
			if start := r.Requests()[1].Start; (start == held.Bytes) != c.resume {
				t.Errorf("second request began at %d", start)
			}
		})
	}
}

// Each case resumes at 100 KiB and is answered badly; the file must end whole and
// the bytes held be given up, unless the answer to the whole fails too.
func TestBadAnswerToRangeStartsOver(t *testing.T) {
	header := func(name, value string) func(int, http.Header) int {
		return func(status int, h http.Header) int {
			if status == http.StatusPartialContent {
				h[name] = nil
				if value != "" {
					h.Set(name, value)
				}
			}
			return status
		}
	}
	other := fault.Content(2, 310<<10)
	for _, c := range []struct {
		name     string
		file     fault.File
		requests int
	}{
		{"200", fault.File{Content: small, IgnoreRange: true}, 1},
		{"entity changed", fault.File{Content: other}, 1},
		{"other start", fault.File{Content: small, Rewrite: header("Content-Range", "bytes 0-204799/307200")}, 2},
		{"other total", fault.File{Content: small, Rewrite: header("Content-Range", "bytes 102400-307199/307201")}, 2},
		{"other unit", fault.File{Content: small, Rewrite: header("Content-Range", "items 102400-307199/307200")}, 2},
		{"no range", fault.File{Content: small, Rewrite: header("Content-Range", "")}, 2},
		{"malformed range", fault.File{Content: small, Rewrite: header("Content-Range", "bytes 102400-/x")}, 2},
		{"length of another range", fault.File{Content: small, Rewrite: header("Content-Range", "bytes 102400-307000/307200")}, 2},
		{"several ranges", fault.File{Content: small, Rewrite: header("Content-Type", "multipart/byteranges; boundary=x")}, 2},
		{"other strong tag", fault.File{Content: small, Rewrite: header("Etag", `"other"`)}, 2},
		{"weak tag", fault.File{Content: small, Rewrite: header("Etag", "W/"+small.ETag())}, 2},
		{"416", fault.File{Content: small, Rewrite: func(status int, h http.Header) int {
			if status == http.StatusPartialContent {
				return http.StatusRequestedRangeNotSatisfiable
			}
			return status
		}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", c.file)
			held, fail := r.fetch(r.job("/a", r.hold(small, 100<<10)))
			r.wantWhole(c.file.Content, held, fail)
			if n := len(r.Requests()); n != c.requests {
				t.Errorf("%d requests; want %d", n, c.requests)
			}
			if len(r.resets) != 1 || r.resets[0] == "" {
				t.Errorf("resets %q; want one with a reason", r.resets)
			}
			if r.marks[0].Held != (Held{}) {
				t.Errorf("first mark %+v; the loss must be recorded first", r.marks[0])
			}
		})
	}
}

func TestBytesHeldOutliveAnUnhelpfulAnswer(t *testing.T) {
	for name, file := range map[string]fault.File{
		"503":            {Content: small, Script: "status=503"},
		"404":            {Content: small, Script: "status=404"},
		"wrong size":     {Content: fault.Content(3, 5), IgnoreRange: true},
		"206 and no 200": {Content: small, Rewrite: func(int, http.Header) int { return http.StatusTeapot }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", file)
			j := r.job("/a", r.hold(small, 100<<10))
			j.Size = small.Size
			held, fail := r.fetch(j)
			if fail == nil || held != j.Held || len(r.resets) != 0 || len(r.marks) != 0 {
				t.Errorf("held %+v, failure %v, resets %q, marks %v", held, fail, r.resets, r.marks)
			}
			r.wantFile(small, 100<<10)
		})
	}
}

func TestRangeIsNeverSentWhenItCannotBeTrusted(t *testing.T) {
	for name, change := range map[string]func(*Job){
		"weak tag":           func(j *Job) { j.Held.Validator = "W/" + j.Held.Validator },
		"no validator":       func(j *Job) { j.Held.Validator = "" },
		"garbage validator":  func(j *Job) { j.Held.Validator = "x\r\ny" },
		"POST":               func(j *Job) { j.Method, j.Body = "POST", []byte("q") },
		"size changed":       func(j *Job) { j.Size, j.Held.Total = small.Size, small.Size+1 },
		"more than there is": func(j *Job) { j.Held.Total = 10 },
		"negative":           func(j *Job) { j.Held.Bytes = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Put("/a", fault.File{Content: small})
			j := r.job("/a", r.hold(small, 100<<10))
			change(&j)
			held, fail := r.fetch(j)
			r.wantWhole(small, held, fail)
			if reqs := r.Requests(); len(reqs) != 1 || reqs[0].Header.Get("Range") != "" || reqs[0].Header.Get("If-Range") != "" {
				t.Errorf("requests %+v", reqs)
			}
		})
	}
}

func TestShortPartsAreContinuedAtOnceUnlessTheyAreCrumbs(t *testing.T) {
	for _, c := range []struct {
		part     int64
		requests int
		resets   int
	}{{80 << 10, 3, 0}, {1 << 10, 2, 1}} {
		r := newRig(t)
		r.Handle("/a", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			var start int64
			if s := q.Header.Get("Range"); s != "" {
				p, ok := parseContentRange("bytes " + s[len("bytes="):] + "999999/*")
				if !ok {
					t.Errorf("range %q", s)
				}
				start = p.start
				end := min(start+c.part, small.Size)
				w.Header().Set("Content-Range", "bytes "+decimal(start)+"-"+decimal(end-1)+"/"+decimal(small.Size))
				w.Header().Set("Content-Length", decimal(end-start))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = io.Copy(w, io.NewSectionReader(small, start, end-start))
				return
			}
			_, _ = io.Copy(w, small.Reader())
		}))
		held, fail := r.fetch(r.job("/a", r.hold(small, 100<<10)))
		r.wantWhole(small, held, fail)
		if len(r.Requests()) != c.requests || len(r.resets) != c.resets {
			t.Errorf("parts of %d: %d requests, resets %q", c.part, len(r.Requests()), r.resets)
		}
	}
}

func TestPartThatNobodyAskedForIsRefused(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: small, Rewrite: func(int, http.Header) int { return http.StatusPartialContent }})
	_, fail := r.fetch(r.job("/a", Held{}))
	wantFailure(t, fail, KindServer)
	if fail.Err.Code != asset.CodeServer {
		t.Errorf("code %v", fail.Err.Code)
	}
}
