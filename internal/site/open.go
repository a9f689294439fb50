package site

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// blobs keeps files open that were just delivered, for the next who asks: opening one below a directory
// takes a call of the system for each folder on the way. A file is one reader's at a time.
type blobs struct {
	dir *os.Root

	mu    sync.Mutex
	idle  map[string][]*opened
	n     int
	armed bool
}

// opened is a file as it was when it was opened. It knows where it is to be read, and goes there
// when somebody reads: http.ServeContent seeks to the end and back, to learn the size.
type opened struct {
	*os.File
	info     os.FileInfo
	seen     time.Time // when the name led to it last
	at, want int64     // offsets: where the file stands, and where the reader does
}

const (
	maxIdle = 64
	// keepIdle is how long a file stays open at most that nobody asks for: one that was removed takes
	// up its space until then.
	keepIdle = 5 * time.Second
	// trusted is how long a file is taken for the one of its name without looking. What is named by its
	// hash is right as long as it is the same at all.
	trusted = 100 * time.Millisecond
)

// open gives the file of a name, if it is regular. It is to be put back.
func (b *blobs) open(name string) (*opened, error) {
	now, kept := time.Now(), b.take(name)
	if kept != nil {
		if now.Sub(kept.seen) < trusted {
			return kept, nil
		}
		// It is only compared with what was opened below the directory.
		info, err := os.Stat(filepath.Join(b.dir.Name(), filepath.FromSlash(name)))
		if err == nil && sameFile(info, kept.info) {
			kept.seen = now
			return kept, nil
		}
		_ = kept.Close() // it was replaced, or removed
	}
	f, err := b.dir.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, os.ErrNotExist
	}
	return &opened{File: f, info: info, seen: now}, nil
}

// Seek implements io.Seeker.
func (o *opened) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.want
	case io.SeekEnd:
		offset += o.info.Size()
	}
	if offset < 0 {
		return 0, os.ErrInvalid
	}
	o.want = offset
	return offset, nil
}

// settle brings the file to where the reader is.
func (o *opened) settle() error {
	if o.at == o.want {
		return nil
	}
	at, err := o.File.Seek(o.want, io.SeekStart)
	if err == nil {
		o.at = at
	}
	return err
}

func (o *opened) Read(p []byte) (int, error) {
	if err := o.settle(); err != nil {
		return 0, err
	}
	n, err := o.File.Read(p)
	o.at, o.want = o.at+int64(n), o.want+int64(n)
	return n, err
}

// WriteTo is not what a file does, or it would go round Read.
func (o *opened) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{o}) }

// SyscallConn is what the system sends the file by, from where the reader is. How far it came is not
// known then.
func (o *opened) SyscallConn() (syscall.RawConn, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	o.at = -1
	return o.File.SyscallConn()
}

func (b *blobs) take(name string) (f *opened) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.idle[name]
	if len(list) == 0 {
		return nil
	}
	f, b.idle[name] = list[len(list)-1], list[:len(list)-1]
	b.n--
	return f
}

// put keeps a file for a while. Windows would let nobody remove it meanwhile.
func (b *blobs) put(name string, f *opened) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n >= maxIdle || runtime.GOOS == "windows" {
		_ = f.Close() // only read
		return
	}
	if b.idle == nil {
		b.idle = map[string][]*opened{}
	}
	b.idle[name] = append(b.idle[name], f)
	b.n++
	if !b.armed {
		b.armed = true
		time.AfterFunc(keepIdle, b.close)
	}
}

// close closes what nobody reads.
func (b *blobs) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, list := range b.idle {
		for _, f := range list {
			_ = f.Close()
		}
	}
	b.idle, b.n, b.armed = nil, 0, false
}
