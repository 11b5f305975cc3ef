"""Several modules in one file (docs/design/modules.md §6). ``python3 -m sluice.library FD PATH`` writes the
description of a file.

It reads ``{"host": {"version", "api", "kinds"}, "names": [NAME…] | null}`` from standard input, and writes to the
descriptor ``{"manifest": {…} | null}`` or ``{"error": text}``, as JSON.
"""

import errno
import inspect
import json
import os
import platform
import sys
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, Optional

from .errors import message_of, request_error

Entry = Callable[..., Any]


def library_of(module: ModuleType) -> Optional[Mapping[str, Any]]:
    """The export ``SLUICE_LIBRARY`` of a file; None if the file is not a library."""
    library = getattr(module, "SLUICE_LIBRARY", None)
    return library if isinstance(library, Mapping) else None


def find_member(module: ModuleType, path: str, name: str) -> Entry:
    """The entry function of one module of a library: its ``main``, a function or a ``BrokerModule`` subclass.

    :param path: of the file, for error texts
    :raises OSError: ``EINVAL`` if the file is not a library, or lacks the module
    """
    library = library_of(module)
    if library is None:
        raise request_error(errno.EINVAL, f"{path}: is not a library: it has no SLUICE_LIBRARY")
    members = library.get("modules")
    member = members.get(name) if isinstance(members, Mapping) else None
    main = member.get("main") if isinstance(member, Mapping) else None
    if isinstance(main, type):
        cls = main
        return lambda h, *args: cls(h, *args).run()
    if callable(main):
        return main  # type: ignore[no-any-return]
    raise request_error(errno.EINVAL, f"{path}: the library has no module '{name}' with a function main")


def describe(library: Mapping[str, Any], host: Mapping[str, Any], names: Optional[List[str]] = None) -> Dict[str, Any]:
    """The manifest of a library as plain data.
    ``main`` is true if the module has that function. ``compatible`` is the result of a call of that function.

    :param host: the description of the host, which ``compatible`` gets
    :param names: the modules whose ``compatible`` to call; None for all
    """
    members = library.get("modules")
    if isinstance(members, Mapping):
        members = {name: _describe_member(one, host, names is None or name in names) for name, one in members.items()}
    return {**library, "modules": members, "pythonVersion": platform.python_version()}


def _describe_member(member: Any, host: Mapping[str, Any], is_asked: bool) -> Any:
    if not isinstance(member, Mapping):
        return member
    described = {key: value for key, value in member.items() if key not in ("main", "compatible")}
    described["main"] = callable(member.get("main"))
    if is_asked and "compatible" in member:
        described["compatible"] = _judge(member["compatible"], host)
    return described


def _judge(compatible: Any, host: Mapping[str, Any]) -> Any:
    if not callable(compatible):
        return compatible
    try:
        answer = compatible(host)
        if inspect.isawaitable(answer):
            import asyncio

            return asyncio.run(_awaited(answer))
        return answer
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the answer
        return f"compatible() failed: {message_of(error)}"


async def _awaited(answer: Any) -> Any:
    return await answer


def _place_of(error: BaseException, path: str) -> str:
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{error.lineno or 1}:{error.offset or 1}: "
    line = None
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == path:
            line = frame.tb_lineno
        frame = frame.tb_next
    return "" if line is None else f"{line}: "


def _report(path: str, question: Mapping[str, Any]) -> Dict[str, Any]:
    from .host_environment import import_file

    try:
        library = library_of(import_file(path, "sluice_library"))
    except SystemExit as error:
        return {"error": f"exit status {error.code or 0} during the read"}
    except Exception as error:  # noqa: BLE001 - reported
        text = (error.msg if isinstance(error, SyntaxError) else message_of(error)).split("\n")[0]
        return {"error": f"{_place_of(error, path)}{text}"}
    if library is None:
        return {"manifest": None}
    return {"manifest": describe(library, question["host"], question.get("names"))}


def main(argv: List[str]) -> int:
    """The command.

    :returns: the exit status: 0, also for a reported fault of the library; 2 for wrong usage
    """
    if len(argv) != 3 or not argv[1].isdigit():
        print("usage: python3 -m sluice.library FD PATH", file=sys.stderr)
        return 2
    from .process_title import die_with_parent

    die_with_parent()
    os.set_inheritable(int(argv[1]), False)
    question = json.loads(sys.stdin.read())
    path = argv[2]
    sys.argv = [path]
    report = _report(path, question)
    try:
        text = json.dumps(report, allow_nan=False)
    except (TypeError, ValueError) as error:
        text = json.dumps({"error": f"cannot write its manifest as JSON: {message_of(error)}"})
    with os.fdopen(int(argv[1]), "w", encoding="utf-8") as output:
        output.write(text)
    return 0


if __name__ == "__main__":
    status = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # It skips the shutdown of the interpreter, because a thread that the library left behind must not keep
    # the process alive.
    os._exit(status)
