package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/shelf"
	"larder/pack"
)

const opPrune = "prune shelf"

// Pruned is what Prune did.
type Pruned struct {
	Views int // removed
	Held  int // older views that stay because a process has a lease
	Trees int // removed, leftovers of tries included
}

// Prune removes older views that no process has a lease on, then the trees that no view
// names, and what is left of tries for packs that nobody wants any more. What was
// staged by this store and not committed stays, and so does what is wanted: targets that
// are to be staged or committed later, for whose bytes a dead process may have paid.
func (s *Store) Prune(ctx context.Context, wanted []Target) (Pruned, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out Pruned
	if err := s.steady(); err != nil {
		return out, disk(opPrune, s.dir, err)
	}
	named, err := s.pruneViews(&out)
	if err != nil {
		return out, disk(opPrune, s.dir, err)
	}
	s.mark("views pruned")
	homes, err := s.homes("")
	if err != nil {
		return out, disk(opPrune, s.dir, err)
	}
	for _, dir := range homes {
		root := path.Join(dir, filesDir)
		if named[root] || s.using[root] > 0 || s.fresh[root] || s.wants(wanted, dir) {
			continue
		}
		if err := s.discard(dir); err != nil {
			return out, disk(opPrune, s.dir, err)
		}
		out.Trees++
	}
	tries, err := s.list(stagingDir)
	if err != nil {
		return out, disk(opPrune, s.dir, err)
	}
	for _, name := range tries {
		id := asset.PackID(name)
		if s.busy[id] || slices.ContainsFunc(wanted, func(t Target) bool { return t.ID == id }) {
			continue
		}
		if err := s.discard(work(id)); err != nil {
			return out, disk(opPrune, s.dir, err)
		}
		out.Trees++
	}
	s.mark("trees moved")
	if err := context.Cause(ctx); err != nil {
		return out, err
	}
	return out, disk(opPrune, s.dir, s.emptyTrash())
}

// pruneViews removes views and gives the roots that those left name.
func (s *Store) pruneViews(out *Pruned) (map[string]bool, error) {
	numbers, err := shelf.Numbers(s.root)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, n := range numbers {
		if n != s.view.Number {
			gone, err := s.pruneView(n)
			if err != nil {
				return nil, err
			}
			if gone {
				out.Views++
				s.mark("view removed")
				continue
			}
			out.Held++
		}
		v, torn, err := shelf.Read(s.root, n)
		if err != nil && !torn {
			return nil, err
		}
		for _, p := range v.Packs {
			named[p.Root] = true
		}
	}
	// Durably, before any tree goes: a view that came back would name what is gone.
	if out.Views > 0 {
		err = s.fs.SyncDir(s.path(viewsDir))
	}
	return named, err
}

// pruneView removes a view with its exclusive lock held, unless a process has a lease.
func (s *Store) pruneView(n int64) (gone bool, err error) {
	f, err := s.root.Open(path.Join(viewsDir, fmt.Sprint(n)))
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := fsx.TryLock(f, false); errors.Is(err, fsx.ErrLocked) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, s.fs.Remove(s.viewPath(n))
}

func (s *Store) wants(wanted []Target, dir string) bool {
	return slices.ContainsFunc(wanted, func(t Target) bool {
		if path.Base(path.Dir(dir)) != string(t.ID) {
			return false
		}
		h, err := s.open(dir)
		if err != nil {
			return false
		}
		defer h.close()
		return h.archive.Content() == t.Content
	})
}

// discard moves a tree out of the way, in one step: so that whatever lies in packs is
// whole.
func (s *Store) discard(dir string) error {
	return fsx.Move(s.fs, s.path(dir), s.path(fmt.Sprintf("%s/%016x", trashDir, rand.Uint64())))
}

// emptyTrash removes what was discarded. On Windows a file that is open may refuse; then
// the next time will do.
func (s *Store) emptyTrash() error {
	names, err := s.list(trashDir)
	for _, name := range names {
		if rmErr := s.root.RemoveAll(path.Join(trashDir, name)); rmErr != nil && !errors.Is(rmErr, fs.ErrPermission) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}

// Verify holds an installed pack against its index, every byte of it. What it finds
// is mended by staging the same version Again, and a commit.
func (s *Store) Verify(ctx context.Context, id asset.PackID) ([]pack.Mismatch, error) {
	const op = "verify pack"
	p, ok := s.View().Pack(id)
	if !ok || !s.use(p.Root) {
		return nil, disk(op, string(id), fs.ErrNotExist)
	}
	defer s.unuse(p.Root)
	h, err := s.open(path.Dir(p.Root))
	if err != nil {
		return nil, disk(op, string(id), err)
	}
	defer h.close()
	root, err := s.root.OpenRoot(p.Root)
	if err != nil {
		return nil, disk(op, string(id), err)
	}
	defer root.Close()
	return h.archive.VerifyTree(ctx, root)
}
