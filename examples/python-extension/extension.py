#!/usr/bin/env python3
"""A downloader extension; needs Python 3.11 alone. Protocol: doc/extension-protocol.md."""
import hashlib, json, os, shutil, sys

BOX = os.path.realpath(os.environ["LARDER_GROUP_CONTAINER"])
SAVED = os.path.join(BOX, "manifest.json")

def send(**message):  # stdout belongs to the protocol; print to sys.stderr for the log
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def ask(method, params):
    send(id="ask", method=method, params=params)
    for answer in map(json.loads, sys.stdin):
        if answer.get("id") == "ask" and "method" not in answer:
            if "error" in answer: raise RuntimeError(answer["error"]["message"])
            return answer["result"]

def assets():
    with open(SAVED, encoding="utf-8") as f: return json.load(f)["assets"]

def target(a):
    path = os.path.realpath(os.path.join(BOX, a["path"]))
    if path.startswith(BOX + os.sep): return path
    raise ValueError("path outside the container: " + a["path"])

def right(path, a):
    with open(path, "rb") as f: return hashlib.file_digest(f, "sha256").hexdigest() == a["sha256"]

def downloads(p):
    os.replace(shutil.copyfile(p["manifestPath"], SAVED + ".new"), SAVED)  # p's is deleted when we return
    first = p["contentRequest"] in ("install", "update")  # only these may name essential downloads
    return {"downloads": [dict(identifier=a["id"], url=a["url"], fileSize=a["size"], essential=first and a["essential"])
                          for a in assets() if not (os.path.exists(target(a)) and right(target(a), a))]}

def finished(p):
    a = next(a for a in assets() if a["id"] == p["download"]["identifier"])
    source = p["filePath"] if os.path.exists(p["filePath"]) else target(a)  # it may be offered twice
    if not right(source, a): raise ValueError("wrong SHA-256: " + a["id"])
    os.makedirs(os.path.dirname(target(a)), exist_ok=True)
    os.replace(source, target(a))

def failed(p):
    if p["download"]["essential"]: ask("scheduleDownload", {"download": {**p["download"], "essential": False}})

methods = {"downloads": downloads, "backgroundDownloadFinished": finished, "backgroundDownloadFailed": failed}
for m in (m for m in map(json.loads, sys.stdin) if "id" in m):  # notifications want no answer
    try:
        if m["method"] in methods: send(id=m["id"], result=methods[m["method"]](m["params"]))
        else: send(id=m["id"], error={"code": -32601, "message": "unknown method"})
    except Exception as e: send(id=m["id"], error={"code": -32000, "message": f"{type(e).__name__}: {e}"})
