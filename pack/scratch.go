package pack

import (
	"context"
	"io"
	"math"
	"os"

	"larder/pack/internal/deflate"
)

// heldBytes is bytes in memory.
type heldBytes []byte

// ReadAt implements io.ReaderAt.
func (m heldBytes) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	if n := copy(b, m[off:]); n < len(b) {
		return n, io.EOF
	}
	return len(b), nil
}

// unpack gives readers of the opened old payload, one for each goroutine; a packer reads a bit
// here and a bit there. It lies in memory if it is small, and then is whole, else in a file without
// a name, which shut makes go away. Without room for that it is unpacked again wherever
// it is read, which takes its time.
func (d *differ) unpack(ctx context.Context) (old func() io.ReaderAt, whole heldBytes, shut func(), err error) {
	open := newOpenStreams(newUnpacked(opDiff, d.base), d.opened, deflate.Cache{Most: packersCache, Work: math.MaxInt64})
	slow := func() io.ReaderAt { return open.over(newUnpacked(opDiff, d.base)) }
	size := d.opened.end
	if size <= d.shard {
		whole = make(heldBytes, size)
		return func() io.ReaderAt { return whole }, whole, func() {}, d.unpackTo(ctx, slow, func(b []byte, at int64) error {
			copy(whole[at:], b)
			return nil
		})
	}
	f, err := os.CreateTemp("", "larder-*")
	if err != nil {
		return slow, nil, func() {}, nil
	}
	_ = os.Remove(f.Name()) // where a system does not, it goes when it is shut
	shut = func() {
		_ = f.Close() // it is read no more
		_ = os.Remove(f.Name())
	}
	var full error
	err = d.unpackTo(ctx, slow, func(b []byte, at int64) error {
		_, full = f.WriteAt(b, at)
		return full
	})
	if err != nil {
		shut()
	}
	if full != nil {
		return slow, nil, func() {}, nil
	}
	return func() io.ReaderAt { return f }, nil, shut, err
}

const unpackRun = 4 << 20

// unpackTo has the opened old payload written, run by run.
func (d *differ) unpackTo(ctx context.Context, reader func() io.ReaderAt, write func(b []byte, at int64) error) error {
	type run struct {
		at int64
		b  []byte
	}
	idle := make(chan io.ReaderAt, readers())
	return inOrder(ctx, readers(), func(emit func(run) error) error {
		for at := int64(0); at < d.opened.end; at += unpackRun {
			if err := emit(run{at: at}); err != nil {
				return err
			}
		}
		return nil
	}, func(r *run) error {
		var from io.ReaderAt
		select {
		case from = <-idle:
		default:
			from = reader()
		}
		defer func() { idle <- from }()
		r.b = make([]byte, min(unpackRun, d.opened.end-r.at))
		_, err := from.ReadAt(r.b, r.at)
		return err
	}, func(r *run, err error) error {
		if err == nil {
			err = write(r.b, r.at)
		}
		d.did(int64(len(r.b)))
		return err
	})
}
