package bucket

import (
	"context"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"larder/internal/publish"
)

// Open implements publish.Store.
func (s *Site) Open(ctx context.Context, name string) (publish.Blob, error) {
	info, err := s.core.StatObject(ctx, s.bucket, s.key(name), minio.StatObjectOptions{})
	if err != nil {
		return nil, told(name, err)
	}
	return &blob{site: s, ctx: ctx, name: name, size: info.Size}, nil
}

// blob reads by ranges, ahead of who asks for little.
type blob struct {
	site *Site
	ctx  context.Context // that it was opened with, as io.ReaderAt takes none
	name string
	size int64

	mu     sync.Mutex
	at     int64
	window []byte // what lies at at
}

// ahead is how much is asked for at least.
const ahead = 1 << 20

func (b *blob) Size() int64  { return b.size }
func (b *blob) Close() error { return nil }

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= b.size {
			return n, io.EOF
		}
		if at < b.at || at >= b.at+int64(len(b.window)) {
			if err := b.fill(at, min(max(int64(len(p)-n), ahead), b.size-at)); err != nil {
				return n, err
			}
		}
		n += copy(p[n:], b.window[at-b.at:])
	}
	return n, nil
}

func (b *blob) fill(at, length int64) error {
	o := minio.GetObjectOptions{}
	if err := o.SetRange(at, at+length-1); err != nil {
		return err
	}
	r, _, _, err := b.site.core.GetObject(b.ctx, b.site.bucket, b.site.key(b.name), o)
	if err != nil {
		return told(b.name, err)
	}
	defer r.Close()
	window := make([]byte, length)
	if _, err := io.ReadFull(r, window); err != nil {
		return told(b.name, err)
	}
	b.at, b.window = at, window
	return nil
}
