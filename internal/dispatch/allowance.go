package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/queue"
)

// ledger keeps the allowances exact while bytes move, and over kill -9 and power
// cut. What a transfer may receive is granted to it on record before it comes; what
// it did receive is booked together with its marks and its outcome, and settles the
// grant. So at every moment, whatever is cut off then,
//
//	received ≤ booked + granted, and booked + granted + reserved ≤ allowance,
//
// where reserved is what scheduled downloads may bring by their declared size, less
// what was granted of it. A grant that is found at a start was settled by nobody.
// How far its transfer got is known from the partial file, when the system has not
// lost what was written there: then one read at most had come and was not written
// (sip). Otherwise nobody knows, and the grant counts as received; see Settle.
//
// What that costs: a grant is made with the commit that marks a download as
// running, for what it may bring by its declared size, and made again with those
// that record its marks, which come at least every ahead bytes. A small file costs
// no commit more than without, and a large one few. A kill takes of the allowance at most
// sip bytes for each large file under way, and for each small one, which has no mark
// yet and starts anew, as many as it has; a power cut at most ahead for each. So a
// download that is killed again and again comes to its end as long as the allowance
// has that much room, and ends with 204 when it has not: no rule could tell what was
// lost from what never came.
//
// Bytes count when they are read: what the system still holds for a connection that
// is given up, nobody asked for and nobody counts. To see that a body of unknown
// length ends where the allowance does takes one byte more, which counts too.
type ledger struct {
	// mu is held from the first row of a booking until its sums are taken over, so
	// that none counts twice. It is taken after the writing transaction has begun.
	mu sync.Mutex
}

const (
	// ahead is the most that is granted at once: as much as the journal lets be
	// written before it makes a commit, which grants more by the way.
	ahead = 4 << 20
	// sip is the most that a file's transfer reads at once under an allowance.
	sip = 32 << 10
	// blind is granted first to a body that does not say how long it is, and then
	// as much again as came.
	blind = 64 << 10
)

// Allowances is what is left of an app's allowances: after all bytes that were
// received or are granted, and after what its scheduled downloads may still bring.
func (d *Dispatcher) Allowances(tx *db.Tx, app *apps.App) (apps.Allowances, error) {
	left := app.Allowances()
	if !left.Restricted {
		return left, nil
	}
	others, essential, err := queue.Reserved(tx, app.ID())
	left.Others -= others
	left.Essential -= essential
	return left, err
}

// drawsEssential tells which allowance a download counts against when it starts.
func (s *started) drawsEssential() bool {
	if s.Kind == queue.Manifest {
		return s.app.ManifestEssential()
	}
	return s.Essential
}

// meter is the transfer.Allowance of one run of an app that was never launched.
type meter struct {
	d *Dispatcher
	r *run
}

// allowed is what a run knows of its allowance. Its sums are of this run alone.
type allowed struct {
	bound bool // the app was never launched when the run began

	wire, booked, limit atomic.Int64 // received; of that, on record; granted on record
	coming              atomic.Int64 // of the present body, below 0 when nobody says
	free                atomic.Bool  // the app was launched, or is gone: nothing binds any more
}

// booking is one run's share of a transaction.
type booking struct {
	r           *run
	base        int64 // length of the partial file: it has no fewer bytes
	wire, limit int64
	own         int64 // that the declared size leaves
	essential   bool
	free        bool
}

// begin grants a run the first bytes of its declared size; call it in the
// transaction that marks the download as running, and granted after that.
func (d *Dispatcher) begin(tx *db.Tx, r *run) (granted func(), err error) {
	if !r.bound {
		return func() {}, nil
	}
	if err := d.settle(tx, r.UniqueIdentifier); err != nil { // of a run that could not be booked
		return nil, err
	}
	b := booking{r: r}
	if err := b.book(tx, true); err != nil {
		return nil, err
	}
	return b.taken, b.grant(tx)
}

