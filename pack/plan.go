package pack

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io/fs"
	"os"
	"sort"
	"sync"

	"larder/asset"
	"larder/internal/fsx"
)

const opPlan = "plan update"

// Installed is a tree on the disk whose files serve as old bytes: any version of
// any pack, whole or rotten, for every byte is proved before it is used.
type Installed struct {
	// Archive is its pack, or the index of it alone. It is read while the plan
	// is made and applied.
	Archive *Archive
	// Dir is where the tree is, below the root that Apply gets, with slashes.
	Dir string
	// Intact may vouch for a file, told by its path in the pack and what the disk
	// says of it (size, time, inode): then an unchanged file is linked without
	// being read. Nil vouches for none.
	Intact func(path string, info fs.FileInfo) bool
}

// PlanOptions of a plan; the zero value serves.
type PlanOptions struct {
	// Copy plans for a disk that has no hard links: unchanged files are written
	// again. Apply says when a plan without it cannot be kept to.
	Copy bool
	// Sync makes the staging tree durable. Nil is the system's own way; an
	// installer has one that knows its disk.
	Sync func(tree *os.Root) error
	// Deltas that lead to the target, each from one version. Of those whose version
	// is installed the smallest serves, block by block where it is smaller
	// than the frames.
	Deltas []*Delta
	// AtHand says that the deltas have been fetched as a whole, so that their blocks
	// cost nothing more: a frame is fetched only for what no block makes.
	AtHand bool
	// Made hears, from several goroutines, how Apply goes on: of what was fetched, how many
	// bytes more the tree is made of, and how many file bytes were written.
	Made func(useful, written int64)
	// Fine is a fine file of the target, used where no delta is, for frames that are larger than the
	// blocks it lacks. It is read while the plan is made and applied.
	Fine *Fine
	// Root is where the installed trees lie, for Fine: its blocks are looked for there. Without it
	// only whole packs are looked through.
	Root *os.Root
}

// Figures are what a plan costs, in bytes. Apply stays within them, unless old
// bytes turn out rotten: then it says so in its [Result].
type Figures struct {
	Download int64 `json:"download"` // of frames and blocks; index and the delta's head are there already
	Delta    int64 `json:"delta"`    // of those, blocks of the delta
	Fine     int64 `json:"fine"`     // of those, units of the fine file
	Leaves   int64 `json:"leaves"`   // read of the fine file to make the plan, beside the download
	Ranges   int   `json:"ranges"`   // requests it takes
	Write    int64 `json:"write"`    // file bytes written anew
	Reused   int64 `json:"reused"`   // of those, copied from old files, or from elsewhere in the new tree
	Patched  int64 `json:"patched"`  // of those, made from old files by the delta
	Kept     int64 `json:"kept"`     // of unchanged files, cloned or linked
	PeakDisk int64 `json:"peakDisk"` // taken beside what is installed, with names, blocks and inodes; about, and rather more
}

// Plan says for every file where its bytes come from. It takes some 20 bytes for each
// chunk and file that is installed, and nothing for the frames' bytes.
type Plan struct {
	target *Archive
	olds   []Installed
	copied bool
	sync   func(*os.Root) error
	told   func(useful, written int64)
	chunks map[uint64]uint32 // key of a chunk's hash → its number among all old chunks
	files  map[uint64]uint32 // key of a whole file → the number of its first chunk
	from   []uint32          // number of each old archive's first chunk, and the end
	keep   []uint32          // for each target row: 0, or 1 + the number of the old file's first chunk
	fetch  bits              // target frames that must be fetched
	delta  *Delta            // from the first old tree, if not nil
	opened *streams          // by it
	blocks bits              // blocks of it to fetch
	made   bits              // target chunks that they make, and twins
	twins  map[int]int       // chunks that are the same as an earlier one, which is fetched: copied from it
	late   bits              // target frames that take twins from other frames, or chunks from the fine file: made after all others
	fine   *fineWork         // nil: no fine file serves
	sum    Figures

	mu    sync.Mutex
	cache map[[2]int]*section // old sections lately used
}

// maxCached old sections take 8 MiB in ordinary packs.
const maxCached = 16

// NewPlan finds the way from what is installed to the target, an open pack or index.
// A chunk comes from old files if they have it; a frame of the target is fetched
// if it has a chunk that neither they nor an earlier fetched frame have, and then
// gives all its chunks.
func NewPlan(ctx context.Context, target *Archive, olds []Installed, opts PlanOptions) (*Plan, error) {
	p := &Plan{target: target, olds: olds, copied: opts.Copy, sync: opts.Sync, told: opts.Made, chunks: map[uint64]uint32{}, files: map[uint64]uint32{},
		from: []uint32{0}, made: newBits(target.total().chunks), keep: make([]uint32, target.total().rows), fetch: newBits(target.total().frames),
		twins: map[int]int{}, late: newBits(target.total().frames), cache: map[[2]int]*section{}}
	if p.sync == nil {
		p.sync = fsx.SyncTree
	}
	p.choose(opts.Deltas)
	olds, total := p.olds, int64(0)
	for i := range olds {
		if total += int64(olds[i].Archive.total().chunks); total > maxChunks {
			return nil, fault(asset.CodeTooLarge, opPlan, quote(olds[i].Dir), "there are more than %d old chunks", maxChunks)
		}
		if err := p.learn(ctx, olds[i].Archive); err != nil {
			return nil, err
		}
		p.from = append(p.from, uint32(total))
	}
	if err := p.patch(ctx, opts.AtHand); err != nil {
		return nil, err
	}
	if err := p.match(ctx); err != nil {
		return nil, err
	}
	if err := p.byFine(ctx, opts); err != nil {
		return nil, err
	}
	return p, p.measure(ctx)
}

