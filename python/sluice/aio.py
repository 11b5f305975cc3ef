"""Sluice inside asyncio: no thread, no polling.

>>> async def main():
...     async with sluice.aio.Sluice() as h:
...         print(await h.rpc("kvs.get", {"key": "a"}))
"""

import asyncio
import errno
from typing import Any, AsyncIterator, Awaitable, Optional, Set, Type, TypeVar

from . import handle as _handle
from .attachment import attach, detach, run, settled
from .errors import request_error
from .future import Future
from .message import Message

__all__ = ["Sluice", "attach", "detach", "run", "settled", "spawn", "stream"]

_Self = TypeVar("_Self", bound="Sluice")
_RUNNING: "Set[asyncio.Future[None]]" = set()


class Sluice(_handle.Sluice):
    """A handle with futures to await. The running event loop of asyncio calls its watchers."""

    async def __aenter__(self: _Self) -> _Self:
        attach(self)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        detach(self)
        self.close()

    async def run(self) -> None:
        """Serves until ``reactor_stop()``, or until the shutdown of the module.

        :raises BaseException: the error of ``reactor_stop_error()``
        """
        await run(self)


async def stream(future: Future) -> AsyncIterator[Any]:
    """Iterates over the payloads of a streaming request until ``ENODATA``. Leaving the loop early cancels
    the request.

    :raises OSError: as ``Future.get``; ``EPROTO`` if the request is not a streaming one
    """
    if not future.streaming:
        raise request_error(errno.EPROTO, f"{future.topic}: needs a streaming request")
    try:
        while True:
            try:
                payload = await settled(future)
            except OSError as error:
                if error.errno == errno.ENODATA:
                    return
                raise
            future.reset()
            yield payload
    finally:
        future.cancel()


def spawn(handle: _handle.Sluice, request: Message, result: Awaitable[Any]) -> None:
    """Runs the coroutine that a handler returned. An exception of the coroutine has the same effect
    as an exception of a handler."""

    async def guarded() -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - the requester gets any error
            try:
                handle.answer_failure(request, error)
            except Exception as fault:  # noqa: BLE001 - the program fails with it
                handle.reactor_stop_error(fault)

    task = asyncio.ensure_future(guarded())
    # The loop itself keeps only weak references to its tasks.
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
