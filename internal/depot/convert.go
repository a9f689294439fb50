package depot

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/asset"
)

// Script is what a depot build script says.
type Script struct {
	ID        string // DepotID
	Selectors []asset.Selector
	// Notes tell what a packaging manifest has no words for, each with its line.
	Notes []string
}

// Convert reads a depot build script of at most 1 MiB. The error is an *asset.Faults
// with all that is wrong. Some mappings can only be said file by file: for these it
// looks into content, the content root; nil when that is not at hand.
func Convert(data []byte, content fs.FS) (*Script, error) {
	pairs, err := parse(data)
	if err != nil {
		return nil, err
	}
	c := &converter{script: &Script{}, content: content, faults: &asset.Faults{Op: opRead}, seen: map[asset.Selector]bool{}}
	c.depot(pairs)
	if len(c.faults.List) > 0 {
		return nil, c.faults
	}
	return c.script, nil
}

type converter struct {
	script  *Script
	content fs.FS
	faults  *asset.Faults
	seen    map[asset.Selector]bool
}

func (c *converter) blame(p pair, problem, mend string) {
	c.faults.Add(asset.Fault{Line: p.line, Key: p.key, Value: p.text, Problem: problem, Mend: mend})
}

func (c *converter) note(p pair, format string, args ...any) {
	c.script.Notes = append(c.script.Notes, fmt.Sprintf("line %d: %s: %s", p.line, p.key, fmt.Sprintf(format, args...)))
}

func (c *converter) put(s asset.Selector) {
	if !c.seen[s] {
		c.seen[s] = true
		c.script.Selectors = append(c.script.Selectors, s)
	}
}

func (c *converter) depot(pairs []pair) {
	if len(pairs) != 1 || !pairs[0].group {
		c.faults.Add(asset.Fault{Problem: "it is no depot build script", Mend: `it begins with "DepotBuild" and has the rest in braces`})
		return
	}
	top := pairs[0]
	switch {
	case top.is("AppBuild"):
		c.blame(top, "it builds a whole app", "name the script of one depot, which it lists under Depots")
		return
	case !top.is("DepotBuild") && !top.is("DepotBuildConfig"):
		c.blame(top, "it is no depot build script", `it begins with "DepotBuild"`)
		return
	}
	mapped := false
	for _, p := range top.block {
		switch {
		case p.is("FileMapping"):
			mapped = true
			c.mapping(p)
		case p.group && !p.is("FileProperties"):
			c.note(p, "is not converted")
		case p.is("DepotID"):
			c.script.ID = p.text
		case p.is("ContentRoot"): // see ContentRoot
		case p.is("FileExclusion"):
			c.exclusion(p)
		case p.is("FileProperties"):
			c.note(p, "a pack has no attributes of files; the app must look after its own")
		case p.is("InstallScript"):
			c.note(p, "nothing runs when a pack is installed; %q is packed like any file", p.text)
		default:
			c.note(p, "is not converted")
		}
	}
	if !mapped {
		c.blame(top, "it has no FileMapping", "write what goes into the depot")
	}
}

