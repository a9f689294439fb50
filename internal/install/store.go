package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/shelf"
)

// Options of a store; the zero value serves.
type Options struct {
	FS fsx.FS // nil: the operating system's
}

// Store is the shelf of one app, to be written. It is safe for concurrent use; calls of
// Stage for different packs run beside each other.
type Store struct {
	fs   fsx.FS
	dir  string
	root *os.Root
	lock *fsx.FileLock
	free func(dir string) (int64, error)
	mark func(point string) // tests stop here

	mu    sync.Mutex // views, and what follows
	view  shelf.View
	busy  map[asset.PackID]bool // packs that are being staged
	using map[string]int        // trees that are being read, by root
	fresh map[string]bool       // trees that were staged and are in no view yet
	shaky bool                  // what the disk shows may not outlast a power cut
}

// What lies on a shelf. Only views and packs are of the public format.
const (
	viewsDir   = "views"
	packsDir   = "packs"
	stagingDir = "staging" // one directory for each pack that is on its way
	trashDir   = "trash"   // trees on their way out
	lockFile   = "writer.lock"
	filesDir   = "files" // in a pack's directory: its tree
	indexFile  = "index" // and its index
	seenFile   = "seen"  // and the state of its files when they were written
)

// Open opens the shelf in dir for writing, makes it when it is missing, and clears away
// what a dead writer left half removed. Another writer is an error (1015).
func Open(dir string, opts Options) (*Store, error) {
	const op = "open shelf"
	if opts.FS == nil {
		opts.FS = fsx.OS()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, dir, err)
	}
	s := &Store{fs: opts.FS, dir: dir, free: fsx.Free, mark: func(string) {},
		busy: map[asset.PackID]bool{}, using: map[string]int{}, fresh: map[string]bool{}}
	for _, name := range []string{viewsDir, packsDir, stagingDir, trashDir} {
		if err := fsx.MkdirAll(s.fs, s.path(name), 0o755); err != nil {
			return nil, disk(op, dir, err)
		}
	}
	if s.lock, err = fsx.Lock(s.path(lockFile)); errors.Is(err, fsx.ErrLocked) {
		return nil, &asset.Error{Code: asset.CodeState, Op: op, Subject: dir, Message: "another process writes it", Help: "let one service alone run", Err: err}
	} else if err != nil {
		return nil, disk(op, dir, err)
	}
	if s.root, err = os.OpenRoot(dir); err == nil {
		s.shaky = true
		if err = s.steady(); err == nil {
			err = s.emptyTrash()
		}
	}
	if err != nil {
		return nil, disk(op, dir, errors.Join(err, s.Close()))
	}
	return s, nil
}

// Close lets another writer come. What is staged and not committed stays and is found
// again.
func (s *Store) Close() error {
	var err error
	if s.root != nil {
		err = s.root.Close()
	}
	return errors.Join(err, s.lock.Unlock())
}

// View is what is installed now.
func (s *Store) View() shelf.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// path is where something on the shelf lies; the name has slashes.
func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// steady finds the newest view, after a failed write or another writer's death: what
// the disk shows then is what processes saw, and what trees are kept by, so it is
// made durable before anything rests on it. Torn views count for nothing and go.
func (s *Store) steady() error {
	if !s.shaky {
		return nil
	}
	numbers, err := shelf.Numbers(s.root)
	if err != nil {
		return err
	}
	view := shelf.View{}
	for _, n := range numbers {
		v, torn, err := shelf.Read(s.root, n)
		switch {
		case torn:
			if err := s.fs.Remove(s.viewPath(n)); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			view = v
		}
	}
	if view.Number > 0 {
		f, err := s.fs.OpenFile(s.viewPath(view.Number), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	ids, err := s.list(packsDir)
	if err != nil {
		return err
	}
	dirs := []string{"..", ".", packsDir, stagingDir}
	for _, id := range ids {
		dirs = append(dirs, packsDir+"/"+id)
	}
	for _, dir := range append(dirs, viewsDir) { // views last: they name the trees
		if err := s.fs.SyncDir(s.path(dir)); err != nil {
			return err
		}
	}
	s.view, s.shaky = view, false
	return nil
}

func (s *Store) viewPath(n int64) string { return s.path(fmt.Sprintf("%s/%d", viewsDir, n)) }

// disk wraps an error of the file system; typed ones pass unchanged.
func disk(op, subject string, err error) error {
	var typed *asset.Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	if full(err) {
		return &asset.Error{Code: asset.CodeNoSpace, Op: op, Subject: subject, Message: "the disk is full", Help: "free some space and try again", Err: err}
	}
	return fmt.Errorf("%s %s: %w", op, subject, err)
}

// exists reports whether something lies there.
func (s *Store) exists(name string) (bool, error) {
	_, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
