"""Plug-ins: files whose functions a host calls by message (docs/design/modules.md §6)."""

import asyncio
import errno
import inspect
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional

from . import constants as c
from .errors import errnum_of, message_of, request_error
from .message import Message

#: The names under which a file may declare its kind.
KIND_NAMES = ("pluginKind", "PLUGIN_KIND")


def plugin_entry(module: ModuleType, path: str, kind: Optional[str], symbols: List[str]) -> Callable[..., Any]:
    """An entry function that calls the functions of a file: request
    ``NAME.SYMBOL`` ``{"args"}``, response ``{"result"}``.

    :param path: of the file, for error texts
    :param kind: the required kind of a file that declares a kind; None accepts any kind
    :param symbols: names of the functions
    :raises OSError: ``EINVAL`` with the names of all missing functions
    """
    own = next((getattr(module, name) for name in KIND_NAMES if hasattr(module, name)), None)
    functions = {symbol: getattr(module, symbol, None) for symbol in symbols}
    missing = [symbol for symbol, function in functions.items() if not callable(function)]
    problems = []
    if own is not None and kind is not None and own != kind:
        problems.append(f"is of kind '{own}', but '{kind}' is required")
    if missing:
        problems.append(f"has no function {', '.join(missing)}")
    if problems:
        raise request_error(errno.EINVAL, f"{path}: {'; '.join(problems)}")
    return lambda h: _serve(h, functions)


def _serve(h: Any, functions: Dict[str, Any]) -> None:
    def answer(_h: Any, _watcher: Any, request: Message, function: Callable[..., Any]) -> None:
        try:
            result = function(*(request.payload or {}).get("args", []))
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
            h.respond(request, {"result": result})
        except Exception as error:  # noqa: BLE001 - what a function raises is its answer
            if not request.answered:
                h.respond_error(request, errnum_of(error) or errno.EIO, message_of(error))

    for symbol, function in functions.items():
        h.msg_watcher(answer, c.MSGTYPE_REQUEST, f"{h.name}.{symbol}", args=function).start()
    h.kind = h.name
    h.reactor_run()


async def _awaited(result: Any) -> Any:
    return await result
