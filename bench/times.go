package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"larder/bench/corpus"
	"larder/bench/meter"
	"larder/bench/peer"
)

// stage is a folder for runs that write: each run gets a fresh one, and all go at
// the end, for ext4 takes ten times as long to write over inodes freed just now.
type stage struct{ dir string }

func (b *bench) stage() (stage, error) {
	dir, err := os.MkdirTemp(b.work, "stage-")
	return stage{dir}, err
}

func (s stage) fresh() (string, error) { return os.MkdirTemp(s.dir, "run-") }
func (s stage) close() error           { return os.RemoveAll(s.dir) }

// contest is a work of ours and a script that does the same.
type contest struct {
	id, what, against string
	wall, cpu         float64 // targets, 0 for none
	work              []string
	env               []string
	script            string
}

// versus measures both in turn, each run in a fresh folder.
func (b *bench) versus(ctx context.Context, p corpus.Pair, c contest) error {
	s, err := b.stage()
	if err != nil {
		return err
	}
	var rss int64
	ratio, err := meter.Pairs(b.pairs, func(int) (meter.Use, error) {
		dir, err := s.fresh()
		if err != nil {
			return meter.Use{}, err
		}
		u, err := b.self(ctx, dir, nil, c.work...)
		rss = max(rss, u.RSS)
		return u, err
	}, func(int) (meter.Use, error) {
		dir, err := s.fresh()
		if err != nil {
			return meter.Use{}, err
		}
		u, _, err := meter.Shell(ctx, dir, c.env, c.script)
		return u, err
	})
	if err := errors.Join(err, s.close()); err != nil {
		return fmt.Errorf("%s: %w", c.id, err)
	}
	command := "bench work"
	for _, w := range c.work {
		command += " " + filepath.Base(w)
	}
	f := figure{ID: c.id, Corpus: p.Name, Unit: "s", Against: c.against, Pairs: ratio.Pairs, RSS: rss, Command: command + "\n" + c.script}
	f.What, f.Ours, f.Peer, f.Ratio, f.Target = c.what+", wall", ratio.Ours.Wall, ratio.Peer.Wall, ratio.Wall, c.wall
	b.add(f)
	f.What, f.Ours, f.Peer, f.Ratio, f.Target = c.what+", CPU", ratio.Ours.CPU, ratio.Peer.CPU, ratio.CPU, c.cpu
	b.add(f)
	return nil
}

// buildTime is P4.
func (b *bench) buildTime(ctx context.Context, p corpus.Pair, bed *peer.Bed) error {
	return b.versus(ctx, p, contest{id: "P4", what: "build", against: "tar | zstd -9 -T2", wall: 2.0,
		work: []string{"build", bed.New, "out.assetpack"},
		env:  []string{"NEW=" + bed.New}, script: `tar -C "$NEW" --sort=name -c . | zstd -q -9 -T2 -o out.tar.zst`})
}

// rebuildTime is P4 where nothing changed since the last build.
func (b *bench) rebuildTime(ctx context.Context, p corpus.Pair, bed *peer.Bed) error {
	_, file, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return err
	}
	return b.versus(ctx, p, contest{id: "P4", what: "build, nothing changed", against: "openssl dgst -sha256", wall: 1.5,
		work: []string{"rebuild", bed.New, "out.assetpack", file},
		env:  []string{"NEW=" + bed.New}, script: hashAll})
}

// hashAll is the anchor of reading everything once.
const hashAll = `find "$NEW" -type f -print0 | xargs -0 openssl dgst -sha256 >/dev/null`

// unpackTime is P5. Both end with one sync of the file system.
func (b *bench) unpackTime(ctx context.Context, p corpus.Pair, bed *peer.Bed) error {
	_, file, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return err
	}
	return b.versus(ctx, p, contest{id: "P5", what: "verified unpack", against: "zstd -d | tar x; sync -f", wall: 1.1, cpu: 1.1,
		work: []string{"extract", file, "out"},
		env:  []string{"PACK=" + file}, script: `mkdir out; zstd -q -d -c "$PACK" | tar -C out -x; sync -f out`})
}

// verifyTime is P16.
func (b *bench) verifyTime(ctx context.Context, p corpus.Pair, bed *peer.Bed) error {
	_, file, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return err
	}
	return b.versus(ctx, p, contest{id: "P16", what: "verify what is installed", against: "openssl dgst -sha256", wall: 1.1,
		work: []string{"verify", file, bed.New},
		env:  []string{"NEW=" + bed.New}, script: hashAll})
}

// applyTime is P7 and P8. The peer's part was measured when it ran, not in turn with
// ours: making its input again would take minutes.
func (b *bench) applyTime(ctx context.Context, p corpus.Pair, bed *peer.Bed) (err error) {
	old, new, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return err
	}
	s, err := b.stage()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var cpu []float64
	var a applied
	var rss int64
	told := new + ".delta"
	if _, err := b.self(ctx, "", nil, "delta", old, new, told); err != nil {
		return err
	}
	for range b.pairs {
		dir, err := s.fresh()
		if err != nil {
			return err
		}
		if _, _, err := meter.Shell(ctx, dir, []string{"OLD=" + bed.Old}, `cp -r "$OLD" old; sync -f old`); err != nil {
			return err
		}
		u, err := b.self(ctx, dir, &a, "apply", old, new, told, ".", "new")
		if err != nil {
			return err
		}
		cpu, rss = append(cpu, u.CPU), max(rss, u.RSS)
	}
	command := "cp -r OLD old; sync -f old; bench work delta old.assetpack new.assetpack delta; bench work apply old.assetpack new.assetpack delta . new"
	changed, err := changedBytes(bed)
	if err != nil {
		return err
	}
	b.add(figure{ID: "P8", Corpus: p.Name, What: "bytes written / bytes of changed files", Ours: float64(a.Written), Peer: float64(changed), Unit: "bytes",
		Against: "changed files", Ratio: float64(a.Written) / float64(changed), Target: 1.1, Command: command + " (wchar of /proc/self/io)",
		Note: fmt.Sprintf("planned %d", a.Plan.Write)})
	if !b.wants("P7") {
		return nil
	}
	f := figure{ID: "P7", Corpus: p.Name, What: "apply, CPU", Ours: meter.Median(cpu), Unit: "s", Pairs: len(cpu), RSS: rss, Limit: 128 << 20, Command: command}
	peers, err := b.costs(ctx, bed)
	if err != nil {
		return err
	}
	var able []peer.Cost
	for _, c := range peers {
		if c.Apply.CPU > 0 {
			able = append(able, c)
		}
	}
	if best, ok := cheapest(able); ok {
		f.Against, f.Peer, f.Ratio, f.Target = best.Peer, best.Apply.CPU, f.Ours/best.Apply.CPU, 1.0
		f.Command += "\n" + best.Command
		f.Note = "the peer was measured when its result was made, not in turn with ours"
	}
	b.add(f)
	return nil
}

// changedBytes counts the files of the new release that the old one has not.
func changedBytes(bed *peer.Bed) (n int64, err error) {
	err = bed.Changed(func(_ string, size int64, _ bool) { n += size })
	return n, err
}
