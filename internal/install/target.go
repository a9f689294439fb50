package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/shelf"
	"larder/pack"
)

// Target is a version of a pack that shall be installed.
type Target struct {
	ID       asset.PackID
	Version  int64
	Language string    // BCP 47; empty: for everyone
	Content  pack.Hash // names the tree
	// Index is the pack's index alone, or the whole pack, of Size bytes; the caller
	// has proved that it is the published one.
	Index io.ReaderAt
	Size  int64
	// Deltas that lead to it, fetched as a whole; none is needed. What they make is
	// proved like every byte, so they need not be.
	Deltas []*pack.Delta
	// Fine is a fine file of it, used without deltas; nil for none. It is proved likewise.
	Fine *pack.Fine
	// Again makes a new tree although the shelf has one, because that one is damaged.
	// What is whole in it is used.
	Again bool
	// Planned hears what the plan says, before anything is fetched; again when the disk
	// makes another plan necessary. Not when the tree is there already.
	Planned func(pack.Figures)
	// Made hears how staging goes on, see [pack.PlanOptions].
	Made func(useful, written int64)
}

// entry is the target's entry in a view, without its root.
func (t Target) entry(installed int64) shelf.Pack {
	return shelf.Pack{ID: t.ID, Version: t.Version, Content: t.Content.String(), Language: t.Language, Size: installed}
}

func (t Target) check() error {
	_, err := asset.ParseLanguage(t.Language)
	if _, idErr := asset.ParsePackID(string(t.ID)); idErr != nil {
		err = idErr
	}
	switch {
	case t.Version < 0 || t.Version > asset.MaxPackVersion:
		err = fmt.Errorf("version %d is out of bounds", t.Version)
	}
	if err != nil {
		return &asset.Error{Code: asset.CodeBadRequest, Op: opStage, Subject: fmt.Sprintf("%.200q", t.ID), Message: "this is no version of a pack", Err: err}
	}
	return nil
}

// dirName is the least name of the target's directory. The view says the whole root, so
// it only has to tell a person what it is.
func (t Target) dirName() string { return fmt.Sprintf("%d-%.16s", t.Version, t.Content) }

// home is a pack's directory on the shelf, complete: tree, index and seen.
type home struct {
	dir     string // below the shelf
	archive *pack.Archive
	index   *os.File
	seen    stamps
}

func (h *home) root() string { return path.Join(h.dir, filesDir) }
func (h *home) close()       { _ = h.index.Close() } // it was only read

