package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"larder/asset"
)

// say prints what was asked for.
func (c *cli) say(format string, args ...any) {
	fmt.Fprint(c.out, clean(fmt.Sprintf(format, args...)), "\n")
}

// note tells a person something beside what was asked for.
func (c *cli) note(format string, args ...any) {
	if !c.quiet {
		fmt.Fprint(c.err, "larder: ", clean(fmt.Sprintf(format, args...)), "\n")
	}
}

// document prints v as one JSON document that is fit to be read.
func (c *cli) document(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// clean replaces what could steer a terminal: identifiers and reasons are words
// of apps and servers.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsGraphic(r) || r == '\u200c' || r == '\u200d' {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// short cuts the middle out of s so that at most width runes are left.
func short(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	r := []rune(s)
	head := (width - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(width-1-head):])
}

// span writes seconds for a person.
func span(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d h %d min", seconds/3600, seconds%3600/60)
}

// sentence is a reason with what would end it.
func sentence(r *asset.Reason) string {
	if r.Unblock == "" {
		return r.Message
	}
	return r.Message + " (" + r.Unblock + ")"
}

// counted is "1 file" or "3 files", "3 entries" or "3 mismatches".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	if stem, ok := strings.CutSuffix(noun, "try"); ok {
		return fmt.Sprintf("%d %stries", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// redacted is a URL without what may be secret.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an unreadable URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// table lays out rows in columns that are as wide as they must be. Columns named
// in right stand at the right; the last column is never padded.
type table struct {
	rows  [][]string
	right []int
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// lines gives the rows, each behind indent.
func (t *table) lines(indent string) []string {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out []string
	for _, row := range t.rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if t.isRight(i) {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

func (t *table) isRight(column int) bool {
	for _, r := range t.right {
		if r == column {
			return true
		}
	}
	return false
}