// book writes what the run has received since the last time. If it goes on, it may
// receive more of its declared size.
func (b *booking) book(tx *db.Tx, goesOn bool) (err error) {
	r, found := b.r, false
	b.base = r.bytes.Load() // first: what comes meanwhile may count twice, but not be missed
	b.wire = r.wire.Load()
	n := b.wire - r.booked.Load()
	if n > 0 {
		if err := queue.Received(tx, r.UniqueIdentifier, n); err != nil {
			return err
		}
	}
	b.own, b.essential, found, err = queue.Unreceived(tx, r.UniqueIdentifier)
	if err != nil {
		return err
	}
	if !found || r.Kind == queue.Manifest {
		b.essential = r.drawsEssential()
	}
	if n > 0 {
		if err := spend(tx, r.App, b.essential, n); err != nil {
			return err
		}
	}
	b.limit, b.free = b.wire, r.free.Load()
	if goesOn && !b.free {
		b.limit = max(r.limit.Load(), b.wire+min(b.own, ahead))
	}
	return nil
}

// spend counts bytes against an allowance, unless the app is gone.
func spend(tx *db.Tx, app asset.AppID, essential bool, n int64) error {
	err := apps.Spend(tx, app, essential, n)
	if asset.CodeOf(err) == asset.CodeNotFound {
		return nil
	}
	return err
}

// grant writes what the run may receive from now on.
func (b *booking) grant(tx *db.Tx) error {
	return queue.SetGrant(tx, queue.Grant{ID: b.r.UniqueIdentifier, App: b.r.App, Essential: b.essential, Bytes: b.limit - b.wire, Base: b.base})
}

// taken makes the sums valid, once they are committed.
func (b *booking) taken() {
	b.r.booked.Store(b.wire)
	b.r.limit.Store(b.limit)
	b.r.free.Store(b.free)
}

// writeBooked is write for what concerns transfers: what they received is booked in
// the same transaction, before f, and what they may receive granted after it.
func (d *Dispatcher) writeBooked(runs []*run, goOn bool, f func(tx *db.Tx, of []*booking) error) error {
	var of []*booking
	for _, r := range runs {
		if r.bound {
			of = append(of, &booking{r: r})
		}
	}
	if len(of) == 0 {
		return d.write(func(tx *db.Tx) error {
			if err := f(tx, nil); err != nil {
				return err
			}
			return spent(tx, runs)
		})
	}
	held := false
	defer func() {
		if held {
			d.ledger.mu.Unlock()
		}
	}()
	err := d.write(func(tx *db.Tx) error {
		d.ledger.mu.Lock()
		held = true
		for _, b := range of {
			if err := b.book(tx, goOn); err != nil {
				return err
			}
		}
		if err := f(tx, of); err != nil {
			return err
		}
		for _, b := range of {
			if err := b.grant(tx); err != nil {
				return err
			}
		}
		return spent(tx, runs)
	})
	if err == nil {
		for _, b := range of {
			b.taken()
		}
	}
	return err
}

// Announce refuses a body that cannot fit.
func (m meter) Announce(n int64) *asset.Error {
	m.r.coming.Store(n)
	if n <= m.room() {
		return nil
	}
	return m.more(n, true)
}

// Draw lets come what is granted, and asks for more when nothing is left of that.
func (m meter) Draw(n int) (int, *asset.Error) {
	if m.room() <= 0 && !m.r.free.Load() {
		want := m.r.coming.Load()
		switch {
		case want == 0:
			return 0, m.over(0) // it has ended
		case want < 0:
			want = max(m.r.wire.Load(), blind)
		}
		if over := m.more(want, false); over != nil {
			return 0, over
		}
	}
	if m.r.free.Load() {
		return n, nil
	}
	if m.r.Kind == queue.File {
		n = min(n, sip)
	}
	return int(min(int64(n), m.room())), nil
}

// room is what is granted and has not come.
func (m meter) room() int64 { return m.r.limit.Load() - m.r.wire.Load() }

// Received counts.
func (m meter) Received(n int) {
	m.r.wire.Add(int64(n))
	if coming := m.r.coming.Load(); coming > 0 {
		m.r.coming.Store(max(coming-int64(n), 0))
	}
}

var errOver = errors.New("the allowance has no room")