// open opens a pack's directory.
func (s *Store) open(dir string) (*home, error) {
	f, err := s.root.Open(path.Join(dir, indexFile))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	h := &home{dir: dir, index: f}
	if err == nil {
		h.archive, err = pack.Open(f, info.Size())
	}
	if err == nil {
		h.seen, err = s.readStamps(path.Join(dir, seenFile))
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// Installed opens the index of a version of the pack whose tree is on the shelf, and
// keeps that tree from being pruned until done is called. It is nil if there is none.
func (s *Store) Installed(id asset.PackID, content pack.Hash) (index *pack.Archive, done func(), err error) {
	h, err := s.holding(id, content, func(h *home) bool { return s.use(h.root()) })
	if h == nil {
		return nil, nil, disk("open installed pack", string(id), err)
	}
	return h.archive, func() { s.unuse(h.root()); h.close() }, nil
}

// CopyIndex writes the index of a version of the pack whose tree is on the shelf, and
// reports whether there is one.
func (s *Store) CopyIndex(id asset.PackID, content pack.Hash, w io.Writer) (bool, error) {
	h, err := s.holding(id, content, func(*home) bool { return true })
	if h == nil {
		return false, disk("copy index", string(id), err)
	}
	defer h.close()
	_, err = io.Copy(w, io.NewSectionReader(h.index, 0, math.MaxInt64))
	return err == nil, disk("copy index", string(id), err)
}

// holding opens the first directory that has a version of the pack and is good for its use; nil
// if none is.
func (s *Store) holding(id asset.PackID, content pack.Hash, good func(*home) bool) (*home, error) {
	dirs, err := s.homes(id)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		h, err := s.open(d)
		if err != nil {
			continue // its index is damaged; so it is not whole
		}
		if h.archive.Content() == content && good(h) {
			return h, nil
		}
		h.close()
	}
	return nil, nil
}

// homes are the directories of a pack, or of all: as "packs/ID/NAME", sorted.
func (s *Store) homes(id asset.PackID) ([]string, error) {
	if id == "" {
		var all []string
		ids, err := s.list(packsDir)
		for _, id := range ids {
			some, listErr := s.homes(asset.PackID(id))
			all, err = append(all, some...), errors.Join(err, listErr)
		}
		return all, err
	}
	dir := path.Join(packsDir, string(id))
	names, err := s.list(dir)
	for i := range names {
		names[i] = path.Join(dir, names[i])
	}
	return names, err
}

// list gives the names in a directory, sorted; none when it is missing.
func (s *Store) list(dir string) ([]string, error) {
	d, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// find looks whether the target's tree is on the shelf, whole: a tree that the view
// names, else the newest. With Again the view's own does not count.
func (s *Store) find(t Target) (dir string, err error) {
	dirs, err := s.homes(t.ID)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	now, _ := s.view.Pack(t.ID)
	s.mu.Unlock()
	for _, d := range dirs {
		name := path.Base(d)
		if name != t.dirName() && !strings.HasPrefix(name, t.dirName()+".") {
			continue
		}
		current := path.Join(d, filesDir) == now.Root
		if t.Again && current || dir != "" && !current {
			continue
		}
		h, err := s.open(d)
		if err != nil {
			continue // its index is damaged; so it is not whole
		}
		if h.archive.Content() == t.Content {
			dir = d
		}
		h.close()
	}
	return dir, nil
}

// sources opens everything on the shelf, as old bytes: what is most like the target
// first, because the first one that has some bytes gives them.
func (s *Store) sources(id asset.PackID) (olds []pack.Installed, done func(), err error) {
	dirs, err := s.homes("")
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	now := map[string]bool{}
	for _, p := range s.view.Packs {
		now[p.Root] = true
	}
	s.mu.Unlock()
	slices.SortStableFunc(dirs, func(a, b string) int { return near(a, id, now) - near(b, id, now) })
	var homes []*home
	for _, d := range dirs {
		h, err := s.open(d)
		if err != nil {
			continue // its bytes are no use without an index
		}
		if !s.use(h.root()) {
			h.close()
			continue
		}
		homes = append(homes, h)
		olds = append(olds, pack.Installed{Archive: h.archive, Dir: h.root(), Intact: h.seen.intact})
	}
	return olds, func() {
		for _, h := range homes {
			s.unuse(h.root())
			h.close()
		}
	}, nil
}

func near(dir string, id asset.PackID, now map[string]bool) int {
	score := 0
	if path.Base(path.Dir(dir)) != string(id) {
		score += 2
	}
	if !now[path.Join(dir, filesDir)] {
		score++
	}
	return score
}

// use keeps a tree from being pruned while it is read. It fails when it is gone.
func (s *Store) use(root string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there, err := s.exists(root); err != nil || !there {
		return false
	}
	s.using[root]++
	return true
}

func (s *Store) unuse(root string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.using[root]--; s.using[root] == 0 {
		delete(s.using, root)
	}
}

// saveIndex writes the target's index where it outlasts a power cut.
func (s *Store) saveIndex(ctx context.Context, t Target, name string) error {
	temp := s.path(name + ".new")
	f, err := s.fs.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, cancelled{ctx, io.NewSectionReader(t.Index, 0, t.Size)})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsx.Move(s.fs, temp, s.path(name))
}

// cancelled ends a copy when nobody waits for it any more.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}
