package crash

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"larder/internal/fsx"
)

// file is a handle. Like every other part it is guarded by the FS's mutex.
type file struct {
	fs   *FS
	f    fsx.File
	n    *node
	name string
	flag int
	pos  int64 // of Read and Write
}

func (h *file) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// ready says whether the handle may be used for op.
func (h *file) ready(op string, writes bool) error {
	if h.fs.cut {
		return h.fail(op, ErrPowerCut)
	}
	if _, ok := h.fs.open[h]; !ok {
		return h.fail(op, fs.ErrClosed)
	}
	if writes && h.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return h.fail(op, syscall.EBADF)
	}
	return nil
}

func (h *file) Name() string { return h.name }

func (h *file) Read(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if len(p) == 0 {
		return 0, h.ready("read", false)
	}
	n, err := h.readAt(p, h.pos)
	h.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.readAt(p, off)
}

func (h *file) readAt(p []byte, off int64) (int, error) {
	if err := h.ready("read", false); err != nil {
		return 0, err
	}
	if h.flag&os.O_WRONLY != 0 {
		return 0, h.fail("read", syscall.EBADF)
	}
	return h.f.ReadAt(p, off)
}

func (h *file) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	at := h.pos
	if h.flag&os.O_APPEND != 0 {
		if err := h.ready("write", true); err != nil {
			return 0, err
		}
		st, err := h.f.Stat()
		if err != nil {
			return 0, err
		}
		at = st.Size()
	}
	n, err := h.writeAt(p, at)
	h.pos = at + int64(n)
	return n, err
}

func (h *file) WriteAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.flag&os.O_APPEND != 0 {
		return 0, h.fail("writeat", errors.New("file opened with O_APPEND"))
	}
	return h.writeAt(p, off)
}

func (h *file) writeAt(p []byte, off int64) (int, error) {
	if err := h.ready("write", true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, h.fail("write", errors.New("negative offset"))
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := h.fs.step("write", h.name); err != nil {
		return 0, err
	}
	if err := h.fs.soil(h.n, h.f); err != nil {
		return 0, err
	}
	if err := h.n.undo.save(h.f, off, off+int64(len(p))); err != nil {
		return 0, err
	}
	return h.f.WriteAt(p, off)
}

func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.truncate(size)
}

func (h *file) truncate(size int64) error {
	if err := h.ready("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return h.fail("truncate", syscall.EINVAL)
	}
	if err := h.fs.step("truncate", h.name); err != nil {
		return err
	}
	if err := h.fs.soil(h.n, h.f); err != nil {
		return err
	}
	u := h.n.undo
	if err := u.save(h.f, size, u.floor); err != nil {
		return err
	}
	if err := h.f.Truncate(size); err != nil {
		return err
	}
	u.floor = min(u.floor, size)
	return nil
}

// Sync makes bytes and size durable, in the model only.
func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.ready("sync", false); err != nil {
		return err
	}
	if err := h.fs.step("sync", h.name); err != nil {
		return err
	}
	h.fs.clean(h.n)
	return nil
}

func (h *file) Stat() (fs.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.ready("stat", false); err != nil {
		return nil, err
	}
	return h.f.Stat()
}

func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.ready("close", false); err != nil {
		return err
	}
	return h.close()
}

func (h *file) close() error {
	delete(h.fs.open, h)
	return h.f.Close()
}
