package crash

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"

	"larder/internal/fsx"
)

// sector is what a disk writes whole: a torn write breaks at its bounds.
const sector = 512

// undo is what it takes to bring a file's bytes back to those last synced.
type undo struct {
	size  int64            // durable
	floor int64            // the least size since: below it, durable bytes are in place or in old
	old   map[int64][]byte // durable content of the sectors changed since, by number
}

// soil prepares the node for its first change since it was synced.
func (c *FS) soil(n *node, f fsx.File) error {
	if n.undo != nil {
		return nil
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	n.undo = &undo{size: st.Size(), floor: st.Size(), old: map[int64][]byte{}}
	c.dirty = append(c.dirty, n)
	return nil
}

// clean makes the node's bytes durable.
func (c *FS) clean(n *node) {
	if n.undo == nil {
		return
	}
	n.undo = nil
	c.dirty = slices.DeleteFunc(c.dirty, func(d *node) bool { return d == n })
}

// save remembers the durable bytes in [from, to).
func (u *undo) save(f fsx.File, from, to int64) error {
	to = min(to, u.floor)
	for s := from / sector; s*sector < to; s++ {
		if _, ok := u.old[s]; ok {
			continue
		}
		data := make([]byte, min(sector, u.size-s*sector))
		if n, err := f.ReadAt(data, s*sector); n < len(data) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		u.old[s] = data
	}
	return nil
}

// apply leaves in f the durable bytes, or, with rnd, a state between those and
// the present ones.
func (u *undo) apply(f fsx.File, rnd *rand.Rand) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	truncated := u.floor < u.size
	size, restoreTail := u.size, true
	if rnd != nil && (!truncated || rnd.IntN(2) == 0) {
		size, restoreTail = u.floor+rnd.Int64N(max(st.Size()-u.floor, 0)+1), false
	}
	for _, s := range slices.Sorted(maps.Keys(u.old)) {
		at, data := s*sector, u.old[s]
		body := min(max(u.floor-at, 0), int64(len(data))) // below the floor
		if rnd == nil || rnd.IntN(2) == 0 {
			if _, err := f.WriteAt(data[:body], at); err != nil {
				return err
			}
		}
		if restoreTail {
			if _, err := f.WriteAt(data[body:], at+body); err != nil {
				return err
			}
		}
	}
	return f.Truncate(size)
}
