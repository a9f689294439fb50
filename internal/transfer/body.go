package transfer

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// take writes the body of an accepted answer to the file. It returns nil at the
// end of the entity, and at the honest end of a part that is shorter than asked.
func (a *attempt) take(ctx context.Context, s *stall, u *url.URL, body io.Reader, ans answer, why string) *Failure {
	length := int64(-1)
	if ans.end >= 0 {
		length = ans.end - ans.start
	}
	if over := a.job.Allowance.Announce(length); over != nil {
		return &Failure{Kind: KindPermanent, Err: over}
	}
	if fail := a.begin(ans, why); fail != nil {
		return fail
	}
	total := max(ans.total, 0)
	if total == 0 {
		total = a.job.Size
	}
	if !a.began && a.job.Events.Began != nil {
		a.job.Events.Began(ans.start, total)
	}
	a.began = true

	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	most, fail := a.pace(ctx, u, 0)
	if fail != nil {
		return fail
	}
	s.start()
	for {
		may, over := a.job.Allowance.Draw(most)
		n, err := a.timed(body, buf[:max(may, 1)]) // one byte shows whether the body ends here
		if n > 0 {
			s.stop()
			a.job.Allowance.Received(n)
			if n > may {
				return &Failure{Kind: KindPermanent, Err: over}
			}
			if fail := a.excess(u, ans, int64(n)); fail != nil {
				return fail
			}
			if fail := a.write(ctx, u, buf[:n]); fail != nil {
				return fail
			}
			if a.job.Events.Progress != nil {
				a.job.Events.Progress(a.held.Bytes, total)
			}
			if most, fail = a.pace(ctx, u, n); fail != nil && err == nil {
				return fail
			}
			s.start()
		}
		if err != nil {
			s.stop()
			return a.end(ctx, u, ans, err)
		}
	}
}

// pace waits as the owner wants after n bytes, and gives how many to read next.
func (a *attempt) pace(ctx context.Context, u *url.URL, n int) (int, *Failure) {
	if a.job.Pace == nil {
		return bufferSize, nil
	}
	most, err := a.job.Pace(ctx, n)
	if err != nil {
		return bufferSize, a.broken(ctx, u, err)
	}
	if most <= 0 || most > bufferSize {
		most = bufferSize
	}
	return most, nil
}

// excess refuses n more bytes when they pass a bound. Then none of the bytes can
// be trusted, and all are given up.
func (a *attempt) excess(u *url.URL, ans answer, n int64) *Failure {
	after := a.held.Bytes + n
	var fail *Failure
	switch {
	case ans.end >= 0 && after > ans.end:
		fail = oddAnswer(redact(u), "the server sent more bytes than it announced")
	case a.job.Size > 0 && after > a.job.Size:
		fail = sizeMismatch(redact(u), a.job.Size, "sends more")
	case a.job.MaxBytes > 0 && after > a.job.MaxBytes:
		fail = tooLarge(redact(u), a.job.MaxBytes)
	default:
		return nil
	}
	return a.discard(fail)
}

// discard gives all bytes up because of fail, which it returns.
func (a *attempt) discard(fail *Failure) *Failure {
	if disk := a.giveUp(fail.Err.Message); disk != nil {
		return disk
	}
	return fail
}

// write appends p to the file, once the journal has room for it.
func (a *attempt) write(ctx context.Context, u *url.URL, p []byte) *Failure {
	e := a.join()
	if err := e.reserve(ctx, int64(len(p))); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return a.broken(ctx, u, err)
		}
		return a.disk("saving progress", err)
	}
	n, err := a.file.WriteAt(p, a.held.Bytes)
	a.held.Bytes += int64(n)
	a.length = a.held.Bytes
	a.progressed = a.progressed || n > 0
	e.wrote(int64(len(p)), int64(n), a.held)
	if err != nil {
		return a.disk("writing the partial file", err)
	}
	return nil
}

// end judges how the body ended.
func (a *attempt) end(ctx context.Context, u *url.URL, ans answer, err error) *Failure {
	got, size := a.held.Bytes, a.job.Size
	switch {
	case !errors.Is(err, io.EOF):
		return a.broken(ctx, u, err)
	case ans.end >= 0 && got < ans.end:
		return a.broken(ctx, u, io.ErrUnexpectedEOF)
	case ans.end >= 0:
		return nil
	case size > 0 && got < size && ans.framed:
		return a.discard(sizeMismatch(redact(u), size, "sent "+decimal(got)))
	case size > 0 && got < size:
		return a.broken(ctx, u, io.ErrUnexpectedEOF)
	}
	a.held.Total = got
	return nil
}
