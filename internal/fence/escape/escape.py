#!/usr/bin/python3
"""What a hostile extension would try, in Python; try_linux.go is the same in Go."""
import ctypes, json, os, socket, subprocess, sys, time

E = os.environ
said = []
libc = ctypes.CDLL(None, use_errno=True)


def say(*words):
    said.append(" ".join(map(str, words)))
    if not extension:
        print(said[-1], flush=True)


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


def resolve():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(b"\1\2\1\0\0\1\0\0\0\0\0\0\6escape\7example\0\0\1\0\1", ("127.0.0.1", int(E["UDP"])))
    s.recv(512)


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()


def fork_bomb():
    n = 0
    try:
        while n < 3000:  # what ends them is the fence, not the time
            if os.fork() == 0:
                time.sleep(120)
                os._exit(0)
            n += 1
    except OSError as e:
        say("held: after", n, e)
        return
    say("ESCAPED", n, "processes")


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
    say("ESCAPED", len(hoard) * 8, "MiB")


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
        say("held: after", n, "MiB:", e)
    time.sleep(1)


def write_lines():
    for _ in range(1000):
        sys.stdout.write("a line\n" * 1000)
    sys.stdout.flush()
    say("held: read to the end")


tries = {
    "files": [lambda: read(E["SECRET"]), lambda: os.listdir(E["OUTSIDE"]), lambda: read("/etc/passwd"), lambda: os.listdir("/root"),
              lambda: os.listdir("/home"), lambda: write(E["OUTSIDE"] + "/new"), lambda: write(E["SECRET"], "a"),
              lambda: write(E["BUNDLE"] + "/new"), lambda: write(E["OTHER"] + "/new"), lambda: read(E["OTHER"] + "/theirs"),
              lambda: linked(os.symlink), lambda: linked(os.link), lambda: carry_out(E["OUTSIDE"] + "/new"), lambda: os.unlink(E["SECRET"]),
              lambda: os.mkdir(E["OUTSIDE"] + "/dir"), lambda: read("/proc/1/root/etc/passwd"), lambda: read("../../../../../../../../etc/passwd")],
    "attributes": [lambda: os.chmod(E["SECRET"], 0o666), lambda: os.stat(E["SECRET"])],
    "tcp": [lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(E["TCP"]))), listen],
    "udp": [lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(E["UDP"])))],
    "dns": [resolve],
    "unix sockets": [lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, E["OWNER"]), lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, E["APP"])],
    "abstract sockets": [lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + E["ABSTRACT"])],
    "trace": [lambda: check(libc.ptrace(16, int(E["VICTIM"]), 0, 0)), lambda: read("/proc/%s/mem" % E["VICTIM"]),
              lambda: read("/proc/%s/environ" % E["VICTIM"])],
    "signals": [lambda: os.kill(int(E["VICTIM"]), 9), lambda: os.kill(int(E["SERVICE"]), 23), lambda: os.kill(os.getppid(), 9)],
    "sight": [lambda: os.stat("/proc/" + E["VICTIM"])],
    "memory files": [fill_memfds],
}
whole = {"processes": fork_bomb, "survivors": survivor, "memory": fill_memory, "disk": lambda: fill_disk(False), "disk, many files": lambda: fill_disk(True),
         "lines": write_lines}


def attempt(name):
    if name in whole:
        whole[name]()
    for n, one in enumerate(tries.get(name, [])):
        try:
            one()
            say("ESCAPED", n)
        except (OSError, subprocess.SubprocessError) as e:
            say("held:", n, e)


def downloads(params):
    with open(params["manifestPath"]) as f:
        job = json.load(f)
    E.update(job["World"])
    attempt(job["Escape"])
    if job["Escape"] == "survivors":
        time.sleep(3600)  # outlives the deadline as well
    raise RuntimeError("; ".join(sorted(said)))


extension = "LARDER_APP_ID" in E
if not extension:
    attempt(E["ESCAPE"])
else:
    for m in (m for m in map(json.loads, sys.stdin) if "id" in m):
        error = {"code": -32601, "message": "unknown method"}
        if m["method"] == "downloads":
            try:
                downloads(m["params"])
            except Exception as e:
                error = {"code": -32000, "message": str(e)}
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "error": error}), flush=True)