// more grants up to want bytes, of the declared size first and then of what nobody
// has reserved; with all, only if there is room for want of them.
func (m meter) more(want int64, all bool) *asset.Error {
	err := m.d.writeBooked([]*run{m.r}, true, func(tx *db.Tx, of []*booking) error {
		b := of[0]
		app, err := apps.Get(tx, m.r.App)
		switch {
		case asset.CodeOf(err) == asset.CodeNotFound:
			b.free = true // this transfer is about to be ended
		case err != nil:
			return err
		case !app.Allowances().Restricted:
			b.free = true
		}
		if b.free {
			b.limit = b.wire
			return nil
		}
		// Its own grant is not to stand against it.
		if err := queue.SetGrant(tx, queue.Grant{ID: m.r.UniqueIdentifier}); err != nil {
			return err
		}
		left, err := m.d.Allowances(tx, &app)
		if err != nil {
			return err
		}
		can := b.own + max(*left.Of(b.essential), 0)
		if can <= 0 || all && want > can {
			return errOver
		}
		b.limit = max(b.limit, b.wire+min(want, can, ahead))
		return nil
	})
	switch {
	case errors.Is(err, errOver) && all:
		return m.over(want)
	case errors.Is(err, errOver):
		return m.over(0)
	case err != nil:
		return asset.AsError(err)
	}
	return nil
}

// over is the error of a transfer that would pass, or has passed, the allowance:
// 203 for the manifest, 204 in flight (classic §5, design §12). n is the length
// of the body, 0 when it is not known.
func (m meter) over(n int64) *asset.Error {
	key := "BADownloadAllowance"
	if m.r.drawsEssential() {
		key = "BAEssentialDownloadAllowance"
	}
	e := &asset.Error{Code: asset.CodeAllowanceExceeded, Domain: asset.DomainBA, Op: "fetch", Subject: m.r.Identifier,
		Message: "it came to the end of " + key + ", which holds until the first launch, after " + policy.Bytes(m.r.Wire+m.r.wire.Load()),
		Help:    "raise " + key + " in the app's Info.plist, or ask for it after the first launch"}
	if n > 0 {
		e.Message = "the server sends " + policy.Bytes(n) + ", more than is left of " + key + ", which holds until the first launch"
	}
	if m.r.Kind == queue.Manifest {
		e.Code = asset.CodeDisallowedByAllowance
		e.Help = "raise " + key + " in the app's Info.plist; the manifest counts against it"
	}
	return e
}

// exhausted refuses a manifest for which no byte is left without asking for it.
func (d *Dispatcher) exhausted(r *run) *asset.Error {
	if !r.bound || r.Kind != queue.Manifest {
		return nil
	}
	var left apps.Allowances
	err := d.DB.Read(context.Background(), func(tx *db.Tx) error {
		app, err := apps.Get(tx, r.App)
		if asset.CodeOf(err) == asset.CodeNotFound {
			return nil // this transfer is about to be ended
		}
		if err == nil {
			left, err = d.Allowances(tx, &app)
		}
		return err
	})
	switch {
	case err != nil:
		return asset.AsError(err)
	case left.Restricted && *left.Of(r.drawsEssential()) <= 0:
		return meter{d, r}.over(0)
	}
	return nil
}

// Settle books what an earlier service granted and did not live to settle. Call it
// in the transaction that puts back what was running.
func (d *Dispatcher) Settle(tx *db.Tx) error {
	d.init()
	return d.settle(tx, "")
}

func (d *Dispatcher) settle(tx *db.Tx, id string) error {
	grants, err := queue.Grants(tx, id)
	if err != nil {
		return err
	}
	for _, g := range grants {
		essential := g.Essential
		e, err := queue.Get(tx, g.ID)
		switch {
		case asset.CodeOf(err) == asset.CodeDownloadDoesNotExist:
		case err != nil:
			return err
		default:
			g.Bytes = d.mayHaveCome(g, &e)
			if e.Kind != queue.Manifest {
				essential = e.Essential
			}
		}
		if err := queue.Received(tx, g.ID, g.Bytes); err != nil {
			return err
		}
		if err := spend(tx, g.App, essential, g.Bytes); err != nil {
			return err
		}
		if err := queue.SetGrant(tx, queue.Grant{ID: g.ID}); err != nil {
			return err
		}
	}
	return nil
}

// mayHaveCome is the most of a grant that its transfer can have received. A file is
// only ever added to while its validator is on record (package transfer), so that
// its growth since then tells, but for the read under way.
func (d *Dispatcher) mayHaveCome(g queue.Grant, e *queue.Entry) int64 {
	if e.Kind != queue.File || d.Boot == "" || e.Boot != d.Boot || e.Validator == "" {
		return g.Bytes
	}
	info, err := d.FS.Stat(d.partial(e))
	if err != nil || !info.Mode().IsRegular() || info.Size() < g.Base {
		return g.Bytes
	}
	return min(g.Bytes, info.Size()-g.Base+sip)
}
