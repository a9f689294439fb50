package packing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"larder/asset"
	"larder/pack"
)

// Selection is what the selectors of a manifest select. Close it when the pack is built.
type Selection struct {
	Items []*Item // in the order of their paths
	// Notes are what a person should know and nobody need change: a selector that
	// excludes nothing, a link that leads nowhere.
	Notes []string
	root  *os.Root
}

// Item is one entry of the pack to be, with where it comes from and why.
type Item struct {
	pack.Source
	Selector *asset.Selector
}

// Tree is the selection as pack.Build takes it.
func (s *Selection) Tree() pack.Tree {
	t := pack.Tree{Open: func(name string) (io.ReadCloser, error) { return s.root.Open(name) }, Sources: make([]pack.Source, 0, len(s.Items))}
	for _, item := range s.Items {
		t.Sources = append(t.Sources, item.Source)
	}
	return t
}

// Bytes is how many bytes the files have.
func (s *Selection) Bytes() (n int64) {
	for _, item := range s.Items {
		n += item.Size
	}
	return n
}

// Close frees the source root.
func (s *Selection) Close() error { return s.root.Close() }

const op = "select files"

// Select finds the files of a manifest. The error is an *asset.Faults with
// everything that is wrong, except where the disk or ctx kept it from looking.
func Select(ctx context.Context, m *Manifest) (*Selection, error) {
	root, err := os.OpenRoot(m.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: op, Subject: m.Root, Message: "the source root is not there",
			Help: "sourceRoot is relative to the directory of the manifest"}
	} else if err != nil {
		return nil, err
	}
	s := &selecting{ctx: ctx, root: root, faults: &asset.Faults{Op: op}, at: map[string]*Item{}, met: map[string]bool{}}
	for _, sel := range m.FileSelectors {
		if sel.Kind == asset.SelectExclusion {
			s.exclusions = append(s.exclusions, &exclusion{Selector: sel})
		}
	}
	for i := range m.FileSelectors {
		if err := s.add(&m.FileSelectors[i]); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	out := s.finish()
	if len(s.faults.List) > 0 {
		return nil, errors.Join(s.faults, root.Close())
	}
	return out, nil
}

type selecting struct {
	ctx        context.Context
	root       *os.Root
	faults     *asset.Faults
	exclusions []*exclusion
	at         map[string]*Item // by path in the pack
	met        map[string]bool  // collisions that were told
	left       int              // files and directories left out by exclusions
}

type exclusion struct {
	asset.Selector
	used bool
}

// excluded reports whether an exclusion names the source, or a directory above it.
func (s *selecting) excluded(source string) bool {
	out := false
	for _, x := range s.exclusions {
		for p := source; p != "."; p = path.Dir(p) {
			if p == x.Source || asset.MatchGlob(x.Source, p) {
				x.used, out = true, true
				break
			}
		}
	}
	if out {
		s.left++
	}
	return out
}

func (s *selecting) blame(sel *asset.Selector, problem, mend string) {
	s.faults.Add(asset.Fault{Line: sel.Line, Key: sel.String(), Problem: problem, Mend: mend})
}

// add selects by one selector. Faults are noted; the error is of the disk.
func (s *selecting) add(sel *asset.Selector) error {
	switch sel.Kind {
	case asset.SelectFile, asset.SelectMovedFile:
		return s.addFile(sel)
	case asset.SelectDirectory, asset.SelectMovedFolder:
		return s.addDirectory(sel)
	case asset.SelectPattern:
		return s.addPattern(sel)
	}
	return nil
}

func (s *selecting) addFile(sel *asset.Selector) error {
	info, err := s.root.Lstat(sel.Source)
	if err != nil {
		return s.missing(sel, err)
	}
	to := sel.Source
	if sel.Kind == asset.SelectMovedFile {
		to = sel.Destination
	}
	if info.IsDir() {
		s.blame(sel, "it is a directory", `select it with "directory"`)
		return nil
	}
	return s.put(sel, sel.Source, to, info)
}

func (s *selecting) addDirectory(sel *asset.Selector) error {
	info, err := s.root.Stat(sel.Source) // a link to a directory inside will do
	if err != nil {
		return s.missing(sel, err)
	}
	if !info.IsDir() {
		s.blame(sel, "it is no directory", `select it with "file"`)
		return nil
	}
	to := sel.Source
	if sel.Kind == asset.SelectMovedFolder {
		to = sel.Destination
	}
	return s.walk(sel.Source, -1, func(name string, info fs.FileInfo) error {
		rest := strings.TrimPrefix(strings.TrimPrefix(name, sel.Source), "/")
		if sel.Source == "." {
			rest = name
		}
		return s.put(sel, name, path.Join(to, rest), info)
	})
}

