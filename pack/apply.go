package pack

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"larder/asset"
)

const opApply = "apply update"

// Fetcher gives a range of the target's archive: length bytes from offset on. The
// reader is read in order to its end, and closed.
type Fetcher interface {
	Fetch(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// FetchFrom reads ranges from an archive at hand.
func FetchFrom(r io.ReaderAt) Fetcher { return local{r} }

type local struct{ r io.ReaderAt }

func (l local) Fetch(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(l.r, offset, length)), nil
}

// Result is what Apply did, in bytes.
type Result struct {
	Downloaded int64 `json:"downloaded"`
	Useful     int64 `json:"useful"` // of these, what the tree was made of: neither wrong nor a second time
	Written    int64 `json:"written"`
	Resumed    int64 `json:"resumed"` // found in the staging directory, proved
	// Rotten names the old bytes that were not what their index says. Frames were
	// fetched in their stead, beyond the plan.
	Rotten []Mismatch `json:"rotten,omitempty"`
}

// Apply puts the target's tree into the directory into below root and returns when
// it is durable. What is installed lies below the same root and is only
// read; unchanged files are cloned, else linked, else (with PlanOptions.Copy) copied.
// Every byte that is written or linked is proved first; old bytes that are wrong
// are fetched, those frames alone. Fetched bytes are made durable on the way too, after each
// 64 MiB or thirty-second part, so that a power cut costs no more than two of these.
//
// It goes on where an earlier Apply into the same directory stopped, for whatever
// reason and for whatever target: bytes there that prove right are neither
// fetched nor written again, and the rest is removed. Nobody else may write there.
//
// Errors: 1002 for fetched bytes that are wrong, 1004 for too little space, 1015
// when unchanged files can be neither cloned nor linked and the plan counts on it.
func (p *Plan) Apply(ctx context.Context, root *os.Root, into string, from Fetcher) (Result, error) {
	if err := root.MkdirAll(into, 0o755); err != nil {
		return Result{}, disk(opApply, quote(into), err)
	}
	dst, err := root.OpenRoot(into)
	if err != nil {
		return Result{}, disk(opApply, quote(into), err)
	}
	defer dst.Close()
	a := &applier{plan: p, stage: stage{op: opApply, root: dst}, root: root, into: into, from: from,
		fetch: append(bits(nil), p.fetch...), todo: newBits(p.target.total().frames),
		staged: newBits(p.target.total().frames), given: newBits(p.target.total().chunks), served: newBits(p.target.total().frames), rotRows: map[int]bool{}}
	a.keeper = keeper{sync: func() error { return p.sync(dst) }, every: max(unsynced, p.sum.Download/maxSyncs)}
	err = a.run(ctx)
	if waitErr := a.keeper.wait(); err == nil {
		err = disk(opApply, quote(into), waitErr)
	}
	if err != nil {
		return a.sum, err
	}
	return a.sum, disk(opApply, quote(into), p.sync(dst))
}

// applier is one run of Apply. Its rounds end when no old byte proved wrong.
type applier struct {
	stage
	plan  *Plan
	root  *os.Root
	into  string
	from  Fetcher
	how   means
	made  string // directory made last
	fetch bits   // frames to take from the archive
	todo  bits   // frames of this round

	keeper  keeper
	resumed bool
	staged  bits // frames whose bytes are in the staging tree already

	mu      sync.Mutex
	given   bits         // chunks that the delta made
	served  bits         // fetched frames that were right
	rotRows map[int]bool // files to be kept that cannot be: put together instead
	again   bits         // frames of the next round
	sum     Result
}

func (a *applier) run(ctx context.Context) error {
	resumed, err := a.begin(ctx)
	if err != nil {
		return err
	}
	if !resumed {
		if err := a.roomFor(a.plan.sum.Write); err != nil {
			return err
		}
	}
	if a.how, err = a.probe(ctx); err != nil {
		return err
	}
	if err := a.patch(ctx); err != nil {
		return err
	}
	late := a.postpone()
	for {
		a.again = newBits(a.plan.target.total().frames)
		rot := len(a.rotRows)
		if err := a.round(ctx); err != nil {
			return err
		}
		done := len(a.rotRows) == rot
		for i, w := range a.again {
			a.fetch[i] |= w
			done = done && w == 0
		}
		if done && late == nil {
			return a.settle(ctx)
		}
		if done {
			if err := a.refine(ctx); err != nil {
				return err
			}
			a.todo, late = late, nil
			continue
		}
		if err := a.spread(); err != nil {
			return err
		}
	}
}

// postpone takes the late frames out of the first round, and gives them.
func (a *applier) postpone() (late bits) {
	for i, w := range a.plan.late {
		if w &= a.todo[i]; w != 0 {
			if late == nil {
				late = newBits(a.plan.target.total().frames)
			}
			late[i] = w
			a.todo[i] &^= w
		}
	}
	return late
}

// spread makes the next round: the frames with rot in them, and all that hold
// bytes of files that were to be kept and are not any more.
func (a *applier) spread() error {
	a.todo, a.staged = a.again, newBits(a.plan.target.total().frames)
	t := a.plan.target
	for i, l := range t.sections(opApply) {
		if l.err != nil {
			return l.err
		}
		for f, s := range l.spans {
			for c := s.chunk0; c < s.chunk1; c++ {
				if a.rotRows[t.rowNumber(i, l.section, l.chunks[c].row)] {
					a.todo.set(t.from[i].frames + f)
				}
			}
			if n := t.from[i].frames + f; a.todo.has(n) && a.plan.fetch.has(n) {
				a.fetch.set(n)
			}
		}
	}
	return nil
}

// patch is a frame of the target to be made: with its stored bytes when fetched.
type patch struct {
	frameJob
	section, number int
	vouched         map[int32]bool // rows that are kept and need no proof
	written         int64
}

// round makes the frames in todo.
func (a *applier) round(ctx context.Context) error {
	return inOrder(ctx, readers(), func(emit func(patch) error) error {
		src := &ranges{ctx: ctx, from: a.from}
		defer src.close()
		return a.each(ctx, func(j patch, next []frame, numbers int) error {
			if j.frame == 0 {
				src.close() // a range ends with its section
			}
			if !a.todo.has(j.number) {
				src.close()
				return nil
			}
			if !a.fetch.has(j.number) {
				src.close()
				return emit(j)
			}
			length := int64(0)
			for k := range next {
				if n := numbers + k; !a.todo.has(n) || !a.fetch.has(n) {
					break
				}
				length += int64(next[k].stored)
			}
			j.stored = buffer(&storedBuffers, int(j.what().stored))[:j.what().stored]
			if err := src.read(j.stored, j.at, length); err != nil {
				return err
			}
			a.mu.Lock()
			a.sum.Downloaded += int64(len(j.stored))
			a.mu.Unlock()
			return emit(j)
		})
	}, func(j *patch) error {
		defer j.free()
		err := a.make(j)
		useful := int64(0)
		if err == nil && a.fetch.has(j.number) && a.serves(j.number) {
			useful = int64(j.what().stored)
		}
		a.count(useful, j.written)
		return err
	}, func(j *patch, err error) error {
		if err != nil || !a.fetch.has(j.number) {
			return err
		}
		return disk(opApply, quote(a.into), a.keeper.fetched(int64(j.what().stored)))
	})
}

// serves reports whether a fetched frame is right for the first time.
func (a *applier) serves(frame int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := !a.served.has(frame)
	a.served.set(frame)
	return first
}

// count counts what became of a frame or block, as soon as it is on the disk: a run that is
// cancelled then leaves it there.
func (a *applier) count(useful, written int64) {
	a.mu.Lock()
	a.sum.Useful += useful
	a.sum.Written += written
	a.mu.Unlock()
	if a.plan.told != nil && useful+written > 0 {
		a.plan.told(useful, written)
	}
}

// each tells of every frame of the target, with the frames from it to its section's end.
func (a *applier) each(ctx context.Context, fn func(j patch, next []frame, number int) error) error {
	t := a.plan.target
	for i, l := range t.sections(opApply) {
		if l.err != nil {
			return l.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		vouched := a.vouch(i, l.section)
		where := t.from[i].stored
		for f := range l.frames {
			n := t.from[i].frames + f
			j := patch{frameJob: frameJob{in: l, frame: f, at: where}, section: i, number: n, vouched: vouched}
			if err := fn(j, l.frames[f:], n); err != nil {
				return err
			}
			where += int64(l.frames[f].stored)
		}
	}
	return nil
}

// ranges reads runs of frames, each run by one request.
type ranges struct {
	ctx  context.Context
	from Fetcher
	body io.ReadCloser
}

// read fills b with what stands at off. If no run is open, one of the given length begins.
func (r *ranges) read(b []byte, off, length int64) (err error) {
	if r.from == nil {
		return fault(asset.CodeState, opApply, at("frame", off), "it must be fetched, and there is nothing to fetch from")
	}
	if r.body == nil {
		if r.body, err = r.from.Fetch(r.ctx, off, length); err != nil {
			return disk(opApply, at("frame", off), err)
		}
	}
	n, err := io.ReadFull(r.body, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault(asset.CodeSizeMismatch, opApply, at("frame", off), "%d bytes are missing", len(b)-n)
	}
	return disk(opApply, at("frame", off), err)
}

func (r *ranges) close() {
	if r.body != nil {
		_ = r.body.Close() // what was read is proved by its hash
	}
	r.body = nil
}
