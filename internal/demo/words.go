package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// some is a number and what is counted: "1 file", "15,036 files".
func some(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// bar is a picture of how much of total is done.
func bar(done, total int64) string {
	const wide = 28
	full := 0
	if total > 0 {
		full = int(min(done, total) * wide / total)
	}
	return "[" + strings.Repeat("=", full) + strings.Repeat("-", wide-full) + "]"
}

// columns sets pairs of words and explanations below each other.
func columns(rows [][2]string) (lines []string) {
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r[0]))
	}
	for _, r := range rows {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("  %-*s   %s", wide, r[0], r[1]), " "))
	}
	return lines
}
