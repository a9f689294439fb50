package pack

import (
	"context"
	"crypto/sha256"

	"larder/asset"
)

// frameJob is one frame on its way from the archive to wherever it is needed.
type frameJob struct {
	in     *loaded
	frame  int   // in its section
	at     int64 // in the archive
	stored []byte
	raw    []byte
}

func (j *frameJob) span() span   { return j.in.spans[j.frame] }
func (j *frameJob) what() *frame { return &j.in.frames[j.frame] }

func (j *frameJob) free() {
	release(&storedBuffers, j.stored)
	release(&rawBuffers, j.raw)
	j.stored, j.raw = nil, nil
}

// read gets the frame's stored bytes.
func (j *frameJob) read(a *Archive, op string) error {
	j.stored = buffer(&storedBuffers, int(j.what().stored))[:j.what().stored]
	return disk(op, at("frame", j.at), readAt(a.r, j.stored, j.at))
}

func (j *frameJob) decode(op string) (err error) {
	if j.raw, err = decode(buffer(&rawBuffers, int(j.what().raw)), j.stored, int(j.what().raw)); err != nil {
		return fault(asset.CodeHashMismatch, op, at("frame", j.at), "it cannot be decompressed: %v", err)
	}
	return nil
}

// proved gives a chunk's bytes, or says that they are wrong.
func (j *frameJob) proved(op string, c *chunk, from int64) ([]byte, error) {
	b := j.raw[from : from+int64(c.size)]
	if sha256.Sum256(b) != c.hash {
		return nil, fault(asset.CodeHashMismatch, op, at(quote(j.in.rows[c.row].Path), c.at), "its bytes are wrong (frame at byte %d)", j.at)
	}
	return b, nil
}

// everyFrame emits a job for each frame of the pack, without its bytes. bad gets
// the error of a section that cannot be used; if it returns nil, the rest follows.
func (a *Archive) everyFrame(ctx context.Context, op string, emit func(frameJob) error, bad func(i int, err error) error, good func(*loaded)) error {
	for i, l := range a.sections(op) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if l.err != nil {
			if err := bad(i, l.err); err != nil {
				return err
			}
			continue
		}
		good(l)
		where := a.from[i].stored
		for f := range l.frames {
			if err := emit(frameJob{in: l, frame: f, at: where}); err != nil {
				return err
			}
			where += int64(l.frames[f].stored)
		}
	}
	return nil
}

func (a *Archive) whole(op string) error {
	if !a.Whole() {
		return fault(asset.CodeState, op, "the index", "it is an index alone; the frames are elsewhere")
	}
	return nil
}
