"""``python3 -m sluice.module_exec PATH``: runs one module over the descriptor of ``SLUICE_MODULE_URI=fd://N``."""

import errno
import inspect
import socket
import sys
from types import ModuleType
from typing import Any, Callable, List, Optional, Tuple, Type

from . import constants as c
from .errors import errnum_of, message_of, request_error, stack_of
from .host_environment import forget_environment, import_file
from .library import find_member, library_of
from .module_handle import AsyncModuleSluice, ModuleSluice, register_default_handlers
from .outlive import outlive_signals
from .plugin import plugin_entry
from .process_title import die_with_parent, set_process_title
from .stream import connect

URI_VARIABLE = "SLUICE_MODULE_URI"
LIMIT_OPTION = "--memory-limit="
MEMBER_OPTION = "--member="
PLUGIN_OPTION = "--plugin="
KIND_OPTION = "--kind="
MODULE_NAME = "sluice_module"
LINGER_SECONDS = 1.0

Entry = Callable[..., Any]
Outcome = Optional[BaseException]


def find_entry(module: ModuleType, path: str) -> Entry:
    """The entry function of a file: ``mod_main``, or the only ``BrokerModule`` subclass that the
    file defines.

    :returns: a function, whose arguments are the handle and the module's arguments
    :raises OSError: ``EINVAL`` if both are missing, or for several classes without ``mod_main``
    """
    from .brokermod import BrokerModule

    main = getattr(module, "mod_main", None)
    if callable(main):
        return main  # type: ignore[no-any-return]
    library = library_of(module)
    if library is not None:
        names = ", ".join(f"{path}#{name}" for name in library.get("modules", ()))
        raise request_error(errno.EINVAL, f"{path}: is a library; name one of its modules: {names}")
    classes: List[Type[BrokerModule]] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BrokerModule) and value.__module__ == module.__name__
    ]
    if len(classes) == 1:
        cls = classes[0]
        return lambda h, *args: cls(h, *args).run()
    if classes:
        names = ", ".join(sorted(cls.__name__ for cls in classes))
        raise request_error(errno.EINVAL, f"{path}: several BrokerModule subclasses and no mod_main: {names}")
    raise request_error(errno.EINVAL, f"{path}: neither mod_main nor a BrokerModule subclass")


def run_module(
    sock: socket.socket,
    path: str,
    memory_limit: Optional[int] = None,
    member: Optional[str] = None,
    kind: Optional[str] = None,
    symbols: Optional[List[str]] = None,
) -> Outcome:
    """Runs one module from its welcome to its end (docs/design/modules.md §3).

    :param sock: its channel
    :param path: its file
    :param memory_limit: the limit of the process in bytes, for the text of its error
    :param member: the name of the module in a library
    :param kind: the kind of the module, whose methods the report lists
    :param symbols: the functions of a plug-in, to run in place of a module
    :returns: the error with which it failed, or None
    """
    entry, failure = _load(path, member, kind, symbols)
    is_async = entry is not None and (
        inspect.iscoroutinefunction(entry) or inspect.iscoroutinefunction(getattr(entry, "__call__", None))
    )
    h: ModuleSluice = AsyncModuleSluice(sock=sock) if is_async else ModuleSluice(sock=sock)
    set_process_title(h.name)
    register_default_handlers(h)
    h.kind = kind if symbols is None else None
    if entry is not None:
        failure = _run_entry(h, entry, is_async)
    if isinstance(failure, MemoryError) and memory_limit is not None:
        text = f"out of memory, its memory-limit is {memory_limit // 2**20} MiB"
        failure = OSError(errno.ENOMEM, text)
    _report_end(h, failure)
    return failure


