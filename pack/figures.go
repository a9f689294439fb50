package pack

import (
	"context"
	"iter"
	"strings"
)

// Fate is what a plan does with a file.
type Fate string

// The fates, from cheap to dear.
const (
	FateMade    Fate = "made"    // a directory, a link or an empty file
	FateKept    Fate = "kept"    // unchanged: cloned, linked, or copied as a whole
	FateReused  Fate = "reused"  // put together from old bytes alone
	FatePatched Fate = "patched" // from old bytes and fetched ones, or by a delta
	FateFetched Fate = "fetched" // from fetched bytes alone
)

// FilePlan is what a plan does with one entry of the target.
type FilePlan struct {
	Entry
	Fate Fate `json:"fate"`
	// Reused and Fetched are how many of its bytes come from old files, or from the
	// same bytes elsewhere in the target, and from frames. A fetched frame brings whatever else lies in it, so these do not
	// add up to the download.
	Reused  int64 `json:"reused"`
	Fetched int64 `json:"fetched"`
	// Patched are made by the delta.
	Patched int64 `json:"patched"`
}

// Files tells of every entry of the target, in order.
func (p *Plan) Files(ctx context.Context) iter.Seq2[FilePlan, error] {
	return func(yield func(FilePlan, error) bool) {
		var now FilePlan
		row := -1
		for i, l := range p.target.sections(opPlan) {
			err := l.err
			if err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				yield(FilePlan{}, err)
				return
			}
			f, c := 0, 0
			for k, e := range l.rows {
				if n := p.target.rowNumber(i, l.section, int32(k)); n != row {
					if row >= 0 && !yield(p.fate(now, row), nil) {
						return
					}
					now, row = FilePlan{Entry: e}, n
				}
				for ; c < len(l.chunks) && l.chunks[c].row == int32(k); c++ {
					for l.spans[f].chunk1 <= int32(c) {
						f++
					}
					n, size := p.target.from[i].chunks+c, int64(l.chunks[c].size)
					_, twin := p.twins[n]
					switch {
					case p.fetch.has(p.target.from[i].frames + f):
						now.Fetched += size
					case p.made.has(n) && !twin:
						now.Patched += size
					default:
						now.Reused += size
					}
				}
			}
		}
		if row >= 0 {
			yield(p.fate(now, row), nil)
		}
	}
}

func (p *Plan) fate(f FilePlan, row int) FilePlan {
	switch {
	case f.Size == 0:
		f.Fate = FateMade
	case p.keep[row] != 0:
		f.Fate, f.Reused, f.Fetched, f.Patched = FateKept, f.Size, 0, 0
	case f.Fetched == 0 && f.Patched == 0:
		f.Fate = FateReused
	case f.Reused == 0 && f.Patched == 0:
		f.Fate = FateFetched
	default:
		f.Fate = FatePatched
	}
	return f
}

// What names and inodes take on file systems that keep them apart from the data.
const (
	block     = 4096
	inodeSize = 512
)

func (p *Plan) measure(ctx context.Context) error {
	for i, l := range p.target.sections(opPlan) {
		if l.err != nil {
			return l.err
		}
		running := false
		for f := range l.frames {
			fetched := p.fetch.has(p.target.from[i].frames + f)
			if fetched {
				p.sum.Download += int64(l.frames[f].stored)
			}
			if fetched && !running {
				p.sum.Ranges++
			}
			running = fetched
		}
	}
	if p.delta != nil {
		running := false
		for i, n := range p.delta.blocks {
			if p.blocks.has(i) {
				p.sum.Delta += int64(n)
			}
			if p.blocks.has(i) && !running {
				p.sum.Ranges++
			}
			running = p.blocks.has(i)
		}
		p.sum.Download += p.sum.Delta
	}
	if p.fine != nil {
		p.sum.Fine = total(p.fine.spans)
		p.sum.Download += p.sum.Fine
		p.sum.Ranges += len(p.fine.spans)
	}
	last, peak := "", int64(2*block)
	for f, err := range p.Files(ctx) {
		if err != nil {
			return err
		}
		dirs := strings.Count(f.Path[sharedDirs(last, f.Path):], "/")
		last = f.Path
		peak += int64(dirs)*(block+inodeSize) + inodeSize + 2*int64(len(f.Path)) + 2*int64(len(f.Target))
		switch {
		case f.Fate == FateMade:
			peak += block // a directory, or a long link
		case f.Fate == FateKept && !p.copied:
			p.sum.Kept += f.Size
		default:
			p.sum.Write += f.Size
			p.sum.Reused += f.Reused
			p.sum.Patched += f.Patched
			peak += (f.Size + block - 1) / block * block
		}
	}
	p.sum.PeakDisk = peak
	return nil
}
