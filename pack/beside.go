package pack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"

	"larder/asset"
)

const opTree = "verify tree"

// beside walks a tree on the disk and the index beside each other, both in the order
// of packs: visit gets what both have, what only the index has (no info), and
// what only the disk has (no entry). Directories that entries lie in are told only
// where the disk has something else in their place.
func (a *Archive) beside(ctx context.Context, op string, root *os.Root, visit func(e *Entry, name string, info fs.FileInfo) error) error {
	next, stop := iter.Pull2(a.Entries())
	defer stop()
	e, err, more := next()
	pass := func() error {
		missing := e
		if e, err, more = next(); err != nil {
			return err
		}
		return visit(&missing, missing.Path, nil)
	}
	walkErr := walkTree(ctx, op, root, ".", func(name string, info fs.FileInfo, _ bool) error {
		if name == "." {
			return err
		}
		for more && comparePaths(e.Path, name) < 0 {
			if err := pass(); err != nil {
				return err
			}
		}
		switch {
		case more && e.Path == name:
			both := e
			if e, err, more = next(); err != nil {
				return err
			}
			return visit(&both, name, info)
		case more && info.IsDir() && strings.HasPrefix(e.Path, name+"/"):
			return nil
		}
		return visit(nil, name, info)
	})
	if walkErr != nil {
		return walkErr
	}
	for more && err == nil {
		if err := pass(); err != nil {
			return err
		}
	}
	return err
}

// misfit says how what is on the disk differs in kind from the entry.
func misfit(root *os.Root, e Entry, info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case e.Kind == KindDirectory && !mode.IsDir():
		return "it is no directory"
	case e.Kind == KindLink:
		if target, err := root.Readlink(e.Path); err != nil || target != e.Target {
			return fmt.Sprintf("it is no link to %s", quote(e.Target))
		}
	case e.Kind.Regular() && !mode.IsRegular():
		return "it is no regular file"
	case e.Kind.Regular() && canExecute && (mode&0o100 != 0) != (e.Kind == KindExecutable):
		return fmt.Sprintf("it has the permissions %v; the index says %s", mode.Perm(), e.Kind)
	}
	return ""
}

// VerifyTree holds a tree on the disk against the index, every byte of it, and gives
// all that is missing, too much or wrong. The error tells only of what kept it
// from looking. An index alone is enough.
func (a *Archive) VerifyTree(ctx context.Context, root *os.Root) ([]Mismatch, error) {
	var all []Mismatch
	unfit := map[string]bool{} // files whose bytes need not be looked at
	err := a.beside(ctx, opTree, root, func(e *Entry, name string, info fs.FileInfo) error {
		m := Mismatch{Code: asset.CodeHashMismatch, Path: name, At: -1}
		switch {
		case info == nil:
			m.Code, m.Message = asset.CodeSizeMismatch, "it is missing"
		case e == nil:
			m.Message = "it is not in the pack"
		case misfit(root, *e, info) != "":
			m.Message = misfit(root, *e, info)
		case e.Kind.Regular() && info.Size() != e.Size:
			m.Code, m.Offset, m.Message = asset.CodeSizeMismatch, min(info.Size(), e.Size), fmt.Sprintf("it has %d bytes, not %d", info.Size(), e.Size)
		default:
			return nil
		}
		all = append(all, m)
		if e != nil && (info == nil || !info.Mode().IsRegular()) {
			unfit[name] = true
		}
		if e == nil && info.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return all, err
	}
	type job struct {
		frameJob
		found []Mismatch
	}
	err = inOrder(ctx, readers(), func(emit func(job) error) error {
		return a.everyFrame(ctx, opTree, func(j frameJob) error { return emit(job{frameJob: j}) },
			func(_ int, err error) error { return err }, func(*loaded) {})
	}, func(j *job) error {
		file := newEye(root)
		defer file.close()
		s := j.span()
		for i := s.chunk0; i < s.chunk1; i++ {
			c := &j.in.chunks[i]
			e := &j.in.rows[c.row]
			if unfit[e.Path] {
				continue
			}
			if _, err := file.read(e.Path, c.at, c); err != nil {
				j.found = append(j.found, Mismatch{Code: asset.CodeOf(err), Path: e.Path, Offset: c.at, At: -1, Message: err.Error()})
			}
		}
		return nil
	}, func(j *job, err error) error {
		all = append(all, j.found...)
		return err
	})
	return all, err
}

// eye reads files below a root, and keeps the last one open. One goroutine has it.
type eye struct {
	near nearby
	name string
	file *os.File
	buf  []byte
}

func newEye(root *os.Root) *eye { return &eye{near: nearby{root: root}} }

func (o *eye) close() {
	o.shut()
	o.near.close()
}

func (o *eye) shut() {
	if o.file != nil {
		_ = o.file.Close() // it was only read
	}
	o.file = nil
}

// read gives the bytes of c, which stand at the given place in the file, proved.
func (o *eye) read(name string, place int64, c *chunk) (_ []byte, err error) {
	if o.file == nil || o.name != name {
		o.shut()
		if o.file, err = openRegular(&o.near, name); err != nil {
			return nil, err
		}
		o.name = name
	}
	if cap(o.buf) < int(c.size) {
		o.buf = make([]byte, maxChunk)
	}
	b := o.buf[:c.size]
	if err := readAt(o.file, b, place); err != nil {
		return nil, err
	}
	if got := sha256.Sum256(b); got != c.hash {
		return nil, fault(asset.CodeHashMismatch, "read", at("chunk", place), "its %d bytes have the hash %v, not %v", len(b), Hash(got), c.hash)
	}
	return b, nil
}

// openRegular opens nothing that could make a read wait.
func openRegular(near *nearby, name string) (*os.File, error) {
	dir, err := near.of(name)
	if err != nil {
		return nil, err
	}
	info, err := dir.Lstat(path.Base(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return dir.Open(path.Base(name))
}
