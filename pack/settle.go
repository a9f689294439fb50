package pack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"

	"larder/asset"
	"larder/internal/fsx"
)

// means is how unchanged files come into the new tree.
type means string

const (
	byClone means = "clone"
	byLink  means = "link"
	byCopy  means = "copy"
)

// probe finds the best means that this disk has, with the first file to keep.
func (a *applier) probe(ctx context.Context) (means, error) {
	for _, n := range a.plan.keep {
		if n == 0 {
			continue
		}
		name, _, err := a.where(n - 1)
		if err != nil {
			return "", err
		}
		if info, err := a.root.Lstat(name); err != nil || !info.Mode().IsRegular() {
			continue // the round will name the rot
		}
		temp := fmt.Sprintf("%s%016x", fsx.TempPrefix, rand.Uint64())
		err = a.clone(name, temp, 0o644)
		how := byClone
		if errors.Is(err, errors.ErrUnsupported) {
			if how = byCopy; !a.plan.copied {
				how, err = byLink, a.root.Link(name, path.Join(a.into, temp))
			} else {
				err = nil
			}
		}
		if err != nil {
			return "", a.noLink(name, err)
		}
		if how == byCopy {
			return how, nil
		}
		return how, disk(opApply, quote(temp), a.stage.root.Remove(temp))
	}
	return byLink, ctx.Err()
}

func (a *applier) noLink(name string, err error) error {
	if full := disk(opApply, quote(name), err); asset.CodeOf(full) == asset.CodeNoSpace {
		return full
	}
	return &asset.Error{Code: asset.CodeState, Op: opApply, Subject: quote(name), Message: "this disk can neither clone nor link it, and the plan counts on that",
		Help: "plan again with copies", Err: err}
}

// clone makes dst, in the staging tree, share the bytes of the old file name.
func (a *applier) clone(name, dst string, perm fs.FileMode) error {
	near := nearby{root: a.root}
	defer near.close()
	src, err := openRegular(&near, name)
	if err != nil {
		return err
	}
	defer src.Close()
	h := newHand(a.stage)
	defer h.close()
	dir, err := h.open(dst)
	if err != nil {
		return err
	}
	return fsx.Clone(src, dir, path.Base(dst), perm)
}

// settle puts in what was proved and waits: files that are kept, then symbolic links.
func (a *applier) settle(ctx context.Context) error {
	t := a.plan.target
	var links []Entry
	for i, l := range t.sections(opApply) {
		if l.err != nil {
			return l.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for k, e := range l.rows {
			row := t.rowNumber(i, l.section, int32(k))
			switch {
			case e.Kind == KindLink:
				links = append(links, e)
			case e.Size > 0 && a.plan.keep[row] != 0 && !a.rotRows[row] && a.how != byCopy && (k > 0 || l.skip == 0):
				if err := a.keep(e, a.plan.keep[row]-1); err != nil {
					return err
				}
			}
		}
	}
	for _, e := range links {
		if err := a.link(e); err != nil {
			return err
		}
	}
	return nil
}

// keep clones or links the old file into the new tree.
func (a *applier) keep(e Entry, number uint32) error {
	name, _, err := a.where(number)
	if err != nil {
		return err
	}
	if a.resumed { // whatever an earlier run put there
		if err := a.stage.root.Remove(e.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return disk(opApply, quote(e.Path), err)
		}
	}
	if a.how == byClone {
		return disk(opApply, quote(e.Path), a.clone(name, e.Path, perm(e.Kind)))
	}
	if dir := path.Dir(e.Path); dir != a.made {
		if err := a.mkdir(dir); err != nil {
			return err
		}
		a.made = dir
	}
	if err := a.root.Link(name, path.Join(a.into, e.Path)); err != nil {
		return a.noLink(name, err)
	}
	return nil
}
