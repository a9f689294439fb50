// Bench measures Larder against the best tools of its field, on public trees, and
// says with each figure how it came about. README.md is its manual; "make bench"
// runs it from the module's root. It is no part of the program.
//
//	bench fetch [NAME…]   get the corpora
//	bench [NAME…]         measure, on all corpora or those named, and show the table
//	bench show            show the table of what was measured before
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"larder/bench/corpus"
)

// bench is one run.
type bench struct {
	cache   string // for what can be had again: corpora, packs, what peers cost
	corpora string
	work    string // for what goes away
	results string // in the repository
	figures []string
	pairs   int
	quick   bool

	exe     string // this program
	source  string // names the source of package pack
	machine string
	log     io.Writer
	run     []figure
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "work" {
		return work(ctx, args[1:])
	}
	b := bench{log: os.Stderr, results: "bench/results"}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.cache, "cache", "", "`folder` for what can be had again (default: below the user's cache)")
	flags.StringVar(&b.corpora, "to", "", "`folder` of the corpora (default: in the cache)")
	flags.IntVar(&b.pairs, "pairs", 5, "how often two times are compared")
	flags.BoolVar(&b.quick, "quick", false, "without what takes minutes")
	only := flags.String("figures", "", "figures to measure, P1,P3 say (default: all)")
	verb := ""
	if len(args) > 0 && (args[0] == "fetch" || args[0] == "show") {
		verb, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	pairs, err := choose(flags.Args())
	if err != nil {
		return err
	}
	if *only != "" {
		b.figures = strings.Split(*only, ",")
	}
	if err := b.places(); err != nil {
		return err
	}
	switch verb {
	case "fetch":
		return b.fetch(ctx, pairs)
	case "show":
		return b.show(os.Stdout)
	}
	return b.all(ctx, pairs, len(flags.Args()) == 0)
}

// places fills in where things are.
func (b *bench) places() error {
	if b.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		b.cache = filepath.Join(dir, "larder-bench")
	}
	cache, err := filepath.Abs(b.cache)
	if err != nil {
		return err
	}
	b.cache, b.work = cache, filepath.Join(cache, "work")
	if b.corpora == "" {
		b.corpora = filepath.Join(b.cache, "corpora")
	}
	return os.MkdirAll(b.work, 0o755)
}

// fetch prints the place of each corpus.
func (b *bench) fetch(ctx context.Context, pairs []corpus.Pair) error {
	for _, p := range pairs {
		place, err := p.Fetch(ctx, b.corpora)
		if err != nil {
			return err
		}
		fmt.Println(place)
	}
	return nil
}

// choose finds corpora by name, in their own order; no name means all.
func choose(names []string) ([]corpus.Pair, error) {
	pairs := corpus.All()
	var known []string
	for _, p := range pairs {
		known = append(known, p.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("no corpus is called %q; there are %s", n, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(pairs, func(p corpus.Pair) bool { return len(names) > 0 && !slices.Contains(names, p.Name) }), nil
}
