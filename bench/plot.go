package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"larder/bench/peer"
)

// The picture for README: for each corpus, what an update costs with Larder and
// with the peers that people know, on one logarithmic scale.
const (
	rowHeight  = 15
	labelWidth = 190
	plotWidth  = 520
	rightEdge  = 90
	head       = 46
	gap        = 26
	foot       = 24
)

// drawn are the peers in the picture.
var drawn = []string{"Larder", "Larder, no delta", "zstd --patch-from, whole", "xdelta3 -9 -S lzma", "bsdiff", "ostree static delta", "HDiffPatch", "wharf", "rsync -z", "casync", "zsync", "everything, zstd -19"}

func (b *bench) plot() error {
	all, err := b.measured()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r results) bool { return len(r.Updates) == 0 })
	if len(all) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(b.results, "updates.svg"), draw(all), 0o644)
}

// draw makes the picture; it stands on light and dark pages alike.
func draw(all []results) []byte {
	var low, high int64 = math.MaxInt64, 0
	height := head
	for i := range all {
		all[i].Updates = slices.DeleteFunc(slices.Clone(all[i].Updates), func(c peer.Cost) bool { return !slices.Contains(drawn, c.Peer) })
		for _, c := range all[i].Updates {
			low, high = min(low, c.Bytes), max(high, c.Bytes)
		}
		height += gap + rowHeight*len(all[i].Updates)
	}
	from, to := math.Floor(math.Log10(float64(max(low, 1)))), math.Ceil(math.Log10(float64(high)))
	x := func(n float64) float64 { return labelWidth + plotWidth*(math.Log10(n)-from)/math.Max(to-from, 1) }

	var s bytes.Buffer
	width := labelWidth + plotWidth + rightEdge
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="11">`+"\n", width, height+foot, width, height+foot)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" rx="6" fill="#ffffff"/>`+"\n", width, height+foot)
	text(&s, 12, 18, "start", "#1f2933", "bold", "Bytes a device fetches for an update (logarithmic; shorter is better)")
	for p := from; p <= to; p++ {
		at := x(math.Pow(10, p))
		fmt.Fprintf(&s, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#d9e0e6"/>`+"\n", at, head-8, at, height)
		text(&s, at, head-12, "middle", "#66727d", "normal", scale(p))
	}
	y := float64(head)
	for _, r := range all {
		text(&s, 12, y+12, "start", "#1f2933", "bold", r.Corpus)
		y += gap - 8
		for _, c := range r.Updates {
			fill, weight := "#9fb3c8", "normal"
			switch c.Peer {
			case "Larder":
				fill, weight = "#c2410c", "bold"
			case "Larder, no delta":
				fill = "#f0a878"
			}
			label := c.Peer
			if c.Const {
				label += " *"
			}
			text(&s, labelWidth-6, y+11, "end", "#1f2933", weight, label)
			end := x(float64(max(c.Bytes, 1)))
			fmt.Fprintf(&s, `<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="1.5" fill="%s"/>`+"\n", labelWidth, y+2, math.Max(end-labelWidth, 1), rowHeight-4, fill)
			text(&s, end+5, y+11, "start", "#52606d", weight, size(c.Bytes))
			y += rowHeight
		}
		y += 8
	}
	text(&s, 12, float64(height)+14, "start", "#66727d", "normal", "* figure of the literature, not measured by this program")
	s.WriteString("</svg>\n")
	return s.Bytes()
}

func text(s *bytes.Buffer, x, y float64, anchor, fill, weight, what string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s" font-weight="%s">`, x, y, anchor, fill, weight)
	xml.EscapeText(s, []byte(what)) //nolint:errcheck // a buffer takes all
	s.WriteString("</text>\n")
}

// scale names a power of ten of bytes.
func scale(p float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := min(int(p)/3, len(units)-1)
	return fmt.Sprintf("%.0f %s", math.Pow(10, p-float64(3*i)), units[i])
}

// size writes bytes for people, three digits.
func size(n int64) string {
	v, units := float64(n), []string{"B", "kB", "MB", "GB"}
	i := 0
	for ; v >= 999.5 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}
