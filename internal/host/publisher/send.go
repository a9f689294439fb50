package publisher

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"larder/asset"
)

// lines is how many parts are sent at once.
const lines = 4

// send brings the parts of a file that the host lacks, and gives how many bytes these were.
func (h *Host) send(ctx context.Context, file resource, data io.ReaderAt, advance func(int)) (sent int64, err error) {
	var todo []operation
	for _, o := range file.Attributes.Operations {
		if o.Offset < 0 || o.Length < 0 || o.Offset+o.Length > file.Attributes.FileSize {
			return 0, &asset.Error{Code: asset.CodeServer, Op: op, Subject: h.URL, Message: "the host asks for bytes that the file does not have"}
		}
		if o.Tag != "" && o.Tag == sumOf(data, o) {
			advance(int(o.Length))
			continue
		}
		todo = append(todo, o)
		sent += o.Length
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan operation)
	errs := make([]error, min(lines, len(todo)))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for o := range next {
				if errs[i] = h.sendPart(ctx, o, data, advance); errs[i] != nil {
					cancel()
					return
				}
			}
		})
	}
deal:
	for _, o := range todo {
		select {
		case next <- o:
		case <-ctx.Done():
			break deal
		}
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return 0, err
		}
	}
	return sent, context.Cause(ctx)
}

func sumOf(data io.ReaderAt, o operation) string {
	sum := md5.New()
	if _, err := io.Copy(sum, io.NewSectionReader(data, o.Offset, o.Length)); err != nil {
		return "" // then it is sent, and the error told
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (h *Host) sendPart(ctx context.Context, o operation, data io.ReaderAt, advance func(int)) error {
	told := 0 // of this part, so that a repeated one is not counted twice
	err := again(ctx, true, func() error {
		r := &counting{Reader: io.NewSectionReader(data, o.Offset, o.Length), told: &told, advance: advance}
		req, err := http.NewRequestWithContext(ctx, o.Method, o.URL, r)
		if err != nil {
			return err
		}
		req.ContentLength = o.Length
		for _, header := range o.Headers {
			req.Header.Set(header.Name, header.Value)
		}
		return h.do(req, nil)
	})
	if err != nil {
		return fmt.Errorf("part %d: %w", o.Part, err)
	}
	return nil
}

// counting tells of bytes that were read for the first time.
type counting struct {
	io.Reader
	at      int
	told    *int
	advance func(int)
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.at += n
	if more := c.at - *c.told; more > 0 {
		*c.told = c.at
		c.advance(more)
	}
	return n, err
}
