package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/shelf"
	"larder/pack"
)

const opStage = "stage pack"

// Staged is a pack whose tree is on the shelf, proved and durable, and which no process
// sees before it is committed.
type Staged struct {
	shelf.Pack
	pack.Result
	// Ready tells that the tree was there already, nothing was done.
	Ready bool
}

// Plan tells what staging the target would cost now. It writes nothing.
func (s *Store) Plan(ctx context.Context, t Target) (pack.Figures, error) {
	if err := t.check(); err != nil {
		return pack.Figures{}, err
	}
	archive, err := pack.Open(t.Index, t.Size)
	if err != nil {
		return pack.Figures{}, err
	}
	if dir, err := s.find(t); err != nil || dir != "" {
		return pack.Figures{}, disk(opStage, string(t.ID), err)
	}
	olds, done, err := s.sources(t.ID)
	if err != nil {
		return pack.Figures{}, disk(opStage, string(t.ID), err)
	}
	defer done()
	p, err := s.plan(ctx, archive, t, olds, false)
	if err != nil {
		return pack.Figures{}, err
	}
	return p.Figures(), nil
}

// Stage brings the target's tree onto the shelf. Old bytes come from all that lies there;
// the rest is fetched, as ranges of the pack. It goes on where an earlier try for the
// same pack stopped, also for another version, and does nothing when the tree is there.
func (s *Store) Stage(ctx context.Context, t Target, from pack.Fetcher) (Staged, error) {
	if err := t.check(); err != nil {
		return Staged{}, err
	}
	if err := s.claim(t.ID); err != nil {
		return Staged{}, err
	}
	defer s.release(t.ID)
	archive, err := pack.Open(t.Index, t.Size)
	if err != nil {
		return Staged{}, err
	}
	if archive.Content() != t.Content {
		return Staged{}, wrongIndex(t, fmt.Sprintf("its index is of the content %v, not %v", archive.Content(), t.Content))
	}
	out := Staged{Pack: t.entry(archive.Totals().InstalledSize)}
	dir, err := s.find(t)
	if err != nil {
		return Staged{}, disk(opStage, string(t.ID), err)
	}
	if out.Ready = dir != ""; out.Ready {
		out.Root = path.Join(dir, filesDir)
		return out, s.keep(out.Root)
	}
	if out.Result, err = s.build(ctx, t, from); err != nil {
		return out, disk(opStage, string(t.ID), err)
	}
	if out.Root, err = s.place(t); err != nil {
		s.mu.Lock()
		s.shaky = true // it may have moved, and not durably
		s.mu.Unlock()
		return out, disk(opStage, string(t.ID), err)
	}
	s.mark("moved")
	return out, nil
}

// claim makes this call the only one that stages the pack.
func (s *Store) claim(id asset.PackID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] {
		return &asset.Error{Code: asset.CodeState, Op: opStage, Subject: string(id), Message: "it is being staged already", Help: "wait for that to end"}
	}
	s.busy[id] = true
	return nil
}

func (s *Store) release(id asset.PackID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, id)
}

// keep keeps a staged tree from being pruned before it is committed.
func (s *Store) keep(root string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there, err := s.exists(root); err != nil || !there {
		return disk(opStage, root, errors.Join(err, fs.ErrNotExist))
	}
	s.keepOnly(root)
	return nil
}

// keepOnly keeps this tree until it is committed, and no other that was staged for
// the same pack and came to nothing.
func (s *Store) keepOnly(root string) {
	for old := range s.fresh {
		if path.Dir(path.Dir(old)) == path.Dir(path.Dir(root)) {
			delete(s.fresh, old)
		}
	}
	s.fresh[root] = true
}

func wrongIndex(t Target, message string) error {
	return &asset.Error{Code: asset.CodeHashMismatch, Op: opStage, Subject: string(t.ID), Message: message, Help: "fetch the index again"}
}

func work(id asset.PackID) string { return path.Join(stagingDir, string(id)) }

// build makes the tree in the staging directory.
func (s *Store) build(ctx context.Context, t Target, from pack.Fetcher) (pack.Result, error) {
	tree := path.Join(work(t.ID), filesDir)
	if err := fsx.MkdirAll(s.fs, s.path(tree), 0o755); err != nil {
		return pack.Result{}, err
	}
	index := path.Join(work(t.ID), indexFile)
	if err := s.saveIndex(ctx, t, index); err != nil {
		return pack.Result{}, err
	}
	s.mark("index")
	f, err := s.root.Open(index)
	if err != nil {
		return pack.Result{}, err
	}
	defer f.Close()
	archive, err := s.proveIndex(ctx, t, f)
	if err != nil {
		return pack.Result{}, err
	}
	olds, done, err := s.sources(t.ID)
	if err != nil {
		return pack.Result{}, err
	}
	defer done()
	got, err := s.apply(ctx, t, archive, olds, from, false)
	if asset.CodeOf(err) == asset.CodeState { // neither clones nor links on this disk
		var again pack.Result
		again, err = s.apply(ctx, t, archive, olds, from, true)
		again.Downloaded, again.Useful, again.Written = again.Downloaded+got.Downloaded, again.Useful+got.Useful, again.Written+got.Written
		got = again
	}
	if err != nil {
		return got, err
	}
	s.mark("applied")
	if err := s.saveStamps(tree, path.Join(work(t.ID), seenFile)); err != nil {
		return got, err
	}
	s.mark("seen")
	return got, nil
}

