#!/usr/bin/env python3
"""Lists and verifies a pack: python3 pack-reader.py FILE.assetpack

Written from pack-format.md alone, as a second opinion. It proves every hash and that
the tar stream follows from the index; it does not judge names. Needs the zstd command.
"""
import hashlib
import struct
import subprocess
import sys

KINDS = ["file", "executable", "directory", "link"]
MOST = [16384, 16384, 4096, 1 << 50, 1 << 50, 1 << 50, 8 << 20, 8 << 20]  # of what the root tells of a section


class Unsound(Exception):
    pass


def check(good, what):
    if not good:
        raise Unsound(what)


def run(main, usage):
    if len(sys.argv) != main.__code__.co_argcount + 1:
        sys.exit(usage)
    try:
        main(*sys.argv[1:])
    except (Unsound, OSError) as err:
        sys.exit("not sound: %s" % err)


def read(name):
    with open(name, "rb") as f:
        return f.read()


def sha(data):
    return hashlib.sha256(data).digest()


def unzstd(data):
    done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    check(done.returncode == 0, "a frame does not expand")
    return done.stdout


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        check(self.at + n <= len(self.data), "something ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def fixed(self, n):
        return int.from_bytes(self.take(n), "little")

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            check(shift < 71 and (byte or shift == 7), "a number is too large")
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


def ustar(name, target, mode, size, kind):
    h = bytearray(512)
    for at, field in ((0, name[:100]), (100, b"%07o" % mode), (108, b"0000000"), (116, b"0000000"), (124, b"%011o" % size),
                      (136, b"02263523000"), (148, b" " * 8), (156, kind), (157, target[:100]), (257, b"ustar\0" + b"00")):
        h[at:at + len(field)] = field
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def header(kind, path, size, target):
    mode, flag = [(0o644, b"0"), (0o755, b"0"), (0o755, b"5"), (0o777, b"2")][kind]
    name, records = path + b"/" * (kind == 2), b""
    for key, value, needed in ((b"path", name, False), (b"linkpath", target, False), (b"size", b"%d" % size, size >= 1 << 33)):
        if needed or key != b"size" and (len(value) > 100 or any(c > 127 for c in value)):
            rest = b" " + key + b"=" + value + b"\n"
            length = next(n for n in range(len(rest), len(rest) + 9) if n == len(b"%d" % n) + len(rest))
            records += b"%d" % length + rest
    extra = ustar(b"PaxHeader", b"", 0o644, len(records), b"x") + records + bytes(-len(records) % 512) if records else b""
    return extra + ustar(name, target, mode, size if size < 1 << 33 else 0, flag)


class Pack:
    """A whole pack, or its index alone: the entries as (kind, path, size, target), the chunks as (path, place in the
    file, size, hash), the frames as (stored, raw, hash), and the sections as (what the root tells, metadata, hashes)."""

    def __init__(self, pack):
        check(len(pack) > 64, "it is too short")
        self.data, index, root_size, required = struct.unpack("<QQII", pack[-64:-40])
        check(pack[-8:] == b"LARDERP\x01" and required == 0, "it is not version 1")
        check(72 + root_size <= index and len(pack) in (index, self.data + index), "its size is wrong")
        self.pack, at = pack, len(pack) - index
        root = pack[-64 - root_size:-64]
        check(sha(root + pack[-64:-40]) == pack[-40:-8], "the root's hash is wrong")
        self.index, r = sha(pack[at:]), Reader(root)
        self.content, self.metadata, self.names = r.take(32), r.string(), hashlib.sha256(b"larder content 1\n")
        self.entries, self.chunks, self.frames, self.sections, self.stream = [], [], [], [], []
        count = r.number()
        check(0 < count <= 1 << 18, "it has too many sections, or none")
        for _ in range(count):
            told = [r.number() for _ in MOST]
            check(all(n <= most for n, most in zip(told, MOST)), "a section is too large")
            digest, first = r.take(32), r.string()
            size = told[6] + 32 * (told[1] + told[2])
            check(pack[at:at + 8] == struct.pack("<II", 0x184D2A5A, size), "a section's frame is damaged")
            body = pack[at + 8:at + 8 + size]
            check(sha(body) == digest, "a section's hash is wrong")
            at += 8 + size
            self.section(told, first, unzstd(body[:told[6]]), body[told[6]:])
        check(r.at == len(root) and pack[at:] == struct.pack("<II", 0x184D2A5A, root_size + 64) + root + pack[-64:], "the index has another size")
        check(self.names.digest() == self.content, "the content hash is wrong")

    def section(self, told, first, expanded, hashes):
        self.sections.append((told, first, expanded, hashes))
        rows, left, frames, meta, digests = *told[:3], Reader(expanded), Reader(hashes)
        check(len(expanded) == told[7], "a section's metadata has another size")
        skip, path, entries = meta.number(), b"", []
        for i in range(rows + (skip > 0)):
            kind, shared = meta.byte(), meta.number()
            check(kind < 4 and shared <= len(path), "an entry is damaged")
            path = path[:shared] + meta.string()
            entries.append((kind, path, meta.number() if kind < 2 else 0, meta.string() if kind == 3 else b""))
            check(i > 0 or path == first, "a section begins with another entry")
        for i, (kind, path, size, target) in enumerate(entries):
            done = skip if i == 0 else 0
            if not done:
                self.entries.append(entries[i])
                self.stream.append((header(kind, path, size, target), None, path))
                self.names.update(bytes([kind]) + uvarint(len(path)) + path)
                self.names.update(uvarint(size) if kind < 2 else uvarint(len(target)) + target if kind == 3 else b"")
            while done < size and left:
                length, digest = meta.number() or size - done, digests.take(32)
                check(length <= 262144, "a chunk is too large")
                self.chunks.append((path, done, length, digest))
                done, left = done + length, left - 1
                self.stream.append((length, digest, path))
                self.names.update(uvarint(length) + digest)
                if done == size:
                    self.stream.append((bytes(-size % 512), None, path))
        self.frames += [(meta.number(), meta.number(), digests.take(32)) for _ in range(frames)]
        check(left == 0 and meta.at == len(expanded), "a section has too much metadata")

    def payload(self):
        tar, out, at = bytearray(), [], 0
        for stored, raw, digest in self.frames:
            body = self.pack[at:at + stored]
            check(sha(body) == digest, "the frame at byte %d has another hash" % at)
            at, end = at + stored, len(tar) + raw
            tar += unzstd(body)
            check(len(tar) == end, "a frame has another size")
        check(at == self.data, "the frames have another size")
        at = 0
        for piece, digest, path in self.stream + [(bytes(1024), None, b"the end")]:
            length = piece if digest else len(piece)
            part = bytes(tar[at:at + length])
            check(sha(part) == digest if digest else part == piece, "%s is wrong at byte %d of the tar stream" % (path.decode(errors="replace"), at))
            out.append(part if digest else b"")
            at += length
        check(at == len(tar), "the tar stream is too long")
        return b"".join(out)


def main(name):
    pack = Pack(read(name))
    pack.payload()
    for kind, path, size, _ in pack.entries:
        print("%-10s %12d  %s" % (KINDS[kind], size, path.decode(errors="replace")))
    print("content %s\nindex   %s\narchive %s" % (pack.content.hex(), pack.index.hex(), sha(pack.pack).hex()))


if __name__ == "__main__":
    run(main, __doc__)
