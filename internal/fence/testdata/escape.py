#!/usr/bin/python3
"""What a hostile extension would try, in Python; escape_linux_test.go is the same in Go."""
import ctypes, os, socket, subprocess, sys, time

E = os.environ
libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def read(path):
    with open(path) as f:
        f.read(1)


def write(path, mode="w"):
    with open(path, mode) as f:
        f.write("x")


def linked(make):
    path = "stolen"
    if os.path.lexists(path):
        os.unlink(path)
    make(E["SECRET"], path)
    read(path)


def carry_out(path):
    write("mine")
    os.rename("mine", path)


def connect(family, kind, address):
    s = socket.socket(family, kind)
    s.settimeout(2)
    s.connect(address)
    s.send(b"x")


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()


def fork_bomb():
    end, n = time.time() + 5, 0
    try:
        while time.time() < end and n < 3000:
            if os.fork() == 0:
                time.sleep(5)
                os._exit(0)
            n += 1
    except OSError as e:
        print("held: after", n, e, flush=True)
        return
    print("ESCAPED", n, "processes", flush=True)


def survivor():
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        while True:
            write("heartbeat")
            time.sleep(0.02)
    while not os.path.exists("heartbeat"):
        time.sleep(0.01)


def fill_memory():
    hoard = []
    while len(hoard) < 200:
        hoard.append(bytearray(os.urandom(1 << 12) * (8 << 8)))
    time.sleep(1)
    print("ESCAPED", len(hoard) * 8, "MiB", flush=True)


def fill_memfds():
    hoard = []
    while len(hoard) < 100:
        fd = os.memfd_create("x")
        hoard.append(fd)
        os.write(fd, bytes(8 << 20))


def fill_disk(files):
    block, n = bytes(1 << 20), 0
    try:
        f = None
        while n < 1 << 12:
            if f is None or files:
                f = open("fill%d" % n, "wb", buffering=0)
            if f.write(block) < len(block):
                raise OSError("short write")
            n += 1
    except OSError as e:
        print("held: after", n, "MiB:", e, flush=True)
    time.sleep(1)


tries = {
    "files": [lambda: read(E["SECRET"]), lambda: os.listdir(E["OUTSIDE"]), lambda: read("/etc/passwd"), lambda: os.listdir("/root"),
              lambda: os.listdir("/home"), lambda: write(E["OUTSIDE"] + "/new"), lambda: write(E["SECRET"], "a"),
              lambda: write(E["BUNDLE"] + "/new"), lambda: write(E["OTHER"] + "/new"), lambda: read(E["OTHER"] + "/theirs"),
              lambda: linked(os.symlink), lambda: linked(os.link), lambda: carry_out(E["OUTSIDE"] + "/new"), lambda: os.unlink(E["SECRET"]),
              lambda: os.mkdir(E["OUTSIDE"] + "/dir"), lambda: read("/proc/1/root/etc/passwd"), lambda: read("../../../../../../../../etc/passwd")],
    "attributes": [lambda: os.chmod(E["SECRET"], 0o666), lambda: os.stat(E["SECRET"])],
    "tcp": [lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(E["TCP"]))), listen],
    "udp": [lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(E["UDP"])))],
    "unix sockets": [lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, E["OWNER"]), lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, E["APP"])],
    "abstract sockets": [lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + E["ABSTRACT"])],
    "trace": [lambda: check(libc.ptrace(16, int(E["VICTIM"]), 0, 0)), lambda: read("/proc/%s/mem" % E["VICTIM"]),
              lambda: read("/proc/%s/environ" % E["VICTIM"])],
    "signals": [lambda: os.kill(int(E["VICTIM"]), 9), lambda: os.kill(os.getppid(), 9)],
    "sight": [lambda: os.stat("/proc/" + E["VICTIM"])],
    "memory files": [fill_memfds],
}
whole = {"processes": fork_bomb, "survivors": survivor, "memory": fill_memory, "disk": lambda: fill_disk(False), "disk, many files": lambda: fill_disk(True)}

name = E["ESCAPE"]
if name in whole:
    whole[name]()
for n, attempt in enumerate(tries.get(name, [])):
    try:
        attempt()
        print("ESCAPED", n, flush=True)
    except (OSError, subprocess.SubprocessError) as e:
        print("held:", n, e, flush=True)
