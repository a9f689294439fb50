package pack

import (
	"path"

	"larder/asset"
)

// make puts the frame's part of the tree on the disk, or proves what will be linked.
func (a *applier) make(j *patch) error {
	if j.stored != nil {
		if err := j.decode(opApply); err != nil {
			return err
		}
	}
	h := newHand(a.stage)
	defer h.close()
	old := newEye(a.root)
	defer old.close()
	staged := newEye(a.stage.root)
	defer staged.close()
	t := a.plan.target
	return j.in.walk(j.span(), func(row int32, _ int64) error {
		switch e := &j.in.rows[row]; {
		case e.Kind == KindDirectory:
			return a.mkdir(e.Path)
		case e.Kind.Regular() && e.Size == 0:
			return h.write(e, 0, nil)
		}
		return nil
	}, func(i int32, from int64) error {
		c := &j.in.chunks[i]
		e := &j.in.rows[c.row]
		row := t.rowNumber(j.section, j.in.section, c.row)
		number, kept := a.source(row, c)
		switch {
		case a.has(t.from[j.section].chunks + int(i)):
			return nil
		case a.staged.has(j.number) && (!kept || a.how == byCopy):
			return nil
		case j.stored == nil && a.plan.made.has(t.from[j.section].chunks+int(i)):
			first, ok := a.plan.twins[t.from[j.section].chunks+int(i)]
			b, err := []byte(nil), error(nil)
			if ok {
				b, err = a.twin(staged, first, c)
			}
			if !ok || err != nil { // neither delta nor twin gives it
				a.mu.Lock()
				a.again.set(j.number)
				a.mu.Unlock()
				return nil
			}
			j.written += int64(c.size)
			return h.write(e, c.at, b)
		case kept && a.how != byCopy:
			if !j.vouched[c.row] {
				if _, err := a.old(old, number, c, kept); err != nil {
					a.rot(j.number, row, number, c, kept, err)
				}
			}
			return nil
		case j.stored != nil:
			b, err := j.proved(opApply, c, from)
			if err == nil {
				err = h.write(e, c.at, b)
			}
			j.written += int64(c.size)
			return err
		}
		b, err := a.old(old, number, c, kept)
		if err != nil {
			a.rot(j.number, row, number, c, kept, err)
			return nil
		}
		j.written += int64(c.size)
		return h.write(e, c.at, b)
	})
}

// source is where a chunk's old bytes are: its number, and whether that is the
// first chunk of the file that is kept as a whole.
func (a *applier) source(row int, c *chunk) (number uint32, kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.plan.keep[row]; n != 0 && !a.rotRows[row] {
		return n - 1, true
	}
	if n, ok := a.plan.chunks[key(c.hash)]; ok {
		return n, false
	}
	return noChunk, false
}

// has reports whether delta or fine file made a chunk.
func (a *applier) has(chunk int) bool {
	if a.plan.delta == nil && a.plan.fine == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given.has(chunk)
}

// rot notes old bytes that are wrong: the next round fetches the frame.
func (a *applier) rot(frame, row int, number uint32, c *chunk, kept bool, err error) {
	m := Mismatch{Code: asset.CodeHashMismatch, At: -1, Message: err.Error()}
	if old, s, k, locErr := a.plan.locate(number); locErr == nil {
		m.Path, m.Offset = path.Join(a.plan.olds[old].Dir, s.rows[k.row].Path), k.at
		if kept {
			m.Offset = c.at
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.again.set(frame)
	if kept {
		a.rotRows[row] = true
	}
	a.sum.Rotten = append(a.sum.Rotten, m)
}

// old gives the proved bytes of c from the old chunk of that number, or, of a file
// that is kept as a whole, from the same place after its first chunk.
func (a *applier) old(o *eye, number uint32, c *chunk, kept bool) ([]byte, error) {
	name, at, err := a.where(number)
	if err != nil {
		return nil, err
	}
	if kept {
		at = c.at
	}
	return o.read(name, at, c)
}

// where names the old file of a chunk, below root, and the chunk's place in it.
func (a *applier) where(number uint32) (name string, at int64, err error) {
	old, s, c, err := a.plan.locate(number)
	if err != nil {
		return "", 0, err
	}
	return path.Join(a.plan.olds[old].Dir, s.rows[c.row].Path), c.at, nil
}

// vouch says which kept rows of a section need no proof.
func (a *applier) vouch(i int, s *section) map[int32]bool {
	vouched := map[int32]bool{}
	if a.how == byCopy {
		return vouched
	}
	t := a.plan.target
	for k, e := range s.rows {
		if e.Size == 0 {
			continue
		}
		n := a.plan.keep[t.rowNumber(i, s, int32(k))]
		if n == 0 {
			continue
		}
		old, from, c, err := a.plan.locate(n - 1)
		if err != nil || a.plan.olds[old].Intact == nil {
			continue
		}
		name := from.rows[c.row].Path
		info, err := a.root.Lstat(path.Join(a.plan.olds[old].Dir, name))
		if err == nil && info.Mode().IsRegular() && info.Size() == e.Size && a.plan.olds[old].Intact(name, info) {
			vouched[int32(k)] = true
		}
	}
	return vouched
}