// Figures of the plan: the dry run.
func (p *Plan) Figures() Figures { return p.sum }

// learn notes every chunk and file of an old archive.
func (p *Plan) learn(ctx context.Context, a *Archive) error {
	n := p.from[len(p.from)-1]
	return eachFile(ctx, opPlan, a, func(c *chunk) {
		if _, ok := p.chunks[key(c.hash)]; !ok {
			p.chunks[key(c.hash)] = n
		}
		n++
	}, func(f wholeFile) {
		if _, ok := p.files[f.key]; !ok {
			p.files[f.key] = p.from[len(p.from)-1] + uint32(f.chunk)
		}
	})
}

// match decides for every file of the target whether it is unchanged, and for every
// frame whether it must be fetched.
func (p *Plan) match(ctx context.Context) error {
	firsts := map[uint64]uint32{}
	for i, l := range p.target.sections(opPlan) {
		if l.err != nil {
			return l.err
		}
		for f, s := range l.spans {
			p.obtain(firsts, l, s, p.target.from[i].chunks, p.target.from[i].frames+f)
		}
	}
	return eachFile(ctx, opPlan, p.target, func(*chunk) {}, func(f wholeFile) {
		if n, ok := p.files[f.key]; ok {
			p.keep[f.row] = n + 1
		}
	})
}

// maxFirsts bounds the memory for what is met first in a frame: some 64 GiB of bytes.
const maxFirsts = 1 << 20

// obtain decides about one frame: it need not be fetched if all that old files lack in it
// came in earlier frames, the firsts.
func (p *Plan) obtain(firsts map[uint64]uint32, l *loaded, s span, chunk0, frame int) {
	lacking, twins := []int32(nil), 0
	for c := s.chunk0; c < s.chunk1; c++ {
		if _, ok := p.chunks[key(l.chunks[c].hash)]; ok || p.made.has(chunk0+int(c)) {
			continue
		}
		lacking = append(lacking, c)
		if _, ok := firsts[key(l.chunks[c].hash)]; ok {
			twins++
		}
	}
	if len(lacking) == 0 {
		return
	}
	if twins == len(lacking) {
		p.late.set(frame)
		for _, c := range lacking {
			p.made.set(chunk0 + int(c))
			p.twins[chunk0+int(c)] = int(firsts[key(l.chunks[c].hash)])
		}
		return
	}
	p.fetch.set(frame)
	for _, c := range lacking {
		if _, ok := firsts[key(l.chunks[c].hash)]; !ok && len(firsts) < maxFirsts {
			firsts[key(l.chunks[c].hash)] = uint32(chunk0 + int(c))
		}
	}
}

// noChunk is the number of no old chunk.
const noChunk = maxChunks + 1

// locate finds an old chunk by its number.
func (p *Plan) locate(n uint32) (old int, s *section, c *chunk, err error) {
	if n >= p.from[len(p.from)-1] {
		return 0, nil, nil, errors.New("no old file has these bytes")
	}
	old = sort.Search(len(p.olds), func(i int) bool { return p.from[i+1] > n })
	a, rest := p.olds[old].Archive, int(n-p.from[old])
	i := sort.Search(len(a.root.sections), func(i int) bool { return a.from[i+1].chunks > rest })
	if s, err = p.section(old, i); err != nil {
		return old, nil, nil, err
	}
	return old, s, &s.chunks[rest-a.from[i].chunks], nil
}

// ofTarget stands for the target among the old archives.
const ofTarget = -1

// section of an old archive, from the cache if it is there.
func (p *Plan) section(old, i int) (s *section, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.cache[[2]int{old, i}]; s != nil {
		return s, nil
	}
	a := p.target
	if old != ofTarget {
		a = p.olds[old].Archive
	}
	if s, err = a.load(opPlan, i); err != nil {
		return nil, err
	}
	for at := range p.cache {
		if len(p.cache) < maxCached {
			break
		}
		delete(p.cache, at)
	}
	p.cache[[2]int{old, i}] = s
	return s, nil
}

// wholeFile is a file that ends: its row, its first chunk, a key of its kind and chunks,
// and where its bytes begin in the payload.
type wholeFile struct {
	path       string
	row, chunk int
	key        uint64
	addr, size int64
}

// eachFile tells of every chunk, and of every file after its last chunk.
func eachFile(ctx context.Context, op string, a *Archive, tell func(*chunk), end func(wholeFile)) error {
	var h hash.Hash
	first, addr := 0, int64(0)
	for i, l := range a.sections(op) {
		if l.err != nil {
			return l.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for k := range l.chunks {
			c := &l.chunks[k]
			e := &l.rows[c.row]
			if c.at == 0 {
				h, first, addr = sha256.New(), a.from[i].chunks+k, l.before+c.payload
				h.Write([]byte{kindNumber(e.Kind)})
			}
			h.Write(c.hash[:])
			tell(c)
			if c.at+int64(c.size) == e.Size {
				end(wholeFile{path: e.Path, row: a.rowNumber(i, l.section, c.row), chunk: first, key: key(Hash(h.Sum(nil))), addr: addr, size: e.Size})
			}
		}
	}
	return nil
}

// rowNumber counts the rows of all sections, each file once.
func (a *Archive) rowNumber(i int, s *section, row int32) int {
	n := a.from[i].rows + int(row)
	if s.skip > 0 {
		n--
	}
	return n
}

func key(h Hash) uint64 { return binary.LittleEndian.Uint64(h[:]) }

type bits []uint64

func newBits(n int) bits      { return make(bits, (n+63)/64) }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
