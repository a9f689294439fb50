"""The downloads and asset packs of this app, over Larder's local API (doc/local-api.md).

    from larder import Download, DownloadManager

    with DownloadManager() as manager:
        manager.schedule(Download("level-2", "https://example.org/level-2", file_size=1234))
        for event in manager.events():
            if event.type == "finished":
                os.replace(event.file_path, target)  # move it before the loop goes on

Needs Python 3.9 and its standard library alone. Methods may be called from any
thread, block until the service has answered, and raise LarderError. What they
start goes on when the process ends. There is no Windows here: the service listens
on named pipes there, which Python's standard library cannot open as sockets.
"""
from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import enum
import hashlib
import http.client
import json
import os
import socket
import threading
import time
import typing
from urllib.parse import quote

__all__ = ["AssetPackManager", "Code", "Download", "Challenge", "DownloadManager", "DownloadStatus", "Event", "LarderError", "LocalAvailabilityError", "PackBits", "PackStatus",
           "PackUpdate", "PurgedFile", "Reason"]

EVENTS = ("began", "paused", "progress", "challenge", "finished", "failed", "purged")
RECONNECT = 0.5  # seconds from a lost connection to the next try
MAX_ANSWER = 256 << 20


class Code(enum.IntEnum):
    """Error codes to branch on: Apple's below 1000, Larder's own from there."""

    DOWNLOAD_INVALID = 0
    CALL_FROM_INACTIVE_PROCESS_NOT_ALLOWED = 51
    CALLER_CONNECTION_NOT_ACCEPTED = 55
    CALLER_CONNECTION_INVALID = 56
    DOWNLOAD_ALREADY_SCHEDULED = 100
    DOWNLOAD_NOT_SCHEDULED = 101
    DOWNLOAD_ESSENTIAL_DOWNLOAD_NOT_PERMITTED = 109
    DOWNLOAD_BACKGROUND_ACTIVITY_PROHIBITED = 111
    DOWNLOAD_WOULD_EXCEED_ALLOWANCE = 112
    DOWNLOAD_DOES_NOT_EXIST = 113
    SESSION_DOWNLOAD_DISALLOWED_BY_DOMAIN = 202
    SESSION_DOWNLOAD_DISALLOWED_BY_ALLOWANCE = 203
    SESSION_DOWNLOAD_ALLOWANCE_EXCEEDED = 204
    SESSION_DOWNLOAD_NOT_PERMITTED_BEFORE_APP_LAUNCH = 206
    CONFIGURATION = 1000
    SIZE_MISMATCH = 1001
    NO_SPACE = 1004
    NETWORK = 1010
    SERVER = 1011
    NOT_FOUND = 1013
    BAD_REQUEST = 1014
    STATE = 1015
    INTERNAL = 1099


class LarderError(Exception):
    """What the service refused or could not do; help says what a person may do about it."""

    def __init__(self, code: int, op: str, message: str, subject: str = "", help: str = "", domain: str = "") -> None:
        self.code, self.op, self.subject, self.message, self.help = code, op, subject, message, help
        self.domain = domain or ("larder" if code >= 1000 else "BAErrorDomain")
        super().__init__(f"{op} {subject}: {message}" if subject else f"{op}: {message}")

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> LarderError:
        return cls(told.get("code", Code.INTERNAL), **{k: told.get(k, "") for k in ("op", "message", "subject", "help", "domain")})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


class _Record:
    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> typing.Any:
        """What this version knows of a JSON object; a later service may say more."""
        names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        return cls(**{n: told[_camel(n)] for n in names if told.get(_camel(n)) is not None})


@dataclasses.dataclass(frozen=True)
class Download(_Record):
    """One file to fetch. file_size is the exact number of bytes, 0 when unknown; priority is from -100 to 100."""

    identifier: str = ""
    url: str = ""
    file_size: int = 0
    essential: bool = False
    priority: int = 0
    method: str = ""  # GET when empty, or POST
    headers: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    application_group_identifier: str = ""
    unique_identifier: str = ""  # this and what follows is set by the service
    state: str = ""
    manifest: bool = False

    def removing_essential(self) -> Download:
        """The same download to be asked for again, as a non-essential one."""
        return dataclasses.replace(self, essential=False, unique_identifier="", state="")

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> Download:
        return super()._of({**told, "body": base64.b64decode(told.get("body") or "")})

    def _wire(self) -> dict[str, typing.Any]:
        needed = ("identifier", "url", "file_size", "essential")
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values.update(body=base64.b64encode(self.body).decode(), headers=dict(self.headers))
        return {_camel(name): v for name, v in values.items() if v or name in needed}


