// Bench measures Larder against the best tools of its field, on public trees, and
// says with each figure how it came about. README.md is its manual; "make bench"
// runs it. It is no part of the program.
//
//	bench fetch   get the corpora
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"larder/bench/corpus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "fetch" {
		return fetch(ctx, args[1:])
	}
	return errors.New("say what: fetch")
}

// fetch prints the place of each corpus.
func fetch(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	to := flags.String("to", "", "`folder` for the corpora (default: below the user's cache)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pairs, err := choose(flags.Args())
	if err != nil {
		return err
	}
	if *to == "" {
		if *to, err = cache(); err != nil {
			return err
		}
		*to = filepath.Join(*to, "corpora")
	}
	for _, p := range pairs {
		place, err := p.Fetch(ctx, *to)
		if err != nil {
			return err
		}
		fmt.Println(place)
	}
	return nil
}

// cache is where large things lie that can be had again: never in the repository.
func cache() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "larder-bench"), err
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
