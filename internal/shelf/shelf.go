package shelf

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"larder/asset"
	"larder/internal/fsx"
)

// Options of a shelf; the zero value serves.
type Options struct {
	// Languages are tried in this order where several packs have a path and the
	// caller names no language: tags as the packs have them.
	Languages []string
	// Scratch is where directories are put together that several packs share
	// (see Path): any directory that this process may write. Empty: the
	// system's place for temporary files.
	Scratch string
}

// Shelf is what one process sees of an app's packs. It is safe for concurrent use.
type Shelf struct {
	dir  string
	opts Options

	mu     sync.RWMutex
	closed bool
	now    *sight
	merged merger
}

// sight is what the process sees between two changes: packs, and the leases that
// keep their files.
type sight struct {
	mounts []*mount // sorted by ID
	leases []*lease // the first is the newest that all was moved to
	all    *space

	mu     sync.Mutex
	spaces map[string]*space // by language
}

// Open takes a lease on the newest view of the shelf in dir. A shelf that does not
// exist is empty, and may come to be later.
func Open(dir string, opts Options) (*Shelf, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Shelf{dir: dir, opts: opts}
	l, err := s.newest()
	if err != nil {
		return nil, err
	}
	s.now = s.see(l.mounts(dir), []*lease{l})
	return s, nil
}

func (s *Shelf) newest() (*lease, error) {
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &lease{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return newest(root)
}

func (l *lease) mounts(dir string) []*mount {
	mounts := make([]*mount, len(l.Packs))
	for i, p := range l.Packs {
		mounts[i] = &mount{Pack: p, dir: filepath.Join(dir, filepath.FromSlash(p.Root)), from: l}
	}
	return mounts
}

// see arranges packs for lookups.
func (s *Shelf) see(mounts []*mount, leases []*lease) *sight {
	slices.SortFunc(mounts, func(a, b *mount) int { return cmp.Compare(a.ID, b.ID) })
	ordered := slices.Clone(mounts)
	slices.SortStableFunc(ordered, func(a, b *mount) int {
		return cmp.Or(cmp.Compare(s.rank(a.Language), s.rank(b.Language)), cmp.Compare(a.Language, b.Language), cmp.Compare(a.from.Number, b.from.Number))
	})
	return &sight{mounts: mounts, leases: leases, all: newSpace(ordered), spaces: map[string]*space{}}
}

// rank orders languages: preferred ones, none, all others.
func (s *Shelf) rank(language string) int {
	if i := slices.Index(s.opts.Languages, language); i >= 0 && language != "" {
		return i
	}
	if language == "" {
		return len(s.opts.Languages)
	}
	return len(s.opts.Languages) + 1
}

// Packs are what this process sees, sorted by ID.
func (s *Shelf) Packs() []Pack {
	s.mu.RLock()
	defer s.mu.RUnlock()
	packs := make([]Pack, len(s.now.mounts))
	for i, m := range s.now.mounts {
		packs[i] = m.Pack
	}
	return packs
}

// Pack gives the pack of that ID, as this process sees it.
func (s *Shelf) Pack(id asset.PackID) (Pack, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.now.mount(id); m != nil {
		return m.Pack, true
	}
	return Pack{}, false
}

func (now *sight) mount(id asset.PackID) *mount {
	i, ok := slices.BinarySearchFunc(now.mounts, id, func(m *mount, id asset.PackID) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return nil
	}
	return now.mounts[i]
}

// Add makes installed packs visible that this process lacks, and leaves those alone
// that it has, whatever their version. If one of them is not installed it
// is an error (domain BAManagedErrorDomain, 0) and none is added.
func (s *Shelf) Add(ids ...asset.PackID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed("add packs")
	}
	missing := slices.DeleteFunc(slices.Clone(ids), func(id asset.PackID) bool { return s.now.mount(id) != nil })
	if len(missing) == 0 {
		return nil
	}
	l, err := s.newest()
	if err != nil {
		return err
	}
	mounts := slices.Clone(s.now.mounts)
	for _, id := range missing {
		p, ok := l.Pack(id)
		if !ok {
			l.free()
			return &asset.Error{Code: asset.CodeManagedPackNotFound, Domain: asset.DomainManaged, Op: "add pack", Subject: string(id), Message: "it is not installed",
				Help: "ensure its local availability first"}
		}
		if !slices.ContainsFunc(mounts, func(m *mount) bool { return m.ID == id }) {
			mounts = append(mounts, &mount{Pack: p, dir: filepath.Join(s.dir, filepath.FromSlash(p.Root)), from: l})
		}
	}
	s.swap(s.see(mounts, append(slices.Clone(s.now.leases), l)))
	return nil
}

// Drop makes packs invisible to this process, because the app has removed them. Their
// files are kept until the next Refresh nevertheless.
func (s *Shelf) Drop(ids ...asset.PackID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(s.now.mounts), func(m *mount) bool { return slices.Contains(ids, m.ID) })
	if !s.closed && len(left) < len(s.now.mounts) {
		s.swap(s.see(left, slices.Clone(s.now.leases)))
	}
}

// Refresh moves the process to the newest view, all packs at once, and reports
// whether that changed anything. Paths that were given out before may be
// gone afterwards; files that are open stay so.
func (s *Shelf) Refresh() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, errClosed("refresh")
	}
	l, err := s.newest()
	if err != nil {
		return false, err
	}
	changed = !slices.EqualFunc(s.now.mounts, l.Packs, func(m *mount, p Pack) bool { return m.Pack == p })
	if !changed && len(s.now.leases) == 1 && s.now.leases[0].Number == l.Number {
		l.free()
		return false, nil
	}
	s.swap(s.see(l.mounts(s.dir), []*lease{l}))
	s.merged.clear()
	return changed, nil
}

// swap puts the next sight in place, frees the leases that it does without, and closes what
// only the last one used. No lookup is under way.
func (s *Shelf) swap(next *sight) {
	used := map[*lease]bool{}
	for _, m := range next.mounts {
		used[m.from] = true
	}
	// A lease on which nothing rests but which is the only one tells what this
	// process has seen.
	if len(used) == 0 && len(next.leases) > 0 {
		used[next.leases[len(next.leases)-1]] = true
	}
	next.leases = slices.DeleteFunc(next.leases, func(l *lease) bool { return !used[l] })
	for _, l := range s.now.leases {
		if !slices.Contains(next.leases, l) {
			l.free()
		}
	}
	for _, m := range s.now.mounts {
		if !slices.Contains(next.mounts, m) {
			m.close()
		}
	}
	s.now = next
}

// Close frees the leases and removes what was put together in the scratch directory.
func (s *Shelf) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.swap(s.see(nil, nil))
	return s.merged.close()
}

func errClosed(op string) error {
	return &asset.Error{Code: asset.CodeState, Op: op, Subject: "shelf", Message: "it is closed", Err: fs.ErrClosed}
}

// mount is a pack's tree, opened when it is first used.
type mount struct {
	Pack
	dir  string
	from *lease

	once sync.Once
	tree *fsx.Dir
	err  error
}

func (m *mount) open() (*fsx.Dir, error) {
	m.once.Do(func() { m.tree, m.err = fsx.OpenDir(m.dir) })
	return m.tree, m.err
}

func (m *mount) close() {
	m.once.Do(func() { m.err = fs.ErrClosed })
	if m.tree != nil {
		_ = m.tree.Close() // it was only read
	}
}
