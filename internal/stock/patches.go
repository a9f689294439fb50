package stock

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"

	"larder/asset"
	"larder/internal/fsx"
	"larder/pack"
)

// patches is a file of which parts are fetched. Beside it lies a list of what came, each with a
// checksum, so that neither a crash nor a power cut makes a hole pass for bytes.
type patches struct {
	net  Net
	row  asset.Delta
	file fsx.File
	list fsx.File

	mu   sync.Mutex
	at   int64       // of the next row of the list
	have []pack.Span // apart, in order
	err  error       // that ended the last fetch
}

const (
	listRow = 16 // place, length, checksum of the bytes: u64, u32, u32
	// onePatch is the most bytes that a row stands for.
	onePatch = 64 << 10
	// oneRequest is the most bytes of one, so that several fetch a long stretch.
	oneRequest = 1 << 20
)

func (j *Job) openPatches(name string, row asset.Delta) (*patches, error) {
	p := &patches{net: j.Net, row: row}
	var err error
	if p.file, err = j.FS.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, kept(err)
	}
	if p.list, err = j.FS.OpenFile(name+".list", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, errors.Join(kept(err), p.file.Close())
	}
	p.recall()
	return p, nil
}

// recall reads the list, as far as it is true.
func (p *patches) recall() {
	var row [listRow]byte
	b := make([]byte, onePatch)
	for {
		if _, err := p.list.ReadAt(row[:], p.at); err != nil {
			return
		}
		off, n := int64(binary.LittleEndian.Uint64(row[:])), binary.LittleEndian.Uint32(row[8:])
		if off < 0 || n == 0 || n > onePatch || off > p.row.Size-int64(n) {
			return
		}
		if _, err := p.file.ReadAt(b[:n], off); err != nil || crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(row[12:]) {
			return
		}
		p.add(pack.Span{Offset: off, Length: int64(n)})
		p.at += listRow
	}
}

// add notes a span as there.
func (p *patches) add(s pack.Span) {
	i, _ := slices.BinarySearchFunc(p.have, s.Offset, func(h pack.Span, at int64) int {
		if h.Offset+h.Length < at {
			return -1
		}
		return 1
	}) // the first one that ends at its beginning, or later
	k, end := i, s.Offset+s.Length
	for ; k < len(p.have) && p.have[k].Offset <= end; k++ {
		s.Offset = min(s.Offset, p.have[k].Offset)
		end = max(end, p.have[k].Offset+p.have[k].Length)
	}
	s.Length = end - s.Offset
	p.have = slices.Replace(p.have, i, k, s)
}

// lacking is what of a span is not there, in requests.
func (p *patches) lacking(s pack.Span) (out []pack.Span) {
	at, end := s.Offset, s.Offset+s.Length
	ask := func(to int64) {
		for at < to {
			n := min(to-at, oneRequest)
			out = append(out, pack.Span{Offset: at, Length: n})
			at += n
		}
	}
	for _, h := range p.have {
		if h.Offset >= end {
			break
		}
		if h.Offset+h.Length > at {
			ask(h.Offset)
			at = max(at, h.Offset+h.Length)
		}
	}
	ask(end)
	return out
}

// Have implements [pack.Spans]: it fetches what is lacking, several spans at a time.
func (p *patches) Have(ctx context.Context, spans []pack.Span) error {
	var all []pack.Span
	for _, s := range spans {
		if s.Offset < 0 || s.Length < 0 || s.Offset > p.row.Size-s.Length {
			return p.short()
		}
		all = append(all, p.lacking(s)...)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.err = nil
	todo := make(chan pack.Span)
	var wait sync.WaitGroup
	for range min(p.net.Requests(), len(all)) {
		wait.Go(func() {
			for s := range todo {
				if err := p.fetch(ctx, s); err != nil {
					p.mu.Lock()
					if p.err == nil {
						p.err = err
					}
					p.mu.Unlock()
					cancel(err)
				}
			}
		})
	}
	for _, s := range all {
		select {
		case todo <- s:
		case <-ctx.Done():
		}
	}
	close(todo)
	wait.Wait()
	if p.err == nil && len(all) > 0 {
		if err := p.file.Sync(); err != nil {
			p.err = kept(err)
		}
	}
	if p.err == nil && ctx.Err() != nil {
		p.err = context.Cause(ctx)
	}
	return p.err
}

// fetch brings one span.
func (p *patches) fetch(ctx context.Context, s pack.Span) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	body, err := p.net.Delta(ctx, p.row, s.Offset, s.Length)
	if err != nil {
		return err
	}
	defer body.Close()
	b := make([]byte, min(onePatch, s.Length))
	for s.Length > 0 {
		n, err := io.ReadFull(body, b[:min(int64(len(b)), s.Length)])
		if n > 0 {
			if err := p.keep(b[:n], s.Offset); err != nil {
				return kept(err)
			}
			s.Offset, s.Length = s.Offset+int64(n), s.Length-int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return p.short()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// short says that the server's file is not what the manifest says.
func (p *patches) short() error {
	return &asset.Error{Code: asset.CodeSizeMismatch, Op: op, Subject: p.row.URL, Message: "the fine file ends before its end", Help: "publish the pack anew"}
}

func (p *patches) keep(b []byte, off int64) error {
	if _, err := p.file.WriteAt(b, off); err != nil {
		return err
	}
	row := binary.LittleEndian.AppendUint64(nil, uint64(off))
	row = binary.LittleEndian.AppendUint32(row, uint32(len(b)))
	row = binary.LittleEndian.AppendUint32(row, crc32.ChecksumIEEE(b))
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.list.WriteAt(row, p.at); err != nil {
		return err
	}
	p.at += listRow
	p.add(pack.Span{Offset: off, Length: int64(len(b))})
	return nil
}

// ReadAt implements io.ReaderAt, of what is there.
func (p *patches) ReadAt(b []byte, off int64) (int, error) { return p.file.ReadAt(b, off) }

// failed is what ended the last fetch, if anything did.
func (p *patches) failed() error { return p.err }

func (p *patches) close() {
	_ = p.file.Close() // what counts of it is proved again
	_ = p.list.Close()
}
