package stock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"larder/internal/fsx"
	"larder/internal/transfer"
)

// part is a file that the network fills from its beginning on, as far as it is read. What
// came before an interruption is kept; the proof at the end tells whether it was right.
type part struct {
	ctx  context.Context
	file fsx.File
	size int64
	from func(ctx context.Context, offset int64) (io.ReadCloser, error)
	// alone says that it is all of what its URL names, so that a server without ranges can
	// give it from its beginning.
	alone bool

	have   int64 // bytes that are in the file
	came   int64 // of these, in this run
	fresh  bool  // all of them came in this run
	synced int64
	body   io.ReadCloser // from byte have on; nil: to be asked for
	failed error         // of network or disk, of late
}

// unsynced is how many bytes of a part come between two syncs: what a power cut may cost.
const unsynced = 64 << 20

// openPart opens or makes the file of a part.
func (j *Job) openPart(ctx context.Context, name string, size int64, from func(context.Context, int64) (io.ReadCloser, error)) (*part, error) {
	f, err := j.FS.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, kept(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(kept(err), f.Close())
	}
	p := &part{ctx: ctx, file: f, size: size, from: from, have: info.Size()}
	if p.have > size {
		p.have = 0
	}
	p.synced, p.fresh = p.have, p.have == 0
	return p, nil
}

// hangUp ends the request that is under way.
func (p *part) hangUp() {
	if p.body != nil {
		_ = p.body.Close() // it gave what was wanted of it
	}
	p.body = nil
}

// fill fetches until the file has so many bytes.
func (p *part) fill(upTo int64) (err error) {
	defer func() {
		if p.failed = err; err != nil {
			p.hangUp()
		}
	}()
	buf := make([]byte, min(128<<10, max(upTo-p.have, 1)))
	for p.have < upTo {
		if p.body == nil {
			p.body, err = p.from(p.ctx, p.have)
			if errors.Is(err, transfer.ErrNoRanges) && p.alone && p.have > 0 {
				if err := p.again(); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				p.body = nil
				return err
			}
		}
		n, err := p.body.Read(buf[:min(int64(len(buf)), p.size-p.have)])
		if n > 0 {
			if _, err := p.file.WriteAt(buf[:n], p.have); err != nil {
				return kept(err)
			}
			p.have += int64(n)
			p.came += int64(n)
		}
		if p.have-p.synced >= unsynced || p.have == p.size {
			if err := p.file.Sync(); err != nil {
				return kept(err)
			}
			p.synced = p.have
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && p.have < upTo {
			return err
		}
	}
	return nil
}

// ReadAt fetches what it reads, if it is not there yet. One goroutine may fetch.
func (p *part) ReadAt(b []byte, off int64) (int, error) {
	if end := min(off+int64(len(b)), p.size); end > p.have {
		if err := p.fill(end); err != nil {
			return 0, err
		}
	}
	return p.file.ReadAt(b, off)
}

// again begins anew.
func (p *part) again() error {
	p.hangUp()
	p.have, p.came, p.synced, p.fresh = 0, 0, 0, true
	if err := p.file.Truncate(0); err != nil {
		return kept(err)
	}
	return nil
}

// errWrong says that what the server has is not what the manifest names.
var errWrong = errors.New("its bytes are not those that the manifest names")

// complete fetches what is lacking, and proves the whole. A power cut may have spoiled
// what was there before; only what came anew condemns the server.
func (p *part) complete(hash string) error {
	for {
		fresh := p.fresh
		if err := p.fill(p.size); err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(p.file, 0, p.size)); err != nil {
			p.failed = kept(err)
			return p.failed
		}
		if hex.EncodeToString(sum.Sum(nil)) == hash {
			p.hangUp()
			return nil
		}
		if err := p.again(); err != nil {
			return err
		}
		if fresh {
			return errWrong
		}
	}
}
