package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/bench/peer"
)

// figure is one number that we answer for: ours, the peer's, and how both came about.
type figure struct {
	ID      string  `json:"id"` // P1 to P16
	Corpus  string  `json:"corpus"`
	What    string  `json:"what"`
	Ours    float64 `json:"ours"`
	Peer    float64 `json:"peer,omitempty"`
	Unit    string  `json:"unit"`
	Against string  `json:"against,omitempty"` // the peer's name
	Ratio   float64 `json:"ratio,omitempty"`   // for times the median of pairwise ratios, not ours/peer
	Pairs   int     `json:"pairs,omitempty"`
	Target  float64 `json:"target,omitempty"` // of the ratio, at most
	RSS     int64   `json:"rss,omitempty"`    // ours
	Limit   int64   `json:"limit,omitempty"`  // of RSS
	Command string  `json:"command"`
	Note    string  `json:"note,omitempty"`
}

// met reports "met" or "missed", or nothing where there is no target.
func (f figure) met() string {
	switch {
	case f.Target == 0 && f.Limit == 0:
		return ""
	case f.Target > 0 && math.Round(f.Ratio*1000) > math.Round(f.Target*1000), f.Limit > 0 && f.RSS > f.Limit:
		return "missed"
	}
	return "met"
}

// results of one corpus; a run replaces what it measured again and keeps the rest.
type results struct {
	Corpus  string      `json:"corpus"`
	Nature  string      `json:"nature,omitempty"`
	Machine string      `json:"machine"`
	Updates []peer.Cost `json:"updates,omitempty"` // ours among them
	Figures []figure    `json:"figures"`
}

// resultFile has "made up" in it for figures of no corpus.
func (b *bench) resultFile(corpus string) string {
	return filepath.Join(b.results, strings.ReplaceAll(corpus, " ", "-")+".json")
}

func (b *bench) load(corpus string) (r results, err error) {
	data, err := os.ReadFile(b.resultFile(corpus))
	if errors.Is(err, fs.ErrNotExist) {
		return results{Corpus: corpus}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	return r, err
}

// keep writes what this run measured of a corpus into its results.
func (b *bench) keep(corpus, nature string, updates []peer.Cost) error {
	r, err := b.load(corpus)
	if err != nil {
		return err
	}
	r.Nature, r.Machine = nature, b.machine
	if updates != nil {
		r.Updates = updates
	}
	for _, f := range b.run {
		if f.Corpus != corpus {
			continue
		}
		at := slices.IndexFunc(r.Figures, func(g figure) bool { return g.ID == f.ID && g.What == f.What && g.Against == f.Against })
		if at < 0 {
			r.Figures = append(r.Figures, f)
		} else {
			r.Figures[at] = f
		}
	}
	slices.SortStableFunc(r.Figures, func(x, y figure) int { return number(x.ID) - number(y.ID) })
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(b.results, 0o755), os.WriteFile(b.resultFile(corpus), append(data, '\n'), 0o644))
}

// number of a figure for sorting: P2b is 2.
func number(id string) (n int) {
	fmt.Sscanf(id, "P%d", &n)
	return n
}

// add notes a figure of this run and shows it.
func (b *bench) add(f figure) {
	b.run = append(b.run, f)
	line := fmt.Sprintf("%s %s: %s: %s", f.ID, f.Corpus, f.What, amount(f.Ours, f.Unit))
	if f.Against != "" {
		line += fmt.Sprintf(", %s %s, ratio %.3f", f.Against, amount(f.Peer, f.Unit), f.Ratio)
	}
	if f.RSS > 0 {
		line += fmt.Sprintf(", RSS %d MiB", f.RSS>>20)
	}
	b.say("%s %s\n    %s", line, f.met(), strings.ReplaceAll(f.Command, "\n", "\n    "))
}

func amount(v float64, unit string) string {
	switch {
	case unit == "bytes":
		return grouped(int64(v)) + " bytes"
	case unit == "":
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func unmarshal(data []byte, out any) error {
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("a work printed %q: %w", data, err)
	}
	return nil
}
