// Package fsx is the one door to the disk for everything that must outlast a
// power cut: databases aside, every durable write of Larder goes through it
// (design §11).
//
// It promises three operations that are atomic and durable once they return:
// [WriteFile] (a small file, old or new, never between), [Move] (a rename
// within one file system) and [MkdirAll]. Larger writes use [File] directly and
// keep the order themselves: write, Sync, then tell anybody. It also answers
// three questions of the operating system: how much space is free ([Free]),
// whether another process is at work ([Lock]), and whether the machine was
// restarted ([BootID]).
//
// It does not copy, walk or watch files, does not confine paths to a root, and
// knows nothing of what the files mean. Free, Lock and BootID always ask the
// real system; the rest takes an [FS], so that tests may put the crashable
// implementation of package crash in place of [OS].
//
// Errors are the operating system's (*fs.PathError, *os.LinkError), to be
// tested with errors.Is. Every part of Larder that writes calls this package.
package fsx

import (
	"io"
	"io/fs"
)

// File is an open file. Its methods behave as those of *os.File, except that
// Sync promises only what reading the data back after a power cut needs: bytes
// and size, not times or mode. Sync does not make the file's name durable; see
// [FS].SyncDir.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Name() string
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// FS is a file system: the operating system's vocabulary, with names as the os
// package takes them. It is safe for concurrent use.
type FS interface {
	// OpenFile takes the flags and permissions of os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// MkdirAll makes the directory and its parents, not durably; see [MkdirAll].
	MkdirAll(name string, perm fs.FileMode) error
	// Rename replaces an existing file in one step. A directory is never replaced.
	Rename(oldname, newname string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes a tree, one entry after the other; a missing one is no error.
	RemoveAll(name string) error
	// Stat follows symbolic links.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the entries of one directory durable: what was created in,
	// renamed in or removed from it. Where a directory cannot be synced it does
	// nothing (Windows, whose renames are written through instead; some network
	// file systems).
	SyncDir(name string) error
	// SyncTree makes everything below a directory durable, names and bytes; see
	// the function [SyncTree].
	SyncTree(name string) error
}