def _load(
    path: str, member: Optional[str], kind: Optional[str], symbols: Optional[List[str]]
) -> Tuple[Optional[Entry], Outcome]:
    """The entry function, or an error if the file has none. The module can report the error only after
    the welcome."""
    try:
        module = import_file(path, MODULE_NAME)
        if symbols is not None:
            return plugin_entry(module, path, kind, symbols), None
        return (find_entry(module, path) if member is None else find_member(module, path, member)), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reported as what the load failed with
        return None, error


def _run_entry(h: ModuleSluice, entry: Entry, is_async: bool) -> Outcome:
    try:
        if is_async:
            _run_async(h, entry)
        else:
            entry(h, *h.args)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reported as what the module failed with
        return error
    if h.failure is not None:
        return h.failure
    return None if h.ran else request_error(errno.ECONNRESET, "module returned before it was running")


def _run_async(h: ModuleSluice, entry: Entry) -> None:
    import asyncio

    from .aio import attach, detach

    async def main() -> None:
        attach(h)
        try:
            await entry(h, *h.args)
        finally:
            detach(h)

    asyncio.run(main())


def _report_end(h: ModuleSluice, failure: Outcome) -> None:
    h.refuse_requests()
    if h.ran and not h.gone:
        _report_finalizing(h)
    if not h.gone:
        h.notify("module.status", {"status": c.STATUS_EXITED, **_report_of(failure)})
    h.close(LINGER_SECONDS)


def _report_finalizing(h: ModuleSluice) -> None:
    try:
        h.report_finalizing()
    except OSError as error:
        # The broker has disconnected, or has no such service. The module ends in any case.
        h.log("debug", f"module.status: {message_of(error)}")
    h.refuse_requests()


def _report_of(failure: Outcome) -> "dict[str, Any]":
    if failure is None:
        return {"errnum": 0}
    known = errnum_of(failure)
    report = {"errnum": known or errno.ECONNRESET, "error": message_of(failure)}
    if isinstance(failure, SystemExit):
        report["error"] = f"exit status {_status_of(failure)}"
    elif known is None:
        report["stack"] = stack_of(failure)
    return report


def _status_of(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    return ending.code if isinstance(ending.code, int) else 1


def _take_option(arguments: List[str], option: str) -> Optional[str]:
    """Removes the first argument if it is this option, and returns the value of the option."""
    if not arguments or not arguments[0].startswith(option):
        return None
    return arguments.pop(0)[len(option) :]


def _limit_memory(limit: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main(argv: List[str]) -> int:
    """The command.

    :returns: the exit status: 0, also for a reported failure of the module; 2 for wrong usage
    """
    uri = forget_environment(URI_VARIABLE)
    arguments = argv[1:]
    limit = _take_option(arguments, LIMIT_OPTION)
    member = _take_option(arguments, MEMBER_OPTION)
    plugin = _take_option(arguments, PLUGIN_OPTION)
    kind = _take_option(arguments, KIND_OPTION)
    if len(arguments) != 1 or not uri.startswith("fd://"):
        options = f"[{LIMIT_OPTION}BYTES] [{MEMBER_OPTION}NAME] [{PLUGIN_OPTION}NAME,…] [{KIND_OPTION}KIND]"
        print(f"Usage: {URI_VARIABLE}=fd://N python3 -m sluice.module_exec {options} PATH", file=sys.stderr)
        return 2
    path = arguments[0]
    die_with_parent()
    outlive_signals()
    limit_bytes = None if limit is None else int(limit)
    if limit_bytes is not None:
        _limit_memory(limit_bytes)
    sys.argv = [path]
    symbols = None if plugin is None else plugin.split(",")
    failure = run_module(connect(uri), path, limit_bytes, member, kind, symbols)
    if failure is not None and not isinstance(failure, OSError):
        # Its text has been reported to the broker. This is for the module's author.
        print(stack_of(failure) if errnum_of(failure) is None else message_of(failure), file=sys.stderr)
    return 0


if __name__ == "__main__":
    # It skips the shutdown of the interpreter, because a thread that a module left behind must not keep the
    # process alive.
    import os

    status = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
