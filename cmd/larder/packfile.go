package main

import (
	"errors"
	"io/fs"
	"os"

	"larder/asset"
	"larder/pack"
)

// packFile is an open pack with the file it is in.
type packFile struct {
	*pack.Archive
	file  *os.File
	name  string
	size  int64
	gauge *gauge // counts what is read; nil counts nothing
}

// openPack opens a pack, or an index alone. Close its file.
func openPack(name string) (*packFile, error) {
	fault := func(code asset.Code, message, help string) error {
		return &asset.Error{Code: code, Op: "open pack", Subject: name, Message: message, Help: help}
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault(asset.CodeNotFound, "there is no such file", "")
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fault(asset.CodeBadRequest, "it is a directory", "name a pack; \"larder pack build\" makes one")
	case !info.Mode().IsRegular():
		return nil, fault(asset.CodeBadRequest, "it is no regular file", "name a pack")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	p := &packFile{file: f, name: name, size: info.Size()}
	if p.Archive, err = pack.Open(p, p.size); err != nil {
		f.Close()
		return nil, named(name, err)
	}
	return p, nil
}

// ReadAt reads from the file.
func (p *packFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.file.ReadAt(b, off)
	p.gauge.add(n)
	return n, err
}

// named puts the name of a pack before an error's subject, which is a place in it.
func named(name string, err error) error {
	var e *asset.Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	out.Subject = name
	if e.Subject != "" {
		out.Message = e.Subject + ": " + e.Message
	}
	return &out
}

// openTree opens a directory that a person named.
func openTree(name string) (*os.Root, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: "open directory", Subject: name, Message: "there is no such directory"}
	}
	return root, err
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
