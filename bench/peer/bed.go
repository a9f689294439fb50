package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/bench/meter"
)

// Bed is a corpus made ready for peers.
type Bed struct {
	Corpus string
	Digest string // of both trees; costs are kept by it
	Old    string // the trees
	New    string
	Kept   string // folder where costs are kept
	Work   string // folder for the work, on a disk with room

	base string // old.tar, new.tar, changed, added
}

// tarOptions make a tar of the tree alone, without times and owners.
const tarOptions = "--sort=name --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner"

// prepare makes what all peers begin with, once.
func (b *Bed) prepare(ctx context.Context) (err error) {
	if b.base != "" {
		return nil
	}
	base, err := os.MkdirTemp(b.Work, "bed-")
	if err != nil {
		return err
	}
	b.base = base
	for _, r := range [][2]string{{"old", b.Old}, {"new", b.New}} {
		if _, _, err := meter.Shell(ctx, base, nil, "tar "+tarOptions+" -C '"+r[1]+"' -cf "+r[0]+".tar ."); err != nil {
			return err
		}
	}
	return b.lists()
}

// lists writes the names of changed and of added files, a line each.
func (b *Bed) lists() error {
	var changed, added strings.Builder
	err := b.Changed(func(name string, _ int64, isNew bool) {
		if isNew {
			added.WriteString(name + "\n")
		} else {
			changed.WriteString(name + "\n")
		}
	})
	return errors.Join(err,
		os.WriteFile(filepath.Join(b.base, "changed"), []byte(changed.String()), 0o644),
		os.WriteFile(filepath.Join(b.base, "added"), []byte(added.String()), 0o644))
}

// Changed tells of each file of the new release that the old one has not, or not so.
func (b *Bed) Changed(tell func(name string, size int64, isNew bool)) error {
	return filepath.WalkDir(b.New, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(b.New, name)
		if err != nil {
			return err
		}
		if strings.ContainsRune(rel, '\n') {
			return fmt.Errorf("%q: a list cannot hold this name", rel)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		same, err := same(filepath.Join(b.Old, rel), name)
		missing := errors.Is(err, fs.ErrNotExist)
		if err != nil && !missing {
			return err
		}
		if !same {
			tell(rel, info.Size(), missing)
		}
		return nil
	})
}

func same(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return bytes.Equal(x, y), err
}

// folder is a fresh one for one run.
func (b *Bed) folder() (string, error) {
	dir, err := os.MkdirTemp(b.Work, "run-")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"old.tar", "new.tar", "changed", "added"} {
		err = errors.Join(err, os.Link(filepath.Join(b.base, name), filepath.Join(dir, name)))
	}
	return dir, errors.Join(err, os.Symlink(b.Old, filepath.Join(dir, "old")), os.Symlink(b.New, filepath.Join(dir, "new")))
}

// env tells scripts the window that covers the old release, a power of two.
func (b *Bed) env() []string {
	window := int64(64 << 20)
	if info, err := os.Stat(filepath.Join(b.base, "old.tar")); err == nil {
		for window < info.Size() {
			window *= 2
		}
	}
	return []string{fmt.Sprintf("WINDOW=%d", window)}
}

// Close gives the room on the disk back.
func (b *Bed) Close() error {
	if b.base == "" {
		return nil
	}
	return os.RemoveAll(b.base)
}

// Cost of the peer on this bed: as kept, or by running it. An error that is not
// [ErrMissing] is the peer's own.
func (b *Bed) Cost(ctx context.Context, p Peer) (Cost, error) {
	version, err := p.version(ctx)
	if err != nil {
		return Cost{}, err
	}
	key := sha256.Sum256([]byte(strings.Join([]string{b.Digest, version, p.command()}, "\x00")))
	name := filepath.Join(b.Kept, fmt.Sprintf("%s-%s-%x.json", b.Corpus, strings.ReplaceAll(p.Name, " ", "-"), key[:6]))
	var c Cost
	if data, err := os.ReadFile(name); err == nil && json.Unmarshal(data, &c) == nil {
		return c, nil
	}
	if err := b.prepare(ctx); err != nil {
		return c, err
	}
	if c, err = p.run(ctx, b); err != nil {
		return c, err
	}
	c.Peer, c.Version, c.Command = p.Name, version, p.command()
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return c, err
	}
	return c, os.WriteFile(name, data, 0o644)
}

// Costs that stand in the literature for this corpus, smallest first.
func Constants(corpus string) []Cost {
	all := slices.Clone(constants[corpus])
	slices.SortFunc(all, func(a, b Cost) int { return int(a.Bytes - b.Bytes) })
	return all
}
