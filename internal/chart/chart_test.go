package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func size(n int64) string { return fmt.Sprintf("%d B", n) }

func TestAreasAreInProportionAndInside(t *testing.T) {
	var nodes []*node
	total := int64(0)
	for i := range 200 {
		n := &node{name: fmt.Sprint(i), bytes: int64(10000 / (i + 1))}
		nodes, total = append(nodes, n), total+n.bytes
	}
	whole, sum := rect{10, 20, 500, 300}, 0.0
	squarify(nodes, total, whole, func(n *node, r rect) {
		area := r.W * r.H
		sum += area
		if want := whole.W * whole.H * float64(n.bytes) / float64(total); math.Abs(area-want) > 0.01 {
			t.Errorf("%s has %f square pixels, want %f", n.name, area, want)
		}
		if r.X < whole.X-0.01 || r.Y < whole.Y-0.01 || r.X+r.W > whole.X+whole.W+0.01 || r.Y+r.H > whole.Y+whole.H+0.01 {
			t.Errorf("%s lies outside: %v", n.name, r)
		}
	})
	if math.Abs(sum-whole.W*whole.H) > 1 {
		t.Errorf("the areas are %f together", sum)
	}
}

func render(t *testing.T, p Page) string {
	t.Helper()
	var b strings.Builder
	p.Size = size
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPathsAreTextAndNothingComesFromElsewhere(t *testing.T) {
	evil := `<script>alert(1)</script>"&'`
	got := render(t, Page{Title: evil, Facts: [][2]string{{evil, evil}}, Boxes: []Box{{Path: evil + "/" + evil, Bytes: 5, Class: "file", Note: evil}, {Path: "a", Bytes: 5}},
		Legend: []Legend{{"file", evil}}, Head: []string{evil}, Rows: [][]string{{evil}}, Bars: []Bar{{evil, 1, "kept"}}})
	if strings.Contains(got, "<script") || strings.Contains(got, "http:") || strings.Contains(got, "https:") || strings.Contains(got, `"&'`) {
		t.Errorf("the page holds markup of a path, or an address:\n%s", got)
	}
}

func TestAPageOfManyFilesStaysSmallAndTheSame(t *testing.T) {
	var boxes []Box
	for i := range 200_000 {
		boxes = append(boxes, Box{Path: fmt.Sprintf("d%d/e%d/f%d", i%7, i%101, i), Bytes: int64(i % 5000), Class: "file"})
	}
	one := render(t, Page{Boxes: boxes})
	if len(one) > 1<<20 || !strings.Contains(one, "smaller files") || one != render(t, Page{Boxes: boxes}) {
		t.Errorf("a page of %d bytes", len(one))
	}
}

func TestAPageOfNothingIsAPage(t *testing.T) {
	for _, boxes := range [][]Box{nil, {{Path: "empty", Class: "file"}}} {
		if got := render(t, Page{Boxes: boxes}); !strings.Contains(got, "</html>") || strings.Contains(got, "NaN") {
			t.Error(got)
		}
	}
}