// proveIndex reads the index that was saved and recomputes every claim in it.
func (s *Store) proveIndex(ctx context.Context, t Target, f *os.File) (*pack.Archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	archive, err := pack.Open(f, info.Size())
	if err != nil {
		return nil, err
	}
	if archive.Content() != t.Content {
		return nil, wrongIndex(t, fmt.Sprintf("its index is of the content %v, not %v", archive.Content(), t.Content))
	}
	if archive.Whole() {
		return archive, nil // the frames are proved when they are used
	}
	wrong, err := archive.Verify(ctx)
	if err == nil && len(wrong) > 0 {
		err = wrongIndex(t, wrong[0].String())
	}
	return archive, err
}

// plan finds the cheapest way. When there are more old chunks than a plan takes, the
// pack's own versions have to do.
func (s *Store) plan(ctx context.Context, archive *pack.Archive, t Target, olds []pack.Installed, copied bool) (*pack.Plan, error) {
	opts := pack.PlanOptions{Copy: copied, Deltas: t.Deltas, AtHand: true, Fine: t.Fine, Root: s.root, Made: t.Made, Sync: func(*os.Root) error {
		s.mark("sync")
		return s.fs.SyncTree(s.path(path.Join(work(t.ID), filesDir)))
	}}
	p, err := pack.NewPlan(ctx, archive, olds, opts)
	if asset.CodeOf(err) != asset.CodeTooLarge {
		return p, err
	}
	var own []pack.Installed
	for _, old := range olds {
		if path.Base(path.Dir(path.Dir(old.Dir))) == string(t.ID) {
			own = append(own, old)
		}
	}
	return pack.NewPlan(ctx, archive, own, opts)
}

func (s *Store) apply(ctx context.Context, t Target, archive *pack.Archive, olds []pack.Installed, from pack.Fetcher, copied bool) (pack.Result, error) {
	p, err := s.plan(ctx, archive, t, olds, copied)
	if err != nil {
		return pack.Result{}, err
	}
	if t.Planned != nil {
		t.Planned(p.Figures())
	}
	tree := path.Join(work(t.ID), filesDir)
	if err := s.room(t.ID, p.Figures().PeakDisk, tree); err != nil {
		return pack.Result{}, err
	}
	return p.Apply(ctx, s.root, tree, from)
}

// room refuses early what cannot fit. Bytes that an earlier try left are there already.
func (s *Store) room(id asset.PackID, need int64, tree string) error {
	free, err := s.free(s.dir)
	if err != nil || need <= free {
		return nil // where free space cannot be told the disk itself will say
	}
	there, err := s.allocated(tree)
	if err != nil {
		return err
	}
	if need = max(need-there, 0); need <= free {
		return nil
	}
	return &asset.Error{Code: asset.CodeNoSpace, Op: opStage, Subject: string(id),
		Message: fmt.Sprintf("it needs %d bytes on the disk of %s, and %d are free", need, s.dir, free),
		Help:    fmt.Sprintf("free %d bytes there and try again", need-free)}
}

// allocated is about what a tree takes on the disk.
func (s *Store) allocated(tree string) (sum int64, err error) {
	root, err := s.root.OpenRoot(tree)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}

// place moves the finished directory to its place. From then on it is whole or not there.
func (s *Store) place(t Target) (root string, err error) {
	if err := fsx.MkdirAll(s.fs, s.path(path.Join(packsDir, string(t.ID))), 0o755); err != nil {
		return "", err
	}
	dir := path.Join(packsDir, string(t.ID), t.dirName())
	for n := 2; ; n++ {
		there, err := s.exists(dir)
		if err != nil {
			return "", err
		}
		if !there {
			break
		}
		dir = path.Join(packsDir, string(t.ID), fmt.Sprintf("%s.%d", t.dirName(), n))
	}
	root = path.Join(dir, filesDir)
	s.mu.Lock()
	s.keepOnly(root)
	s.mu.Unlock()
	return root, fsx.Move(s.fs, s.path(work(t.ID)), s.path(dir))
}
