package pack

import (
	"context"
	"io"
	"os"
)

// maxFind bounds how many old bytes are looked through for blocks: some seconds.
const maxFind = 4 << 30

// spot is where the old payloads have a block; none is negative.
type spot struct {
	old int32
	at  int64
}

var nowhere = spot{old: -1}

// finder looks for blocks in old payloads, at every place.
type finder struct {
	filter []uint64         // by the upper bits of a hash: some block has it
	first  map[uint64]int32 // hash → 1 + the first block with it
	next   []int32          // of blocks with the same hash
	spots  []spot
	shift  int
}

// newFinder for the blocks with these hashes.
func newFinder(hashes []uint64) *finder {
	bits := 16
	for 1<<bits < 64*len(hashes) && bits < 30 {
		bits++
	}
	f := &finder{filter: make([]uint64, 1<<bits/64), first: map[uint64]int32{}, next: make([]int32, len(hashes)), spots: make([]spot, len(hashes)), shift: 48 - bits}
	for i, h := range hashes {
		f.spots[i] = nowhere
		f.filter[h>>f.shift/64] |= 1 << (h >> f.shift % 64)
		f.next[i] = f.first[h]
		f.first[h] = int32(i) + 1
	}
	return f
}

// finePower is what the first byte of a block is multiplied with when it leaves.
var finePower = func() uint64 {
	p := uint64(1)
	for range fineBlock {
		p *= fineMul
	}
	return p
}()

// look goes through one old payload.
func (f *finder) look(ctx context.Context, old int, payload io.ReaderAt, size int64) error {
	const step = 1 << 20
	buf := make([]byte, fineBlock+step)
	if size < fineBlock {
		return nil
	}
	if _, err := payload.ReadAt(buf[:fineBlock], 0); err != nil {
		return err
	}
	h := uint64(0)
	for _, c := range buf[:fineBlock] {
		h = h*fineMul + fineGear[c]
	}
	f.hit(h>>16, old, 0)
	for at := int64(fineBlock); at < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := int(min(step, size-at))
		b := buf[:fineBlock+n]
		if _, err := payload.ReadAt(b[fineBlock:], at); err != nil {
			return err
		}
		for i, c := range b[fineBlock:] {
			h = h*fineMul + fineGear[c] - fineGear[b[i]]*finePower
			if k := h >> 16 >> f.shift; f.filter[k>>6]>>(k&63)&1 != 0 {
				f.hit(h>>16, old, at+int64(i)+1-fineBlock)
			}
		}
		copy(buf, b[n:])
		at += int64(n)
	}
	return nil
}

func (f *finder) hit(h uint64, old int, at int64) {
	for i := f.first[h]; i != 0; i = f.next[i-1] {
		if f.spots[i-1].old >= 0 {
			return // and so are the others
		}
		f.spots[i-1] = spot{old: int32(old), at: at}
	}
}

// find looks in everything that is installed, up to a bound.
func (p *Plan) find(ctx context.Context, hashes []uint64, root *os.Root) ([]spot, error) {
	f, left := newFinder(hashes), int64(maxFind)
	for i := range p.olds {
		size := p.olds[i].Archive.total().payload
		if left -= size; left < 0 {
			break
		}
		if root == nil && !p.olds[i].Archive.Whole() {
			continue
		}
		old := p.oldBytes(i, root)
		err := f.look(ctx, i, old, size)
		old.close()
		if err != nil {
			return nil, err
		}
	}
	return f.spots, nil
}
