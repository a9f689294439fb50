package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"time"

	"larder/asset"
)

// Document is a small entity, in memory.
type Document struct {
	Bytes     []byte
	Validator string // names it, for a later condition; or empty
	Unchanged bool   // the server says that the validator asked with still holds
}

// LeastDocument is how many bytes a second the slowest server brings that a document is fetched from:
// documents are small, and who waits for one must be told in the end.
const LeastDocument = 4 << 10

// Document asks for an entity of at most j.MaxBytes (more is 1012), whole, under the rules
// of a job; j has no Path and holds nothing. With a validator the answer may be
// Unchanged. An entity that the server does not have is fs.ErrNotExist. All other
// errors are a *Failure.
func (f *Fetcher) Document(ctx context.Context, j Job, validator string) (Document, error) {
	a := attempt{Fetcher: f.withDefaults(), job: j}
	if j.Transport != nil {
		a.Transport = j.Transport
	}
	if a.job.Allowance == nil {
		a.job.Allowance = unlimited{}
	}
	if a.job.Floor == nil {
		a.job.Floor = &Floor{Least: LeastDocument}
	}
	a.job.Unless = validator
	if fail := checkJob(&a.job); fail != nil {
		return Document{}, fail
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := newStall(a.Stall, func() { cancel(errStalled) })
	defer s.stop()
	res, u, fail := a.exchange(ctx, s, "", "")
	if fail != nil {
		return Document{}, fail
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if validator == "" {
			return Document{}, badStatus(redact(u), res, time.Now())
		}
		return Document{Validator: validator, Unchanged: true}, nil
	case http.StatusNotFound, http.StatusGone:
		return Document{}, &fs.PathError{Op: "fetch", Path: redact(u), Err: fs.ErrNotExist}
	default:
		return Document{}, badStatus(redact(u), res, time.Now())
	}
	if res.ContentLength > j.MaxBytes {
		return Document{}, tooLarge(redact(u), j.MaxBytes)
	}
	if over := a.job.Allowance.Announce(res.ContentLength); over != nil {
		return Document{}, &Failure{Kind: KindPermanent, Err: over}
	}
	s.start()
	b, err := io.ReadAll(io.LimitReader(metered{&a, res.Body, s}, j.MaxBytes+1))
	var over *asset.Error
	switch {
	case errors.As(err, &over):
		return Document{}, &Failure{Kind: KindPermanent, Err: over}
	case err != nil:
		return Document{}, a.broken(ctx, u, err)
	case int64(len(b)) > j.MaxBytes:
		return Document{}, tooLarge(redact(u), j.MaxBytes)
	}
	return Document{Bytes: b, Validator: nameOf(res, Held{})}, nil
}

// metered counts what a body brings, and takes it for progress.
type metered struct {
	*attempt
	body  io.Reader
	stall *stall
}

func (m metered) Read(p []byte) (int, error) {
	may, over := m.job.Allowance.Draw(len(p))
	n, err := m.timed(m.body, p[:min(max(may, 1), len(p))]) // one byte shows whether the body ends here
	m.stall.touch()
	if n > 0 {
		m.job.Allowance.Received(n)
		if n > may {
			return 0, over
		}
	}
	return n, err
}
