package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"larder/asset"
	"larder/internal/shelf"
)

const opCommit = "commit packs"

// Commit makes the staged packs visible and takes the named ones away, all at once:
// it returns when the new view is durable, and before that no process sees any of it.
// Each pack replaces the version there is. Nothing is removed from the disk; see
// Prune. When nothing would change the view stays.
func (s *Store) Commit(ctx context.Context, add []shelf.Pack, remove []asset.PackID) (shelf.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.steady(); err != nil {
		return s.view, disk(opCommit, s.dir, err)
	}
	next := slices.DeleteFunc(slices.Clone(s.view.Packs), func(p shelf.Pack) bool { return slices.Contains(remove, p.ID) })
	var added []shelf.Pack
	for _, p := range add {
		if old, ok := s.view.Pack(p.ID); !ok || old != p {
			added = append(added, p)
		}
		next = slices.DeleteFunc(next, func(old shelf.Pack) bool { return old.ID == p.ID })
		next = append(next, p)
	}
	slices.SortFunc(next, func(a, b shelf.Pack) int { return cmp.Compare(a.ID, b.ID) })
	if slices.Equal(next, s.view.Packs) {
		return s.view, nil
	}
	if err := s.judge(ctx, next, added); err != nil {
		return s.view, disk(opCommit, s.dir, err)
	}
	if err := s.write(next); err != nil {
		s.shaky = true // it may be there or not; who reads may have seen it
		return s.view, disk(opCommit, s.dir, err)
	}
	for _, p := range next {
		delete(s.fresh, p.Root)
	}
	return s.view, nil
}

// write makes the next view.
func (s *Store) write(packs []shelf.Pack) error {
	numbers, err := shelf.Numbers(s.root)
	if err != nil {
		return err
	}
	v := shelf.View{Number: 1, Packs: packs}
	if n := len(numbers); n > 0 {
		v.Number = numbers[n-1] + 1
	}
	b, err := v.Encode()
	if err != nil {
		return err
	}
	name := s.viewPath(v.Number)
	s.mark("view")
	f, err := s.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	s.mark("view made")
	_, err = f.Write(b)
	if err == nil {
		s.mark("view written")
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.mark("view synced")
	if err := s.fs.SyncDir(s.path(viewsDir)); err != nil {
		return err
	}
	s.mark("view durable")
	s.view = v
	return nil
}

// judge refuses packs that are not on the shelf, and two packs with one path.
func (s *Store) judge(ctx context.Context, next, added []shelf.Pack) error {
	if len(added) == 0 {
		return nil
	}
	c := newClaims(added)
	for _, p := range added {
		if err := s.claimAll(ctx, c, p, true); err != nil {
			return err
		}
	}
	for _, p := range next {
		if slices.Contains(added, p) {
			continue
		}
		if err := s.claimAll(ctx, c, p, false); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) claimAll(ctx context.Context, c *claims, p shelf.Pack, keep bool) error {
	h, err := s.open(path.Dir(p.Root))
	if err != nil {
		if !keep { // damaged since; it must not keep others away
			return nil
		}
		return err
	}
	defer h.close()
	if got := h.archive.Content().String(); got != p.Content || path.Base(p.Root) != filesDir {
		return &asset.Error{Code: asset.CodeBadRequest, Op: opCommit, Subject: string(p.ID), Message: fmt.Sprintf("what lies at %s is not this pack", p.Root), Help: "stage it first"}
	}
	for e, err := range h.archive.Entries() {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = c.add(p, e, keep)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
