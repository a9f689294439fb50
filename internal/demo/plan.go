package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How a tree becomes downloads: few enough to be told on a screen, and small
// enough that the demo stays short.
const (
	maxBytes   = 400_000_000
	largeFile  = 1 << 20  // such files are downloads of their own
	maxLarge   = 200      // more of them are joined like small ones
	joinedSize = 16 << 20 // a join ends after it
	maxFolders = 64       // with more folders at the top, small files are joined across them
)

// item is one download: an entry of the manifest (its URL comes later) and its bytes.
type item struct {
	entry
	content *content
	program bool
}

// planner turns files into items. It reads every byte once, for the hashes.
type planner struct {
	fsys  fs.FS
	limit int64
	left  *left

	items []*item
	bytes int64
	large int
	names map[string]bool

	joining *item // being filled with small files
	sum     hash.Hash
	spread  bool // join across folders
}

// plan makes the items of a tree: at most limit bytes of files, the essential
// ones first.
func plan(ctx context.Context, fsys fs.FS, files []file, limit int64, out *left) ([]*item, error) {
	tops := map[string]bool{}
	for _, f := range files {
		tops[f.top()] = true
	}
	// No item may have the name of a folder that others go into.
	p := &planner{fsys: fsys, limit: limit, left: out, names: tops, spread: len(tops) > maxFolders}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, ctx.Err()
		}
		p.add(f)
	}
	p.endJoin()
	return choose(p.items), nil
}

func (p *planner) add(f file) {
	if f.size > p.limit-p.bytes {
		p.left.tooMuch++
		p.left.tooMuchBytes += f.size
		return
	}
	var ok bool
	if f.size >= largeFile && p.large < maxLarge && plain(f.path) {
		p.large++
		ok = p.single(f)
	} else {
		ok = p.join(f)
	}
	if !ok {
		p.left.cannotRead(f.path)
		return
	}
	p.bytes += f.size
}

// plain names can be file names on any system and stand in a line of text.
func plain(path string) bool {
	bad := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`\:*?"<>|`, r) }
	return len(path) <= 200 && utf8.ValidString(path) && !strings.ContainsFunc(path, bad) && filepath.IsLocal(filepath.FromSlash(path))
}

func (p *planner) single(f file) bool {
	it := &item{entry: entry{Name: p.free(f.path), Folder: f.top(), Files: 1}, content: &content{fsys: p.fsys}, program: f.executable}
	it.content.addFile(f)
	sum := sha256.New()
	if !p.read(f, sum) {
		return false
	}
	p.finish(it, sum)
	return true
}

// join adds a file to the tar archive under way, which holds one top folder's
// small files in order. The archive exists only while somebody reads it.
func (p *planner) join(f file) bool {
	folder := f.top()
	if p.spread {
		folder = ""
	}
	if j := p.joining; j != nil && (j.Folder != folder || j.content.size >= joinedSize) {
		p.endJoin()
	}
	header, ok := tarHeader(f)
	if !ok {
		return false
	}
	if p.joining == nil {
		p.joining, p.sum = &item{entry: entry{Folder: folder}, content: &content{fsys: p.fsys}}, sha256.New()
	}
	sum := clone(p.sum) // a file that cannot be read to its end must not spoil the sum of the others
	sum.Write(header)
	if !p.read(f, sum) {
		return false
	}
	padding := make([]byte, -f.size&511)
	sum.Write(padding)
	j := p.joining
	j.content.addData(header)
	j.content.addFile(f)
	j.content.addData(padding)
	j.Files++
	p.sum = sum
	return true
}

// read writes all bytes of a file to w.
func (p *planner) read(f file, w io.Writer) bool {
	one := &content{fsys: p.fsys}
	one.addFile(f)
	r := &reader{content: one}
	defer r.Close()
	_, err := io.Copy(w, r)
	return err == nil
}

// clone copies a running SHA-256; crypto/sha256 promises a hash.Cloner.
func clone(sum hash.Hash) hash.Hash {
	c, err := sum.(hash.Cloner).Clone()
	if err != nil {
		panic(err)
	}
	return c
}

func tarHeader(f file) ([]byte, bool) {
	mode := int64(0o644)
	if f.executable {
		mode = 0o755
	}
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: f.size, Mode: mode})
	return b.Bytes(), err == nil
}

func (p *planner) endJoin() {
	if p.joining == nil {
		return
	}
	if p.joining.Files > 0 {
		end := make([]byte, 1024)
		p.sum.Write(end)
		p.joining.content.addData(end)
		name := p.joining.Folder
		if name == "" || !plain(name) {
			name = "files"
		}
		p.joining.Name = p.free(name + ".tar")
		p.finish(p.joining, p.sum)
	}
	p.joining = nil
}

// free is name, or name with a number when an item has it already.
func (p *planner) free(name string) string {
	stem, isTar := strings.CutSuffix(name, ".tar")
	for n := 2; p.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", stem, n)
		if isTar {
			name += ".tar"
		}
	}
	p.names[name] = true
	return name
}

func (p *planner) finish(it *item, sum hash.Hash) {
	it.Size, it.SHA256 = it.content.size, hex.EncodeToString(sum.Sum(nil))
	p.items = append(p.items, it)
}
