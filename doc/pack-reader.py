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


def check(good, what):
    if not good:
        sys.exit("not a sound pack: " + what)


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

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
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


def main(name):
    with open(name, "rb") as f:
        pack = f.read()
    data, index, root_size, required = struct.unpack("<QQII", pack[-64:-40])
    check(pack[-8:] == b"LARDERP\x01" and required == 0, "it is not version 1")
    check(len(pack) == data + index, "its size is wrong")
    root = pack[-64 - root_size:-64]
    check(sha(root + pack[-64:-40]) == pack[-40:-8], "the root's hash is wrong")
    r = Reader(root)
    content, metadata = r.take(32), r.string()
    names = hashlib.sha256(b"larder content 1\n")
    at, frame_at, stream, frames, file = data, 0, [], [], None
    for _ in range(r.number()):
        rows, chunks, count, _, _, _, meta_size, meta_raw = [r.number() for _ in range(8)]
        digest, first = r.take(32), r.string()
        size = meta_size + 32 * (chunks + count)
        check(struct.unpack("<II", pack[at:at + 8]) == (0x184D2A5A, size), "a section's frame is damaged")
        body = pack[at + 8:at + 8 + size]
        check(sha(body) == digest, "a section's hash is wrong")
        at += 8 + size
        meta = Reader(unzstd(body[:meta_size]))
        check(len(meta.data) == meta_raw, "a section's metadata has another size")
        hashes = [body[i:i + 32] for i in range(meta_size, size, 32)]
        skip, path, entries = meta.number(), b"", []
        for i in range(rows + (skip > 0)):
            kind = meta.take(1)[0]
            path = path[:meta.number()] + meta.string()
            entries.append((kind, path, meta.number() if kind < 2 else 0, meta.string() if kind == 3 else b""))
            check(i > 0 or path == first, "a section begins with another entry")
        for i, (kind, path, size, target) in enumerate(entries):
            done = skip if i == 0 else 0
            if not done:
                stream.append((header(kind, path, size, target), None, path))
                names.update(bytes([kind]) + uvarint(len(path)) + path)
                names.update(uvarint(size) if kind < 2 else uvarint(len(target)) + target if kind == 3 else b"")
                print("%-10s %12d  %s" % (KINDS[kind], size, path.decode()))
            while done < size and chunks:
                length = meta.number() or size - done
                done, chunks, digest = done + length, chunks - 1, hashes.pop(0)
                stream.append((length, digest, path))
                names.update(uvarint(length) + digest)
                if done == size:
                    stream.append((bytes(-size % 512), None, path))
        for digest in hashes:
            frames.append((meta.number(), meta.number(), digest))
        check(meta.at == len(meta.data), "a section has too much metadata")
    check(names.digest() == content, "the content hash is wrong")
    check(pack[at:] == struct.pack("<II", 0x184D2A5A, root_size + 64) + root + pack[-64:], "the index has another size")
    tar = bytearray()
    for stored, raw, digest in frames:
        body = pack[frame_at:frame_at + stored]
        frame_at += stored
        check(sha(body) == digest, "the frame at byte %d has another hash" % (frame_at - stored))
        tar += unzstd(body)
        check(len(tar) >= raw, "a frame is too short")
    check(frame_at == data, "the frames have another size")
    at = 0
    for piece, digest, path in stream + [(bytes(1024), None, b"the end")]:
        length = piece if digest else len(piece)
        part = bytes(tar[at:at + length])
        check(sha(part) == digest if digest else part == piece, "%s is wrong at byte %d of the tar stream" % (path.decode(), at))
        at += length
    check(at == len(tar), "the tar stream is too long")
    print("content %s\nindex   %s\narchive %s" % (content.hex(), sha(pack[data:]).hex(), sha(pack).hex()))


if __name__ == "__main__":
    main(sys.argv[1])
