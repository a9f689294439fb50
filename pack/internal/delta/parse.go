package delta

import "sort"

// parser finds the cheapest steps for a block, about.
type parser struct {
	block  []byte
	pieces []Piece
	starts []int // of pieces, in the block
	near   *nearIndex
	far    []match
	views  []uint8 // for dense copies, by stretches of viewLen bytes of the block; nil: x86
	told   []told  // fields, in order
	dull   []bool  // by stretches of dullStretch bytes of the block
	p      *prices
	nodes  []parseNode
	offs   []offer
	ops    []op
	lately [5]int // parts that the reps lay in
	thin   bool   // no dense copies
}

// op is one literal, or a copy.
type op struct {
	n     int // 0: a literal
	from  rep
	thick bool // a dense copy: one byte that differs, and equal ones
}

type parseNode struct {
	price uint32
	prev  int32
	n     int32 // 0: a literal
	from  rep
	thick bool

	// What follows is known when the node is looked at.
	piece int
	lits  int
	reps  [4]rep
	oldD  int64
}

const (
	parseAhead = 4096
	parseNice  = 160
	thickRun   = 47 // equal bytes after a difference that a dense step takes along
	parseShort = 40 // up to here, each length of a copy is tried
	never      = 1<<32 - 1
)

func (p *parser) state(n *parseNode) track {
	return track{reps: n.reps, oldD: n.oldD}
}

func (p *parser) enter(n *parseNode, t *track, from, pos int) {
	for from < len(p.pieces)-1 && p.starts[from+1] <= pos {
		from++
		if h := p.pieces[from].Hint; h >= 0 {
			t.oldD = h - p.pieces[from].Addr
			t.use(oldRep(t.oldD))
		}
	}
	n.piece, n.reps, n.oldD = from, t.reps, t.oldD
}

func (p *parser) addr(piece, pos int) int64 {
	return p.pieces[piece].Addr + int64(pos-p.starts[piece])
}

// along is how many bytes at pos are those that r gives.
func (p *parser) along(r rep, k, piece, pos int) int {
	if r.local() {
		if r.d() < 1 || r.d() > int64(pos) {
			return 0
		}
		return equal(p.block[pos:], p.block[pos-int(r.d()):])
	}
	return equal(p.block[pos:], p.near.old(p.addr(piece, pos)+r.d(), &p.lately[k]))
}

func (p *parser) run() []seq {
	if p.nodes == nil {
		p.nodes = make([]parseNode, parseAhead+parseNice+8)
	}
	p.ops = p.ops[:0]
	t := track{}
	var first parseNode
	p.enter(&first, &t, -1, 0)
	pos, farAt := 0, 0
	for pos < len(p.block) {
		// A window of the block: forwards to its end, or to a copy so long that it is taken at once.
		most := min(parseAhead, len(p.block)-pos)
		for i := range most + parseNice + 1 {
			if i < len(p.nodes) {
				p.nodes[i].price = never
			}
		}
		first.price = 0
		p.nodes[0] = first
		cur, long := 0, op{}
		for ; cur < most; cur++ {
			n := &p.nodes[cur]
			at := pos + cur
			if cur > 0 {
				prev := &p.nodes[n.prev]
				t := p.state(prev)
				if n.lits = 0; n.n == 0 {
					n.lits = prev.lits + 1
				} else {
					t.use(n.from)
				}
				p.enter(n, &t, prev.piece, at)
			}
			if long = p.look(n, cur, at, most, &farAt); long.n > 0 {
				break
			}
		}
		end := cur
		path := len(p.ops)
		for end > 0 {
			n := &p.nodes[end]
			p.ops = append(p.ops, op{int(n.n), n.from, n.thick})
			end = int(n.prev)
		}
		for i, k := path, len(p.ops)-1; i < k; i, k = i+1, k-1 {
			p.ops[i], p.ops[k] = p.ops[k], p.ops[i]
		}
		n := &p.nodes[cur]
		if long.n == 0 { // the state of the last node is not known yet
			prev := &p.nodes[n.prev]
			t := p.state(prev)
			if n.lits = 0; n.n == 0 {
				n.lits = prev.lits + 1
			} else {
				t.use(n.from)
			}
			p.enter(n, &t, prev.piece, pos+cur)
			first = *n
			pos += cur
			continue
		}
		t := p.state(n)
		t.use(long.from)
		p.ops = append(p.ops, long)
		pos += cur + long.n
		first = parseNode{}
		p.enter(&first, &t, n.piece, pos)
	}
	return p.seqs()
}