@dataclasses.dataclass(frozen=True)
class Reason(_Record):
    """Why something waits or failed, in a sentence, and what would unblock it; since is an RFC 3339 time."""

    code: str = ""
    message: str = ""
    unblock: str = ""
    since: str = ""


@dataclasses.dataclass(frozen=True)
class DownloadStatus(_Record):
    """How far a download is; total_bytes is 0 while unknown."""

    identifier: str = ""
    unique_identifier: str = ""
    state: str = ""  # created, waiting, downloading, finished or failed
    essential: bool = False
    priority: int = 0
    bytes: int = 0
    total_bytes: int = 0
    reason: typing.Optional[Reason] = None
    file_path: str = ""

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> DownloadStatus:
        return super()._of({**told, "reason": Reason._of(told["reason"]) if told.get("reason") else None})


@dataclasses.dataclass(frozen=True)
class Challenge(_Record):
    """What a server demands: httpBasic, httpBearer or serverTrust, the latter with its certificates (DER, its own first)."""

    authentication_method: str = ""
    host: str = ""
    port: int = 0
    realm: str = ""
    previous_failure_count: int = 0
    certificates: tuple[bytes, ...] = ()

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> Challenge:
        return super()._of({**told, "certificates": tuple(base64.b64decode(c) for c in told.get("certificates") or ())})


