"""``flux.subprocess``: commands in the background of a rank, by the service ``exec``.

Each command has its own connection. The connection and the command end with the process that started
them.
"""

import base64
import errno
import os
import signal
import threading
from collections import deque
from typing import Any, Deque, Dict, List, Optional

from sluice.constants import NODEID_ANY, RPC_STREAMING
from sluice.handle import Sluice

from ._absent import absent

__all__ = ["kill", "rexec_bg", "wait"]

OUTPUT_PIECES = 256
"""The number of last pieces of output that a command keeps for ``wait()``."""

_commands: "List[SubprocessBackgroundRexecRPC]" = []


class SubprocessBackgroundRexecRPC:
    """The result of ``rexec_bg``: a command. ``get()`` waits for its start."""

    def __init__(self, rank: int, request: Dict[str, Any], label: Optional[str], waitable: bool) -> None:
        self.label = label
        self.waitable = waitable
        #: Pieces of output, each ``{"stream", "rank", "data", "encoding"?}``.
        self.output: Deque[Dict[str, Any]] = deque(maxlen=OUTPUT_PIECES)
        #: In the form of os.wait().
        self.status = 0
        self.id = 0
        self.ended = threading.Event()
        self._rank = rank
        self._pid = 0
        #: Why it did not start, or why its status is unknown.
        self.error: Optional[Exception] = None
        self._started = threading.Event()
        threading.Thread(target=self._follow, args=(request,), daemon=True).start()

    def get(self) -> Dict[str, Any]:
        """Waits until the command runs.

        :returns: ``{"pid": its process}``
        :raises OSError: the command did not start
        """
        self._started.wait()
        if self.error is not None:
            raise self.error
        return {"pid": self._pid, "rank": self._rank}

    def get_pid(self) -> int:
        """The process id of the command on its rank."""
        return int(self.get()["pid"])

    def get_rank(self) -> int:
        """The rank on which the command runs."""
        return self._rank

    def is_named(self, pid: Optional[int], label: Optional[str], rank: int) -> bool:
        """Whether the command has this process id or label on a rank."""
        if rank != self._rank or (pid is None and self.label != label):
            return False
        if pid is None:
            # Its thread may not have started it yet.
            self._started.wait()
        return self._pid != 0 and pid in (None, self._pid)

    def _follow(self, request: Dict[str, Any]) -> None:
        try:
            with Sluice() as handle:
                for message in handle.rpc("exec.run", request, self._rank, RPC_STREAMING):
                    self._take(message)
        except Exception as error:  # noqa: BLE001 - get() raises it
            self.error = error
        finally:
            self._started.set()
            self.ended.set()

    def _take(self, message: Dict[str, Any]) -> None:
        if message["type"] == "started":
            self.id, self._pid = message["id"], message["pid"]
            self._started.set()
        elif message["type"] == "output":
            fields = {key: message[key] for key in ("stream", "data", "encoding") if key in message}
            self.output.append({**fields, "rank": self._rank})
        else:
            name = message.get("signal")
            self.status = int(message["status"]) << 8 if name is None else int(signal.Signals[name])


