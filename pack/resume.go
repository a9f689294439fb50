package pack

import (
	"context"
	"io/fs"

	"larder/asset"
)

// begin finds out what an earlier run left. Whatever a file there claims, only bytes
// that prove right count, so no record of progress is needed and no order of
// writes can spoil it.
func (a *applier) begin(ctx context.Context) (resumed bool, err error) {
	for i := range a.plan.target.total().frames {
		a.todo.set(i)
	}
	if err := a.empty(); asset.CodeOf(err) != asset.CodeState {
		return false, err
	}
	a.resumed = true
	if err := a.sweep(ctx); err != nil {
		return true, err
	}
	return true, a.recognise(ctx)
}

// sweep removes from the staging tree what the target does not have in that shape, and
// every file with a second name: writing to it would change the tree that it
// belongs to.
func (a *applier) sweep(ctx context.Context) error {
	return a.plan.target.beside(ctx, opApply, a.stage.root, func(e *Entry, name string, info fs.FileInfo) error {
		switch {
		case info == nil:
			return nil
		case e == nil || misfit(a.stage.root, *e, info) != "":
		case !e.Kind.Regular() || info.Size() <= e.Size && oneName(a.stage.root, name, info):
			return nil
		}
		if err := a.stage.root.RemoveAll(name); err != nil {
			return disk(opApply, quote(name), err)
		}
		return fs.SkipDir
	})
}

// recognise finds the frames whose bytes are in the staging tree already.
func (a *applier) recognise(ctx context.Context) error {
	type job struct {
		patch
		whole bool
		bytes int64
	}
	t := a.plan.target
	return inOrder(ctx, readers(), func(emit func(job) error) error {
		return a.each(ctx, func(j patch, _ []frame, _ int) error { return emit(job{patch: j}) })
	}, func(j *job) error {
		staged := newEye(a.stage.root)
		defer staged.close()
		j.whole = true
		return j.in.walk(j.span(), func(row int32, _ int64) error {
			if e := &j.in.rows[row]; e.Size == 0 && e.Kind != KindLink {
				_, err := a.stage.root.Lstat(e.Path)
				j.whole = j.whole && err == nil
			}
			return nil
		}, func(i int32, _ int64) error {
			c := &j.in.chunks[i]
			if _, kept := a.source(t.rowNumber(j.section, j.in.section, c.row), c); kept && !a.plan.copied {
				return nil
			}
			if _, err := staged.read(j.in.rows[c.row].Path, c.at, c); err != nil {
				j.whole = false
				return nil
			}
			j.bytes += int64(c.size)
			if n := t.from[j.section].chunks + int(i); a.plan.made.has(n) {
				a.mu.Lock()
				a.given.set(n)
				a.mu.Unlock()
			}
			return nil
		})
	}, func(j *job, err error) error {
		if j.whole {
			a.staged.set(j.number)
			a.fetch.clear(j.number)
			a.sum.Resumed += j.bytes
		}
		return err
	})
}
