package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
)

const (
	// partSize is what is sent in one request. It grows with blobs that would have more parts
	// than S3 permits.
	partSize = 8 << 20
	maxParts = 10_000
	// abreast is how many parts are under way at once: a far server is not waited for, and memory
	// stays at abreast parts.
	abreast = 4
)

// putParts sends a large blob. Parts that an earlier run sent are compared by their MD5
// and not sent again.
func (s *Site) putParts(ctx context.Context, name string, r io.Reader, size int64) error {
	part := int64(partSize)
	for part*maxParts < size {
		part *= 2
	}
	upload, have, err := s.begun(ctx, name)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make([]minio.CompletePart, (size+part-1)/part)
	slots := make(chan []byte, abreast)
	for range abreast {
		slots <- nil
	}
	var work sync.WaitGroup
	for n := range done {
		buf := <-slots
		if ctx.Err() != nil {
			break
		}
		if buf == nil {
			buf = make([]byte, part)
		}
		b := buf[:min(part, size-int64(n)*part)]
		if _, err := io.ReadFull(r, b); err != nil {
			stop(err)
			break
		}
		work.Go(func() {
			defer func() { slots <- buf }()
			tag, err := s.part(ctx, name, upload, n+1, b, have[n+1])
			if err != nil {
				stop(err)
			}
			done[n] = minio.CompletePart{PartNumber: n + 1, ETag: tag}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	_, err = s.core.CompleteMultipartUpload(ctx, s.bucket, s.key(name), upload, done, minio.PutObjectOptions{})
	return err
}

// part sends a part, unless the server has it.
func (s *Site) part(ctx context.Context, name, upload string, n int, b []byte, have minio.ObjectPart) (string, error) {
	sum := md5.Sum(b)
	if tag := strings.Trim(have.ETag, `"`); have.Size == int64(len(b)) && tag == hex.EncodeToString(sum[:]) {
		return tag, nil
	}
	sent, err := s.core.PutObjectPart(ctx, s.bucket, s.key(name), upload, n, bytes.NewReader(b), int64(len(b)), checksums(b))
	return sent.ETag, err
}

// begun finds an upload of the blob that was cut off, with its parts, or begins one.
func (s *Site) begun(ctx context.Context, name string) (upload string, have map[int]minio.ObjectPart, err error) {
	have = map[int]minio.ObjectPart{}
	list, err := s.core.ListMultipartUploads(ctx, s.bucket, s.key(name), "", "", "", 1000)
	if err != nil {
		list.Uploads = nil // who may not list may still upload, from the beginning
	}
	for _, u := range list.Uploads {
		if u.Key == s.key(name) {
			upload = u.UploadID // the last one listed is the youngest
		}
	}
	if upload == "" {
		upload, err = s.core.NewMultipartUpload(ctx, s.bucket, s.key(name), described(name))
		return upload, have, err
	}
	for after := 0; ; {
		parts, err := s.core.ListObjectParts(ctx, s.bucket, s.key(name), upload, after, 1000)
		if err != nil {
			return "", nil, err
		}
		for _, p := range parts.ObjectParts {
			have[p.PartNumber] = p
		}
		if !parts.IsTruncated || parts.NextPartNumberMarker <= after {
			return upload, have, nil
		}
		after = parts.NextPartNumberMarker
	}
}
