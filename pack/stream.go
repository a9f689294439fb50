package pack

import "context"

// Stream tells of every chunk with its bytes, proved, in order (but not of its
// frame): what the files hold,
// without a disk to put them on. visit must not keep the bytes; its error ends
// it. Memory is that of Extract.
func (a *Archive) Stream(ctx context.Context, visit func(c Chunk, data []byte) error) error {
	const op = "read pack"
	if err := a.whole(op); err != nil {
		return err
	}
	return inOrder(ctx, readers(), func(emit func(frameJob) error) error {
		return a.everyFrame(ctx, op, emit, func(_ int, err error) error { return err }, func(*loaded) {})
	}, func(j *frameJob) error {
		if err := j.read(a, op); err != nil {
			return err
		}
		return j.decode(op)
	}, func(j *frameJob, err error) error {
		defer j.free()
		if err != nil {
			return err
		}
		return j.in.walk(j.span(), func(int32, int64) error { return nil }, func(c int32, from int64) error {
			k := &j.in.chunks[c]
			data, err := j.proved(op, k, from)
			if err != nil {
				return err
			}
			return visit(Chunk{Path: j.in.rows[k.row].Path, Offset: k.at, Size: int64(k.size), Hash: k.hash}, data)
		})
	})
}
