"""``python3 -m sluice.rc_host``: hosts the Python rc files of one run.

Uses the protocol of src/rc/host-protocol.ts, one JSON object a line, on the descriptor that
``SLUICE_RC_URI=fd://N`` names. The main thread reads messages. Each read of a file and each task has its
own thread.
"""

import json
import os
import socket
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

from .errors import message_of, stack_of
from .host_environment import forget_environment, import_file, is_on_flux
from .outlive import outlive_signals
from .rc import Context, DeclaredTask, UnknownArgument, take_declared_tasks, task
from .rc_mirror import Mirror
from . import stand_ins
from .rc_output import TaskOutput

if TYPE_CHECKING:
    from subprocess import Popen

    from .future import Future
    from .handle import NodeId, Sluice

URI_VARIABLE = "SLUICE_RC_URI"
LINE_BYTES = 64 * 1024

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


class _Reply:
    """The runner's reply that a thread waits for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: Optional[str] = None


class Host:
    """Reads rc files, keeps their tasks, and runs them. Implements ``RcHost`` for contexts.

    :param sock: connected to the runner
    """

    def __init__(self, sock: socket.socket) -> None:
        self.mirror = Mirror()
        self.output = TaskOutput(self._send_output, self._only_task)
        self._sock = sock
        self._sending = threading.Lock()
        self._tasks: Dict[str, DeclaredTask] = {}
        self._running: Dict[str, "List[Popen[bytes]]"] = {}
        self._replies: Dict[int, _Reply] = {}
        self._last_id = 0
        self._files = 0
        self._local = threading.local()
        #: Whether files are read for a plan, which needs no instance.
        self._plans = False

    # -- from the runner ------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Carries out the runner's messages until ``exit``, or until the runner disconnects."""
        for line in self._sock.makefile("rb", LINE_BYTES):
            message = _decode(line.decode("utf-8"))
            op = message["op"]
            if op == "exit":
                return
            if op == "init" or op == "update":
                self.mirror.update(message["state"])
            elif op == "read":
                _start(self._read, message["file"], message["setup"], message.get("standIns", False))
            elif op == "run":
                self._running[message["task"]] = []
                _start(self._run, message["task"])
            elif op == "reply":
                self._settle(message["id"], message.get("error"))
            elif op == "cancel":
                self._cancel(message["task"])

    def _settle(self, number: int, error: Optional[str]) -> None:
        reply = self._replies.pop(number, None)
        if reply is not None:
            reply.error = error
            reply.done.set()

    def _cancel(self, task: str) -> None:
        """Kills the task's commands. The task's thread continues until the runner kills this process,
        after the other tasks."""
        for child in list(self._running.get(task, [])):
            try:
                child.kill()
            except PermissionError:
                text = f"process {child.pid} belongs to another user and continues\n"
                self.output.write_as(task, "stderr", text)

    # -- for contexts ---------------------------------------------------------------------------------------------

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends one line to the runner, from any thread.

        :raises OSError: ``EPIPE`` or ``ECONNRESET`` if the runner has ended
        """
        data = (_encode(message) + "\n").encode("utf-8")
        with self._sending:
            self._sock.sendall(data)

    def ask(self, message: Dict[str, Any]) -> None:
        """Sends a request to the runner and waits for its reply.

        :raises RuntimeError: the request failed, with the text of the runner
        """
        reply = _Reply()
        with self._sending:
            self._last_id += 1
            number = self._last_id
        self._replies[number] = reply
        self.send({**message, "id": number})
        reply.done.wait()
        if reply.error is not None:
            raise RuntimeError(reply.error)

    def handle(self) -> "Sluice":
        """The handle of this thread, because a handle belongs to the thread that made it.

        :raises OSError: ``ENOENT`` without an instance; the errno of connect(2) if no broker listens there
        """
        handle: "Optional[Sluice]" = getattr(self._local, "handle", None)
        if handle is None and self._plans and not os.environ.get("SLUICE_URI"):
            from .rc_mirror import PlannedHandle

            return PlannedHandle(self.mirror)  # type: ignore[return-value]
        if handle is None:
            # Our own handle with the methods for Flux files, or Flux's own against a live Flux instance.
            from flux import Flux

            handle = self._local.handle = Flux()
        return handle

    def rpc(self, topic: str, payload: Any, nodeid: "NodeId", flags: int) -> "Future":
        """Sends a request. ``get()`` of its future also updates the facts, which the request may have changed."""
        future = self.handle().rpc(topic, payload, nodeid, flags)
        if not is_on_flux():
            future.when_got = self.refresh
        return future

    def refresh(self) -> None:
        """Requests the changed facts from the runner."""
        self.ask({"op": "refresh"})

    def set_data(self, key: str, value: Any) -> None:
        """Shares a value. This host uses a copy that has passed through JSON, as all other hosts do.

        :raises ValueError: ``value`` is not a JSON value
        """
        try:
            copy = _decode(_encode(value))
        except (TypeError, ValueError) as cause:
            raise ValueError(f"set: the value of {key} is not a JSON value: {cause}") from cause
        self.mirror.set_data(key, copy)
        self.send({"op": "set", "key": key, "value": copy})

    def setenv(self, env: Dict[str, Optional[str]]) -> None:
        """Sets variables here, in the runner and in the broker."""
        self.mirror.set_env(env)
        self.ask({"op": "setenv", "env": env})

    def bash(self, command: str, task: Optional[str]) -> None:
        """Runs a shell line.

        :raises RuntimeError: ``bash: exited with exit status N``, ``bash: died by signal N``
        """
        from .rc_bash import run_bash

        children = self._running.get(task or "", [])
        status = run_bash(command, lambda stream, text: self.output.write_as(task, stream, text), children)
        if status < 0:
            raise RuntimeError(f"bash: died by signal {-status}")
        if status > 0:
            raise RuntimeError(f"bash: exited with exit status {status}")
        self.refresh()

    # -- in threads -----------------------------------------------------------------------------------------------

    def _read(self, file: str, with_setup: bool, with_stand_ins: bool) -> None:
        phase = "read"
        missing = stand_ins.begin(file) if with_stand_ins else None
        self._plans = with_stand_ins
        try:
            self._files += 1
            module = import_file(file, f"sluice_rc_{self._files}")
            self._declare(file, take_declared_tasks())
            phase = "setup"
            effects: List[Dict[str, Any]] = []
            setup = getattr(module, "setup", None)
            if with_setup and setup is not None:
                if not callable(setup):
                    raise ValueError("setup is defined, but is not a function")
                _finish(setup(Context(self, None, effects)))
            self._close_handle()
            self.output.drain()
            self.send({"op": "read", "file": file, "effects": effects, **_missing(missing)})
        except BaseException as error:  # noqa: BLE001 - any error is reported
            take_declared_tasks()
            self.output.drain()
            line, column = _site(error, file)
            failure: Dict[str, Any] = {"phase": phase, "message": _message(error), "line": line, "column": column}
            if isinstance(error, UnknownArgument) and error.hint is not None:
                failure["hint"] = error.hint
            self.send({"op": "read", "file": file, "failure": {**failure, "stack": stack_of(error)}})
        finally:
            stand_ins.end()
            _error_of(self._close_handle)

    def _declare(self, file: str, tasks: List[DeclaredTask]) -> None:
        for declared in tasks:
            self._tasks[declared.name] = declared
        reports = [{"name": t.name, "keys": t.keys, "line": t.line, "column": 1} for t in tasks]
        try:
            self.send({"op": "tasks", "file": file, "tasks": reports})
        except (TypeError, ValueError) as cause:
            raise ValueError(f"a task has an argument that is not a JSON value: {cause}") from cause

    def _run(self, name: str) -> None:
        self.output.task = name
        end: Dict[str, Any] = {"op": "end", "task": name}
        error = _error_of(lambda: _finish(self._tasks[name].run(Context(self, name))))
        if isinstance(error, SystemExit) and error.code in (None, 0):
            error = None
        closing = _error_of(self._close_handle)
        error = error or closing
        if error is not None:
            end["error"] = {"message": _message(error), "stack": stack_of(error)}
        self.output.drain()
        self._running.pop(name, None)
        self.send(end)

    def _close_handle(self) -> None:
        handle: "Optional[Sluice]" = getattr(self._local, "handle", None)
        if handle is not None and hasattr(handle, "close"):
            handle.close()
            self._local.handle = None

    def _only_task(self) -> Optional[str]:
        running = list(self._running)
        return running[0] if len(running) == 1 else None

    def _send_output(self, task: Optional[str], stream: str, text: str) -> None:
        # Half of a surrogate pair is invalid in UTF-8. The name of a file may contain it, however.
        safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
        message = {"op": "output", "stream": stream, "text": safe}
        self.send(message if task is None else {**message, "task": task})


def _missing(report: "Optional[stand_ins.Report]") -> Dict[str, Any]:
    """The report to the runner about stand-ins."""
    if report is None:
        return {}
    names = [{"name": name, "line": line} for name, line in report.names.items()]
    return {"standIns": names, "uses": [use._asdict() for use in report.uses]}


def _start(target: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()


def _error_of(step: Callable[[], None]) -> Optional[BaseException]:
    """Any error of a step, such as that of a cancelled task of asyncio, which is not an ``Exception``."""
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - the caller reports it
        return error
    return None


def _finish(result: Any) -> None:
    """Runs the coroutine of a task or setup to its end."""
    if hasattr(result, "__await__"):
        import asyncio

        async def wait() -> None:
            await result

        asyncio.run(wait())


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, str) else f"exit status {error.code}"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return message_of(error)


def _site(error: BaseException, file: str) -> Tuple[int, int]:
    """Line and column in the file, from 1; 0 if unknown."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0, max(1, error.offset or 1)
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return (line, 1) if line else (0, 0)


