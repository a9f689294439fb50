#!/usr/bin/env python3
"""Makes what a delta makes, and proves it: python3 delta-reader.py BASE.assetpack TARGET.assetpack FILE.delta

Written from pack-format.md alone, as a second opinion. Old bytes come from the base's frames; the target serves for its
index, and for the chunk hashes that what comes out must have. Slow. Needs the zstd command.
"""
import importlib
import math
import struct

pack = importlib.import_module("pack-reader")
check, sha, Numbers, uvarint = pack.check, pack.sha, pack.Reader, pack.uvarint

M32 = 0xFFFFFFFF


def plain(p):
    """The plain index of a pack."""
    out, bodies = p.content + uvarint(p.data) + uvarint(len(p.metadata)) + p.metadata + uvarint(len(p.sections)), b""
    for told, first, metadata, hashes in p.sections:
        out += b"".join(map(uvarint, told[:6] + told[7:])) + uvarint(len(first)) + first
        bodies += metadata + hashes
    return out + bodies


def start_nib():
    return [0] + [2047 * i for i in range(1, 16)]  # the count stands where the first sum would


def start_byte():
    return start_nib(), Lazy(start_nib)


def learn(nib, s):
    r = 1 if nib[0] < 1 else 2 if nib[0] < 3 else 3 if nib[0] < 8 else 4 if nib[0] < 24 else 5
    gain = 32752 >> r
    nib[1:] = [c - (c >> r) for c in nib[1:s + 1]] + [c - (c >> r) + gain for c in nib[s + 1:]]
    nib[0] = min(nib[0] + 1, 63)


class Lazy(dict):
    def __init__(self, make):
        self.make = make

    def __missing__(self, key):
        self[key] = self.make()
        return self[key]


L = [int(32768 / (1 + math.exp(8 - j / 2)) + 0.5) for j in range(33)]


def squash(d):
    u = max(-2047, min(2047, d)) + 2048
    return (L[u >> 7] * (128 - u % 128) + L[(u >> 7) + 1] * (u % 128)) >> 7


STRETCH, d = [], -2047
for q in range(4096):
    while d < 2047 and squash(d) < 8 * q + 4:
        d += 1
    STRETCH.append(d)


class Block:
    kinds = 10

    def __init__(self, stored, pieces, old, size):
        self.words, self.old, self.size = Numbers(stored), old, size
        self.x = self.words.fixed(8)
        self.pieces, self.next, self.begin, self.end, self.addr = pieces, 0, 0, 0, 0
        self.ways, self.latest, self.out = [("old", 0)] * 4, 0, bytearray()
        self.nibs = Lazy(start_nib)
        self.a, self.c, self.diff_a, self.diff_b = (Lazy(start_byte) for _ in range(4))
        self.bits = Lazy(lambda: [1 << 21, 0])
        self.weights = Lazy(lambda: [1 << 14] * 4)
        self.since = self.hist = self.last = self.view = self.fields = self.drift = 0
        self.moves, self.last_move = Lazy(lambda: (0, 0)), [0, 0]

    def step(self, v, start, freq):
        self.x = freq * (self.x >> 15) + v - start
        if self.x < 1 << 31:
            self.x = self.x << 32 | self.words.fixed(4)

    def symbol(self, starts):
        v = self.x & 32767
        s = max(i for i in range(16) if starts[i] <= v)
        self.step(v, starts[s], (starts[s + 1] if s < 15 else 32768) - starts[s])
        return s

    def nib(self, *name):
        nib = self.nibs[name]
        s = self.symbol([0] + [nib[i] + i for i in range(1, 16)])
        learn(nib, s)
        return s

    def nib2(self, a, b):
        s = self.symbol([0] + [(a[i] >> 1) + (b[i] >> 1) + i for i in range(1, 16)])
        learn(a, s)
        learn(b, s)
        return s

    def byte(self, a, b):
        hi = self.nib2(a[0], b[0])
        return hi << 4 | self.nib2(a[1][hi], b[1][hi])

    def raw(self, n):
        value = at = 0
        while n - at > 15:
            v = self.x & 32767
            self.step(v, v, 1)
            value, at = value | v << at, at + 15
        if n > at:
            shift = 15 - (n - at)
            v = self.x & 32767
            self.step(v, v >> shift << shift, 1 << shift)
            value |= v >> shift << at
        return value

    def flag(self, model, chance):
        v = self.x & 32767
        bit = int(v < chance)
        self.step(v, 0, chance) if bit else self.step(v, chance, 32768 - chance)
        for m in model:
            m[0] += ((bit * ((1 << 22) - 1) - m[0]) * (655360 // (10 * m[1] + 16))) >> 16
            m[1] = min(m[1] + 1, 255)
        return bit

    def length(self, *name):
        s = self.nib("slot", *name)
        if s < 8:
            return s
        if s == 15:
            n = self.raw(5)
            return self.raw(n - 1) | 1 << (n - 1) if n else 0
        k = s - 8
        return (8 + self.nib("high", k, *name) // 2 << k) + self.raw(k)

    def number(self, name):
        a = self.nib("bits", name)
        n = 4 * a + self.nib("bits2", a, name) % 4
        if n < 2:
            return n
        m = min(n - 1, 4)
        value, left = 1 << m | self.nib("top", n, name) % (1 << m), n - 1 - m
        if left >= 4:
            value = value << (left - 4) | self.raw(left - 4)
            return value << 4 | self.nib("low", name)
        return value << left | self.raw(left)

    def arrive(self):
        hint = None
        while self.next < len(self.pieces) and len(self.out) >= self.end:
            (self.addr, length, hint), self.begin = self.pieces[self.next], self.end
            self.end, self.next = self.end + length, self.next + 1
        if hint is not None:
            self.use(("old", hint - self.addr))

    def use(self, way):
        if way in self.ways:
            self.ways.remove(way)
        self.ways = [way] + self.ways[:3]
        if way[0] == "old":
            self.latest = way[1]

    def at(self, addr):
        return self.old[addr] if 0 <= addr < len(self.old) else 0

    def place(self):
        return self.addr + len(self.out) - self.begin

    def make(self):
        last, out = 0, self.out
        while len(out) < self.size:
            self.arrive()
            ll = self.length("ll", last)
            check(ll <= self.size - len(out), "a run goes beyond the block")
            if ll:
                self.literals(ll)
                if len(out) == self.size:
                    break
                self.arrive()
            kind = self.nib("kind", 3 * last + min(ll, 2))
            check(kind < self.kinds, "the block is damaged")
            if kind == 4:
                way = ("near", self.number("near") % (1 << 40))
            elif kind == 5:
                v = self.number("far") % (1 << 53)
                way = ("old", self.latest + (v >> 1 ^ -(v & 1)))
            else:
                way = self.ways[kind - 6 if kind > 5 else kind]
            self.use(way)
            last, n = kind, self.length("ml", kind) + 1
            source = self.place() + way[1]
            check(n <= self.size - len(out), "a copy goes beyond the block")
            if way[0] == "old":
                check(0 <= source and source + n <= len(self.old), "a copy is from outside the old payload")
            else:
                check(kind < 6 and 0 < way[1] <= len(out), "a copy is from before the block")
            if kind > 5:
                self.dense(n, source)
            elif way[0] == "old":
                out += self.old[source:source + n]
            else:
                for _ in range(n):
                    out.append(out[-way[1]])
        check(len(out) == self.size and self.x == 1 << 31 and self.words.at == len(self.words.data), "the block is damaged")
        return bytes(out)

    def literals(self, n):
        out, begin, way, source, flags, i = self.out, len(self.out), self.ways[0], 0, 0, 0
        source = self.place() + way[1]
        while i < n:
            if i % 64 == 0 and n >= 64:
                model = self.bits["raw", flags & 15]
                bit = self.flag([model], model[0] >> 7 | 1)
                flags = flags << 1 | bit
                if bit:
                    for _ in range(min(64, n - i)):
                        out.append(self.raw(8))
                        i += 1
                    continue
            c1, c2 = (out[-1] if out else 0), (out[-2] if len(out) > 1 else 0)
            a = self.after(c1)
            if i < 24:
                if way[0] == "old":
                    p = self.at(source + i)
                else:
                    k = begin - way[1] + i
                    p = out[k] if way[1] > 0 and begin >= way[1] and k < begin else 0
                group = 0 if i == 0 else 1 if i == 1 else 2 if i < 6 else 3
                hi = self.nib2(a[0], self.nibs["pred", group, p])
                lo = p if p >> 4 == hi else 256 | hi << 4 | p & 15
                out.append(hi << 4 | self.nib2(a[1][hi], self.nibs["low", group, lo]))
            else:
                out.append(self.byte(a, self.longer(c1, c2)))
            i += 1

    def after(self, c1):
        return self.a[c1]

    def longer(self, c1, c2):
        return self.c[((c1 | c2 << 8) * 0x9E3779B1 & M32) >> 20]

    def mixed(self, who, contexts, weights):
        models = [self.bits[who, k, c & 0xFFFF] for k, c in enumerate(contexts)]
        w = self.weights[who, weights & 255]
        st = [STRETCH[m[0] >> 10] for m in models]
        chance = squash(sum(x * y for x, y in zip(st, w)) >> 16)
        bit = self.flag(models, chance)
        for k in range(4):
            w[k] += (st[k] * ((bit << 15) - chance) * 6 + (1 << 13)) >> 14
        return bit

    def field(self, a):  # kind, number and place of the field at an old address, if there is one
        v = int.from_bytes(bytes(self.at(a + k) for k in range(4)), "little")
        signed = v - (v >> 31 << 32)
        if self.view > 1:
            if a % 4 != (self.view - 2) % 4 or -4096 <= signed < 4096:
                return None
            kind, place = (4, v) if self.view < 6 else (5, a + signed)
        else:
            b = self.at(a - 1)
            if b in (0xE8, 0xE9):
                kind = b & 1
            elif b & 0xF0 == 0x80 and self.at(a - 2) == 0x0F:
                kind = 2
            elif b & 0xC7 == 5:
                kind = 3
            else:
                return None
            place = a + 4 + signed
            if -128 <= signed < 128:
                return None
        return (kind, v, place) if kind == 4 or 0 <= place < len(self.old) else None

    def dense(self, n, source):
        self.view, end, shift = self.nib("view", self.view), len(self.out) + n, self.place() - source
        check(n <= 8192 and self.view < 10, "the block is damaged")
        a = source
        while len(self.out) < end:
            m, found = 0, None
            while m < 16 and len(self.out) + m < end:
                found = self.field(a + m) if self.view and len(self.out) + m + 4 <= end else None
                if found:
                    break
                m += 1
            if m:
                self.stretch(m, a)
                a += m
            if found:
                self.place_told(a, shift, *found)
                a += 4

    def place_told(self, a, shift, kind, v, place):
        own, shift = int(kind == 4), 0 if kind == 4 else shift
        tags = [(place >> bits) + 1 & M32 for bits in (4, 8, 13)]
        slots = [(own, k, (tag * 0x9E3779B1 & M32) >> 18) for k, tag in enumerate(tags)]
        move, trust = self.last_move[own], 0
        for k in range(3):
            if self.moves[slots[k]][0] == tags[k]:
                move, trust = self.moves[slots[k]][1], 3 - k
                break
        model = self.bits["field", kind, trust, self.fields & 7]
        bit = self.flag([model], model[0] >> 7 | 1)
        self.fields = self.fields << 1 | bit
        if bit:
            self.out += (v + move - shift & M32).to_bytes(4, "little")
            self.hist, self.since = self.hist << 4, self.since + 4
        else:
            for k in range(4):
                self.single(a + k)
        move = int.from_bytes(self.out[-4:], "little") - v + shift & M32
        self.last_move[own] = move
        self.moves.update((slot, (tag, move)) for slot, tag in zip(slots, tags))

    def stretch(self, n, a):
        o = [self.at(a + k) for k in range(-1, n)] + [self.at(a + n + k) for k in range(3)]
        h = int.from_bytes(bytes(o[:4]), "little")
        u = int.from_bytes(bytes(o[1:1 + min(n, 7)]), "little")
        bit = self.mixed("run", [(h * 0x9E3779B1 & M32) >> 16, (self.drift & 255) << 5 | n, ((u + n) * 0x9E3779B185EBCA87 & (1 << 64) - 1) >> 48,
                                 min(self.since, 63) << 8 | (self.fields & 7) << 5 | n], (self.drift & 7) << 5 | n)
        self.drift = self.drift << 1 | bit
        if not bit:
            self.out += bytes(o[1:1 + n])
            self.hist, self.since = self.hist << n, self.since + n
            return
        none = True
        for k in range(n):
            none = not self.single(a + k, none and k == n - 1) and none

    def single(self, a, sure=False):
        o, new = [self.at(a + k) for k in (-1, 0, 1, 2)], (self.out[-1] if self.out else 0)
        h, t, bit = o[0] | o[1] << 8 | o[2] << 16, min(self.since, 31), 1
        if not sure:
            bit = self.mixed("byte", [((h << 8) * 0x9E3779B1 & M32) >> 16, (self.hist & 255) << 5 | t, o[1] << 8 | new,
                                      ((h | o[3] << 24) * 0x85EBCA6B + min(t, 3) * 0x3243F6A9 & M32) >> 16], (self.hist & 7) << 5 | t)
        self.hist, self.since = self.hist << 1 | bit, 0 if bit else self.since + 1
        if bit:
            self.last = self.byte(self.diff_a[self.last], self.diff_b[((h << 8) * 0x9E3779B1 & M32) >> 20])
        self.out.append((o[1] + (self.last if bit else 0)) & 255)
        return bit


def gather(base, target, limit):
    known, files, at = {}, {}, 0
    for path, place, size, digest in base.chunks:
        known.setdefault(digest[:8], at)
        files.setdefault(path, at - place)
        at += size
    blocks, seen, addr, shift, hole, size = [], set(), 0, None, False, 0
    for path, place, length, digest in target.chunks:
        if place == 0:
            shift, hole = files[path] - addr if path in files else None, False
        key = digest[:8]
        if key in known:
            shift, hole = known[key] - addr, False
        elif key in seen:
            hole = False
        else:
            seen.add(key)
            if not blocks or size + length > limit:
                blocks.append(([], []))
                size, hole = 0, False
            pieces, wants = blocks[-1]
            if hole:
                pieces[-1][1] += length
            else:
                hint = addr + shift if shift is not None and addr + shift >= 0 else None
                pieces.append([addr, length, hint])
            wants.append((length, digest))
            size, hole = size + length, True
        addr += length
    return blocks


LENGTHS = [(3 + i, 0) if i < 8 else (3 + (4 + i % 4 << i // 4 - 1), i // 4 - 1) for i in range(28)] + [(258, 0)]
DISTANCES = [(1 + i, 0) if i < 4 else (1 + (2 + i % 2 << i // 2 - 1), i // 2 - 1) for i in range(30)]
LENGTH_OF = {base + k: (257 + i, k, bits) for i, (base, bits) in enumerate(LENGTHS) for k in range(1 << bits)}
DISTANCE_OF = {base + k: (i, k, bits) for i, (base, bits) in enumerate(DISTANCES) for k in range(1 << bits)}
ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]


def codes(lengths):  # of each symbol its code, with a 1 before it
    out, code = {}, 0
    for bits in range(1, 16):
        code <<= 1
        for s, n in enumerate(lengths):
            if n == bits:
                out[s], code = 1 << bits | code, code + 1
        check(code <= 1 << bits, "a code has too many symbols")
    return out


def swapped(codes):
    return {code: s for s, code in codes.items()}


FIXED = codes([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), codes([5] * 30)


class Deflate:
    def header(self):  # by what takes a few bits, or a code length, from here to there
        literals, distances, n, lengths = self.short(5) + 257, self.short(5) + 1, self.short(4) + 4, []
        own = dict(zip(ORDER, [self.short(3) for _ in range(n)]))
        own = codes([own.get(s, 0) for s in range(19)])
        while len(lengths) < literals + distances:
            told = self.told(own)
            if told < 16:
                lengths.append(told)
            elif told < 64:
                check(lengths and 32 <= told < 36, "a code length is wrong")
                lengths += lengths[-1:] * (told - 32 + 3)
            else:
                check(told < 72 or told >= 128, "a code length is wrong")
                lengths += [0] * (told - 64 + 3 if told < 128 else told - 128 + 11)
        check(len(lengths) == literals + distances, "a header has too many code lengths")
        return codes(lengths[:literals]), codes(lengths[literals:])


class Opener(Deflate):
    """Takes a deflate stream apart into raw and side."""

    def __init__(self, closed):
        self.closed, self.at, self.raw, self.side = closed, 0, bytearray(), bytearray()
        while not self.block():
            pass
        check((self.at + 7) // 8 == len(closed), "a stream of the base has another length")

    def bits(self, n):
        i, shift = self.at >> 3, self.at & 7
        self.at += n
        check(self.at <= 8 * len(self.closed), "a stream of the base ends too early")
        return int.from_bytes(self.closed[i:i + 3], "little") >> shift & (1 << n) - 1

    def short(self, n):
        self.side.append(self.bits(n))
        return self.side[-1]

    def symbol(self, symbols):
        code = 1
        while code not in symbols:
            check(code < 1 << 15, "a stream of the base has an unknown symbol")
            code = code << 1 | self.bits(1)
        return symbols[code]

    def block(self):
        head = self.short(3)
        check(head < 6, "a stream of the base has an unknown block")
        if head > 1:
            self.tokens(*map(swapped, self.header() if head > 3 else FIXED))
        else:
            self.short(-self.at % 8)
            n = self.bits(16)
            check(n ^ self.bits(16) == 0xFFFF, "a stream of the base has a wrong length")
            self.side += struct.pack("<H", n)
            self.raw += bytes(self.bits(8) for _ in range(n))
        return head & 1

    def told(self, own):
        s = self.symbol(swapped(own))
        self.side.append(s if s < 16 else (2 << s - 12) + self.bits([2, 3, 7][s - 16]))
        return self.side[-1]

    def tokens(self, literals, distances):
        s = 0
        while s != 256:
            begin, s = len(self.raw), self.symbol(literals)
            while s < 256:
                self.raw.append(s)
                s = self.symbol(literals)
            run = len(self.raw) - begin
            self.side += b"\xff" * (run // 255) + bytes([run % 255])
            if s > 256:
                self.copy(s - 257, distances)
        self.side.append(0)

    def copy(self, i, distances):
        check(i < 29, "a stream of the base has an unknown length")
        n = LENGTHS[i][0] + self.bits(LENGTHS[i][1])
        self.side += bytes([n - 2]) if n < 257 else bytes([255, 0 if n == 257 else 1 if i == 28 else 2])
        i = self.symbol(distances)
        check(i < 30, "a stream of the base has an unknown distance")
        d = DISTANCES[i][0] + self.bits(DISTANCES[i][1])
        check(d <= len(self.raw), "a stream of the base copies from before it")
        self.side += struct.pack("<H", d - 1)
        for _ in range(n):
            self.raw.append(self.raw[-d])


class Closer(Deflate):
    """Puts a part together again from raw and side."""

    def __init__(self, raw, side, lead, tail):
        self.raw, self.side, self.at, self.out, self.held, self.n, self.mute = raw, Numbers(side), 0, bytearray(), 0, 0, False
        self.put(*lead)
        while self.side.at < len(side):
            self.block()
        self.put(*tail)
        check(self.at == len(raw) and self.n == 0, "raw and side do not fit together")

    def put(self, value, n):
        if not self.mute:
            self.held, self.n = self.held | value << self.n, self.n + n
            full = self.n // 8
            self.out += (self.held & (1 << 8 * full) - 1).to_bytes(full, "little")
            self.held, self.n = self.held >> 8 * full, self.n % 8

    def symbol(self, codes, s, extra=0, bits=0):
        check(s in codes, "a side needs a symbol that has no code")
        code = bin(codes[s])[3:]
        self.put(int(code[::-1], 2) | extra << len(code), len(code) + bits)

    def short(self, n):
        value = self.side.byte()
        check(value < 1 << n, "a side has a wrong header")
        self.put(value, n)
        return value

    def skip(self, n):
        self.at += n
        check(self.at <= len(self.raw), "a side wants more raw")
        return self.raw[self.at - n:self.at]

    def block(self):
        head = self.side.byte()
        self.mute = head > 7 and self.side.at == 1
        head -= 8 * self.mute
        check(head < 6, "a side has a wrong header")
        self.put(head, 3)
        if head > 1:
            codes = self.header() if head > 3 else FIXED
            self.mute = False
            self.tokens(*codes)
        else:
            self.short(-self.n % 8)
            n = self.side.fixed(2)
            self.put(n | (n ^ 0xFFFF) << 16, 32)
            self.mute = False
            check(self.n == 0, "bytes begin within a byte")
            self.out += self.skip(n if self.side.at < len(self.side.data) else min(n, len(self.raw) - self.at))

    def told(self, own):
        told = self.side.byte()
        s = told if told < 16 else told.bit_length() + 10
        self.symbol(own, s, *((told - (2 << s - 12), [2, 3, 7][s - 16]) if s > 15 else ()))
        return told

    def tokens(self, literals, distances):
        while True:
            run = 255
            while run == 255:
                run = self.side.byte()
                for s in self.skip(run):
                    self.symbol(literals, s)
            if self.side.at == len(self.side.data):
                return
            n = self.side.byte() + 2
            if n == 2:
                return self.symbol(literals, 256)
            if n == 257:
                how = self.side.byte()
                check(how < 3, "a side has a wrong length")
                n += how > 0
            self.symbol(literals, *((284, 31, 5) if n == 258 and how == 2 else LENGTH_OF[n]))
            self.skip(n)
            self.symbol(distances, *DISTANCE_OF.get(self.side.fixed(2) + 1, (-1,)))


class Part:
    def __init__(self, tell, raw, places, like):
        self.raw, self.side, self.size = raw, tell.number(), sum(n for _, n in places)
        before = tell.number(), tell.number()
        check(self.side and max(before) <= 128 << 20, "a part is not possible")
        self.lead, self.tail = self.bits(tell), self.bits(tell)
        hints = [at + n if n < size else None for (at, size), n in zip(like, before)] or [None, None]
        self.pieces = [(places[0][0], n, hint) for n, hint in zip((raw, self.side), hints)]

    def bits(self, tell):
        n = tell.number()
        check(n <= 16384, "a part has too many bits around it")
        return tell.fixed((n + 7) // 8) & (1 << n) - 1, n

    def close(self, made):
        closed = Closer(made.take(self.raw), made.take(self.side), self.lead, self.tail).out
        check(len(closed) == self.size, "a part comes out with another size")
        self.closed = Numbers(closed)


class Streams:
    """The streams of both sides, the opened old payload, and blocks that are made with them."""

    def __init__(self, list, old, size):
        r, base, self.target, self.opened, next = Numbers(list), [], [], [], 0
        for places in self.places(r, len(old)):  # which leaves r behind the stream's place
            base.append((places, r.number(), r.number()))
        for places in self.places(r, size):
            like = r.number()
            if like:
                next += like // 2 if like % 2 else -like // 2
                check(0 <= next < len(base), "a stream is like one that is not there")
            self.target.append((places, next if like else None))
            next += like > 0
        check(r.at == len(list), "the list of streams is too long")
        self.old, self.opens = bytearray(old), bool(base or self.target)
        for places, raw, side in base:
            check(max(raw, side) <= 128 << 20, "a stream of the base is too large")
            o = Opener(b"".join(old[a:a + n] for a, n in places))
            check((len(o.raw), len(o.side)) == (raw, side), "a stream of the base opens to another size")
            self.opened.append(((len(self.old), raw), (len(self.old) + raw, side)))
            self.old += o.raw + o.side

    def places(self, r, size):  # of each stream where its closed bytes lie
        end, count = 0, r.number()
        check(count <= 1 << 18, "it has too many streams")
        for _ in range(count):
            at, left, every, out = end + r.number(), r.number(), r.number(), []
            n = r.number() if every else left
            check(left and n, "a stream is empty")
            while left:
                out.append((at, min(n, left)))
                check(sum(out[-1]) <= size, "a stream is not in the payload")
                at, left, n = at + n + 12, left - out[-1][1], every
            end = sum(out[-1])
            yield out

    def cuts(self, tell, begin, end, parts):  # the places within a piece that are in an open part
        out = []
        for places, like in self.target:
            inside = [(max(a, begin), min(a + n, end) - max(a, begin)) for a, n in places]
            inside = [(a, n) for a, n in inside if n > 0]
            raw = tell.number() if inside else 0
            if raw:
                parts.append(Part(tell, raw, inside, self.opened[like] if like is not None else []))
                out += [(a, n, parts[-1]) for a, n in inside]
        return out

    def make(self, stored, pieces):
        r, coded, order, parts = Numbers(stored), [], [], []
        tell = Numbers(r.take(r.number()) if self.opens else b"")
        for addr, length, hint in pieces:
            at, end = addr, addr + length
            for a, n, part in self.cuts(tell, at, end, parts) + [(end, 0, None)]:
                if at < a:
                    coded.append((at, a - at, None if hint is None else hint + at - addr))
                    hint = None
                order += [(None, a - at), (part, n)]
                at = a + n
        check(tell.at == len(tell.data), "a block tells more parts than it has")
        check(sum(p.raw + p.side for p in parts) <= 4 << 20, "a block opens too much")
        plain = sum(n for _, n, _ in coded)
        coded += [piece for part in parts for piece in part.pieces]
        made = Numbers(Block(stored[r.at:], coded, self.old, sum(n for _, n, _ in coded)).make())
        closed = Numbers(made.take(plain))
        for part in parts:
            part.close(made)
        return b"".join((part.closed if part else closed).take(n) for part, n in order)


def main(base, target, name):
    base, target, delta = pack.Pack(pack.read(base)), pack.Pack(pack.read(target)), pack.read(name)
    check(delta[:8] in (b"LARDERD\x01", b"LARDERD\x02"), "it is no delta that this knows")
    r, version, was = Numbers(delta), delta[7], plain(base)
    check(r.take(72)[8:] == base.content + target.index, "it is not for these two")
    limit, count, size = r.fixed(4), r.fixed(4), r.fixed(8)
    check(262144 <= limit <= 4 << 20 and count <= 1 << 22 and size <= 1 << 38, "it is too large")
    listed = (r.fixed(4), r.fixed(4)) if version == 2 else (0, 0)
    check(listed[0] <= 4457472 and listed[1] <= 4 << 20 and (version == 1 or min(listed)), "its list of streams has a wrong size")
    told = size + (4 << 20) - 1 >> 22
    table = Numbers(r.take(4 * (told + count)))
    sizes = [table.fixed(4) for _ in range(told + count)]
    check(not sizes or 0 < min(sizes) and max(sizes) <= 4457472, "a block has a wrong size")
    made, old, streams = b"", base.payload(), None
    if version == 2:
        streams = Streams(Block(r.take(listed[0]), [(0, listed[1], None)], b"", listed[1]).make(), old, sum(c[2] for c in target.chunks))
    for i in range(told):
        place = i << 22
        n = min(size - place, 4 << 20)
        made += Block(r.take(sizes[i]), [(place, n, place if place < len(was) else None)], was, n).make()
    check(not told or made == plain(target), "the index is wrong")
    blocks = gather(base, target, limit)
    check(len(blocks) == count, "it has another number of blocks")
    for i, (pieces, wants) in enumerate(blocks):
        stored = r.take(sizes[told + i])
        b = streams.make(stored, pieces) if streams else Block(stored, pieces, old, sum(n for n, _ in wants)).make()
        for n, digest in wants:
            check(sha(b[:n]) == digest, "block %d makes a wrong chunk" % i)
            b = b[n:]
        check(not b, "block %d makes too much" % i)
        print("block %d: %d chunks from %d bytes" % (i, len(wants), len(stored)))
    check(r.at == len(delta), "it is too long")
    print("sound")


if __name__ == "__main__":
    pack.run(main, __doc__)
