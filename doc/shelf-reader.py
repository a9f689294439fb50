#!/usr/bin/env python3
"""Reads a shelf, from shelf-format.md alone.

usage: shelf-reader.py SHELF             list the packs of the newest view
       shelf-reader.py SHELF PATH [TAG…] write the file at PATH, of packs of the preferred languages first
       shelf-reader.py --hold SHELF      list, then keep the lease until standard input ends
"""
import fcntl
import hashlib
import json
import os
import re
import sys

KNOWN_FORMAT = 1
KNOWN_FEATURES = set()


class TooOld(Exception):
    pass


def parse(data):
    """The body of a valid view, or None for what is torn."""
    head = re.match(rb"larder view ([1-9][0-9]{0,8})\n([0-9a-f]{64})\n", data)
    if len(data) > 8 << 20 or not head:
        return None
    body = data[head.end():]
    if hashlib.sha256(body).hexdigest() != head[2].decode():
        return None
    if int(head[1]) > KNOWN_FORMAT:
        raise TooOld("the view has format %d" % int(head[1]))
    view = json.loads(body)
    unknown = set(view.get("requires") or ()) - KNOWN_FEATURES
    if unknown:
        raise TooOld("the view needs %s" % ", ".join(sorted(unknown)))
    return view


def newest(shelf):
    """The newest view, and its lease: an open, locked file."""
    views = os.path.join(shelf, "views")
    while True:
        try:
            numbers = [int(n) for n in os.listdir(views) if re.fullmatch("[1-9][0-9]{0,17}", n)]
        except FileNotFoundError:
            numbers = []
        again = False
        for n in sorted(numbers, reverse=True):
            name = os.path.join(views, str(n))
            try:
                file = open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW), "rb")
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                again = not os.path.samestat(os.fstat(file.fileno()), os.lstat(name))
            except (FileNotFoundError, BlockingIOError):
                again = True
            if again:
                break
            view = parse(file.read((8 << 20) + 1))
            if view is not None:
                if view["number"] != n:
                    raise ValueError("view %d says that it is %r" % (n, view["number"]))
                return view, file
            file.close()
        if not again:
            return {"number": 0, "packs": []}, None


def find(shelf, view, path, preferred):
    """The file at a path, by the rule for paths that several packs have."""
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise FileNotFoundError(path)

    def rank(pack):
        tag = pack.get("language", "")
        order = preferred.index(tag) if tag in preferred else len(preferred) + (tag != "")
        return order, tag, pack["id"]

    for pack in sorted(view["packs"], key=rank):
        root = os.path.realpath(os.path.join(shelf, pack["root"]))
        at = os.path.realpath(os.path.join(root, path))
        if at.startswith(root + os.sep) and os.path.isfile(at):
            return at
    raise FileNotFoundError(path)


def main(args):
    hold = args[:1] == ["--hold"]
    shelf, *rest = args[hold:]
    view, lease = newest(shelf)
    if rest:
        with open(find(shelf, view, rest[0], rest[1:]), "rb") as file:
            sys.stdout.buffer.write(file.read())
        return
    for pack in view["packs"]:
        print(pack["id"], pack["version"], pack["content"], pack["size"], pack.get("language") or "-")
    sys.stdout.flush()
    if hold:
        print("holding view %d" % view["number"], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except TooOld as err:
        sys.exit("this reader is too old: %s" % err)
