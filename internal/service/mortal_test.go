package service

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"

	"larder/asset"
	"larder/extension"
	"larder/internal/courier"
	"larder/internal/exthost"
	"larder/internal/fsx"
)

// fuse ends a service without goodbye: from the step on at which it burns down,
// nothing that the service does reaches disk, database or extension. What was
// done before stays, as after kill -9.
type fuse struct {
	left atomic.Int64
	dead atomic.Bool
	end  context.CancelFunc // of the service's work
}

var errDead = errors.New("this service was killed")

func newFuse(end context.CancelFunc) *fuse {
	f := &fuse{end: end}
	f.left.Store(1 << 60)
	return f
}

// burn is one step.
func (f *fuse) burn() error {
	if f.left.Add(-1) < 0 {
		f.blow()
	}
	if f.dead.Load() {
		return errDead
	}
	return nil
}

func (f *fuse) blow() {
	f.dead.Store(true)
	f.end()
}

// mortalFS is the real disk, until the fuse has burnt down.
type mortalFS struct {
	fsx.FS
	fuse *fuse
}

func (m mortalFS) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	if err := m.fuse.burn(); err != nil {
		return nil, err
	}
	f, err := m.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return mortalFile{f, m.fuse}, nil
}

func (m mortalFS) MkdirAll(name string, perm fs.FileMode) error {
	return m.do(func() error { return m.FS.MkdirAll(name, perm) })
}
func (m mortalFS) Rename(from, to string) error {
	return m.do(func() error { return m.FS.Rename(from, to) })
}
func (m mortalFS) Remove(name string) error {
	return m.do(func() error { return m.FS.Remove(name) })
}
func (m mortalFS) RemoveAll(name string) error {
	return m.do(func() error { return m.FS.RemoveAll(name) })
}
func (m mortalFS) SyncDir(name string) error {
	return m.do(func() error { return m.FS.SyncDir(name) })
}

func (m mortalFS) do(f func() error) error {
	if err := m.fuse.burn(); err != nil {
		return err
	}
	return f()
}

type mortalFile struct {
	fsx.File
	fuse *fuse
}

func (m mortalFile) Write(p []byte) (int, error) {
	if err := m.fuse.burn(); err != nil {
		return 0, err
	}
	return m.File.Write(p)
}

func (m mortalFile) WriteAt(p []byte, off int64) (int, error) {
	if err := m.fuse.burn(); err != nil {
		return 0, err
	}
	return m.File.WriteAt(p, off)
}

func (m mortalFile) Truncate(n int64) error {
	if err := m.fuse.burn(); err != nil {
		return err
	}
	return m.File.Truncate(n)
}

func (m mortalFile) Sync() error {
	if err := m.fuse.burn(); err != nil {
		return err
	}
	return m.File.Sync()
}

// mortalExtension is a session that a dead service neither calls nor hears.
type mortalExtension struct {
	courier.Extension
	fuse *fuse
	over func() error // why the session has ended; nil while it has not
}

func (m mortalExtension) Downloads(ctx context.Context, req extension.DownloadsRequest, each func(asset.Download) error) error {
	return m.call(func() error { return m.Extension.Downloads(ctx, req, each) })
}

func (m mortalExtension) BackgroundDownloadFinished(ctx context.Context, d asset.Download, path string) error {
	return m.call(func() error { return m.Extension.BackgroundDownloadFinished(ctx, d, path) })
}

func (m mortalExtension) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error) error {
	return m.call(func() error { return m.Extension.BackgroundDownloadFailed(ctx, d, cause) })
}

func (m mortalExtension) call(f func() error) error {
	if m.over() != nil {
		return exthost.ErrEnded // as exthost tells it
	}
	if err := m.fuse.burn(); err != nil {
		return err
	}
	return errors.Join(f(), m.fuse.burn())
}