func (s *selecting) addPattern(sel *asset.Selector) error {
	parts, start := strings.Split(sel.Source, "/"), 0
	for start < len(parts)-1 && !strings.ContainsAny(parts[start], `*?[\`) {
		start++
	}
	depth := len(parts) - start
	if slices.Contains(parts, "**") {
		depth = -1
	}
	dir, found, left := path.Join(append([]string{"."}, parts[:start]...)...), false, s.left
	if info, err := s.root.Stat(dir); err != nil || !info.IsDir() {
		if err != nil && !absent(err) {
			return s.missing(sel, err)
		}
	} else if err := s.walk(dir, depth, func(name string, info fs.FileInfo) error {
		if info.IsDir() || !asset.MatchGlob(sel.Source, name) {
			return nil
		}
		found = true
		return s.put(sel, name, name, info)
	}); err != nil {
		return err
	}
	if !found && s.left == left {
		s.blame(sel, "it matches no file", `correct it; "**" stands for any number of directories, and case matters`)
	}
	return nil
}

// absent reports whether nothing can be at such a path.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ELOOP)
}

// missing notes that a source cannot be had, as far as the manifest is to blame.
func (s *selecting) missing(sel *asset.Selector, err error) error {
	switch {
	case absent(err):
		s.blame(sel, fmt.Sprintf("%q is not there", sel.Source), "paths are relative to the source root "+s.root.Name())
	case leaves(err):
		s.blame(sel, "it leads out of the source root", "move the source root up, so that it holds both")
	default:
		return err
	}
	return nil
}

// leaves reports os.Root's refusal, which has no name of its own.
func leaves(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && strings.Contains(p.Err.Error(), "escapes")
}

// walk visits all that lies below a directory, down to depth levels (-1: all), but
// for what is excluded. Of directories only empty ones are visited.
func (s *selecting) walk(dir string, depth int, visit func(name string, info fs.FileInfo) error) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, d := range entries {
		name := path.Join(dir, d.Name())
		if s.excluded(name) {
			continue
		}
		if d.IsDir() {
			if depth == 1 {
				continue
			}
			err = s.walk(name, depth-1, visit)
		} else {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				err = visit(name, info)
			}
		}
		if err != nil {
			return err
		}
	}
	if len(entries) > 0 || dir == "." {
		return nil
	}
	info, err := s.root.Stat(dir)
	if err != nil {
		return err
	}
	return visit(dir, info)
}

// put selects one source for one path in the pack.
func (s *selecting) put(sel *asset.Selector, from, to string, info fs.FileInfo) error {
	if s.excluded(from) {
		return nil
	}
	item := &Item{Selector: sel, Source: pack.Source{From: from, Entry: pack.Entry{Path: to}}}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		if item.Kind, item.Size = pack.KindFile, info.Size(); mode&0o100 != 0 {
			item.Kind = pack.KindExecutable
		}
	case mode.IsDir():
		item.Kind = pack.KindDirectory
	case mode&fs.ModeSymlink != 0:
		target, err := s.root.Readlink(from)
		if err != nil {
			return err
		}
		item.Kind, item.Target = pack.KindLink, target
	default:
		s.blame(sel, fmt.Sprintf("%q is neither a file, nor a directory, nor a symbolic link (%v)", from, mode.Type()), "exclude it")
		return nil
	}
	if to == from {
		item.Path = from // one string for both
	}
	if to == "." { // an empty directory becomes the pack's root
		return nil
	}
	old, taken := s.at[to]
	switch {
	case !taken || item.Kind == pack.KindDirectory && old.Kind == pack.KindDirectory:
		s.at[to] = item
	case old.From != from:
		if !s.met[to] {
			s.met[to] = true
			s.blame(sel, fmt.Sprintf("%q and %q both become %q; the other comes from %s on line %d", from, old.From, to, old.Selector, old.Selector.Line),
				"exclude one of the two, or move one elsewhere")
		}
	case sel.Line < old.Selector.Line: // the same file, selected twice: once is enough
		s.at[to] = item
	}
	return nil
}
