package shelf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"larder/asset"
	"larder/internal/fsx"
)

// lease is a view that this process holds: while its file is open and locked,
// nobody removes a tree that the view names.
type lease struct {
	View
	file *os.File // nil for an empty shelf's
}

func (l *lease) free() {
	if l.file != nil {
		_ = fsx.Unlock(l.file) // it was only read
	}
}

// patience is how often a reader begins again because views came and went meanwhile. Each
// time the writer has done a whole commit and prune.
const patience = 1000

// newest takes a lease on the newest valid view of the shelf.
func newest(root *os.Root) (*lease, error) {
	for range patience {
		l, err := tryNewest(root)
		if l != nil || err != nil {
			return l, err
		}
	}
	return nil, &asset.Error{Code: asset.CodeState, Op: "open shelf", Subject: root.Name(), Message: "its views come and go without end",
		Help: "see what writes there; it should be one service alone"}
}

// tryNewest gives nothing when it has to begin again.
func tryNewest(root *os.Root) (*lease, error) {
	numbers, err := Numbers(root)
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(numbers) {
		f, err := openView(root, n)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		v, err := take(root, f, n)
		if err == nil && v != nil {
			return &lease{View: *v, file: f}, nil
		}
		_ = f.Close()
		if !errors.Is(err, errTorn) {
			return nil, err
		}
	}
	return &lease{}, nil
}

// take locks and reads view n. It gives nothing when the view is being removed.
func take(root *os.Root, f *os.File, n int64) (*View, error) {
	if err := fsx.TryLock(f, true); errors.Is(err, fsx.ErrLocked) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	held, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if named, err := root.Lstat(viewName(n)); err != nil || !os.SameFile(held, named) {
		return nil, nil
	}
	v, err := readView(f, n)
	return &v, err
}

func readView(r io.Reader, n int64) (View, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxView+1))
	if err != nil {
		return View{}, fmt.Errorf("%s %s: %w", opView, viewName(n), err)
	}
	return Decode(n, b)
}

// openView opens a regular file and nothing that could make a read wait.
func openView(root *os.Root, n int64) (*os.File, error) {
	name := viewName(n)
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, damaged(name, errors.New("it is no regular file"))
	}
	return root.Open(name)
}

func viewName(n int64) string { return "views/" + strconv.FormatInt(n, 10) }

// Numbers lists the views of a shelf, torn ones too, from the lowest up. A shelf that
// does not exist has none.
func Numbers(root *os.Root) ([]int64, error) {
	d, err := root.Open("views")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var numbers []int64
	for _, name := range names {
		if n, ok := parseNumber(name, 18); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Current reads the newest view of the shelf in dir, without a lease: to tell what is
// installed, not to read its files. A shelf that does not exist is empty.
func Current(dir string) (View, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return View{}, nil
	}
	if err != nil {
		return View{}, err
	}
	defer root.Close()
	l, err := newest(root)
	if err != nil {
		return View{}, err
	}
	l.free()
	return l.View, nil
}

// Read reads one view of the shelf, if it is whole: torn tells that it does not count.
func Read(root *os.Root, number int64) (v View, torn bool, err error) {
	f, err := openView(root, number)
	if err != nil {
		return View{}, false, err
	}
	defer f.Close()
	v, err = readView(f, number)
	return v, errors.Is(err, errTorn), err
}
