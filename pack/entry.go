package pack

import (
	"strings"

	"larder/asset"
)

// Kind is what an entry is. Nothing else fits into a pack: no devices, hard
// links, owners, times or extended attributes.
type Kind string

// The kinds, in the order of their numbers in the format (0 to 3).
const (
	KindFile       Kind = "file"
	KindExecutable Kind = "executable"
	KindDirectory  Kind = "directory" // an empty one; others follow from what lies in them
	KindLink       Kind = "link"      // symbolic, to a place inside the pack
)

var kinds = [...]Kind{KindFile, KindExecutable, KindDirectory, KindLink}

// Regular reports whether entries of this kind have bytes.
func (k Kind) Regular() bool { return k == KindFile || k == KindExecutable }

// Entry is one thing in a pack.
type Entry struct {
	Path   string `json:"path"` // with slashes, without a slash at either end
	Kind   Kind   `json:"kind"`
	Size   int64  `json:"size,omitempty"`   // bytes, of regular files
	Target string `json:"target,omitempty"` // of links: relative to the link's directory
}

// Bounds of the format.
const (
	maxPath    = 1024
	maxName    = 255
	maxEntries = 1 << 24
	maxPayload = 1 << 50
)

// census judges entries that come in the order of a pack: each by itself, and
// against all before it.
type census struct {
	op   string
	last string
	n    int
	seen map[[16]byte]struct{} // folded path of each file and directory
}

func newCensus(op string) *census { return &census{op: op, seen: map[[16]byte]struct{}{}} }

func (c *census) add(e Entry) error {
	if c.n++; c.n > maxEntries {
		return fault(asset.CodeTooLarge, c.op, quote(e.Path), "a pack holds at most %d entries", maxEntries)
	}
	if msg := checkEntry(e); msg != "" {
		return fault(asset.CodeConfiguration, c.op, quote(e.Path), "%s", msg)
	}
	first := c.n == 1
	if !first {
		switch o := comparePaths(c.last, e.Path); {
		case o == 0:
			return fault(asset.CodePathCollision, c.op, quote(e.Path), "it is in the pack twice")
		case o > 0:
			return fault(asset.CodeHashMismatch, c.op, quote(e.Path), "it stands after %s, out of order", quote(c.last))
		case strings.HasPrefix(e.Path, c.last+"/"):
			return fault(asset.CodePathCollision, c.op, quote(e.Path), "%s is not a directory that holds files", quote(c.last))
		}
	}
	// Directories shared with the last path were judged with it.
	from := sharedDirs(c.last, e.Path)
	c.last = e.Path
	for i := from; i <= len(e.Path); i++ {
		if i < len(e.Path) && e.Path[i] != '/' {
			continue
		}
		key := FoldKey(e.Path[:i])
		if _, ok := c.seen[key]; ok {
			return fault(asset.CodePathCollision, c.op, quote(e.Path[:i]), "another name differs from it only in upper and lower case")
		}
		c.seen[key] = struct{}{}
	}
	return nil
}

func checkEntry(e Entry) string {
	if msg := checkPath(e.Path); msg != "" {
		return msg
	}
	switch {
	case e.Kind.Regular():
		if e.Size < 0 || e.Size > maxPayload {
			return "its size is out of bounds"
		}
		if e.Target != "" {
			return "it is a file and has a link's target"
		}
		return ""
	case e.Size != 0:
		return "it has a size and is no file"
	case e.Kind == KindLink:
		return checkTarget(e.Path, e.Target)
	case e.Kind == KindDirectory && e.Target == "":
		return ""
	}
	return "it is neither a file, nor a directory, nor a symbolic link"
}
