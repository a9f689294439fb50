package site

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"larder/asset"
)

// documents keeps small documents in memory, those that every device asks for, and looks each
// time whether the file is still the one that was read.
type documents struct {
	dir *os.Root

	mu   sync.Mutex
	kept map[string]*kept
}

// kept is a document that was read.
type kept struct {
	info fs.FileInfo
	text string
	tag  string
}

// Bounds of what is kept: 16 MiB in all.
const (
	maxKept     = 256
	maxKeptSize = 64 << 10
)

const settled = 2 * time.Second

// get reads a document, or gives what is kept of it.
func (d *documents) get(name string) (*kept, error) {
	// The name alone is asked, so that nothing outside is read by it: what is given out was
	// opened below the directory.
	now, err := os.Stat(filepath.Join(d.dir.Name(), filepath.FromSlash(name)))
	d.mu.Lock()
	old := d.kept[name]
	d.mu.Unlock()
	if err == nil && old != nil && sameFile(now, old.info) {
		return old, nil
	}
	doc, err := d.read(name)
	if err != nil {
		return nil, err
	}
	// A file that was just written may be followed by one of the same size, time and inode:
	// clocks of file systems are coarse. One that is older cannot.
	if len(doc.text) <= maxKeptSize && time.Since(doc.info.ModTime()) > settled {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.kept) >= maxKept {
			d.kept = nil
		}
		if d.kept == nil {
			d.kept = map[string]*kept{}
		}
		d.kept[name] = doc
	}
	return doc, nil
}

// sameFile reports whether a file is as it was.
func sameFile(now, then fs.FileInfo) bool {
	return os.SameFile(now, then) && now.ModTime().Equal(then.ModTime()) && now.Size() == then.Size()
}

var errUnread = errors.New("the document cannot be read")

func (d *documents) read(name string) (*kept, error) {
	f, err := d.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	text, err := io.ReadAll(io.LimitReader(f, asset.MaxDownloadManifest))
	if err != nil {
		return nil, errUnread
	}
	return &kept{info: info, text: string(text), tag: tagOf(string(text))}, nil
}

func tagOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
