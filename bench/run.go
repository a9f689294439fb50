package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"larder/bench/corpus"
	"larder/bench/peer"
)

// wants reports whether one of the figures is to be measured.
func (b *bench) wants(ids ...string) bool {
	return b.figures == nil || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(b.figures, id) })
}

// all measures, writes the results after each corpus, and shows the table.
func (b *bench) all(ctx context.Context, pairs []corpus.Pair, whole bool) error {
	if err := b.identify(ctx); err != nil {
		return err
	}
	for _, p := range pairs {
		if err := b.one(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if b.wants("P14") && whole {
		if err := errors.Join(b.growth(ctx), b.keep("made up", "files whose bytes follow from their names", nil)); err != nil {
			return err
		}
	}
	if err := errors.Join(b.mean(), b.plot()); err != nil {
		return err
	}
	return b.show(os.Stdout)
}

func (b *bench) one(ctx context.Context, p corpus.Pair) (err error) {
	place, err := p.Fetch(ctx, b.corpora)
	if err != nil {
		return err
	}
	if place, err = filepath.Abs(place); err != nil {
		return err
	}
	bed := &peer.Bed{
		Corpus: p.Name, Digest: p.Old.Digest + p.New.Digest,
		Old: filepath.Join(place, "old"), New: filepath.Join(place, "new"),
		Kept: filepath.Join(b.cache, "peers"), Work: b.work,
	}
	if err := os.MkdirAll(bed.Kept, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	var bytes []peer.Cost
	if b.wants("P1", "P2", "P2b") {
		if bytes, err = b.updateBytes(ctx, p, bed); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		ids     []string
		measure func(context.Context, corpus.Pair, *peer.Bed) error
	}{
		{[]string{"P3"}, b.packSize}, {[]string{"P4"}, b.buildTime}, {[]string{"P4"}, b.rebuildTime}, {[]string{"P5"}, b.unpackTime},
		{[]string{"P7", "P8"}, b.applyTime}, {[]string{"P16"}, b.verifyTime},
	} {
		if !b.wants(part.ids...) {
			continue
		}
		if err := part.measure(ctx, p, bed); err != nil {
			return err
		}
	}
	return b.keep(p.Name, p.Nature, bytes)
}

// identify says who measures what.
func (b *bench) identify(ctx context.Context) (err error) {
	if b.exe, err = os.Executable(); err != nil {
		return err
	}
	b.machine = fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		b.machine += ", commit " + string(bytes.TrimSpace(head))
	}
	files, err := filepath.Glob("pack/*.go")
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("run it from the module's root"))
	}
	h := sha256.New()
	h.Write([]byte(about))
	for _, f := range append(files, "go.mod") {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n%s", f, len(data), data)
	}
	b.source = fmt.Sprintf("%x", h.Sum(nil)[:6])
	return nil
}
