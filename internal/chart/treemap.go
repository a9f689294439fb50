package chart

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Box is one file: its area is its bytes.
type Box struct {
	Path  string
	Bytes int64
	Class string // one of a Legend
	Note  string // beside path and bytes, where the pointer rests
}

// node is a file or directory of the map.
type node struct {
	name  string
	bytes int64
	files int
	class string           // of all files in it; "small" when they differ
	box   *Box             // of files
	below map[string]*node // of directories
}

// rect is a place on the map, in pixels.
type rect struct{ X, Y, W, H float64 }

// Rounded for the page: a tenth of a pixel is finer than anybody sees.
func (r rect) attr() string {
	return fmt.Sprintf(`x="%.1f" y="%.1f" width="%.1f" height="%.1f"`, r.X, r.Y, r.W, r.H)
}

func tree(boxes []Box) *node {
	root := &node{below: map[string]*node{}}
	for i := range boxes {
		b, at := &boxes[i], root
		at.count(1, b.Bytes, b.Class)
		parts := strings.Split(b.Path, "/")
		for n, name := range parts {
			next := at.below[name]
			if next == nil {
				next = &node{name: name}
				at.below[name] = next
			}
			if n < len(parts)-1 && next.below == nil {
				next.below = map[string]*node{}
			}
			next.count(1, b.Bytes, b.Class)
			at = next
		}
		at.box = b
	}
	return root
}

// count adds files to a node.
func (n *node) count(files int, bytes int64, class string) {
	if n.files > 0 && n.class != class {
		class = "small"
	}
	n.files, n.bytes, n.class = n.files+files, n.bytes+bytes, class
}

// children are in order of size, and of name where that is equal.
func (n *node) children() []*node {
	out := make([]*node, 0, len(n.below))
	for _, c := range n.below {
		if c.bytes > 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name))
	})
	return out
}

// smallest is the area in square pixels below which things are drawn together.
const smallest = 30

// visible cuts off the children that would be too small in so much space.
func (n *node) visible(area float64) (shown []*node) {
	all := n.children()
	rest := &node{}
	for i, c := range all {
		if area*float64(c.bytes)/float64(n.bytes) < smallest {
			for _, small := range all[i:] {
				rest.count(small.files, small.bytes, small.class)
			}
			rest.name = fmt.Sprintf("%d smaller files", rest.files)
			if rest.files == 1 {
				return append(shown, c)
			}
			return append(shown, rest)
		}
		shown = append(shown, c)
	}
	return shown
}

// squarify divides a place among nodes in proportion to their bytes, with sides as
// equal as can be (Bruls, Huizing and van Wijk).
func squarify(nodes []*node, total int64, r rect, put func(*node, rect)) {
	for len(nodes) > 0 && total > 0 {
		side := min(r.W, r.H)
		perByte := r.W * r.H / float64(total)
		n, sum, worst := 0, int64(0), 0.0
		for n < len(nodes) {
			next := sum + nodes[n].bytes
			w := ratio(float64(nodes[0].bytes)*perByte, float64(nodes[n].bytes)*perByte, float64(next)*perByte, side)
			if n > 0 && w > worst {
				break
			}
			n, sum, worst = n+1, next, w
		}
		thick := 0.0
		if side > 0 {
			thick = float64(sum) * perByte / side
		}
		at := 0.0
		for _, c := range nodes[:n] {
			long := side * float64(c.bytes) / float64(sum)
			if r.W >= r.H {
				put(c, rect{r.X, r.Y + at, thick, long})
			} else {
				put(c, rect{r.X + at, r.Y, long, thick})
			}
			at += long
		}
		if r.W >= r.H {
			r.X, r.W = r.X+thick, max(r.W-thick, 0)
		} else {
			r.Y, r.H = r.Y+thick, max(r.H-thick, 0)
		}
		nodes, total = nodes[n:], total-sum
	}
}

// ratio is the worst of a row's sides: of its largest and its smallest area.
func ratio(most, least, sum, side float64) float64 {
	s := side * side
	return max(s*most/(sum*sum), sum*sum/(s*least))
}
