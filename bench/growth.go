package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"larder/bench/meter"
	"larder/pack"
)

// grown is what a pack of many files or bytes costs.
type grown struct {
	Files   int     `json:"files"`
	Bytes   int64   `json:"bytes"`
	Index   int64   `json:"index"`   // bytes
	Seconds float64 `json:"seconds"` // of the verb
}

// grow VERB FILES BYTES, in the present folder: "build" makes the packs old and
// new of so many files and bytes together, of which new has every hundredth file
// changed; "plan" plans the update from one to the other; "inspect" reads all
// entries of new.
func grow(ctx context.Context, args []string) (any, error) {
	files, err := strconv.Atoi(args[1])
	size, err2 := strconv.ParseInt(args[2], 10, 64)
	if err := errors.Join(err, err2); err != nil || files < 1 {
		return nil, fmt.Errorf("grow %v: %w", args, err)
	}
	g := grown{Files: files, Bytes: size}
	switch args[0] {
	case "build":
		for _, name := range []string{"old", "new"} {
			began := time.Now()
			s, err := buildTo(ctx, name, madeUp(files, size, name == "new"), nil)
			if err != nil {
				return nil, err
			}
			g.Index, g.Seconds = s.IndexSize, time.Since(began).Seconds()
		}
		return g, nil
	case "plan", "inspect":
		packs, shut, err := open("old", "new")
		defer shut()
		if err != nil {
			return nil, err
		}
		g.Index = packs[1].Totals().IndexSize
		began := time.Now()
		if args[0] == "plan" {
			_, err = pack.NewPlan(ctx, packs[1], []pack.Installed{{Archive: packs[0], Dir: "old"}}, pack.PlanOptions{})
		} else {
			for _, e := range packs[1].Entries() {
				err = errors.Join(err, e)
			}
		}
		g.Seconds = time.Since(began).Seconds()
		return g, err
	}
	return nil, fmt.Errorf("grow %v: no such verb", args)
}

// madeUp is a tree that lies nowhere: files of equal size, whose bytes follow from
// their name and shrink to about half.
func madeUp(files int, size int64, later bool) pack.Tree {
	t := pack.Tree{}
	each := size / int64(files)
	for i := range files {
		e := pack.Entry{Path: fmt.Sprintf("%03d/%03d/%07d", i%97, i/97%101, i), Kind: pack.KindFile, Size: each}
		s := pack.Source{Entry: e, From: strconv.Itoa(i)}
		if later && i%100 == 0 {
			s.From = strconv.Itoa(i + files)
		}
		t.Sources = append(t.Sources, s)
	}
	t.Open = func(name string) (io.ReadCloser, error) {
		seed, err := strconv.ParseUint(name, 10, 64)
		return io.NopCloser(io.LimitReader(&noise{r: rand.New(rand.NewPCG(seed, 1))}, each)), err
	}
	return t
}

// noise gives four bits of chance in each byte.
type noise struct{ r *rand.Rand }

func (n *noise) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		x := n.r.Uint64() & 0x0f0f0f0f0f0f0f0f
		for k := i; k < min(i+8, len(b)); k++ {
			b[k] = byte(x)
			x >>= 8
		}
	}
	return len(b), nil
}

// steps of growth: files and bytes.
var steps = [][2]int64{
	{10, 10 << 20}, {10, 100 << 20}, {10, 1 << 30}, // bytes
	{1_000, 10 << 20}, {10_000, 10 << 20}, {100_000, 100 << 20}, {1_000_000, 100 << 20}, // files
}

// growth is P14: index bytes, time and memory while a pack grows a thousandfold.
func (b *bench) growth(ctx context.Context) error {
	for _, s := range steps {
		if b.quick && s[0]*s[1] > 1e13 {
			continue
		}
		dir, err := os.MkdirTemp(b.work, "grow-")
		if err != nil {
			return err
		}
		err = b.growthStep(ctx, dir, s)
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) growthStep(ctx context.Context, dir string, s [2]int64) error {
	scale := fmt.Sprintf("%d files, %d MiB", s[0], s[1]>>20)
	for _, verb := range []string{"build", "inspect", "plan"} {
		var g grown
		u, err := b.self(ctx, dir, &g, "grow", verb, strconv.FormatInt(s[0], 10), strconv.FormatInt(s[1], 10))
		if err != nil {
			return err
		}
		b.add(figure{ID: "P14", Corpus: "made up", What: verb + " " + scale, Ours: g.Seconds, Unit: "s", RSS: u.RSS,
			Note:    fmt.Sprintf("index %d bytes", g.Index),
			Command: fmt.Sprintf("bench work grow %s %d %d", verb, s[0], s[1]), Limit: limitRSS(verb, s[0])})
	}
	return nil
}

// limitRSS is what the issue allows: 256 MiB for a build, 512 MiB for a million files.
func limitRSS(verb string, files int64) int64 {
	if verb == "build" && files < 1_000_000 {
		return 256 << 20
	}
	return 512 << 20
}

// self runs a work of this program in a process of its own.
func (b *bench) self(ctx context.Context, dir string, out any, args ...string) (meter.Use, error) {
	u, data, err := meter.Run(ctx, dir, nil, b.exe, append([]string{"work"}, args...)...)
	if err != nil || out == nil {
		return u, err
	}
	return u, unmarshal(data, out)
}

// packs of both releases, made if this source of package pack has not made
// them before.
func (b *bench) packs(ctx context.Context, name, old, new string) (string, string, error) {
	var all []string
	for _, r := range [][2]string{{"old", old}, {"new", new}} {
		file := filepath.Join(b.cache, "packs", name+"-"+r[0]+"-"+b.source+".assetpack")
		all = append(all, file)
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", "", err
		}
		if _, err := b.self(ctx, "", nil, "build", r[1], file+".part"); err != nil {
			return "", "", err
		}
		if err := os.Rename(file+".part", file); err != nil {
			return "", "", err
		}
	}
	return all[0], all[1], nil
}
