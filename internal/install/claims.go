package install

import (
	"fmt"
	"hash/maphash"
	"strings"

	"larder/asset"
	"larder/internal/shelf"
	"larder/pack"
)

// claims are the paths of packs that are about to come, by their folded form: some 40
// bytes each. It refuses what doc/shelf-format.md forbids: a path in two packs of one
// language, a directory where another pack has a file, names that differ in case alone.
type claims struct {
	packs []shelf.Pack
	first map[[16]byte]claim
	more  map[[16]byte][]int32 // further packs that have the file
	seed  maphash.Seed
	last  string       // the path added last; its directories were judged
	from  asset.PackID // and its pack
}

type claim struct {
	pack  int32  // the file's, or noPack for a directory
	exact uint32 // of the spelling
}

const noPack = -1

func newClaims(packs []shelf.Pack) *claims {
	return &claims{packs: packs, first: map[[16]byte]claim{}, more: map[[16]byte][]int32{}, seed: maphash.MakeSeed()}
}

// add judges an entry of a pack, and keeps it when the pack is one that comes.
func (c *claims) add(p shelf.Pack, e pack.Entry, keep bool) error {
	if p.ID != c.from {
		c.last, c.from = "", p.ID
	}
	n := int32(noPack)
	if keep {
		for i := range c.packs {
			if c.packs[i].ID == p.ID {
				n = int32(i)
			}
		}
	}
	for i := range len(e.Path) {
		if e.Path[i] != '/' || strings.HasPrefix(c.last, e.Path[:i+1]) {
			continue
		}
		if err := c.one(p, n, e.Path[:i], true, keep); err != nil {
			return err
		}
	}
	c.last = e.Path
	return c.one(p, n, e.Path, e.Kind == pack.KindDirectory, keep)
}

func (c *claims) one(p shelf.Pack, n int32, path string, dir, keep bool) error {
	key := pack.FoldKey(path)
	mine := claim{pack: n, exact: uint32(maphash.String(c.seed, path))}
	if dir {
		mine.pack = noPack
	}
	old, there := c.first[key]
	switch {
	case !there:
		if keep {
			c.first[key] = mine
		}
		return nil
	case old.exact != mine.exact:
		return c.collision(p, old, path, "they differ only in upper and lower case")
	case dir != (old.pack == noPack):
		return c.collision(p, old, path, "it is a directory in one of them")
	case dir:
		return nil
	}
	for _, k := range append([]int32{old.pack}, c.more[key]...) {
		if c.packs[k].Language == p.Language && c.packs[k].ID != p.ID {
			old.pack = k
			return c.collision(p, old, path, "both have it, in the same language")
		}
	}
	if keep {
		c.more[key] = append(c.more[key], n)
	}
	return nil
}

func (c *claims) collision(p shelf.Pack, old claim, path, why string) error {
	other := "another pack"
	if old.pack != noPack {
		other = fmt.Sprintf("pack %s", c.packs[old.pack].ID)
	}
	return &asset.Error{Code: asset.CodePathCollision, Op: opCommit, Subject: fmt.Sprintf("%.200q", path),
		Message: fmt.Sprintf("pack %s and %s: %s", p.ID, other, why),
		Help:    "rename it in one of the packs, or give the packs different languages, and publish again"}
}