def _prepare_real_flux() -> None:
    """Files of Flux declare tasks with ``flux.modprobe``, which must be the module of Sluice. All other
    modules are Flux's own."""
    import flux

    try:
        from flux import modprobe
    except ImportError:
        modprobe = ModuleType("flux.modprobe")
        sys.modules[modprobe.__name__] = modprobe
        setattr(flux, "modprobe", modprobe)
    setattr(modprobe, "task", task)
    setattr(modprobe, "Context", Context)


def _inherited_socket() -> socket.socket:
    uri = forget_environment(URI_VARIABLE)
    if not (uri.startswith("fd://") and uri[5:].isdigit()):
        sys.exit(f"{URI_VARIABLE} must be fd://N: sluice starts this program, not a user")
    number = int(uri[5:])
    # Programs that tasks start must not inherit it.
    os.set_inheritable(number, False)
    sock = socket.socket(fileno=number)
    sock.setblocking(True)
    return sock


def main() -> None:
    """The command."""
    outlive_signals()
    host = Host(_inherited_socket())
    if is_on_flux():
        _prepare_real_flux()
    sys.stdout, sys.stderr = host.output.capture()
    try:
        host.serve()
        host.output.drain()
    except ConnectionError:
        # The runner has ended. This process must not outlive it.
        os._exit(0)
    except Exception as error:  # noqa: BLE001 - the runner has no other way to learn of it
        host.send({"op": "fatal", "message": message_of(error), "stack": stack_of(error)})
        os._exit(1)
    # Threads of cancelled tasks may still run. They end with this process.
    os._exit(0)


if __name__ == "__main__":
    main()
