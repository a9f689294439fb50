package dispatch

import (
	"context"
	"sync"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/queue"
)

// ledger keeps the allowances exact while bytes move. What a transfer has
// received is booked into the app's row together with its marks and its outcome;
// until then it is known here alone.
type ledger struct {
	// books is held for writing from the first row of a booking until its commit,
	// so that no reader counts bytes twice or not at all. It is taken after the
	// writing transaction has begun, and for reading before one begins.
	books sync.RWMutex
	// drawing makes one transfer at a time take of what is not reserved.
	drawing sync.Mutex
}

// drawn is how much a transfer takes at once of what is not reserved for others,
// so that not every read asks the database.
const drawn = 1 << 20

// Steady holds back bookings until it is let go of; call it before the
// transaction whose rows Allowances is to be asked about.
func (d *Dispatcher) Steady() (release func()) {
	d.ledger.books.RLock()
	return d.ledger.books.RUnlock
}

// Allowances is what is left of an app's allowances at this moment: after all
// bytes that were received, also those of transfers under way, and after what
// its scheduled downloads may still bring. Inside a writing transaction it may
// be called as it is, otherwise between Steady and its release.
func (d *Dispatcher) Allowances(tx *db.Tx, app *apps.App) (apps.Allowances, error) {
	d.init()
	left := app.Allowances()
	if !left.Restricted {
		return left, nil
	}
	others, essential, err := queue.Reserved(tx, app.ID())
	if err != nil {
		return left, err
	}
	left.Others -= others
	left.Essential -= essential
	for _, r := range d.running.of(app.ID()) {
		wire, booked := r.wire.Load(), r.booked.Load()
		back := max(r.FileSize-booked, 0) - max(r.FileSize-wire, 0)
		if r.Kind == queue.Manifest {
			back = 0
		}
		*left.Of(r.drawsEssential()) -= wire - booked - back
	}
	return left, nil
}

// drawsEssential tells which allowance a download counts against.
func (s *started) drawsEssential() bool {
	if s.Kind == queue.Manifest {
		return s.app.ManifestEssential()
	}
	return s.Essential
}

// book counts what a transfer has received since the last booking.
func (d *Dispatcher) book(tx *db.Tx, r *run) (int64, error) {
	wire := r.wire.Load()
	if wire == r.booked.Load() {
		return wire, nil
	}
	if err := queue.Received(tx, r.UniqueIdentifier, wire); err != nil {
		return wire, err
	}
	err := apps.Spend(tx, r.App, r.drawsEssential(), wire-r.booked.Load())
	if asset.CodeOf(err) == asset.CodeNotFound {
		err = nil // uninstalled meanwhile
	}
	return wire, err
}

// writeBooked is write for what concerns transfers: what they received is booked
// in the same transaction.
func (d *Dispatcher) writeBooked(runs []*run, f func(*db.Tx) error) error {
	var bound []*run
	for _, r := range runs {
		if r.bound {
			bound = append(bound, r)
		}
	}
	if len(bound) == 0 {
		return d.write(f)
	}
	held := false
	defer func() {
		if held {
			d.ledger.books.Unlock()
		}
	}()
	sums := make([]int64, len(bound))
	err := d.write(func(tx *db.Tx) (err error) {
		d.ledger.books.Lock()
		held = true
		for n, r := range bound {
			if sums[n], err = d.book(tx, r); err != nil {
				return err
			}
		}
		return f(tx)
	})
	if err == nil {
		for n, r := range bound {
			r.booked.Store(sums[n])
		}
	}
	return err
}

// meter is the transfer.Allowance of one run of an app that was never launched.
type meter struct {
	d *Dispatcher
	r *run
}

// own is what this download may still bring by its declared size.
func (m meter) own() int64 { return max(m.r.FileSize-m.r.wire.Load(), 0) }

// Announce refuses a body that cannot fit.
func (m meter) Announce(n int64) *asset.Error {
	if n <= m.own() {
		return nil
	}
	m.d.ledger.drawing.Lock()
	defer m.d.ledger.drawing.Unlock()
	if free, bound, err := m.free(); err != nil {
		return asset.AsError(err)
	} else if bound && n-m.own() > free {
		return m.over(n)
	}
	return nil
}

// Draw takes of the download's own size first, then of what nobody has reserved.
func (m meter) Draw(n int) (int, *asset.Error) {
	if own := m.own(); own > 0 {
		return int(min(int64(n), own)), nil
	}
	m.d.ledger.drawing.Lock()
	defer m.d.ledger.drawing.Unlock()
	if m.r.granted.Load() == 0 {
		free, bound, err := m.free()
		switch {
		case err != nil:
			return 0, asset.AsError(err)
		case !bound:
			return n, nil
		}
		m.r.granted.Store(min(free, drawn))
	}
	if g := m.r.granted.Load(); g > 0 {
		return int(min(int64(n), g)), nil
	}
	return 0, m.over(0)
}

// Received counts.
func (m meter) Received(n int) {
	of := int64(n) - m.own()
	m.r.wire.Add(int64(n))
	if of > 0 {
		m.r.granted.Store(max(m.r.granted.Load()-of, 0))
	}
}

// free is what nobody has reserved or drawn yet; bound is false once the app was
// launched. The caller holds drawing.
func (m meter) free() (free int64, bound bool, err error) {
	defer m.d.Steady()()
	err = m.d.DB.Read(context.Background(), func(tx *db.Tx) error {
		app, err := apps.Get(tx, m.r.App)
		if asset.CodeOf(err) == asset.CodeNotFound {
			return nil // uninstalled: this transfer is about to be ended
		}
		if err != nil {
			return err
		}
		left, err := m.d.Allowances(tx, &app)
		bound, free = left.Restricted, *left.Of(m.r.drawsEssential())
		return err
	})
	for _, o := range m.d.running.of(m.r.App) {
		if o != m.r && o.drawsEssential() == m.r.drawsEssential() {
			free -= o.granted.Load()
		}
	}
	return max(free, 0), bound, err
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
		Message: "it came to the end of " + key + ", which holds until the first launch, after " + policy.Bytes(m.r.wire.Load()),
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
	m := meter{d, r}
	d.ledger.drawing.Lock()
	defer d.ledger.drawing.Unlock()
	free, bound, err := m.free()
	switch {
	case err != nil:
		return asset.AsError(err)
	case bound && free == 0:
		return m.over(0)
	}
	return nil
}
