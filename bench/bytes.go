package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"larder/bench/corpus"
	"larder/bench/meter"
	"larder/bench/peer"
)

// small updates are those whose best peer needs less than 64 KiB; index and
// manifest weigh more there.
const small = 64 << 10

// updateBytes are P1 and P2b: what a device fetches for an update.
func (b *bench) updateBytes(ctx context.Context, p corpus.Pair, bed *peer.Bed) ([]peer.Cost, error) {
	old, new, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return nil, err
	}
	var u updates
	if _, err := b.self(ctx, "", &u, "update", old, new); err != nil {
		return nil, err
	}
	peers, err := b.costs(ctx, bed)
	if err != nil {
		return nil, err
	}
	command := "bench work build old/ old.assetpack; bench work build new/ new.assetpack; bench work update old.assetpack new.assetpack"
	ours := func(name string, u update) peer.Cost {
		return peer.Cost{Peer: name, Bytes: u.total(), Command: command,
			Version: fmt.Sprintf("documents %d + pack %d", u.Documents, u.Pack)}
	}
	if best, ok := cheapest(peers); ok {
		f := against(best, u.Prepared, "P1", "update", 1.00)
		if best.Bytes < small {
			f.Target = 1.10
		}
		f.Corpus, f.Command = p.Name, command+"\n"+best.Command
		b.add(f)
	}
	for name, target := range map[string]float64{"rsync -z": 1.3, "casync": 0.8} {
		if i := slices.IndexFunc(peers, func(c peer.Cost) bool { return c.Peer == name }); i >= 0 {
			f := against(peers[i], u.Unprepared, "P2b", "update without a delta", target)
			f.Corpus, f.Command = p.Name, command+"\n"+peers[i].Command
			b.add(f)
		}
	}
	all := append([]peer.Cost{ours("Larder", u.Prepared), ours("Larder, no delta", u.Unprepared)}, peers...)
	slices.SortStableFunc(all, func(a, b peer.Cost) int { return int(a.Bytes - b.Bytes) })
	return all, nil
}

func against(c peer.Cost, u update, id, what string, target float64) figure {
	return figure{ID: id, What: what, Ours: float64(u.total()), Peer: float64(c.Bytes), Unit: "bytes", Against: c.Peer,
		Ratio: float64(u.total()) / float64(c.Bytes), Target: target,
		Note: fmt.Sprintf("documents %d + pack %d", u.Documents, u.Pack)}
}

func cheapest(peers []peer.Cost) (best peer.Cost, ok bool) {
	for _, c := range peers {
		if !ok || c.Bytes < best.Bytes {
			best, ok = c, true
		}
	}
	return best, ok
}

// mean adds P2, the geometric mean of P1 over the corpora that have it, as figures
// of this run and of former ones.
func (b *bench) mean() error {
	sum, n := 0.0, 0
	var names []string
	for _, p := range corpus.All() {
		r, err := b.load(p.Name)
		if err != nil {
			return err
		}
		for _, f := range r.Figures {
			if f.ID == "P1" {
				sum, n, names = sum+math.Log(f.Ratio), n+1, append(names, p.Name)
			}
		}
	}
	if n == 0 {
		return nil
	}
	m := math.Exp(sum / float64(n))
	b.add(figure{ID: "P2", Corpus: "all", What: "geometric mean of P1", Ours: m, Ratio: m, Target: 0.98, Against: "best peers", Peer: 1,
		Command: "exp(mean(log(P1))) of " + strings.Join(names, ", ")})
	return b.keep("all", "", nil)
}

// packSize is P3.
func (b *bench) packSize(ctx context.Context, p corpus.Pair, bed *peer.Bed) error {
	_, ours, err := b.packs(ctx, p.Name, bed.Old, bed.New)
	if err != nil {
		return err
	}
	info, err := os.Stat(ours)
	if err != nil {
		return err
	}
	script := "tar -C new/ --sort=name --owner=0 --group=0 --mtime=@0 -c . | zstd -q -9 | wc -c"
	_, out, err := meter.Shell(ctx, "", nil, strings.Replace(script, "new/", quoted(bed.New), 1))
	if err != nil {
		return err
	}
	var n int64
	if _, err := fmt.Sscan(string(out), &n); err != nil {
		return err
	}
	b.add(figure{ID: "P3", Corpus: p.Name, What: "pack size", Ours: float64(info.Size()), Peer: float64(n), Unit: "bytes",
		Against: "tar | zstd -9", Ratio: float64(info.Size()) / float64(n), Target: 1.10, Command: "bench work build new/ new.assetpack\n" + script})
	return nil
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
