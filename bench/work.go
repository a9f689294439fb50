package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"larder/pack"
)

// work is one thing that Larder does, in a process of its own so that time and
// memory are measured as those of any other command: "bench work VERB ARG…". It
// prints what came of it as JSON.
func work(ctx context.Context, args []string) error {
	verbs := map[string]struct {
		args int
		run  func(ctx context.Context, args []string) (any, error)
	}{
		"build":   {2, buildTree},
		"rebuild": {3, rebuild},
		"extract": {2, extract},
		"verify":  {2, verify},
		"update":  {2, planUpdate},
		"delta":   {3, delta},
		"apply":   {5, apply},
		"grow":    {3, grow},
	}
	if len(args) == 0 {
		return errors.New("work: which?")
	}
	v, ok := verbs[args[0]]
	if !ok || len(args) != v.args+1 {
		return fmt.Errorf("work %v: no such work", args)
	}
	out, err := v.run(ctx, args[1:])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// about is the packaging manifest of every pack here.
const about = `{"assetPackID":"level-01","downloadPolicy":{"essential":{"installationEventTypes":["subsequentUpdate"]}},"fileSelectors":[{"directory":"."}],"platforms":[]}`

// buildTree DIR PACK
func buildTree(ctx context.Context, args []string) (any, error) {
	root, err := os.OpenRoot(args[0])
	if err != nil {
		return nil, err
	}
	defer root.Close()
	t, err := pack.DirTree(ctx, root)
	if err != nil {
		return nil, err
	}
	return buildTo(ctx, args[1], t, nil)
}

// rebuild DIR PACK PREVIOUS
func rebuild(ctx context.Context, args []string) (any, error) {
	root, err := os.OpenRoot(args[0])
	if err != nil {
		return nil, err
	}
	defer root.Close()
	t, err := pack.DirTree(ctx, root)
	if err != nil {
		return nil, err
	}
	packs, shut, err := open(args[2])
	defer shut()
	if err != nil {
		return nil, err
	}
	return buildTo(ctx, args[1], t, packs[0])
}

func buildTo(ctx context.Context, name string, t pack.Tree, previous *pack.Archive) (pack.Summary, error) {
	f, err := os.Create(name)
	if err != nil {
		return pack.Summary{}, err
	}
	s, err := pack.Build(ctx, f, t, pack.BuildOptions{Previous: previous, Metadata: []byte(about)})
	return s, errors.Join(err, f.Close())
}

// opened packs, and how to close them.
func open(names ...string) (all []*pack.Archive, shut func(), err error) {
	var files []*os.File
	shut = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, n := range names {
		f, err := os.Open(n)
		if err != nil {
			return nil, shut, err
		}
		files = append(files, f)
		info, err := f.Stat()
		if err != nil {
			return nil, shut, err
		}
		a, err := pack.Open(f, info.Size())
		if err != nil {
			return nil, shut, err
		}
		all = append(all, a)
	}
	return all, shut, nil
}

// extract PACK DIR
func extract(ctx context.Context, args []string) (any, error) {
	packs, shut, err := open(args[0])
	defer shut()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(args[1], 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(args[1])
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return packs[0].Totals(), packs[0].Extract(ctx, root)
}

// verify PACK DIR
func verify(ctx context.Context, args []string) (any, error) {
	packs, shut, err := open(args[0])
	defer shut()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(args[1])
	if err != nil {
		return nil, err
	}
	defer root.Close()
	found, err := packs[0].VerifyTree(ctx, root)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%d mismatches: %v", len(found), found[0])
	}
	return packs[0].Totals(), err
}

// applied tells of an update that was applied.
type applied struct {
	Plan    pack.Figures `json:"plan"`
	Written int64        `json:"written"` // bytes given to write calls
	Seconds float64      `json:"seconds"` // for plan and apply
}

// delta OLDPACK NEWPACK DELTA
func delta(ctx context.Context, args []string) (any, error) {
	packs, shut, err := open(args[0], args[1])
	defer shut()
	if err != nil {
		return nil, err
	}
	f, err := os.Create(args[2])
	if err != nil {
		return nil, err
	}
	s, err := pack.WriteDelta(ctx, f, packs[0], packs[1], pack.DeltaOptions{})
	return s, errors.Join(err, f.Close())
}

// apply OLDPACK NEWPACK DELTA ROOT INTO; the old tree is ROOT/old. The new index comes of
// the delta, as on a device.
func apply(ctx context.Context, args []string) (any, error) {
	packs, shut, err := open(args[0], args[1])
	defer shut()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(args[3])
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := os.Open(args[1])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	told, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	before, began := written(), time.Now()
	d, err := pack.OpenDelta(bytes.NewReader(told), int64(len(told)))
	if err != nil {
		return nil, err
	}
	var index bytes.Buffer
	if err := d.WriteIndex(ctx, &index, packs[0]); err != nil {
		return nil, err
	}
	target, err := pack.Open(bytes.NewReader(index.Bytes()), int64(index.Len()))
	if err != nil {
		return nil, err
	}
	p, err := pack.NewPlan(ctx, target, []pack.Installed{{Archive: packs[0], Dir: "old"}}, pack.PlanOptions{Deltas: []*pack.Delta{d}})
	if err != nil {
		return nil, err
	}
	_, err = p.Apply(ctx, root, filepath.ToSlash(args[4]), pack.FetchFrom(f))
	return applied{Plan: p.Figures(), Written: written() - before, Seconds: time.Since(began).Seconds()}, err
}

// written asks the system what this process gave to write calls, 0 if it
// does not tell.
func written() (n int64) {
	f, err := os.Open("/proc/self/io")
	if err != nil {
		return 0
	}
	defer f.Close()
	var name string
	var value int64
	for {
		if _, err := fmt.Fscan(f, &name, &value); err != nil {
			return 0
		}
		if name == "wchar:" {
			return value
		}
	}
}
