package asset

import (
	"path"
	"slices"
	"strings"
)

// ParsePackagingManifest reads a packaging manifest of at most 1 MiB, with or
// without "//" comments. The error is a *[Faults] with all that is wrong. It does
// not look at the disk: whether the files are there is for who selects them.
func ParsePackagingManifest(data []byte) (*PackagingManifest, error) {
	doc, faults := readJSON("read packaging manifest", data, MaxManifest)
	if doc == nil || !faults.isObject(doc) {
		return nil, faults
	}
	m := &PackagingManifest{}
	// Editors like $schema, and Apple's tool adds toolsVersion to the manifest in a pack.
	for _, n := range doc.members {
		if n.key == "$schema" || n.key == "toolsVersion" {
			continue
		}
		faults.known(&node{members: []*node{n}}, "assetPackID", "downloadPolicy", "fileSelectors", "platforms", "language", "sourceRoot", "userInfo")
	}
	if n := faults.needs(doc, "assetPackID", mendPackID); n != nil && faults.isString(n) {
		if problem := checkPackID(n.text); problem != "" {
			faults.add(n, problem, mendPackID)
		}
		m.AssetPackID = PackID(n.text)
	}
	if n := faults.needs(doc, "downloadPolicy", `write "downloadPolicy": {"onDemand": {}}, or another policy`); n != nil {
		m.DownloadPolicy = readPolicy(faults, n)
	}
	if n := faults.needs(doc, "fileSelectors", `list what goes into the pack, for example [{"directory": "assets"}]`); n != nil && faults.isArray(n) {
		m.FileSelectors = faults.selectors(n)
	}
	if n := faults.needs(doc, "platforms", "write [] for all"); n != nil {
		m.Platforms = faults.platforms(n)
	}
	if n := doc.member("language"); n != nil {
		m.Language = faults.language(n)
	}
	if n := doc.member("sourceRoot"); n != nil && faults.isString(n) {
		if m.SourceRoot = n.text; n.text == "" || strings.ContainsRune(n.text, 0) {
			faults.add(n, "it names no directory", "name one, or leave the key out for the manifest's own directory")
		}
	}
	if n := doc.member("userInfo"); n != nil {
		m.UserInfo = faults.userInfo(n)
	}
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	return m, nil
}

func (e *Faults) selectors(list *node) (out []Selector) {
	seen := map[Selector]int{}
	for _, n := range list.items {
		if !e.isObject(n) {
			continue
		}
		s, ok := e.selector(n)
		if !ok {
			continue
		}
		if first, twice := seen[s]; twice {
			e.add(n, "the same selector stands at "+list.items[first].path, "remove one of the two")
			continue
		}
		seen[s] = slices.Index(list.items, n)
		s.Line = n.line
		out = append(out, s)
	}
	return out
}

const mendSelector = `write one of {"file": …}, {"directory": …}, {"filePattern": …}, {"fileSource": …, "fileDestination": …}, ` +
	`{"directorySource": …, "directoryDestination": …}, {"fileExclusion": …}`

// selector reads one, and reports whether it has a shape and sound paths.
func (e *Faults) selector(n *node) (s Selector, ok bool) {
	for _, kind := range selectorKinds {
		if n.member(string(kind)) != nil {
			s.Kind = kind
			break
		}
	}
	second, want := destinations[s.Kind], 1
	if second != "" {
		want = 2
	}
	if s.Kind == "" || len(n.members) != want || second != "" && n.member(second) == nil {
		e.add(n, "it has none of the six shapes", mendSelector)
		return s, false
	}
	source := n.member(string(s.Kind))
	glob := s.Kind == SelectPattern || s.Kind == SelectExclusion
	s.Source, ok = e.path(source, glob)
	if ok && s.Source == "." && s.Kind != SelectDirectory && s.Kind != SelectMovedFolder {
		e.add(source, "it names a directory", "name files")
		ok = false
	}
	if second == "" {
		return s, ok
	}
	to, okToo := n.member(second), true
	if to.kind == "string" && to.text == "" && s.Kind == SelectMovedFolder {
		s.Destination = "."
	} else if s.Destination, okToo = e.path(to, false); okToo && s.Kind == SelectMovedFile && s.Destination == "." {
		e.add(to, "it names no file", "name the file in the pack")
		okToo = false
	}
	return s, ok && okToo
}

// path reads a relative path, or a glob, and gives it in its shortest form.
func (e *Faults) path(n *node, glob bool) (string, bool) {
	const below = "write a path below the source root"
	if !e.isString(n) {
		return "", false
	}
	drive := len(n.text) > 1 && n.text[1] == ':' && strings.Contains(letters, n.text[:1])
	switch p := n.text; {
	case p == "":
		e.add(n, "it is empty", below)
	case strings.ContainsRune(p, 0):
		e.add(n, "it holds a NUL", below)
	case strings.HasPrefix(p, "/") || drive || strings.HasPrefix(p, `\`) && !glob:
		e.add(n, "it is absolute", below+"; the source root itself may be absolute")
	case slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' && !glob }), ".."):
		e.add(n, `it goes up with ".."`, below+", or move the source root up")
	case glob:
		if problem, mend := checkGlob(p); problem != "" {
			e.add(n, problem, mend)
			return "", false
		}
		return path.Clean(p), true
	case strings.Contains(p, `\`):
		e.add(n, "it holds a backslash", `write "/" between directories`)
	default:
		return path.Clean(p), true
	}
	return "", false
}
