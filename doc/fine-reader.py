#!/usr/bin/env python3
"""Makes a version from another with its fine file, and proves it: python3 fine-reader.py OLD.assetpack TARGET.assetpack FILE.fine

Written from pack-format.md alone, as a second opinion. The target serves for its index alone, and may be no more than that. Blocks
that the old pack's payload does not have come from their units, and all chunks must have their hashes. Slow. Needs the zstd command.
"""
import importlib
import os

pack, delta = importlib.import_module("pack-reader"), importlib.import_module("delta-reader")
check = pack.check

BLOCK, MOST_UNIT, BEFORE = 1024, 1152, 2048
FACTOR, M64 = 0x9E3779B97F4A7C15, (1 << 64) - 1


def splitmix(n):
    state, out = 0, []
    for _ in range(n):
        state = state + FACTOR & M64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        out.append(z ^ z >> 31)
    return out


G = splitmix(256)


def usual():
    """The nibs of steps that begin with what is usual: their names, and what they begin with."""
    length = lambda *name: [("slot", *name)] + [("high", k, *name) for k in range(8)]
    number = lambda name: [("bits", name)] + [("bits2", a, name) for a in range(16)] + [("top", n, name) for n in range(64)] + [("low", name)]
    names = [n for kind in range(6) for n in length("ll", kind)] + [("kind", k) for k in range(18)]
    names += [n for kind in range(6) for n in length("ml", kind)] + number("far") + number("near")
    lines = pack.read(os.path.join(os.path.dirname(__file__), "..", "pack", "internal", "delta", "usual.txt")).split()
    for name in names:
        if lines[0] == b"-":
            lines = lines[1:]
            continue
        often, lines = list(map(int, lines[:16])), lines[16:]
        yield name, [8] + [32752 * sum(often[:i]) // sum(often) for i in range(1, 16)]


USUAL = list(usual())


class Unit(delta.Block):
    kinds = 6

    def __init__(self, stored, old, size):
        super().__init__(stored, [(len(old), size, None)], old, size)
        self.nibs.update((name, list(nib)) for name, nib in USUAL)
        self.before, self.behind, last = old[-BEFORE:], {}, 0
        for b in self.before:
            self.behind.setdefault(last, []).append(b)
            last = b

    def learned(self, models, key, what):  # a byte model, which learns when it is first asked
        if key not in models:
            for b in what:
                delta.learn(models[key][0], b >> 4)
                delta.learn(models[key][1][b >> 4], b & 15)
        return models[key]

    def after(self, c1):
        return self.learned(self.a, c1, self.behind.get(c1, ()))

    def longer(self, c1, c2):
        return self.learned(self.c, 0, self.before)


def leaves(fine, target):
    """What the file says of each chunk: the hashes of its blocks, and their units."""
    r = pack.Reader(fine)
    check(r.take(8) == b"LARDERF\x01" and r.take(32) == target.index, "it is no fine file of this target that this knows")
    size, out = r.fixed(8), []
    for _, _, n, _ in target.chunks:
        out.append((r.fixed(6), [(r.fixed(6), r.fixed(2)) for _ in range((n + BLOCK - 1) // BLOCK)]))
    check(r.at + size == len(fine), "it has another size than it says")
    for at, blocks in out:
        at, units = at + r.at, []
        for _, n in blocks:
            check(n <= MOST_UNIT and at + n <= len(fine), "a unit is not in the file")
            units.append(fine[at:at + n])
            at += n
        yield [h for h, _ in blocks], units


def find(old, wanted):
    """Where old bytes have the hashes that are wanted, of so many bytes each."""
    sums, found = [0], {}
    for b in old:
        sums.append(sums[-1] * FACTOR + G[b] & M64)
    for n, hashes in wanted.items():
        gone = pow(FACTOR, n, 1 << 64)
        for at in range(len(old) - n + 1):
            h = (sums[at + n] - sums[at] * gone & M64) >> 16
            if h in hashes:
                found.setdefault((n, h), at)
    return found


def chunk(size, hashes, units, found, old, made):
    """A chunk that comes after what is made, and how many of its blocks are from units."""
    out, count = b"", 0
    for h, unit in zip(hashes, units):
        n, at = min(BLOCK, size - len(out)), found.get((min(BLOCK, size), h))
        if at is not None:
            out += old[at:at + min(BLOCK, size)][-n:]
        else:
            check(unit, "a block is neither found nor in the fine file")
            out, count = out + Unit(unit, made + out, n).make(), count + 1
    return out, count


def main(base, target, name):
    base, target = pack.Pack(pack.read(base)), pack.Pack(pack.read(target))
    told, old, made, first, wanted = list(leaves(pack.read(name), target)), base.payload(), b"", {}, {}
    for (_, _, size, _), (hashes, _) in zip(target.chunks, told):
        wanted.setdefault(min(BLOCK, size), set()).update(hashes)
    found = find(old, wanted)
    for (path, place, size, digest), (hashes, units) in zip(target.chunks, told):
        if digest in first:
            made += made[first[digest]:][:size]
            continue
        first[digest] = len(made)
        try:
            out, count = chunk(size, hashes, units, found, old, made)
        except pack.Unsound:
            out = b""
        if pack.sha(out) != digest:  # what was found has the same hash, and is something else
            out, count = chunk(size, hashes, units, {}, old, made)
        check(pack.sha(out) == digest, "a chunk is not what the index names")
        made += out
        print("%s at %d: %d of %d blocks from units" % (path.decode(errors="replace"), place, count, len(hashes)))
    print("sound")


if __name__ == "__main__":
    pack.run(main, __doc__)
