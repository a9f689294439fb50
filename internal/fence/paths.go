package fence

import (
	"path/filepath"
	"strings"
)

// within reports whether the clean path p is tree or lies below it.
func within(p, tree string) bool {
	rel, err := filepath.Rel(tree, p)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// above reports whether p lies strictly below tree.
func above(tree, p string) bool { return tree != p && within(p, tree) }

// commonTree is the lowest directory with all of the paths, which are absolute and
// clean.
func commonTree(paths []string) string {
	tree := paths[0]
	for _, p := range paths[1:] {
		for !within(p, tree) {
			up := filepath.Dir(tree)
			if up == tree {
				return tree
			}
			tree = up
		}
	}
	return tree
}
