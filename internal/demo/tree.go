package demo

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"larder/asset"
)

// file is a regular file of the tree.
type file struct {
	path       string // slash-separated, below the root of the tree
	size       int64
	executable bool
}

// top is the first folder of the path, "" for a file at the root.
func (f file) top() string {
	folder, _, found := strings.Cut(f.path, "/")
	if !found {
		return ""
	}
	return folder
}

// left counts what does not become a download, and why.
type left struct {
	unreadable      int
	firstUnreadable string
	special         int // links, sockets, devices
	tooMuch         int
	tooMuchBytes    int64
	more            bool // the walk ended at maxFiles
}

func (l *left) cannotRead(path string) {
	if l.unreadable++; l.unreadable == 1 {
		l.firstUnreadable = path
	}
}

// maxFiles bounds the walk through a tree.
const maxFiles = 100_000

var errEnough = errors.New("enough files")

// gather lists the regular files of a tree, at most maxFiles of them: those at
// the top first, then folder by folder.
func gather(ctx context.Context, fsys fs.FS, out *left) ([]file, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case len(files) == maxFiles:
			out.more = true
			return errEnough
		case err != nil && path == ".":
			return err
		case err != nil:
			out.cannotRead(path)
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			out.special++
			return nil
		}
		info, err := d.Info()
		if err != nil {
			out.cannotRead(path)
			return nil
		}
		files = append(files, file{path: path, size: info.Size(), executable: info.Mode()&0o111 != 0})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(cmp.Compare(a.top(), b.top()), cmp.Compare(a.path, b.path)) })
	return files, err
}

// openTree opens the folder at dir for reading; nothing outside it is ever read.
func openTree(dir string) (*os.Root, error) {
	bad := func(message string, err error) error {
		return &asset.Error{Code: asset.CodeBadRequest, Op: "demo", Subject: dir, Message: message, Err: err,
			Help: "name a folder with files of yours, or none to take the Go distribution"}
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, bad("there is no such folder", nil)
	case err != nil:
		return nil, bad("it cannot be opened", cause(err))
	case !st.IsDir():
		return nil, bad("it is not a folder", nil)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, bad("it cannot be opened", cause(err))
	}
	return root, nil
}

// cause is err without the path that the message around it names already.
func cause(err error) error {
	if wrapped := (*fs.PathError)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// goroot is the folder of the installed Go distribution, "" when there is none.
func goroot(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	cmd.Dir = os.TempDir() // where no go.mod asks for another toolchain
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if st, serr := os.Stat(dir); err != nil || serr != nil || !st.IsDir() {
		return ""
	}
	return dir
}
