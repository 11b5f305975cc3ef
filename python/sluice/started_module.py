"""Runs one module without an instance (docs/design/embedding.md §2).

A helper in Node hosts the broker of the module, the same broker as for ``runModule`` in JavaScript.
The client sends commands to the helper and receives reports, as lines of JSON over a socket. The client
starts no thread. Calls that wait for a report read the socket.
"""

import errno
import json
import os
import select
import socket
import subprocess
from time import monotonic
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Type, TypeVar

from .claim import Claim, claimed
from .connection import poll_time
from .errors import request_error
from .handle import Sluice
from .host_environment import PACKAGE_DIR

_HELPER = os.path.join(os.path.dirname(PACKAGE_DIR), "dist", "broker", "run-module-main.cjs")

#: Node would listen for a debugger at SIGUSR1. No machine has this address (RFC 5737).
_NODE = ("node", "--inspect-port=192.0.2.1:65535")

_Self = TypeVar("_Self", bound="StartedModule")


class ModuleExit(NamedTuple):
    """How a module ended."""

    #: ``ok``; ``error``, after its own error, a crash or a signal; ``terminated``, by ``unload()``.
    kind: str
    message: Optional[str] = None
    #: POSIX number.
    errnum: Optional[int] = None
    stack: Optional[str] = None


