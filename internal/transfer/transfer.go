// Package transfer fetches bytes over HTTP/1.1 into a partial file, and takes up
// again where it stopped. It knows no packs, apps or queue rows; internal/service
// calls it once per attempt and stores what it returns.
//
// It promises:
//
//   - The partial file is always a prefix of one entity. Bytes are appended
//     without gaps, and are only resumed under a strong validator. Before bytes
//     of another entity are written, the zero Held is recorded and the file is
//     truncated; only then is the new validator recorded.
//   - What Journal.Record was told, and what Fetch returns, has been synced.
//   - The validator is recorded before the first body byte is written (bodies of
//     at most 128 KiB excepted). So after kill -9, with no power cut between, the
//     owner may take the partial file's length as Held.Bytes whenever the
//     recorded Validator is not empty. After a power cut it may not.
//   - No URL, header or method beyond the Job is ever sent: no cookie, no HEAD,
//     no device or user identifier, one constant User-Agent.
//
// It does not retry (the queue owns the next-try time; see Backoff), check
// hashes, create folders or rename. A limit on bandwidth is the owner's, see Job.Pace.
package transfer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"larder/asset"
	"larder/internal/fsx"
)

const (
	userAgent  = "Larder/1"
	maxHops    = 10
	bufferSize = 128 << 10
	// minPart is the least a server may send when it answers a Range with less
	// than was asked for, so that no server can cost one request per byte.
	minPart = 64 << 10
)

// Held says what of an entity is durably on disk. The zero value is nothing.
type Held struct {
	// Bytes is the length of the prefix held.
	Bytes int64
	// Validator is a strong ETag, or a Last-Modified date that is strong by
	// RFC 9110 §8.8.2.2. Empty means that the bytes cannot be resumed.
	Validator string
	// Total is the entity's length in wire bytes; 0 means unknown.
	Total int64
}

// Job is one download.
type Job struct {
	// ID names the job in the Journal's marks.
	ID string
	// URL, Method (GET when empty, or POST), Headers and Body are as in
	// asset.Download, and are held to its rules.
	URL     string
	Method  string
	Headers map[string]string
	Body    []byte
	// Path is the partial file. Its folder exists. No two running jobs share one.
	Path string
	// Held is what the owner trusts of the file at Path. A longer file is
	// truncated to it; of a shorter one, its length is used.
	Held Held
	// Size is the exact number of wire bytes expected; 0 means unknown.
	Size int64
	// Unless names an entity that the owner has already: an ETag of any strength, or an
	// HTTP date. A request for the whole is then conditional, see ErrUnchanged.
	Unless string
	// MaxBytes bounds an entity of any size (1012); 0 means no bound.
	MaxBytes int64
	// Challenge, if set, is asked what to do about a server that demands a user or
	// token, or whose certificate is not valid; the latter only when Transport is a
	// *Trust. An answer's credential goes to the origin that asked, on this attempt
	// alone, and is never told on. It is asked eight times an attempt at most.
	Challenge func(context.Context, asset.Challenge) (asset.ChallengeAnswer, error)
	// Transport replaces the Fetcher's for this job; nil does not.
	Transport http.RoundTripper
	// Allowance bounds what this job receives over all its attempts; nil does not.
	Allowance Allowance
	// Allow, if set, is asked for every URL before it is requested: the first
	// and each redirect. Its error ends the transfer for good; an *asset.Error
	// keeps its code.
	Allow func(*url.URL) error
	// Pace, if set, is called with the bytes that the last read brought, 0 before
	// the first. It returns when the next may follow, and how many bytes that may
	// bring at most (0: any number), or the error of ctx. The time it takes is
	// not counted as a stall.
	Pace func(ctx context.Context, n int) (int, error)
	// Floor is how fast the server has to be; nil lets it take its time.
	Floor  *Floor
	Events Events
}

// Events are called from the goroutine that runs Fetch; each may be nil.
type Events struct {
	// Began tells that a body starts to arrive at this offset. Total is 0 when unknown.
	Began func(offset, total int64)
	// Progress follows each write.
	Progress func(bytes, total int64)
	// Named tells, before Began, what names the entity that arrives, for a later Unless;
	// "" when nothing does.
	Named func(validator string)
	// Reset tells that the bytes held were given up, and why.
	Reset func(reason string)
	// NotBefore tells that an answer, good or bad, asked not to be bothered before
	// then: at most a day ahead.
	NotBefore func(time.Time)
}

// Fetcher runs jobs. The zero value works; a Fetcher may run many jobs at once.
type Fetcher struct {
	// FS holds the partial files; nil means the operating system's.
	FS fsx.FS
	// Transport sends requests; nil means one made by NewTransport. It must not
	// follow redirects or decompress.
	Transport http.RoundTripper
	// Stall is how long a request may go without progress; 0 means 15 s. The
	// wait for the whole answer header counts as no progress, and each body byte
	// as progress. What limits total time is the job's Floor.
	Stall time.Duration
	// Journal records progress; nil means that only the return value tells of it.
	Journal *Journal
}

var defaultTransport = NewTransport(nil)

func (f *Fetcher) withDefaults() Fetcher {
	d := *f
	if d.FS == nil {
		d.FS = fsx.OS()
	}
	if d.Transport == nil {
		d.Transport = defaultTransport
	}
	if d.Stall <= 0 {
		d.Stall = 15 * time.Second
	}
	if d.Journal == nil {
		d.Journal = &Journal{}
	}
	return d
}

// ErrUnchanged is what Fetch returns when the server says that the entity is still the one
// of Job.Unless. Nothing was fetched.
var ErrUnchanged = errors.New("the server has what the owner has")

// Fetch makes one attempt at j. It returns what is durably held afterwards, and
// a *Failure or ErrUnchanged unless the entity is complete. Cancelling ctx keeps every byte
// written so far. When j.Held is complete already, no request is made.
func (f *Fetcher) Fetch(ctx context.Context, j Job) (Held, error) {
	if j.Allowance == nil {
		j.Allowance = unlimited{}
	}
	a := attempt{Fetcher: f.withDefaults(), job: j, held: j.Held}
	if j.Transport != nil {
		a.Transport = j.Transport
	}
	fail := a.open()
	if fail == nil {
		fail = a.run(ctx)
	}
	if err := a.close(); err != nil {
		fail = err
	}
	if fail != nil {
		fail.Progressed = a.progressed
		return a.held, fail
	}
	if a.unchanged {
		return a.held, ErrUnchanged
	}
	return a.held, nil
}
