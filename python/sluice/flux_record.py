"""Records the requests with which Sluice loaded modules into Flux, because Flux does not report them
(docs/design/flux.md §2).

The record is a file in the directory of the instance. Several drivers may use it at the same time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from typing import Any, Callable, Dict, Iterator, Optional

#: Fields of a request that identify the module and its unit. All others are options, which a unit decides.
_NO_OPTIONS = (
    *("path", "name", "args", "explicit", "ofStart", "plan"),
    *("digest", "requires", "insecure", "unitArgs"),
)

Entries = Dict[str, Dict[str, Any]]


class FluxRecord:
    """The requests that loaded the modules, and the digests of their files at load time.

    :param directory: the directory of the instance
    :param rank: of the broker; brokers may share a directory
    """

    def __init__(self, directory: str, rank: int) -> None:
        self._path = os.path.join(directory, f"sluice-modules-{rank}.json")
        self._turn = os.path.join(directory, f"sluice-apply-{rank}.lock")
        self._held: Optional[int] = None

    def loaded(self, name: str, request: Dict[str, Any], path: Optional[str]) -> None:
        """Appends the note of a loaded module."""
        with self._changed() as entries:
            entries.pop(name, None)
            entries[name] = {"request": request, "digest": digest_of(path)}

    def removed(self, name: str) -> None:
        """Removes the note of a module."""
        with self._changed() as entries:
            entries.pop(name, None)

    def amended(self, name: str, request: Dict[str, Any]) -> None:
        """Notes options that a running module has accepted without a new start."""
        with self._changed() as entries:
            if name in entries:
                entries[name]["request"] = request

    def entries(self) -> Entries:
        """The loaded modules, in the order of the loads."""
        with self._locked(fcntl.LOCK_SH):
            return self._read()

    def take_turn(self, by: str, waits: bool) -> Optional[str]:
        """Gives this process the turn to apply, until the process ends.

        :param by: the name of this process, for other drivers
        :param waits: whether to wait while another process has the turn
        :returns: None, or the name of the process that has the turn
        """
        lock = os.open(self._turn, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            other = os.read(lock, 1000).decode("utf-8", "replace")
            os.close(lock)
            return other
        os.ftruncate(lock, 0)
        os.write(lock, by.encode())
        self._held = lock
        return None

    @contextlib.contextmanager
    def _changed(self) -> Iterator[Entries]:
        with self._locked(fcntl.LOCK_EX):
            entries = self._read()
            yield entries
            draft = f"{self._path}.new"
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(entries, file)
            os.replace(draft, self._path)

    def _read(self) -> Entries:
        try:
            with open(self._path, encoding="utf-8") as file:
                entries: Entries = json.load(file)
                return entries
        except FileNotFoundError:
            return {}

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)


def digest_of(path: Optional[str]) -> Optional[str]:
    """Returns the digest of a file; ``None`` if the file is missing or not readable."""
    if not path:
        return None
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            read: Callable[[], bytes] = lambda: file.read(1 << 16)
            for piece in iter(read, b""):
                digest.update(piece)
    except OSError:
        return None
    return f"sha256-{digest.hexdigest()}"


def described(module: Dict[str, Any], entry: Optional[Dict[str, Any]], asked: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """A module in the form of ``module.record``.

    For a module that Sluice has not loaded, the options come from ``asked``, because Flux does not
    report the real options.

    :param module: in the form of ``module.list`` of the driver
    :param entry: the note of its load
    :param asked: the request that would load it now
    """
    request = (entry or {}).get("request") or asked or {"args": []}
    by_name = entry is None or (request.get("explicit") is True and request.get("ofStart") is not True)
    return {
        "name": module["name"],
        "path": module["path"],
        "args": request.get("unitArgs") or request.get("args") or [],
        "options": {key: value for key, value in request.items() if key not in _NO_OPTIONS and value is not None},
        "services": module["services"],
        "state": "up",
        "byName": by_name,
        "isPlanned": not by_name,
        "file": {"digest": (entry or {}).get("digest"), "loader": None, "member": None, "variables": None},
        "request": None if entry is None else request,
    }
