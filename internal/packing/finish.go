package packing

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"larder/asset"
	"larder/pack"
)

// finish judges the selection as a whole.
func (s *selecting) finish() *Selection {
	out := &Selection{root: s.root}
	holds := map[string]bool{} // directories that something lies in
	paths := slices.Sorted(maps.Keys(s.at))
	for _, p := range paths {
		for d := path.Dir(p); d != "." && !holds[d]; d = path.Dir(d) {
			holds[d] = true
		}
	}
	for _, p := range paths {
		item := s.at[p]
		if item.Kind == pack.KindDirectory && holds[p] {
			continue // another selector filled it
		}
		out.Items = append(out.Items, item)
	}
	if len(out.Items) == 0 && len(s.faults.List) == 0 {
		s.faults.Add(asset.Fault{Key: "fileSelectors", Problem: "nothing is selected", Mend: `select something, for example {"directory": "assets"}`})
	}
	s.judge(out)
	for _, x := range s.exclusions {
		if !x.used && !strings.ContainsAny(x.Source, `*?[`) { // a pattern may stand there for whatever comes
			out.Notes = append(out.Notes, fmt.Sprintf("line %d: %s excludes nothing", x.Line, x.Selector))
		}
	}
	for _, item := range out.Items {
		if item.Kind != pack.KindLink {
			continue
		}
		if to := path.Join(path.Dir(item.Path), item.Target); to != "." && !holds[to] {
			if _, ok := s.at[to]; !ok {
				out.Notes = append(out.Notes, fmt.Sprintf("%q is a link to %q, which is not in the pack", item.Path, item.Target))
			}
		}
	}
	return out
}

// foldedNames finds names that only some file systems can tell apart, and names
// both selectors. It gives both names of each pair, quoted.
func (s *selecting) foldedNames(items []*Item) (told map[string]bool) {
	folded := map[string]string{}
	told = map[string]bool{}
	for _, item := range items {
		for p := item.Path; p != "."; p = path.Dir(p) {
			key := strings.ToLower(p)
			other, taken := folded[key]
			if taken && other != p && !told[fmt.Sprintf("%q", p)] {
				told[fmt.Sprintf("%q", p)], told[fmt.Sprintf("%q", other)] = true, true
				by := s.by(other)
				s.blame(item.Selector, fmt.Sprintf("%q and %q differ only in upper and lower case; the other comes from %s on line %d", p, other, by, by.Line),
					"rename one of the two, so that every system can hold both")
			}
			folded[key] = p
		}
	}
	return told
}

// by is the selector of an entry, or of one in that directory.
func (s *selecting) by(name string) *asset.Selector {
	if item, ok := s.at[name]; ok {
		return item.Selector
	}
	for _, p := range slices.Sorted(maps.Keys(s.at)) {
		if strings.HasPrefix(p, name+"/") {
			return s.at[p].Selector
		}
	}
	return &asset.Selector{}
}

// judge asks pack which entries no pack may hold.
func (s *selecting) judge(out *Selection) {
	found := out.Tree().Check()
	var told map[string]bool
	if slices.ContainsFunc(found, isCollision) {
		told = s.foldedNames(out.Items)
	}
	for _, err := range found {
		var e *asset.Error
		if !errors.As(err, &e) || isCollision(err) && told[e.Subject] {
			continue // told already, with both selectors
		}
		sel := &asset.Selector{}
		for _, item := range out.Items {
			if fmt.Sprintf("%q", item.Path) == e.Subject {
				sel = item.Selector
			}
		}
		s.faults.Add(asset.Fault{Line: sel.Line, Key: sel.String(), Problem: e.Subject + ": " + e.Message, Mend: "rename it, move it, or exclude it"})
	}
}

func isCollision(err error) bool { return asset.CodeOf(err) == asset.CodePathCollision }