class _Helper:
    """The process that hosts the module, and its reports."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            # In a separate session, so that Ctrl-C reaches only the program, which then ends the module.
            self._process = subprocess.Popen([*_NODE, _HELPER], stdin=theirs, start_new_session=True)
        except FileNotFoundError:
            self._socket.close()
            raise request_error(errno.ENOENT, "node: command not found; run_module() needs it") from None
        finally:
            theirs.close()
        self._text = b""
        self._last_id = 0
        self.has_ended = False
        #: Reports by kind; reports of stops by their number.
        self.reports: Dict[Any, Dict[str, Any]] = {}

    def order(self, **fields: Any) -> None:
        """Sends an order. Has no effect if the helper has ended."""
        try:
            self._socket.sendall(f"{json.dumps(fields)}\n".encode())
        except OSError:
            self.has_ended = True

    def next_id(self) -> int:
        """A number for an order."""
        self._last_id += 1
        return self._last_id

    def wait(self, is_there: Callable[[], bool], timeout: Optional[float]) -> bool:
        """Reads reports until a condition holds.

        :param timeout: seconds; None waits for ever
        :returns: whether the condition holds; False after the timeout, or when the helper has ended
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not is_there() and not self.has_ended:
            remaining = None if deadline is None else max(0.0, deadline - monotonic())
            if not self._read(remaining) and remaining == 0.0:
                return is_there()
        return is_there()

    def end(self) -> None:
        """Unloads the module, and waits until the module and its process have ended."""
        self.order(kind="unload")
        self.wait(lambda: False, None)
        self._process.wait()
        self._socket.close()

    def _read(self, timeout: Optional[float]) -> bool:
        """Reads the received reports. Returns whether any arrived."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(poll_time(timeout)):
            return False
        try:
            chunk = self._socket.recv(65536)
        except ConnectionResetError:
            chunk = b""
        self.has_ended = not chunk
        *lines, self._text = (self._text + chunk).split(b"\n")
        for line in lines:
            report = json.loads(line)
            self.reports[report.get("id", report["kind"])] = report
        return True


class StartedModule:
    """A module that ``run_module()`` runs without an instance.

    The end of a ``with`` block stops and unloads the module. A call during a call of another thread
    raises an ``OSError`` of ``EBUSY``. ``handle`` has a separate claim.
    """

    def __init__(self, helper: _Helper, name: str, uri: str) -> None:
        self._helper = helper
        self._exit: Optional[ModuleExit] = None
        self._is_unloaded = False
        #: The claim that each call holds.
        self.claim = Claim()
        #: The name under which it answers requests.
        self.name = name
        #: For requests to the module; ``service_register()`` adds services for the module's own requests.
        self.handle = Sluice(uri)

    @claimed
    def exited(self, timeout: Optional[float] = None) -> ModuleExit:
        """Waits until the module has ended, for any reason, and returns how it ended.

        :param timeout: seconds; None waits for ever
        :raises OSError: ``ETIMEDOUT`` after the timeout
        """
        if self._exit is None:
            if not self._helper.wait(lambda: "exited" in self._helper.reports, timeout):
                if not self._helper.has_ended:
                    raise request_error(errno.ETIMEDOUT, f"{self.name} has not ended within {timeout} s")
                self._exit = ModuleExit("error", "the process that hosted it has ended", errno.ECONNRESET)
                return self._exit
            self._exit = ModuleExit(**self._helper.reports["exited"]["exit"])
        return self._exit

    @claimed
    def stop(self, timeout: Optional[float] = None) -> None:
        """Requests the end of the module. Returns when it has ended. The handle stays open.

        Has no effect if the module has ended.

        :param timeout: seconds; None waits for ever
        :raises OSError: the module's own error if it fails while it ends;
            ``ETIMEDOUT`` at the timeout, after which the module still ends. ``unload()`` does not wait
            for the end
        """
        if self._is_unloaded:
            return
        number = self._helper.next_id()
        self._helper.order(kind="stop", id=number, **_limit(timeout))
        if self._helper.wait(lambda: number in self._helper.reports, None):
            _raise_error_of(self._helper.reports.pop(number))

    @claimed
    def unload(self) -> None:
        """Ends the module at once if it still runs, closes the handle, and removes all files that
        Sluice made for the module."""
        if self._is_unloaded:
            return
        self._is_unloaded = True
        try:
            self.handle.close()
        finally:
            self._helper.end()

    def close(self) -> None:
        """``stop()``, and then ``unload()``."""
        try:
            self.stop()
        finally:
            self.unload()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        self.close()


def run_module(
    path: str,
    *,
    name: Optional[str] = None,
    args: Sequence[str] = (),
    exec: bool = False,  # noqa: A002 - the name that it has everywhere
    loader: Optional[str] = None,
    module_path: Optional[str] = None,
    insecure: bool = False,
    timeout: Optional[float] = None,
) -> StartedModule:
    """Starts one module without an instance. Returns when it runs.

    The module has the services of its own broker, and the services that the caller registers. It
    ends with this process.

    :param path: a file of any loader, or a bare name on the module path; ``#NAME`` after it is a module of a library
    :param name: by default the name in the file, else the file's base name
    :param exec: whether a module in JavaScript runs in a process rather than a thread
    :param loader: by default the suffix of the file decides
    :param module_path: directories for a bare name, separated by colons; by default
        ``FLUX_MODULE_PATH``
    :param insecure: whether to run it even if other users may write to its file
    :param timeout: time limit of the start in seconds; None: no limit
    :raises OSError: the module's own error; ``ENOENT`` if the file or ``node`` is missing; ``ETIMEDOUT``
    """
    if not os.path.exists(_HELPER):
        raise request_error(errno.ENOENT, f"{_HELPER} is missing; run_module() needs the installed npm package")
    helper = _Helper()
    try:
        choice = {"name": name, "loader": loader, "modulePath": module_path, **_limit(timeout)}
        helper.order(path=os.fspath(path), args=list(args), exec=exec, insecure=insecure, **choice)
        if not helper.wait(lambda: "running" in helper.reports, None):
            _raise_error_of(helper.reports.get("failed", {"error": "the process that hosts it has ended"}))
        running = helper.reports["running"]
        return StartedModule(helper, running["name"], running["uri"])
    except BaseException:
        helper.end()
        raise


def _limit(timeout: Optional[float]) -> Dict[str, float]:
    return {} if timeout is None else {"timeoutMs": timeout * 1000}


def _raise_error_of(report: Dict[str, Any]) -> None:
    if "error" in report:
        raise request_error(report.get("errnum") or errno.ECONNRESET, report["error"])
