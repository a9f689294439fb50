package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"larder/asset"
)

// Stretch is some bytes of an entity that never changes, and whose reader proves
// them itself: no validator is needed to go on in the middle.
type Stretch struct {
	// Job says whence and under which rules, as for Fetch: URL, Headers, Challenge,
	// Transport, Allowance, Allow and Pace. Its Size is the length of the entity.
	Job
	Offset int64
	Length int64 // at least 1
	// Received follows each read that brought bytes; nil for none.
	Received func(n int)
}

// ErrNoRanges is in the chain of a Failure of Open when the server sends the whole
// entity to whoever asks for a part. Fetch it as a whole.
var ErrNoRanges = errors.New("the server does not answer ranges")

// Open asks for a stretch. The reader gives exactly its bytes, and goes on by
// itself, where it stopped, when a connection breaks that brought some; any other end
// is a *Failure. A server without ranges may serve what begins at 0. The caller closes it; ctx is that of all its reads.
func (f *Fetcher) Open(ctx context.Context, s Stretch) (io.ReadCloser, error) {
	r := &stretch{attempt: attempt{Fetcher: f.withDefaults(), job: s.Job}, want: s, at: s.Offset, most: bufferSize}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	if s.Transport != nil {
		r.attempt.Transport = s.Transport
	}
	if r.job.Allowance == nil {
		r.job.Allowance = unlimited{}
	}
	r.stall = newStall(r.Stall, func() { r.cancel(errStalled) })
	if fail := checkJob(&r.job); fail != nil {
		return nil, r.end(fail)
	}
	if fail := r.ask(); fail != nil {
		return nil, r.end(fail)
	}
	return r, nil
}

// stretch is a Stretch on its way.
type stretch struct {
	attempt
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  *stall
	want   Stretch
	at     int64 // offset of the next byte
	came   bool  // the present answer brought some
	most   int   // to read next
	url    *url.URL
	body   io.ReadCloser // nil: to be asked for
	failed error
}

func (r *stretch) left() int64 { return r.want.Offset + r.want.Length - r.at }

// ask requests what is still wanted.
func (r *stretch) ask() *Failure {
	r.came = false
	res, u, fail := r.exchange(r.ctx, r.stall, decimal(r.at)+"-"+decimal(r.at+r.left()-1), "")
	if fail != nil {
		return fail
	}
	r.url, r.body = u, res.Body
	if fail := r.judgeStretch(res); fail != nil {
		_ = res.Body.Close()
		r.body = nil
		return fail
	}
	if over := r.job.Allowance.Announce(r.left()); over != nil {
		return &Failure{Kind: KindPermanent, Err: over}
	}
	if r.most, fail = r.pace(r.ctx, u, 0); fail != nil {
		return fail
	}
	return nil
}

// judgeStretch holds the head of an answer against what was asked.
func (r *stretch) judgeStretch(res *http.Response) *Failure {
	subject := redact(r.url)
	switch {
	case res.StatusCode == http.StatusOK && r.at > 0:
		return failure(KindPermanent, asset.CodeServer, subject, "the server does not answer ranges", "serve the file with ranges", ErrNoRanges)
	case res.StatusCode == http.StatusOK:
		if res.ContentLength >= 0 && res.ContentLength != r.want.Size {
			return sizeMismatch(subject, r.want.Size, "announces "+decimal(res.ContentLength))
		}
	case res.StatusCode == http.StatusPartialContent:
		p, ok := parseContentRange(res.Header.Get("Content-Range"))
		switch {
		case !ok || p.start != r.at || p.end > r.at+r.left() || p.end < r.at+min(r.left(), minPart):
			return oddAnswer(subject, "the server sent another range than the one asked for")
		case p.total >= 0 && p.total != r.want.Size:
			return sizeMismatch(subject, r.want.Size, "has "+decimal(p.total))
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return sizeMismatch(subject, r.want.Size, "has fewer")
	default:
		return badStatus(subject, res, time.Now())
	}
	return nil
}

// Read gives the next bytes.
func (r *stretch) Read(p []byte) (int, error) {
	for {
		switch {
		case r.failed != nil:
			return 0, r.failed
		case r.left() == 0:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		if r.body == nil {
			if fail := r.ask(); fail != nil {
				return 0, r.end(fail)
			}
		}
		n, err := r.read(p[:min(int64(len(p)), r.left(), int64(r.most))])
		if n > 0 {
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}

// read makes one read of the present answer; an answer that broke after it brought
// something is asked for again.
func (r *stretch) read(p []byte) (int, error) {
	may, over := r.job.Allowance.Draw(len(p))
	if over != nil {
		return 0, r.end(&Failure{Kind: KindPermanent, Err: over})
	}
	r.stall.start()
	n, err := r.timed(r.body, p[:may])
	r.stall.stop()
	if n > 0 {
		r.job.Allowance.Received(n)
		r.at += int64(n)
		r.came = true
		if r.want.Received != nil {
			r.want.Received(n)
		}
		var fail *Failure
		if r.most, fail = r.pace(r.ctx, r.url, n); fail != nil {
			return n, r.end(fail)
		}
	}
	if err == nil || r.left() == 0 {
		return n, nil
	}
	_ = r.body.Close() // it gave all that it will
	r.body = nil
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	fail := r.broken(r.ctx, r.url, err)
	fail.Progressed = r.came
	if fail.Kind == KindConnectivity && r.came && context.Cause(r.ctx) == nil {
		return n, nil
	}
	return n, r.end(fail)
}

// end makes fail the answer to all reads to come.
func (r *stretch) end(fail *Failure) error {
	fail.Progressed = fail.Progressed || r.at > r.want.Offset
	r.failed = fail
	r.stall.stop()
	return fail
}

// Close ends the request.
func (r *stretch) Close() error {
	r.stall.stop()
	r.cancel(nil)
	if r.body != nil {
		_ = r.body.Close()
	}
	if r.failed == nil {
		r.failed = io.ErrClosedPipe
	}
	return nil
}
