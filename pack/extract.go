package pack

import (
	"context"
	"os"

	"larder/asset"
	"larder/internal/fsx"
)

const opExtract = "extract pack"

// Extract writes the tree into an empty directory and returns when it is durable.
// Every byte is proved before it is written, and nothing is written outside.
// After an error the directory holds a part, proved but not synced; remove it, or
// let a [Plan] without sources go on from there. Files get the permissions
// 0644 and 0755, less the umask. Memory: 40 MiB and little more for larger packs.
func (a *Archive) Extract(ctx context.Context, dst *os.Root) error {
	if err := a.whole(opExtract); err != nil {
		return err
	}
	s := stage{op: opExtract, root: dst}
	if err := s.empty(); err != nil {
		return err
	}
	if err := s.roomFor(a.total().payload); err != nil {
		return err
	}
	var links []Entry
	err := inOrder(ctx, readers(), func(emit func(frameJob) error) error {
		return a.everyFrame(ctx, opExtract, emit, func(_ int, err error) error { return err }, func(l *loaded) {
			for _, e := range l.rows {
				if e.Kind == KindLink {
					links = append(links, e)
				}
			}
		})
	}, func(j *frameJob) error {
		defer j.free()
		if err := j.read(a, opExtract); err != nil {
			return err
		}
		return j.writeAll(s)
	}, func(_ *frameJob, err error) error { return err })
	if err != nil {
		return err
	}
	for _, e := range links {
		if err := s.link(e); err != nil {
			return err
		}
	}
	return disk(opExtract, quote(dst.Name()), fsx.SyncTree(dst))
}

// roomFor refuses early what cannot fit. Where free space cannot be told, the
// disk itself will say.
func (s stage) roomFor(size int64) error {
	if free, err := fsx.Free(s.root.Name()); err == nil && size > free {
		return fault(asset.CodeNoSpace, s.op, quote(s.root.Name()), "it needs %d bytes, and %d are free", size, free)
	}
	return nil
}

// writeAll puts all that the frame holds on the disk.
func (j *frameJob) writeAll(s stage) error {
	if err := j.decode(s.op); err != nil {
		return err
	}
	h := newHand(s)
	defer h.close()
	r := run{h: h, j: j}
	err := j.in.walk(j.span(), func(row int32, _ int64) error {
		switch e := j.in.rows[row]; {
		case e.Kind == KindDirectory:
			return s.mkdir(e.Path)
		case e.Kind.Regular() && e.Size == 0:
			return h.write(&e, 0, nil)
		}
		return nil
	}, func(c int32, from int64) error {
		return r.add(&j.in.chunks[c], from)
	})
	if err != nil {
		return err
	}
	return r.flush()
}

// run joins chunks of one file that follow each other into one write.
type run struct {
	h    *hand
	j    *frameJob
	row  int32
	at   int64 // in the file
	from int64 // in the frame
	size int64
}

func (r *run) add(c *chunk, from int64) error {
	if _, err := r.j.proved(r.h.op, c, from); err != nil {
		return err
	}
	if r.size > 0 && r.row == c.row && r.at+r.size == c.at {
		r.size += int64(c.size)
		return nil
	}
	err := r.flush()
	r.row, r.at, r.from, r.size = c.row, c.at, from, int64(c.size)
	return err
}

func (r *run) flush() error {
	if r.size == 0 {
		return nil
	}
	return r.h.write(&r.j.in.rows[r.row], r.at, r.j.raw[r.from:r.from+r.size])
}