// slashes is a path with slashes and no needless parts.
func slashes(p string) string {
	if p == "" {
		return ""
	}
	return path.Clean(strings.ReplaceAll(p, `\`, "/"))
}

// relative is the path of a mapping, or false and a fault.
func (c *converter) relative(p pair) (string, bool) {
	to := slashes(p.text)
	switch {
	case to == "":
		c.blame(p, "it is empty", "write a path below the content root")
	case strings.HasPrefix(to, "/") || len(to) > 1 && to[1] == ':':
		c.blame(p, "it is absolute", "write a path below the content root")
	case to == ".." || strings.HasPrefix(to, "../"):
		c.blame(p, "it goes up", "move ContentRoot up")
	default:
		return to, true
	}
	return "", false
}

// glob is a wildcard of Steam's in the dialect of packaging manifests.
func glob(p string) string { return strings.ReplaceAll(p, "[", `\[`) }

func wild(p string) bool { return strings.ContainsAny(p, "*?") }

func (c *converter) exclusion(p pair) {
	to, ok := c.relative(p)
	if !ok {
		return
	}
	if !strings.Contains(to, "/") && wild(to) {
		to = "**/" + to
	}
	c.glob(p, asset.Selector{Kind: asset.SelectExclusion, Source: glob(to)})
}

// glob adds a selector by glob, if it is one: Steam lets "**" stand anywhere.
func (c *converter) glob(p pair, s asset.Selector) {
	parts := strings.Split(s.Source, "/")
	for i, part := range parts {
		if part != "**" {
			for strings.Contains(part, "**") {
				part = strings.ReplaceAll(part, "**", "*")
			}
			parts[i] = part
		}
	}
	s.Source = strings.Join(parts, "/")
	c.put(s)
}

// mapping converts one FileMapping. DepotPath "." leaves the files at their paths.
func (c *converter) mapping(m pair) {
	var local, depot pair
	recursive := false
	for _, p := range m.block {
		switch {
		case p.is("LocalPath"):
			local = p
		case p.is("DepotPath"):
			depot = p
		case p.is("Recursive"):
			recursive = p.text != "0" && p.text != ""
		default:
			c.note(p, "is not converted")
		}
	}
	if !m.group || local.key == "" {
		c.blame(m, "it has no LocalPath", `write { "LocalPath" "*" "DepotPath" "." "Recursive" "1" }`)
		return
	}
	from, ok := c.relative(local)
	to := "."
	if depot.key != "" {
		toOK := false
		to, toOK = c.relative(depot)
		ok = ok && toOK
	}
	if !ok {
		return
	}
	dir, name := path.Split(from)
	dir = path.Clean(dir)
	switch {
	case wild(dir):
		c.blame(local, "it has a wildcard in a directory's name", "map each directory by itself")
	case name == "*" && recursive && to == ".":
		c.put(asset.Selector{Kind: asset.SelectDirectory, Source: dir})
	case name == "*" && recursive:
		c.put(asset.Selector{Kind: asset.SelectMovedFolder, Source: dir, Destination: to})
	case !wild(name):
		c.plain(local, from, strings.HasSuffix(local.text, `\`) || strings.HasSuffix(local.text, "/"), to)
	case to == "." && recursive:
		c.glob(local, asset.Selector{Kind: asset.SelectPattern, Source: path.Join(glob(dir), "**", glob(name))})
	case to == ".":
		c.glob(local, asset.Selector{Kind: asset.SelectPattern, Source: path.Join(glob(dir), glob(name))})
	default:
		c.expand(local, dir, name, recursive, to)
	}
}

// plain converts a path without wildcards: of a file, or of a directory.
func (c *converter) plain(p pair, from string, slash bool, to string) {
	isDir := slash || from == "."
	if c.content != nil && !isDir {
		info, err := fs.Stat(c.content, from)
		isDir = err == nil && info.IsDir()
	}
	switch {
	case isDir && to == ".":
		c.put(asset.Selector{Kind: asset.SelectDirectory, Source: from})
	case isDir:
		c.put(asset.Selector{Kind: asset.SelectMovedFolder, Source: from, Destination: to})
	case to == ".":
		c.put(asset.Selector{Kind: asset.SelectFile, Source: from})
	default:
		// Steam takes DepotPath for a directory.
		c.put(asset.Selector{Kind: asset.SelectMovedFile, Source: from, Destination: path.Join(to, path.Base(from))})
	}
	if c.content == nil && !slash && !strings.Contains(path.Base(from), ".") {
		c.note(p, "%q is taken for a file; if it is a directory, write it with a slash at the end", from)
	}
}

// maxExpanded bounds how many files one mapping becomes.
const maxExpanded = 10_000

// expand converts a moved pattern, for which manifests have no words, file by file.
func (c *converter) expand(p pair, dir, name string, recursive bool, to string) {
	if c.content == nil {
		c.blame(p, "files that match a pattern can only be moved one by one, and the content root is not at hand", "convert where the content root is, or map a whole directory")
		return
	}
	pattern, found := path.Join(glob(dir), glob(name)), []string(nil)
	if recursive {
		pattern = path.Join(glob(dir), "**", glob(name))
	}
	err := fs.WalkDir(c.content, dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != dir && !recursive:
			return fs.SkipDir
		case !d.IsDir() && asset.MatchGlob(pattern, file):
			if found = append(found, file); len(found) > maxExpanded {
				return fs.SkipAll
			}
		}
		return nil
	})
	switch {
	case err != nil:
		c.blame(p, fmt.Sprintf("the directory %q cannot be read", dir), "see whether ContentRoot is right")
	case len(found) == 0:
		c.blame(p, "it matches no file", "correct it, or remove the mapping")
	case len(found) > maxExpanded:
		c.blame(p, fmt.Sprintf("it matches more than %d files, each of which has to be named", maxExpanded), "map a whole directory")
	default:
		slices.Sort(found)
		for _, file := range found {
			c.put(asset.Selector{Kind: asset.SelectMovedFile, Source: file, Destination: path.Join(to, strings.TrimPrefix(strings.TrimPrefix(file, dir), "/"))})
		}
		c.note(p, "became %d selectors, one for each file that is there now", len(found))
	}
}

// ContentRoot is the directory of the content that a script names, with slashes:
// absolute, or relative to the script. It is "" when the script leaves that to the
// app's, or cannot be read.
func ContentRoot(data []byte) string {
	pairs, err := parse(data)
	if err != nil {
		return ""
	}
	for _, top := range pairs {
		for _, p := range top.block {
			if p.is("ContentRoot") {
				return slashes(p.text)
			}
		}
	}
	return ""
}