class SubprocessWaitRPC:
    """The result of ``wait``: the end of a command. ``get()`` waits for the end."""

    def __init__(self, command: Optional[SubprocessBackgroundRexecRPC], name: str) -> None:
        self._command = command
        self._name = name

    def get(self) -> Dict[str, Any]:
        """Waits for the end.

        :returns: ``{"status": as os.wait() has it, "output": its last output}``
        :raises OSError: ``ENOENT`` if the command is unknown; ``EINVAL`` if it is not waitable;
            ``ECONNRESET`` if the connection to the command has ended
        """
        if self._command is None:
            raise OSError(errno.ENOENT, f"no such command {self._name}")
        if not self._command.waitable:
            raise OSError(errno.EINVAL, f"command {self._name} was started without waitable=True")
        self._command.ended.wait()
        if self._command.error is not None:
            raise self._command.error
        return {"status": self._command.status, "output": list(self._command.output)}

    def get_status(self) -> int:
        """The status, for functions such as ``os.WEXITSTATUS()``."""
        return int(self.get()["status"])

    def get_output(self) -> List[Dict[str, Any]]:
        """The last output of the command, each piece with ``stream``, ``rank``, ``data`` and perhaps ``encoding``."""
        return list(self.get()["output"])

    @property
    def stdout(self) -> bytes:
        """The last standard output."""
        return self._bytes("stdout")

    @property
    def stderr(self) -> bytes:
        """The last standard error."""
        return self._bytes("stderr")

    def _bytes(self, stream: str) -> bytes:
        pieces = [each for each in self.get_output() if each["stream"] == stream]
        return b"".join(
            base64.b64decode(each["data"]) if each.get("encoding") == "base64" else each["data"].encode() for each in pieces
        )


def _rank(handle: Any, nodeid: int) -> int:
    return int(handle.rank) if nodeid == NODEID_ANY else int(nodeid)


def _find(handle: Any, pid: Optional[int], label: Optional[str], nodeid: int) -> Optional[SubprocessBackgroundRexecRPC]:
    if (pid is None) == (label is None):
        raise ValueError("name the command: either by pid or by label")
    rank = _rank(handle, nodeid)
    return next((each for each in reversed(_commands) if each.is_named(pid, label, rank)), None)


def rexec_bg(
    handle: Any,
    command: List[str],
    cwd: Optional[str] = None,
    env: Optional[Dict[str, str]] = None,
    label: Optional[str] = None,
    waitable: bool = False,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: Optional[bool] = None,
) -> SubprocessBackgroundRexecRPC:
    """Starts a command in the background.

    :param handle: of the instance
    :param cwd: default: the directory of this process
    :param env: default: the environment of this process
    :param label: a name for ``kill`` and ``wait``
    :param waitable: whether the caller will call ``wait``
    :param service: the service, which must be ``rexec``
    :param nodeid: the rank; by default this rank
    :param sign: ignored, since messages of an instance need no signature
    :raises OSError: ``ENOSYS`` for another service
    """
    if service != "rexec":
        raise OSError(errno.ENOSYS, f"unknown service {service}: the service of commands is rexec")
    request = {"command": list(command), "cwd": cwd or os.getcwd(), "env": dict(os.environ) if env is None else env}
    started = SubprocessBackgroundRexecRPC(_rank(handle, nodeid), request, label, waitable)
    _commands.append(started)
    return started


def kill(
    handle: Any,
    signum: int = signal.SIGTERM,
    pid: Optional[int] = None,
    label: Optional[str] = None,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: Optional[bool] = None,
) -> Any:
    """Sends a signal to a command, which ``pid`` or ``label`` names. The other parameters are those of
    :func:`rexec_bg`.

    :returns: a future
    :raises ValueError: the call has neither ``pid`` nor ``label``, or both
    :raises OSError: ``ENOENT`` if the command is unknown
    """
    command = _find(handle, pid, label, nodeid)
    number = command.id if command is not None else None
    if command is None and pid is not None:
        listed = handle.rpc("exec.list", nodeid=nodeid).get()["commands"]
        number = next((each["id"] for each in listed if each["pid"] == int(pid)), None)
    if number is None:
        raise OSError(errno.ENOENT, f"no such command {pid if pid is not None else label}")
    return handle.rpc("exec.kill", {"id": number, "signum": int(signum)}, nodeid)


def wait(
    handle: Any,
    pid: Optional[int] = None,
    label: Optional[str] = None,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: Optional[bool] = None,
) -> SubprocessWaitRPC:
    """The end of a command of this process, which ``pid`` or ``label`` names.

    :raises ValueError: the call has neither ``pid`` nor ``label``, or both
    """
    return SubprocessWaitRPC(_find(handle, pid, label, nodeid), str(pid if pid is not None else label))


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
