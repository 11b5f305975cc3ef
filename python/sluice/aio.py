"""Sluice inside asyncio: no thread, no polling.

>>> async def main():
...     async with sluice.aio.Sluice() as h:
...         print(await h.rpc("kvs.get", {"key": "a"}))
"""

import asyncio
import errno
from typing import Any, AsyncIterator, Awaitable, Optional, Set, Type, TypeVar

from . import handle as _handle
from .errors import request_error
from .future import Future
from .message import Message

_Self = TypeVar("_Self", bound="Sluice")
_RUNNING: "Set[asyncio.Future[None]]" = set()


class Sluice(_handle.Sluice):
    """A handle whose futures are awaited, and whose watchers are called by the running event loop of asyncio."""

    async def __aenter__(self: _Self) -> _Self:
        attach(self)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        detach(self)
        self.close()

    async def run(self) -> None:
        """Serves until ``reactor_stop()``; of a module, until its shutdown.

        :raises BaseException: what ``reactor_stop_error()`` was given
        """
        await run(self)


class _Attachment:
    """What ties a handle to one event loop."""

    def __init__(self, handle: _handle.Sluice, loop: asyncio.AbstractEventLoop) -> None:
        self.handle = handle
        self.loop = loop
        self.stopped = asyncio.Event()
        #: The descriptor, by the number under which the loop knows it: a closed handle has none.
        self._descriptor = handle.fileno()
        self._watched = 0
        self._released = False
        self._timer: Optional[asyncio.TimerHandle] = None
        handle.on_change = self.arm
        self.arm()

    def arm(self) -> None:
        """Has the loop wait for what the handle wants now."""
        if self.handle.stopped:
            self.stopped.set()
        if self._released or self.loop.is_closed():
            return
        self._watch(self.handle.wants())
        self._set_timer(self.handle.timeout())

    def release(self) -> None:
        """Unties them."""
        self._released = True
        self.handle.on_change = None
        if not self.loop.is_closed():
            self._watch(0)
            self._set_timer(None)

    def _watch(self, wants: int) -> None:
        changed = wants ^ self._watched
        self._watched = wants
        if changed & _handle.READ:
            if wants & _handle.READ:
                self.loop.add_reader(self._descriptor, self._dispatch)
            else:
                self.loop.remove_reader(self._descriptor)
        if changed & _handle.WRITE:
            if wants & _handle.WRITE:
                self.loop.add_writer(self._descriptor, self._dispatch)
            else:
                self.loop.remove_writer(self._descriptor)

    def _set_timer(self, seconds: Optional[float]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._dispatch)

    def _dispatch(self) -> None:
        try:
            self.handle.dispatch()
        finally:
            self.arm()


def attach(handle: _handle.Sluice) -> None:
    """Has the running event loop dispatch this handle. What is tied to it already stays so.

    :raises RuntimeError: if no event loop runs, or the handle is tied to another
    """
    loop = asyncio.get_running_loop()
    if handle.attachment is not None and handle.attachment.loop.is_closed():
        detach(handle)
    if handle.attachment is None:
        handle.attachment = _Attachment(handle, loop)
    elif handle.attachment.loop is not loop:
        raise RuntimeError("the handle is attached to another event loop, which is still open: detach() it there first")


def detach(handle: _handle.Sluice) -> None:
    """Undoes ``attach``."""
    attachment = handle.attachment
    if attachment is not None:
        attachment.release()
        handle.attachment = None


async def run(handle: _handle.Sluice) -> None:
    """``reactor_run()`` for asyncio."""
    attach(handle)
    handle.entering()
    attachment: _Attachment = handle.attachment
    attachment.stopped.clear()
    attachment.arm()
    await attachment.stopped.wait()
    if handle.failure is not None:
        raise handle.failure


async def settled(future: Future) -> Any:
    """The payload of the next response.

    :raises OSError: as ``Future.get``
    """
    handle = future.handle
    attach(handle)
    if not future.is_ready():
        waiter = asyncio.get_running_loop().create_future()

        def wake(_: Future) -> None:
            if not waiter.done():
                waiter.set_result(None)

        future.then(wake)
        try:
            await waiter
        except asyncio.CancelledError:
            future.cancel()
            raise
    return future.get()


async def stream(future: Future) -> AsyncIterator[Any]:
    """The payloads of a streaming request until ``ENODATA``; leaving the loop early cancels it."""
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
    """Runs what a handler that is a coroutine returned; what it raises is dealt with as of any handler."""

    async def guarded() -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of any
            try:
                handle.answer_failure(request, error)
            except Exception as fault:  # noqa: BLE001 - it is what the program fails with
                handle.reactor_stop_error(fault)

    task = asyncio.ensure_future(guarded())
    # The loop itself keeps only weak references to its tasks.
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