// look offers every step from the node n at block position at. It gives a copy
// that is long enough to be taken without looking further.
func (p *parser) look(n *parseNode, cur, at, most int, farAt *int) op {
	pr := p.p
	step := func(to int, price uint32, length int, from rep) {
		if m := &p.nodes[cur+to]; price < m.price {
			m.price, m.prev, m.n, m.from, m.thick = price, int32(cur), int32(length), from, false
		}
	}
	left := most - cur
	begin := n.price
	if n.lits == 0 {
		begin += pr.none
	}
	dull := p.dull[at/dullStretch]
	// copies along what was copied from lately
	best := 0
	for k, r := range n.reps {
		l := p.along(r, k, n.piece, at)
		if l >= parseNice {
			return op{n: l, from: r}
		}
		if l = min(l, left); l == 0 || k > 0 && l < 2 || l <= best && k > 0 || dull && l < dullLeast {
			continue
		}
		for i := 1; i <= l; i++ {
			if i > parseShort && i < l {
				continue
			}
			step(i, begin+pr.kind[k]+pr.length(k, i), i, r)
		}
		best = max(best, l)
	}
	if !p.thin && !dull {
		p.thick(n, cur, at, left)
	}
	prev := byte(0)
	if at > 0 {
		prev = p.block[at-1]
	}
	lit := uint32(pr.lit[prev][p.block[at]])
	if n.lits == 0 {
		lit = min(lit, pr.miss) + pr.lits
	}
	step(1, n.price+lit, 0, 0)

	addr := p.addr(n.piece, at)
	if p.offs = p.offs[:0]; at%dullStep == 0 || !dull {
		p.offs = p.near.offers(at, addr, p.offs)
	}
	for *farAt < len(p.far) && p.far[*farAt].pos+p.far[*farAt].n <= at {
		*farAt++
	}
	for i := *farAt; i < len(p.far) && p.far[i].pos <= at; i++ {
		if f := &p.far[i]; f.pos+f.n > at {
			p.offs = append(p.offs, offer{oldRep(f.src + int64(at-f.pos) - addr), f.pos + f.n - at})
		}
	}
	least := 3
	for _, o := range p.offs {
		if o.n >= parseNice {
			l := p.longest(at, n.piece)
			return op{n: l.n, from: l.from}
		}
		price, kind := begin, kindOld
		if o.from.local() {
			kind = kindLocal
			price += pr.kind[kindLocal] + pr.local(o.from.d())
		} else {
			price += pr.kind[kindOld] + pr.other(o.from.d()-n.oldD)
		}
		for _, r := range n.reps {
			if r == o.from {
				price = never
			}
		}
		if price >= never-1<<20 {
			continue
		}
		l := min(o.n, left)
		if dull && l < dullLeast {
			continue
		}
		for i := min(least, l); i <= l; i++ {
			if i > parseShort && i < l {
				continue
			}
			if i >= 3 {
				step(i, price+pr.length(kind, i), i, o.from)
			}
		}
	}
	return op{}
}

// thick offers a step of a dense copy: a byte that differs from where the last copy would go on, or
// the rest of a field that is told, and then equal ones.
func (p *parser) thick(n *parseNode, cur, at, left int) {
	for len(p.told) > 0 && p.told[0].pos < at {
		p.told = p.told[1:]
	}
	r := n.reps[0]
	if r.local() || p.along(r, 0, n.piece, at) > 0 || p.near.old(p.addr(n.piece, at)+r.d(), &p.lately[0]) == nil {
		return
	}
	k, price := 1, n.price+p.p.differ
	if len(p.told) > 0 && p.told[0].pos == at && p.told[0].from == r && p.told[0].n <= left {
		k, price = p.told[0].n, n.price+p.p.told
	}
	l := min(p.along(r, 0, n.piece, at+k), thickRun, left-k)
	price += uint32(l+1) * p.p.equal
	if !n.thick {
		price += p.p.dense + p.p.none
	}
	if m := &p.nodes[cur+k+l]; price < m.price {
		m.price, m.prev, m.n, m.from, m.thick = price, int32(cur), int32(k+l), r, true
	}
}

func (p *parser) longest(at, piece int) (l offer) {
	for _, o := range p.offs {
		if o.n > l.n {
			l = o
		}
	}
	l.n = max(l.n, p.along(l.from, 4, piece, at))
	return l
}

// seqs joins literals, and copies that go on along the same way.
func (p *parser) seqs() []seq {
	var out []seq
	now := seq{}
	pos, begun := 0, 0
	for _, o := range p.ops {
		if o.n == 0 {
			now.ll++
			pos++
			continue
		}
		k := len(out) - 1
		if now.ll == 0 && k >= 0 && out[k].from == o.from && out[k].thick == o.thick && (o.from.local() || p.even(begun, pos)) &&
			(!o.thick || out[k].n+o.n <= denseMost && out[k].view == p.view(pos)) {
			out[k].n += o.n
			pos += o.n
			continue
		}
		begun = pos
		now.n, now.from, now.thick, now.view = o.n, o.from, o.thick, p.view(pos)
		pos += o.n
		out = append(out, now)
		now = seq{}
	}
	if now.ll > 0 {
		out = append(out, now)
	}
	return out
}

// view is the one of a dense copy that begins at pos.
func (p *parser) view(pos int) int {
	if p.views == nil {
		return viewX86
	}
	return int(p.views[pos/viewLen])
}

// even reports whether addresses run on between two places of the block.
func (p *parser) even(a, b int) bool {
	return p.address(b)-p.address(a) == int64(b-a)
}

func (p *parser) address(pos int) int64 {
	k := sort.SearchInts(p.starts, pos+1) - 1
	return p.pieces[k].Addr + int64(pos-p.starts[k])
}
