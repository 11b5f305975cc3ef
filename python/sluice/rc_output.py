"""Passes output of tasks to the runner, and attributes it to a task where possible."""

import io
import os
import threading
from typing import Any, Callable, Dict, Optional, Tuple

CHUNK = 64 * 1024

#: Sends ``(task or None, "stdout" or "stderr", text)``.
Emit = Callable[[Optional[str], str, str], None]


class TaskOutput:
    """Replaces standard output and error in this process.

    The thread of a ``print()`` determines its task. Output of commands on inherited descriptors comes
    through two pipes. The host reads the pipes at once when a task prints or ends, so that the order is correct.
    If only one task runs, the output belongs to that task.

    :param emit: sends ``(task or None, "stdout" or "stderr", text)``
    :param running: the running task, if exactly one task runs
    """

    def __init__(self, emit: Emit, running: Callable[[], Optional[str]]) -> None:
        self._emit = emit
        self._running = running
        self._local = threading.local()
        self._lock = threading.RLock()
        self._decoders = {name: _decoder() for name in ("stdout", "stderr")}
        self._pipes: Dict[str, int] = {}

    def capture(self) -> Tuple["TaskStream", "TaskStream"]:
        """Replaces descriptors 1 and 2. Returns the new ``sys.stdout`` and ``sys.stderr``."""
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.dup2(writer, descriptor)
            os.close(writer)
            self._pipes[name] = reader
        threading.Thread(target=self._watch, name="sluice-output", daemon=True).start()
        return TaskStream(self, "stdout", 1), TaskStream(self, "stderr", 2)

    @property
    def task(self) -> Optional[str]:
        """The task that runs in this thread."""
        return getattr(self._local, "task", None)

    @task.setter
    def task(self, name: Optional[str]) -> None:
        self._local.task = name

    def write(self, stream: str, text: str) -> None:
        """Passes on output of the task of this thread."""
        with self._lock:
            self.drain()
            self._emit(self.task, stream, text)

    def write_as(self, task: Optional[str], stream: str, text: str) -> None:
        """Passes on output that belongs to a task."""
        with self._lock:
            self._emit(task, stream, text)

    def drain(self) -> None:
        """Passes on the output that commands have written so far."""
        with self._lock:
            for stream, pipe in self._pipes.items():
                while True:
                    try:
                        chunk = os.read(pipe, CHUNK)
                    except BlockingIOError:
                        break
                    text = self._decoders[stream].decode(chunk)
                    if text:
                        self._emit(self._running(), stream, text)

    def _watch(self) -> None:
        """Passes on output that arrives while no task prints or ends."""
        from select import POLLIN, poll

        poller = poll()
        for pipe in self._pipes.values():
            poller.register(pipe, POLLIN)
        while True:
            poller.poll()
            self.drain()


class TaskStream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of a host."""

    def __init__(self, output: TaskOutput, name: str, descriptor: int) -> None:
        super().__init__()
        self._output = output
        self._name = name
        self._descriptor = descriptor
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "replace"

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._output.write(self._name, text)
        return len(text)

    def reconfigure(self, **_: Any) -> None:
        """Has no effect: the host passes every write on at once."""


class _Bytes(io.RawIOBase):
    """``sys.stdout.buffer``."""

    def __init__(self, stream: TaskStream) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = _decoder()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._stream.write(self._decoder.decode(chunk))
        return len(chunk)


def _decoder() -> Any:
    from codecs import getincrementaldecoder

    return getincrementaldecoder("utf-8")("replace")
