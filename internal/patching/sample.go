package patching

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"larder/pack"
)

// How much of a file is looked at: the archive formats have what matters at one of
// their ends.
const (
	headSize = 64 << 10
	tailSize = 1 << 20
)

// sample is a file's two ends, which overlap in short files.
type sample struct {
	path       string
	size       int64
	head, tail []byte
}

// ofPack gives the samples of a pack's files, in order.
func ofPack(ctx context.Context, a *pack.Archive, visit func(*sample)) error {
	var now *sample
	sizes := map[string]int64{}
	for e, err := range a.Entries() {
		if err != nil {
			return err
		}
		if e.Kind.Regular() && e.Size > 0 {
			sizes[e.Path] = e.Size
		} else {
			visit(&sample{path: e.Path})
		}
	}
	err := a.Stream(ctx, func(c pack.Chunk, data []byte) error {
		if c.Offset == 0 {
			if now != nil {
				visit(now)
			}
			now = &sample{path: c.Path, size: sizes[c.Path]}
		}
		if room := headSize - len(now.head); room > 0 {
			now.head = append(now.head, data[:min(room, len(data))]...)
		}
		if skip := now.size - tailSize - c.Offset; skip < int64(len(data)) {
			now.tail = append(now.tail, data[max(skip, 0):]...)
		}
		return nil
	})
	if err == nil && now != nil {
		visit(now)
	}
	return err
}

// ofTree gives the samples of all files below a directory. What is neither file,
// directory nor link is passed over.
func ofTree(ctx context.Context, root *os.Root, visit func(*sample)) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		s := &sample{path: path.Clean(name), size: info.Size()}
		s.head, s.tail = make([]byte, min(headSize, s.size)), make([]byte, min(tailSize, s.size))
		if _, err := f.ReadAt(s.head, 0); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := f.ReadAt(s.tail, s.size-int64(len(s.tail))); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		visit(s)
		return nil
	})
}
