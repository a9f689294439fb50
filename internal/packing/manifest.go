package packing

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"larder/asset"
)

// Manifest is a packaging manifest that was read from the disk.
type Manifest struct {
	*asset.PackagingManifest
	File string // its name
	Root string // the directory in which its selectors look
}

// Read reads a packaging manifest. The source root is relative to the manifest's own
// directory, not to the working directory (where Apple's tool looks, managed
// §6.2). An error about its content is an *asset.Faults.
func Read(file string) (*Manifest, error) {
	data, err := ReadBounded(file, asset.MaxManifest, "packaging manifest")
	if err != nil {
		return nil, err
	}
	m, err := asset.ParsePackagingManifest(data)
	if err != nil {
		return nil, err
	}
	root := filepath.FromSlash(m.SourceRoot)
	if !filepath.IsAbs(root) {
		root = filepath.Join(filepath.Dir(file), root)
	}
	return &Manifest{PackagingManifest: m, File: file, Root: root}, nil
}

// ReadBounded reads a file of at most limit bytes that a person named: what is it,
// for the error. A pipe is refused, since it may never end.
func ReadBounded(file string, limit int64, what string) ([]byte, error) {
	fault := func(code asset.Code, message, help string) error {
		return &asset.Error{Code: code, Op: "read " + what, Subject: file, Message: message, Help: help}
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault(asset.CodeNotFound, "there is no such file", "")
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fault(asset.CodeConfiguration, "it is a directory", "name the file")
	case !info.Mode().IsRegular():
		return nil, fault(asset.CodeConfiguration, "it is no regular file", "name a file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, &asset.Error{Code: asset.CodeTooLarge, Op: "read " + what, Subject: file, Message: "it is too long: is it the right file?"}
	}
	return data, err
}
