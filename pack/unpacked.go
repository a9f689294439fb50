package pack

import (
	"io"
	"sort"

	"larder/asset"
)

// unpacked reads the payload of a whole archive, frame by frame, and keeps the
// frames lately used. One goroutine has it.
type unpacked struct {
	a        *Archive
	op       string
	sections map[int]*loaded
	frames   map[int][]byte
}

// maxUnpacked frames are kept: 16 MiB in ordinary packs.
const maxUnpacked = 16

func newUnpacked(op string, a *Archive) *unpacked {
	return &unpacked{a: a, op: op, sections: map[int]*loaded{}, frames: map[int][]byte{}}
}

// ReadAt implements io.ReaderAt.
func (u *unpacked) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		addr := off + int64(n)
		if addr >= u.a.total().payload {
			return n, io.EOF
		}
		piece, err := u.rest(addr)
		if err != nil {
			return n, err
		}
		n += copy(b[n:], piece)
	}
	return n, nil
}

// rest gives the bytes of a chunk from a payload address on.
func (u *unpacked) rest(addr int64) ([]byte, error) {
	i := sort.Search(len(u.a.root.sections), func(i int) bool { return u.a.from[i+1].payload > addr })
	l, err := u.section(i)
	if err != nil {
		return nil, err
	}
	k := int32(sort.Search(len(l.chunks), func(k int) bool { return l.before+l.chunks[k].payload > addr }) - 1)
	f := sort.Search(len(l.spans), func(f int) bool { return l.spans[f].chunk1 > k })
	raw, err := u.frame(i, l, f)
	if err != nil {
		return nil, err
	}
	c := &l.chunks[k]
	var found []byte
	err = l.walk(l.spans[f], func(int32, int64) error { return nil }, func(n int32, at int64) error {
		if n == k {
			found = raw[at : at+int64(c.size)]
		}
		return nil
	})
	return found[addr-l.before-c.payload:], err
}

func (u *unpacked) section(i int) (*loaded, error) {
	if l := u.sections[i]; l != nil {
		return l, nil
	}
	s, err := u.a.load(u.op, i)
	if err != nil {
		return nil, err
	}
	l := &loaded{section: s}
	if l.spans, err = s.layout(i == len(u.a.root.sections)-1); err != nil {
		return nil, fault(asset.CodeHashMismatch, u.op, at("section", u.a.start+u.a.from[i].index), "%v", err)
	}
	makeRoom(u.sections)
	u.sections[i] = l
	return l, nil
}

func (u *unpacked) frame(i int, l *loaded, f int) ([]byte, error) {
	n := u.a.from[i].frames + f
	if raw, ok := u.frames[n]; ok {
		return raw, nil
	}
	where := u.a.from[i].stored
	for k := range f {
		where += int64(l.frames[k].stored)
	}
	j := frameJob{in: l, frame: f, at: where}
	if err := j.read(u.a, u.op); err != nil {
		return nil, err
	}
	if err := j.decode(u.op); err != nil {
		return nil, err
	}
	if err := j.judge(u.op); err != nil {
		return nil, err
	}
	release(&storedBuffers, j.stored)
	makeRoom(u.frames)
	u.frames[n] = j.raw
	return j.raw, nil
}

// judge holds all chunks of a decoded frame against the index.
func (j *frameJob) judge(op string) error {
	return j.in.walk(j.span(), func(int32, int64) error { return nil }, func(c int32, from int64) error {
		_, err := j.proved(op, &j.in.chunks[c], from)
		return err
	})
}

func makeRoom[V any](m map[int]V) {
	for k := range m {
		if len(m) < maxUnpacked {
			return
		}
		delete(m, k)
	}
}