@dataclasses.dataclass(frozen=True)
class PurgedFile(_Record):
    """A file that was deleted because the disk was nearly full; path is from the group container."""

    path: str = ""
    size: int = 0


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a download: began, paused, progress, finished (with file_path), failed (with error) or challenge.

    A challenge is answered with answer() before the loop goes on; otherwise it is passed on, to the extension at last.
    purged is of no download: files names what was deleted from the group container and has to be fetched again if it is needed.
    """

    type: str
    download: Download
    status: DownloadStatus
    file_path: str = ""
    error: typing.Optional[LarderError] = None
    challenge: typing.Optional[Challenge] = None
    _answer: typing.Optional[typing.Callable[[dict[str, typing.Any]], None]] = dataclasses.field(default=None, repr=False, compare=False)
    files: tuple[PurgedFile, ...] = ()

    def answer(self, disposition: str, *, user: str = "", password: str = "", token: str = "") -> None:
        """Answers the challenge with useCredential, performDefaultHandling, cancelAuthenticationChallenge or rejectProtectionSpace.

        Code 1014 when the answer does not fit, 1013 when the challenge is not open any more.
        """
        if self._answer is None:
            raise LarderError(Code.STATE, "answer challenge", "the event is no challenge")
        credential = {k: v for k, v in (("user", user), ("password", password), ("token", token)) if v}
        self._answer({"disposition": disposition, **({"credential": credential} if credential else {})})


class DownloadManager:
    """The download manager of this process. Give it up with close() or a with statement."""

    def __init__(self, socket_path: typing.Optional[str] = None) -> None:
        """Connects when it is first used. socket_path is LARDER_SOCKET, which "larder launch" sets, unless given."""
        op, self._path = "open download manager", socket_path or os.environ.get("LARDER_SOCKET", "")
        if not self._path:
            raise LarderError(Code.CONFIGURATION, op, "it is not set", "LARDER_SOCKET", 'start the app with "larder launch", or name its socket')
        if not hasattr(socket, "AF_UNIX"):
            raise LarderError(Code.CONFIGURATION, op, "this Python has no Unix sockets", help="on Windows use the Go or Node package, or the command line")
        self._lock, self._connecting, self._closed = threading.Lock(), threading.Lock(), threading.Event()
        self._sockets: set[socket.socket] = set()
        self._session: typing.Optional[tuple[str, contextlib.ExitStack]] = None
        self._active = False

    def __enter__(self) -> DownloadManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up foreground, control and delegates, and ends calls that wait. Downloads go on in the background."""
        with self._lock:
            self._closed.set()
            for s in self._sockets:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def current_downloads(self) -> list[DownloadStatus]:
        """What is scheduled or running, whoever queued it, and what failed and was not asked for again."""
        apps = self._call("GET", "/v1/downloads").get("apps", [])
        return [DownloadStatus._of(d) for app in apps for d in app.get("downloads", []) if d.get("state") != "finished"]

    def schedule(self, download: Download) -> DownloadStatus:
        """Enqueues a download for the background."""
        return DownloadStatus._of(self._call("POST", "/v1/downloads", download._wire()))

    def start_foreground(self, download: Download) -> DownloadStatus:
        """Starts a download now, or promotes the scheduled one of that identifier; code 51 unless set_active(True) was called."""
        return DownloadStatus._of(self._in_session("foreground", download._wire())[1])

    def cancel(self, unique_identifier: str) -> None:
        """Ends a download; code 101 when it has ended already, 113 when there never was one."""
        self._call("POST", f"/v1/downloads/{quote(unique_identifier, safe='')}/cancel")

    def set_active(self, active: bool) -> None:
        """Says whether a person looks at the app now."""
        self._in_session("active", {"active": active})
        self._active = active

    @contextlib.contextmanager
    def exclusive_control(self, before: typing.Optional[datetime.datetime] = None) -> typing.Iterator[None]:
        """Holds the lock shared with the extension and other processes of the app, within a with statement.

        before limits the wait; one in the past tries once. Code 1015 when control
        was not had. It is not re-entrant, and freed when the process dies.
        """
        body = {} if before is None else {"deadline": before.astimezone(datetime.timezone.utc).isoformat()}
        session, _ = self._in_session("control", body)
        try:
            yield
        finally:
            with contextlib.suppress(LarderError):
                self._call("DELETE", f"/v1/session/{session}/control")

    def events(self) -> typing.Iterator[Event]:
        """Makes this process the app's delegate for every event, as long as the iterator lives.

        A result is acknowledged when the loop goes on after it; after a break it is
        offered again, to the next delegate or to the extension. A restart of the
        service is waited for. close() ends the loop, from another thread too.
        """
        return self._follow(EVENTS)

    def set_delegate(self, delegate: object) -> None:
        """Calls delegate's methods, one at a time, until close().

        They are began(download), paused(download), progress(download, bytes, total_bytes),
        failed(download, error), challenge(event), which calls event.answer, purged(files), and
        finished(download, file_path), which has to move the file away. What it has no
        method for goes to the extension, if it is a result or a challenge.
        """
        for e in self._follow(tuple(name for name in EVENTS if callable(getattr(delegate, name, None)))):
            if e.type == "purged":
                delegate.purged(e.files)  # type: ignore[attr-defined]
                continue
            if e.type == "challenge":
                delegate.challenge(e)  # type: ignore[attr-defined]
                continue
            more = {"progress": (e.status.bytes, e.status.total_bytes), "failed": (e.error,), "finished": (e.file_path,)}
            getattr(delegate, e.type)(e.download, *more.get(e.type, ()))

    def _follow(self, handles: tuple[str, ...]) -> typing.Iterator[Event]:
        while not self._closed.is_set():
            try:
                with self._answer("GET", "/v1/session?handles=" + ",".join(handles)) as answer:
                    session = ""
                    for line in _lines(answer):
                        session = line.get("session", session)
                        if line.get("type") not in handles:
                            continue
                        event, pass_on = _event(line), None
                        if event.challenge:
                            path = f"/v1/session/{quote(session, safe='')}/challenges/{quote(line.get('challengeIdentifier', ''), safe='')}"
                            event = dataclasses.replace(event, _answer=lambda body, path=path: self._call("POST", path, body) and None)
                            pass_on = path
                        yield event
                        if pass_on:
                            self._pass(pass_on)
                        if event.type in ("finished", "failed"):
                            self._acknowledge(event.download.unique_identifier)
            except LarderError as e:
                if e.code != Code.CALLER_CONNECTION_INVALID:
                    raise
            self._closed.wait(RECONNECT)

    def _pass(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except LarderError as e:
            if e.code != Code.NOT_FOUND:  # it was answered
                raise

    def _acknowledge(self, unique_identifier: str) -> None:
        try:
            self._call("POST", f"/v1/downloads/{quote(unique_identifier, safe='')}/acknowledge")
        except LarderError as e:
            if e.code != Code.DOWNLOAD_DOES_NOT_EXIST:
                raise

    def _in_session(self, what: str, body: dict[str, typing.Any]) -> tuple[str, dict[str, typing.Any]]:
        """Calls as this process's session, in a new one when the service was restarted, and returns its name and the answer."""
        session = self._connect()
        try:
            return session, self._call("POST", f"/v1/session/{session}/{what}", body)
        except LarderError as e:
            if e.code != Code.CALLER_CONNECTION_INVALID or e.__cause__ is not None:  # not told by the service
                raise
        session = self._connect(stale=session)
        return session, self._call("POST", f"/v1/session/{session}/{what}", body)

    def _connect(self, stale: str = "") -> str:
        with self._connecting, contextlib.ExitStack() as stream:
            if self._session and self._session[0] == stale:
                self._session[1].close()
                self._session = None
            if self._session is None:
                line = next(_lines(stream.enter_context(self._answer("GET", "/v1/session"))))
                session = quote(line.get("session", ""), safe="")
                if self._active:
                    self._call("POST", f"/v1/session/{session}/active", {"active": True})
                self._session = session, stream.pop_all()
            return self._session[0]

    def _call(self, method: str, path: str, body: typing.Optional[dict[str, typing.Any]] = None) -> dict[str, typing.Any]:
        with self._answer(method, path, body) as answer:
            return {} if answer.status == 204 else json.loads(_whole(answer))

    @contextlib.contextmanager
    def _answer(self, method: str, path: str, body: typing.Optional[dict[str, typing.Any]] = None) -> typing.Iterator[http.client.HTTPResponse]:
        """One call, on a connection of its own that ends with the with statement; what breaks within is code 56."""
        text, headers = (None, {}) if body is None else (json.dumps(body), {"Content-Type": "application/json"})
        with contextlib.closing(http.client.HTTPConnection("larder")) as conn, socket.socket(socket.AF_UNIX) as sock:
            with self._lock:
                if self._closed.is_set():
                    raise LarderError(Code.CALLER_CONNECTION_INVALID, "call service", "the download manager was closed")
                self._sockets.add(sock)
            try:
                sock.connect(self._path)
                conn.sock = sock
                conn.request(method, path, text, headers)
                with conn.getresponse() as answer:
                    if answer.status >= 400:
                        if self._closed.is_set():  # the service may tell a waiter first that its session ended
                            raise LarderError(Code.CALLER_CONNECTION_INVALID, "call service", "the download manager was closed")
                        raise _told(answer)
                    yield answer
            except (FileNotFoundError, ConnectionRefusedError) as e:
                raise LarderError(Code.CALLER_CONNECTION_INVALID, "call service", "it cannot be reached", help='start it with "larder service run"') from e
            except (OSError, ValueError, http.client.HTTPException) as e:
                raise LarderError(Code.CALLER_CONNECTION_INVALID, "call service", "the connection failed") from e
            finally:
                with self._lock:
                    self._sockets.discard(sock)


class PackBits(enum.IntFlag):
    """Apple's status of an asset pack: several facts at once. An installed pack that is current has 69."""

    DOWNLOAD_AVAILABLE = 1
    UPDATE_AVAILABLE = 2
    UP_TO_DATE = 4
    OUT_OF_DATE = 8
    OBSOLETE = 16
    DOWNLOADING = 32
    DOWNLOADED = 64


@dataclasses.dataclass(frozen=True)
class PackStatus(_Record):
    """An asset pack that is installed, offered or on its way. installed and available are versions, or None."""

    id: str
    status: PackBits
    installed: typing.Optional[int] = None
    available: typing.Optional[int] = None
    policy: str = ""
    language: str = ""
    download_size: int = 0
    installed_size: int = 0
    reason: typing.Optional[Reason] = None

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> PackStatus:
        reason = Reason._of(told["reason"]) if told.get("reason") else None
        return super()._of({**told, "status": PackBits(told.get("status", 0)), "reason": reason})


@dataclasses.dataclass(frozen=True)
class Traffic(_Record):
    """What a pack has cost in bytes over all attempts: network came, useful of it the tree is made of, reused was installed before, written went to the disk."""

    network: int = 0
    useful: int = 0
    reused: int = 0
    written: int = 0


@dataclasses.dataclass(frozen=True)
class PackUpdate:
    """One event of the way of a pack: began, paused, progress, finished (and installed) or failed.

    bytes of total_bytes, which have to come over the network, are here. rate is the smoothed pace in bytes per second and
    eta the seconds that are left at it, None when that cannot be told.
    """

    type: str
    pack: str
    version: int
    bytes: int
    total_bytes: int
    reason: typing.Optional[Reason] = None
    traffic: typing.Optional[Traffic] = None
    rate: float = 0
    eta: typing.Optional[float] = None


class _Pace:
    """Smooths a rate over about two seconds."""

    def __init__(self) -> None:
        self.at, self.bytes, self.speed = 0.0, 0, 0.0

    def tell(self, bytes: int, total: int) -> tuple[float, typing.Optional[float]]:
        now = time.monotonic()
        if not self.at or bytes < self.bytes:
            self.at, self.bytes, self.speed = now, bytes, 0.0
        elif now - self.at >= 0.1:
            fresh = (bytes - self.bytes) / (now - self.at)
            self.speed = self.speed + (fresh - self.speed) * min((now - self.at) / 2, 1) if self.speed else fresh
            self.at, self.bytes = now, bytes
        return (self.speed, max(total - bytes, 0) / self.speed) if self.speed >= 1 else (0.0, None)


class LocalAvailabilityError(LarderError):
    """Of several packs some are not installed: failures has their errors, successes the others."""

    def __init__(self, successes: list[str], failures: dict[str, LarderError]) -> None:
        super().__init__(2, "ensure local availability", f"{len(failures)} of {len(failures) + len(successes)} packs are not installed", ", ".join(failures), domain="BAManagedErrorDomain")
        self.successes, self.failures = successes, failures


class AssetPackManager:
    """The asset packs of this app: ask for packs, hear how they come, and find their files. Give it up with close() or a with statement.

    What the process finds with path() never goes away under its hands: packs that it ensures are added, and only
    refresh() moves the others to newer versions.
    """

    def __init__(self, socket_path: typing.Optional[str] = None) -> None:
        """Asks the service where the packs lie, unless "larder launch" said so; code 1000 when the app's bundle has none that are managed."""
        self._manager = DownloadManager(socket_path)
        self._call = self._manager._call
        app, self._shelf = ("", "") if socket_path else (os.environ.get("LARDER_APP_ID", ""), os.environ.get("LARDER_SHELF", ""))
        try:
            known = app and self._shelf
            self._app = "/v1/apps/" + quote(app if known else self._call("GET", "/v1/hello").get("app", ""), safe="")
            if not known:
                self._shelf = self._call("GET", self._app + "/packs")["shelf"]
        except BaseException:
            self._manager.close()
            raise
        self._views: list[_View] = []
        self._packs: dict[str, dict[str, typing.Any]] = {}
        self.refresh()

    def __enter__(self) -> AssetPackManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the packs' files, and ends calls that wait. Downloads go on in the background."""
        self._manager.close()
        for view in self._views:
            view.close()
        self._views, self._packs = [], {}

    def packs(self) -> list[PackStatus]:
        """What is installed, offered and on its way; the network is not asked."""
        return [PackStatus._of(p) for p in self._call("GET", self._app + "/packs")["packs"]]

    def manifest(self, fresh: bool = False) -> dict[str, typing.Any]:
        """The download manifest as it fits app and device: assetPacks, resolvedLanguage and more; fresh asks the network."""
        return self._call("GET", self._app + "/manifest" + ("?fresh=true" if fresh else ""))

    def ensure_local_availability(self, *packs: str, require_latest_versions: bool = False) -> None:
        """Has packs installed and readable, and waits for all; LarderError for one that is not, LocalAvailabilityError for several.

        What is installed needs no service, unless the latest versions are asked for.
        """
        if not require_latest_versions and self._have(packs):
            return
        self._ensured("/packs/ensure", {"packs": list(packs), "requireLatestVersions": require_latest_versions}, len(packs) > 1)

    def check_for_updates(self) -> tuple[list[str], list[str]]:
        """Fetches the manifest, and gives the packs that are being updated and those removed because of this call."""
        told = self._call("POST", self._app + "/packs/check")
        return told["updatingIDs"], told["removedIDs"]

    def remove(self, pack: str) -> None:
        """Deletes a pack; a later ensure downloads it again. Other processes keep what they read."""
        self._call("DELETE", f"{self._app}/packs/{quote(pack, safe='')}")
        self._packs.pop(pack, None)

    def resolved_language(self) -> str:
        """The language whose packs are kept installed, "" when no pack is localized."""
        return self.manifest().get("resolvedLanguage", "")

    def set_resolved_language(self, tag: str) -> str:
        """Overrides it, "" gives it back to the person's choice; nothing is fetched or removed. Gives what is resolved."""
        return self._call("PUT", self._app + "/packs/language", {"language": tag})["language"]

    def reconcile_preferred_languages(self) -> None:
        """Has the packs of the resolved language installed, and then those of others removed that the app did not ask for."""
        self._ensured("/packs/languages", None, True)

    def status_updates(self, pack: str = "") -> typing.Iterator[PackUpdate]:
        """Follows all packs, or one until it has finished or failed. Whoever comes late for one gets its end at once."""
        paces: dict[str, _Pace] = {}
        while not self._manager._closed.is_set():
            try:
                with self._manager._answer("GET", "/v1/events") as answer:
                    for line in _lines(answer):
                        if line.get("type") == "snapshot" and pack:
                            line = self._late(line, pack)
                        d = line.get("download") or {}
                        if not d.get("assetPack") or pack and d["assetPack"] != pack or line["type"] not in EVENTS:
                            continue
                        reason = Reason._of(d["reason"]) if d.get("reason") else None
                        traffic = Traffic._of(d["traffic"]) if d.get("traffic") else None
                        here, total = d.get("bytes", 0), d.get("totalBytes", 0)
                        pace = paces.setdefault(d["assetPack"], _Pace()).tell(here, total)
                        yield PackUpdate(line["type"], d["assetPack"], d.get("packVersion", 0), here, total, reason, traffic, *pace)
                        if pack and line["type"] in ("finished", "failed"):
                            return
            except LarderError as e:
                if e.code != Code.CALLER_CONNECTION_INVALID:
                    raise
            self._manager._closed.wait(RECONNECT)

    def _late(self, line: dict[str, typing.Any], pack: str) -> dict[str, typing.Any]:
        app = (line.get("status", {}).get("apps") or [{}])[0]
        ways = [d for d in app.get("downloads", []) if d.get("assetPack") == pack]
        if ways and ways[-1]["state"] == "failed":
            return {"type": "failed", "download": ways[-1]}
        here = [p for p in app.get("packs", []) if p["id"] == pack and p.get("installed") is not None]
        if here and ways and ways[-1]["state"] == "finished" and ways[-1].get("packVersion") == here[0]["installed"]:
            return {"type": "finished", "download": ways[-1]}
        if here and (not ways or ways[-1]["state"] == "finished"):
            return {"type": "finished", "download": {"assetPack": pack, "packVersion": here[0]["installed"]}}
        return {}

    def refresh(self) -> None:
        """Moves this process to what is installed now, all packs at once."""
        view = _View(self._shelf)
        old, self._views = self._views, [view]
        self._packs = dict(view.packs)
        for v in old:
            v.close()

    def path(self, name: str, pack: str = "", language: str = "") -> str:
        """The place of a file of the installed packs on the disk: open it for reading, and never write there."""
        if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise LarderError(1, "find file", "it is no path in a pack", name, "give a relative path with slashes", "BAManagedErrorDomain")
        for p in sorted(self._packs.values(), key=lambda p: (p.get("language", "") != "", p.get("language", ""), p["id"])):
            found = os.path.join(self._shelf, *p["root"].split("/"), *name.split("/"))
            if pack in ("", p["id"]) and language in ("", p.get("language", "")) and os.path.exists(found):
                return found
        raise LarderError(1, "find file", "no installed pack has it", name, domain="BAManagedErrorDomain")

    def _have(self, packs: tuple[str, ...]) -> bool:
        """Makes packs readable if all of them are installed."""
        view = _View(self._shelf)
        lacking = {id: view.packs.get(id) for id in packs if id not in self._packs or id not in view.packs}
        if not lacking or None in lacking.values():
            view.close()
            return not lacking
        self._views.append(view)
        self._packs.update({id: p for id, p in lacking.items() if p})
        return True

    def _ensured(self, path: str, body: typing.Optional[dict[str, typing.Any]], batch: bool) -> None:
        successes: list[str] = []
        failures: dict[str, LarderError] = {}
        with self._manager._answer("POST", self._app + path, body) as answer:
            for line in _lines(answer):
                if line.get("done"):
                    break
                if line.get("failed"):
                    failures[line["assetPack"]] = LarderError._of(line["failed"])
                elif line.get("assetPack"):
                    successes.append(line["assetPack"])
        lacking = [id for id in successes if id not in self._packs]
        if lacking:
            view = _View(self._shelf)
            self._views.append(view)
            self._packs.update((id, view.packs[id]) for id in lacking if id in view.packs)
        if failures and not batch:
            raise next(iter(failures.values()))
        if failures:
            raise LocalAvailabilityError(successes, failures)


class _View:
    """A lease on the newest view of a shelf (doc/shelf-format.md): an open, locked file."""

    def __init__(self, shelf: str) -> None:
        import fcntl

        self.packs: dict[str, dict[str, typing.Any]] = {}
        self._file: typing.Optional[typing.BinaryIO] = None
        views = os.path.join(shelf, "views")
        for _ in range(1000):  # a view may go while it is being opened
            try:
                numbers = sorted((int(n) for n in os.listdir(views) if n.isdigit() and n[0] != "0" and len(n) < 19), reverse=True)
            except FileNotFoundError:
                numbers = []
            if not numbers or self._take(fcntl, views, numbers):
                return
        raise LarderError(Code.STATE, "read shelf", "its views change all the time", shelf)

    def _take(self, fcntl: typing.Any, views: str, numbers: list[int]) -> bool:
        for number in numbers:
            name = os.path.join(views, str(number))
            try:
                f = open(name, "rb")
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                ours, now = os.fstat(f.fileno()), os.stat(name)
                whole = (ours.st_dev, ours.st_ino) == (now.st_dev, now.st_ino)
            except (BlockingIOError, FileNotFoundError):
                whole = False
            if not whole:
                f.close()
                return False
            head, _, rest = f.read(8 << 20).partition(b"\n")
            sum, _, body = rest.partition(b"\n")
            if not head.startswith(b"larder view ") or hashlib.sha256(body).hexdigest().encode() != sum:
                f.close()
                continue  # torn: the next older one counts
            told = json.loads(body) if head == b"larder view 1" else {"requires": [head.decode()]}
            if told.get("requires"):
                f.close()
                raise LarderError(1008, "read shelf", "it was written by a newer Larder", name, "use a newer larder package")
            self._file, self.packs = f, {p["id"]: p for p in told["packs"]}
            return True
        return True

    def close(self) -> None:
        if self._file:
            self._file.close()


def _told(answer: http.client.HTTPResponse) -> LarderError:
    try:
        return LarderError._of(json.loads(_whole(answer))["error"])
    except (ValueError, KeyError, TypeError):
        return LarderError(Code.SERVER, "call service", f"it answered {answer.status} {answer.reason}")


def _whole(answer: http.client.HTTPResponse) -> bytes:
    text = bytearray()
    while True:
        piece = answer.read(1 << 16)
        text += piece
        if not piece:
            return bytes(text)
        if len(text) > MAX_ANSWER:
            raise ValueError("the answer is too long")


def _lines(answer: http.client.HTTPResponse) -> typing.Iterator[dict[str, typing.Any]]:
    while True:
        text = answer.readline(MAX_ANSWER)
        if not text.endswith(b"\n"):
            raise ConnectionResetError("the stream ended")
        line = json.loads(text)
        if line.get("error"):
            raise LarderError._of(line["error"])
        yield line


def _event(line: dict[str, typing.Any]) -> Event:
    status = DownloadStatus._of(line.get("status") or {})
    cause = LarderError._of(line["cause"]) if line.get("cause") else None
    challenge = Challenge._of(line["challenge"]) if line.get("challenge") else None
    return Event(line["type"], Download._of(line.get("download") or {}), status, status.file_path, cause, challenge, files=tuple(PurgedFile._of(f) for f in line.get("purged") or ()))
