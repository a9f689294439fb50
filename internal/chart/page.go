package chart

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"strings"
	"unicode/utf8"
)

// Page is what a page shows.
type Page struct {
	Title string
	Facts [][2]string // name and value
	// Bars compare amounts, the first being the measure of all.
	Bars   []Bar
	Legend []Legend
	Boxes  []Box
	// Head and Rows are a table below the map.
	Head []string
	Rows [][]string
	// Size writes an amount for a person.
	Size func(int64) string
}

// Bar is an amount with its name.
type Bar struct {
	Name  string
	Bytes int64
	Class string
}

// Legend explains a class of boxes. The classes are "kept", "moved", "changed",
// "added", "file" and "program".
type Legend struct{ Class, Text string }

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

const mapWidth, mapHeight = 1160, 640

// Write writes the page.
func Write(w io.Writer, p Page) error {
	m := &drawing{size: p.Size}
	root := tree(p.Boxes)
	m.inside(root, "", rect{0, 0, mapWidth, mapHeight})
	type shown struct {
		Bar
		Size  string
		Width float64
	}
	var bars []shown
	for _, b := range p.Bars {
		width := 0.0
		if p.Bars[0].Bytes > 0 {
			width = 100 * float64(b.Bytes) / float64(p.Bars[0].Bytes)
		}
		bars = append(bars, shown{b, p.Size(b.Bytes), min(max(width, 0.3), 100)})
	}
	return page.Execute(w, struct {
		Page
		Shown         []shown
		Map           template.HTML
		Width, Height int
	}{p, bars, template.HTML(m.b.String()), mapWidth, mapHeight})
}

// drawing writes the boxes of the map. All text in it is escaped here.
type drawing struct {
	b    strings.Builder
	size func(int64) string
}

const label = 15 // pixels of a directory's name

func (m *drawing) inside(n *node, path string, r rect) {
	squarify(n.visible(r.W*r.H), n.bytes, r, func(c *node, r rect) {
		at := strings.TrimPrefix(path+"/"+c.name, "/")
		if c.below == nil || len(c.children()) == 0 {
			m.file(c, at, r)
			return
		}
		m.directory(c, at, r)
	})
}

func (m *drawing) file(n *node, path string, r rect) {
	note := ""
	if n.box != nil {
		note = n.box.Note
	}
	m.box(n.class, fmt.Sprintf("%s\n%s", path, m.size(n.bytes)), note, n.name, r)
}

func (m *drawing) directory(n *node, path string, r rect) {
	fmt.Fprintf(&m.b, `<g><title>%s/&#10;%s, %d files</title><rect class="dir" %s/>`, html.EscapeString(path), m.size(n.bytes), n.files, r.attr())
	in := rect{r.X + 1, r.Y + 1, max(r.W-2, 0), max(r.H-2, 0)}
	if r.H > 3*label && r.W > 40 {
		m.text("name", n.name+"/", rect{r.X + 3, r.Y, r.W - 6, label})
		in.Y, in.H = in.Y+label-1, in.H-label+1
	}
	m.b.WriteString("</g>\n")
	m.inside(n, path, in)
}

func (m *drawing) box(class, title, note, name string, r rect) {
	if note != "" {
		title += "\n" + note
	}
	fmt.Fprintf(&m.b, `<g><title>%s</title><rect class="%s" %s/>`, strings.ReplaceAll(html.EscapeString(title), "\n", "&#10;"), html.EscapeString(class), r.attr())
	if r.H > label && r.W > 30 {
		m.text("label", name, rect{r.X + 3, r.Y, r.W - 6, label})
	}
	m.b.WriteString("</g>\n")
}

// text writes as much of a name as there is room for.
func (m *drawing) text(class, s string, r rect) {
	const perRune = 6.3
	if most := int(r.W / perRune); utf8.RuneCountInString(s) > most {
		if most < 4 {
			return
		}
		s = string([]rune(s)[:most-1]) + "…"
	}
	fmt.Fprintf(&m.b, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, r.X, r.Y+11, html.EscapeString(s))
}
