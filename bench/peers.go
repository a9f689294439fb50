package main

import (
	"context"
	"errors"
	"fmt"

	"larder/bench/peer"
)

// costs of all peers on one corpus, constants last. Peers that are missing or fail are
// told of, and left out.
func (b *bench) costs(ctx context.Context, bed *peer.Bed) ([]peer.Cost, error) {
	all := peer.Constants(bed.Corpus)
	for _, p := range peer.All {
		c, err := bed.Cost(ctx, p)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, peer.ErrMissing):
			b.say("%s: %s is not installed", bed.Corpus, p.Name)
		case err != nil:
			b.say("%s: %s fails: %v", bed.Corpus, p.Name, err)
		default:
			b.say("%s: %-28s %12s bytes, made in %.1f s CPU, applied in %.2f s CPU", bed.Corpus, p.Name, grouped(c.Bytes), c.Make.CPU, c.Apply.CPU)
			all = append(all, c)
		}
	}
	return all, nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }
