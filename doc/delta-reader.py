#!/usr/bin/env python3
"""Makes what a delta makes, and proves it: python3 delta-reader.py BASE.assetpack TARGET.assetpack FILE.delta

Written from pack-format.md alone, as a second opinion. Old bytes come from the base's frames; the target serves for its
index, and for the chunk hashes that what comes out must have. Slow, and for sound files. Needs the zstd command.
"""
import hashlib
import math
import struct
import subprocess
import sys

M32 = 0xFFFFFFFF


def unzstd(data):
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout


class Numbers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    def string(self):
        return self.take(self.number())


def uvarint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


class Pack:
    """The chunks of a pack as (path, place in the file, size, hash), and its plain index."""

    def __init__(self, name):
        with open(name, "rb") as f:
            pack = f.read()
        data, index, root_size, _ = struct.unpack("<QQII", pack[-64:-40])
        self.index, self.chunks, frames = hashlib.sha256(pack[data:]).digest(), [], []
        r = Numbers(pack[-64 - root_size:-64])
        self.content, metadata = r.take(32), r.string()
        count = r.number()
        plain, bodies, at = self.content + uvarint(data) + uvarint(len(metadata)) + metadata + uvarint(count), b"", data
        for _ in range(count):
            n = [r.number() for _ in range(8)]
            r.take(32)
            first = r.string()
            plain += b"".join(map(uvarint, n[:6] + n[7:])) + uvarint(len(first)) + first
            body = pack[at + 8:at + 8 + n[6] + 32 * (n[1] + n[2])]
            at += 8 + len(body)
            meta = Numbers(unzstd(body[:n[6]]))
            bodies += meta.data + body[n[6]:]
            hashes = [body[i:i + 32] for i in range(n[6], len(body), 32)]
            skip, path, left, files = meta.number(), b"", n[1], []
            for _ in range(n[0] + (skip > 0)):
                kind = meta.take(1)[0]
                path = path[:meta.number()] + meta.string()
                files.append((path, meta.number() if kind < 2 else 0))
                if kind == 3:
                    meta.string()
            for i, (path, size) in enumerate(files):
                done = skip if i == 0 else 0
                while done < size and left:
                    length = meta.number() or size - done
                    self.chunks.append((path, done, length, hashes.pop(0)))
                    done, left = done + length, left - 1
            frames += [(meta.number(), meta.number()) for _ in range(n[2])]
        self.plain, self.pack, self.data = plain + bodies, pack, data

    def payload(self):
        tar = unzstd(self.pack[:self.data])
        out, at = [], 0
        while tar[at:at + 512] != bytes(512):
            size, kind = int(tar[at + 124:at + 135] or b"0", 8), tar[at + 156:at + 157]
            if kind == b"0":
                out.append(tar[at + 512:at + 512 + size])
            at += 512 + (size + 511) // 512 * 512 * (kind in b"0x")
        return b"".join(out)


def start_nib():
    return [0] + [2047 * i for i in range(1, 16)]  # the count stands where the first sum would


def learn(nib, s):
    r = 1 if nib[0] < 1 else 2 if nib[0] < 3 else 3 if nib[0] < 8 else 4 if nib[0] < 24 else 5
    for i in range(1, 16):
        nib[i] += (32752 >> r if i > s else 0) - (nib[i] >> r)
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
    def __init__(self, stored, pieces, old, size):
        self.x, self.words, self.old, self.size = struct.unpack("<Q", stored[:8])[0], stored[8:], old, size
        self.pieces, self.next, self.begin, self.after, self.addr = pieces, 0, 0, 0, 0
        self.ways, self.latest, self.out, self.runs = [("old", 0)] * 4, 0, bytearray(), 0
        byte = lambda: (start_nib(), Lazy(start_nib))
        self.nibs = Lazy(start_nib)
        self.a, self.c, self.diff_a, self.diff_b = Lazy(byte), Lazy(byte), Lazy(byte), Lazy(byte)
        self.bits = Lazy(lambda: [1 << 21, 0])
        self.weights = Lazy(lambda: [1 << 14] * 4)
        self.since = self.hist = self.last = self.view = self.fields = self.drift = 0
        self.moves, self.last_move = Lazy(lambda: (0, 0)), [0, 0]

    def step(self, v, start, freq):
        self.x = freq * (self.x >> 15) + v - start
        if self.x < 1 << 31:
            self.x = self.x << 32 | struct.unpack("<I", self.words[:4])[0]
            self.words = self.words[4:]

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
        while self.next < len(self.pieces) and len(self.out) >= self.after:
            (self.addr, length, hint), self.begin = self.pieces[self.next], self.after
            self.after, self.next = self.after + length, self.next + 1
        if hint is not None:
            self.use(("old", hint - self.addr))

    def use(self, way):
        if way in self.ways:
            self.ways.remove(way)
        self.ways = [way] + self.ways[:3] if way not in self.ways else self.ways
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
            if ll:
                self.literals(ll)
                if len(out) == self.size:
                    break
                self.arrive()
            kind = self.nib("kind", 3 * last + min(ll, 2))
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
            if kind > 5:
                self.dense(n, source)
            elif way[0] == "old":
                out += self.old[source:source + n]
            else:
                for _ in range(n):
                    out.append(out[-way[1]])
        assert len(out) == self.size and self.x == 1 << 31 and not self.words, "the block is damaged"
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
            a = self.a[c1]
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
                out.append(self.byte(a, self.c[((c1 | c2 << 8) * 0x9E3779B1 & M32) >> 20]))
            i += 1

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


def main(base, target, name):
    base, target = Pack(base), Pack(target)
    with open(name, "rb") as f:
        delta = f.read()
    assert delta[:8] == b"LARDERD\x01" and delta[8:40] == base.content and delta[40:72] == target.index, "it is not for these two"
    limit, count, plain = struct.unpack("<IIQ", delta[72:88])
    told = (plain + (4 << 20) - 1) >> 22
    sizes = struct.unpack("<%dI" % (told + count), delta[88:88 + 4 * (told + count)])
    at, made = 88 + 4 * (told + count), b""
    for i in range(told):
        place = i << 22
        size = min(plain - place, 4 << 20)
        made += Block(delta[at:at + sizes[i]], [(place, size, place if place < len(base.plain) else None)], base.plain, size).make()
        at += sizes[i]
    assert not told or made == target.plain, "the index is wrong"
    blocks, old = gather(base, target, limit), base.payload()
    assert len(blocks) == count, "it has another number of blocks"
    for i, (pieces, wants) in enumerate(blocks):
        b = Block(delta[at:at + sizes[told + i]], pieces, old, sum(n for n, _ in wants)).make()
        at += sizes[told + i]
        for n, digest in wants:
            assert hashlib.sha256(b[:n]).digest() == digest, "block %d makes a wrong chunk" % i
            b = b[n:]
        print("block %d: %d chunks from %d bytes" % (i, len(wants), sizes[told + i]))
    assert at == len(delta), "it is too long"
    print("sound")


if __name__ == "__main__":
    main(*sys.argv[1:])
