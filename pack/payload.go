package pack

import (
	"io"
	"os"
	"path"
	"slices"
	"sort"
)

// payload reads the files of an installed tree as one run of bytes, in the order of
// its index: the address space that deltas speak of. What is missing or cut off
// reads as zeros, for whatever is made of it is proved. One goroutine has it.
type payload struct {
	plan *Plan
	old  int
	fileReader
}

func (p *Plan) payload(old int, root *os.Root) *payload {
	return &payload{plan: p, old: old, fileReader: fileReader{near: nearby{root: root}}}
}

// fileReader reads files below a root, and keeps those lately used open. One goroutine has it.
type fileReader struct {
	near nearby
	open []openFile // the latest first
}

type openFile struct {
	name string
	*os.File
}

const mostOpen = 16

func (r *fileReader) close() {
	for _, f := range r.open {
		_ = f.Close() // it was only read
	}
	r.open = nil
	r.near.close()
}

// forget closes a file.
func (r *fileReader) forget(name string) {
	r.open = slices.DeleteFunc(r.open, func(f openFile) bool {
		if f.name == name {
			_ = f.Close() // it was only read
		}
		return f.name == name
	})
}

// file gives an open file.
func (r *fileReader) file(name string) (*os.File, error) {
	k := slices.IndexFunc(r.open, func(f openFile) bool { return f.name == name })
	if k < 0 {
		f, err := openRegular(&r.near, name)
		if err != nil {
			return nil, err
		}
		if k = len(r.open); k == mostOpen {
			k--
			_ = r.open[k].Close() // it was only read
			r.open = r.open[:k]
		}
		r.open = append(r.open, openFile{name, f})
	}
	f := r.open[k]
	copy(r.open[1:k+1], r.open)
	r.open[0] = f
	return f.File, nil
}

// ReadAt implements io.ReaderAt. It fails only where the index cannot be read.
func (p *payload) ReadAt(b []byte, off int64) (int, error) {
	a := p.plan.olds[p.old].Archive
	if off >= a.total().payload {
		return 0, io.EOF
	}
	n := min(int64(len(b)), a.total().payload-off)
	for done := int64(0); done < n; {
		s, c, err := p.plan.holder(p.old, off+done)
		if err != nil {
			return 0, err
		}
		e := &s.rows[c.row]
		in := c.at + off + done - c.payload - s.before
		k := min(e.Size-in, n-done, s.before+s.payload-off-done)
		p.read(path.Join(p.plan.olds[p.old].Dir, e.Path), b[done:done+k], in)
		done += k
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// read fills b from a place in a file, and with zeros where it has nothing.
func (r *fileReader) read(name string, b []byte, at int64) {
	f, err := r.file(name)
	if err != nil {
		clear(b)
		return // zeros serve: the proof of what is made tells
	}
	if n, err := f.ReadAt(b, at); err != nil {
		clear(b[n:])
	}
}

// holder finds the chunk of an old archive that has the byte at a payload address.
func (p *Plan) holder(old int, addr int64) (*section, *chunk, error) {
	a := p.olds[old].Archive
	i := sort.Search(len(a.root.sections), func(i int) bool { return a.from[i+1].payload > addr })
	s, err := p.section(old, i)
	if err != nil {
		return nil, nil, err
	}
	k := sort.Search(len(s.chunks), func(k int) bool { return s.before+s.chunks[k].payload > addr }) - 1
	return s, &s.chunks[k], nil
}
