package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"larder/bench/corpus"
)

// measured gives the results of all corpora, and those of none, as they are kept.
func (b *bench) measured() (all []results, err error) {
	names := []string{}
	for _, p := range corpus.All() {
		names = append(names, p.Name)
	}
	for _, n := range append(names, "made up", "all") {
		r, err := b.load(n)
		if err != nil {
			return nil, err
		}
		if len(r.Figures) > 0 {
			all = append(all, r)
		}
	}
	return all, nil
}

// show prints one table of all figures, and one of what an update costs with each peer.
func (b *bench) show(w io.Writer) error {
	all, err := b.measured()
	if err != nil {
		return err
	}
	var figures []figure
	for _, r := range all {
		figures = append(figures, r.Figures...)
	}
	slices.SortStableFunc(figures, func(x, y figure) int { return number(x.ID) - number(y.ID) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tcorpus\twhat\tours\tpeer\tagainst\tratio\ttarget\tRSS\t")
	for _, f := range figures {
		peer, ratio, target, rss := "", "", "", ""
		if f.Against != "" {
			peer, ratio = amount(f.Peer, f.Unit), fmt.Sprintf("%.3f", f.Ratio)
		}
		if f.Target > 0 {
			target = fmt.Sprintf("≤ %.2f", f.Target)
		}
		if f.RSS > 0 {
			rss = fmt.Sprintf("%d MiB", f.RSS>>20)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.ID, f.Corpus, f.What, amount(f.Ours, f.Unit), peer, f.Against, ratio, target, rss, f.met())
	}
	fmt.Fprintln(t)
	for _, r := range all {
		if len(r.Updates) == 0 {
			continue
		}
		fmt.Fprintf(t, "update of %s\tbytes fetched\tmade, s CPU\tapplied, s CPU\tversion\n", r.Corpus)
		for _, c := range r.Updates {
			note := c.Version
			if c.Const {
				note += " (constant, not measured here)"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Peer, grouped(c.Bytes), seconds(c.Make.CPU), seconds(c.Apply.CPU), note)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func seconds(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", v)
}
