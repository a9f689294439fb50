package transfer

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"larder/internal/fsx"
)

// attempt is one run of Fetch.
type attempt struct {
	Fetcher
	job  Job
	held Held // as the file stands; durable only once the journal says so

	file       fsx.File // nil while there is none
	length     int64    // of the file
	entry      *entry   // nil until something is to be recorded
	began      bool
	progressed bool
	unchanged  bool // see ErrUnchanged

	login               *login // nil until the owner has answered a challenge
	refused, challenges int
}

// open checks the job and looks at the partial file, without making one.
func (a *attempt) open() *Failure {
	if fail := checkJob(&a.job); fail != nil {
		return fail
	}
	if a.held.Bytes < 0 || a.held.Total < 0 {
		a.held = Held{}
	}
	f, err := a.FS.OpenFile(a.job.Path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		a.held.Bytes = 0
		return nil
	}
	if err != nil {
		return a.disk("opening the partial file", err)
	}
	a.file = f
	info, err := f.Stat()
	if err != nil {
		return a.disk("reading the partial file", err)
	}
	if !info.Mode().IsRegular() {
		return a.disk("reading the partial file", errors.New("it is not a regular file"))
	}
	a.length = info.Size()
	a.held.Bytes = min(a.held.Bytes, a.length)
	return nil
}

// run asks until the entity is complete. A request without a Range always ends
// it, well or badly; one with a Range may be followed by another only after real
// progress. So it ends.
func (a *attempt) run(ctx context.Context) *Failure {
	if a.complete() {
		return a.settle()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := newStall(a.Stall, func() { cancel(errStalled) })
	defer s.stop()

	why := a.unusable()
	for {
		asked, part := Held{}, ""
		if why == "" {
			asked, part = a.held, decimal(a.held.Bytes)+"-"
		}
		res, u, fail := a.exchange(ctx, s, part, asked.Validator)
		if fail != nil {
			return fail
		}
		if at := retryAfter(res.Header, time.Now()); !at.IsZero() && a.job.Events.NotBefore != nil {
			a.job.Events.NotBefore(at)
		}
		if part == "" && a.job.Unless != "" && res.StatusCode == http.StatusNotModified {
			a.unchanged = true
			return closed(res)
		}
		ans, again, fail := a.judge(redact(u), res, asked)
		if fail == nil && again == "" {
			if a.job.Events.Named != nil {
				a.job.Events.Named(nameOf(res, asked))
			}
			if ans.start == 0 && asked.Bytes > 0 {
				why = "the server sent the whole file, not the rest"
			}
			fail = a.take(ctx, s, u, res.Body, ans, why)
		}
		_ = res.Body.Close()
		switch {
		case fail != nil:
			return fail
		case again == "" && a.held.Bytes == a.held.Total:
			return nil
		}
		why = again
	}
}

// closed ends an answer that has no body.
func closed(res *http.Response) *Failure {
	_ = res.Body.Close()
	return nil
}

// complete reports whether the whole entity was held from the start.
func (a *attempt) complete() bool {
	h := a.held
	return h.Total > 0 && h.Bytes == h.Total && (a.job.Size == 0 || a.job.Size == h.Total)
}

// unusable says why the bytes held cannot be resumed, or "".
func (a *attempt) unusable() string {
	h, size := a.held, a.job.Size
	switch {
	case h.Bytes == 0:
		return "nothing usable is held"
	case a.job.Method == http.MethodPost:
		return "a POST cannot be resumed"
	case !isValidator(h.Validator):
		return "the server gave no strong validator"
	case size > 0 && (h.Bytes > size || h.Total > 0 && h.Total != size), h.Total > 0 && h.Bytes > h.Total:
		return "the expected size changed"
	}
	return ""
}

// settle makes a file that was complete from the start durable, and no longer than it is.
func (a *attempt) settle() *Failure {
	if a.length > a.held.Bytes {
		if err := a.file.Truncate(a.held.Bytes); err != nil {
			return a.disk("truncating the partial file", err)
		}
	}
	return a.checkpoint()
}

// begin readies file and journal for a body at ans.start. A non-empty why means
// that the bytes held are given up for it.
func (a *attempt) begin(ans answer, why string) *Failure {
	if a.file == nil {
		f, err := a.FS.OpenFile(a.job.Path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return a.disk("creating the partial file", err)
		}
		a.file = f
	}
	if ans.start == 0 {
		if fail := a.giveUp(why); fail != nil {
			return fail
		}
	}
	if a.length != ans.start {
		if err := a.file.Truncate(ans.start); err != nil {
			return a.disk("truncating the partial file", err)
		}
		a.length = ans.start
	}
	a.held = Held{Bytes: ans.start, Validator: ans.validator, Total: max(ans.total, 0)}
	if ans.start == 0 && ans.end >= 0 && ans.end <= bufferSize {
		return nil
	}
	return a.checkpoint()
}

// giveUp lets go of all bytes: first on record, then on disk, so that no bytes
// of this entity can ever be taken for another's.
func (a *attempt) giveUp(why string) *Failure {
	lost, known := a.held.Bytes > 0, a.held != Held{} || a.job.Held != Held{}
	a.held = Held{}
	if known {
		if fail := a.checkpoint(); fail != nil {
			return fail
		}
	}
	if a.length > 0 {
		if err := a.file.Truncate(0); err != nil {
			return a.disk("truncating the partial file", err)
		}
		a.length = 0
	}
	if lost && a.job.Events.Reset != nil {
		a.job.Events.Reset(why)
	}
	a.began = false
	return nil
}

// checkpoint syncs the file and records a.held before it returns.
func (a *attempt) checkpoint() *Failure {
	if err := a.join().checkpoint(a.held); err != nil {
		return a.disk("saving progress", err)
	}
	return nil
}

// join enters the journal on first use. The file's name is made durable with the
// first bytes; an earlier attempt that was killed may not have come so far.
func (a *attempt) join() *entry {
	if a.entry != nil {
		return a.entry
	}
	file, named := a.file, false
	a.entry = a.Journal.join(a.job.ID, a.job.Held, func() error {
		if err := file.Sync(); err != nil || named {
			return err
		}
		named = true
		return a.FS.SyncDir(filepath.Dir(a.job.Path))
	})
	return a.entry
}

// close makes everything written durable and on record, and sets a.held to what is.
func (a *attempt) close() *Failure {
	var fail *Failure
	if a.entry != nil || a.began {
		fail = a.checkpoint()
		a.held = a.entry.leave()
	}
	if a.file != nil {
		_ = a.file.Close() // every byte that counts was synced
	}
	return fail
}
