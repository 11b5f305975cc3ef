"""Attaches a handle to a running event loop of asyncio, which then dispatches the handle."""

import asyncio
from typing import Any, Callable, Optional, Protocol

from .claim import Claim
from .reactor import READ, WRITE


class Attachable(Protocol):
    """The part of a handle that an event loop uses."""

    #: The attachment to an event loop; None without one.
    attachment: Any
    #: Called when ``wants()`` or ``timeout()`` may have changed.
    on_change: Optional[Callable[[], None]]

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle holds."""

    @property
    def stopped(self) -> bool:
        """Whether the event loop has to end."""

    @property
    def failure(self) -> Optional[BaseException]:
        """The error that stopped the event loop."""

    def fileno(self) -> int:
        """The descriptor to wait for."""

    def wants(self) -> int:
        """``READ``, ``WRITE``, both, or 0."""

    def timeout(self) -> Optional[float]:
        """Seconds until the next ``dispatch()``; None: when input arrives."""

    def dispatch(self) -> int:
        """Handles the messages that have arrived."""

    def entering(self) -> None:
        """Called when the event loop is about to begin."""


class Awaitable(Protocol):
    """The part of a future that ``settled()`` uses."""

    @property
    def handle(self) -> Attachable:
        """The handle that sent the request."""

    def is_ready(self) -> bool:
        """Whether ``get()`` returns without a wait."""

    def then(self, callback: Callable[[Any], Any]) -> Any:
        """Calls the callback when the future is ready."""

    def cancel(self) -> None:
        """Fails the request."""

    def get(self) -> Any:
        """The payload of the response."""


class _Attachment:
    """The connection of a handle to one event loop."""

    def __init__(self, handle: Attachable, loop: asyncio.AbstractEventLoop) -> None:
        self.handle = handle
        self.loop = loop
        self.stopped = asyncio.Event()
        #: The number under which the loop watches the descriptor; for the handle, it is -1 once it is closed.
        self._descriptor = handle.fileno()
        self._watched = 0
        self._released = False
        self._timer: Optional[asyncio.TimerHandle] = None
        handle.claim.pin(lambda: not loop.is_closed())
        handle.on_change = self.arm
        self.arm()

    def arm(self) -> None:
        """Makes the loop watch the descriptor for the events of ``wants()``."""
        if self.handle.stopped:
            self.stopped.set()
        if self._released or self.loop.is_closed():
            return
        self._watch(self.handle.wants())
        self._set_timer(self.handle.timeout())

    def release(self) -> None:
        """Stops the loop from waiting for the handle."""
        self._released = True
        self.handle.claim.unpin()
        self.handle.on_change = None
        if not self.loop.is_closed():
            self._watch(0)
            self._set_timer(None)

    def _watch(self, wants: int) -> None:
        changed = wants ^ self._watched
        self._watched = wants
        if changed & READ:
            if wants & READ:
                self.loop.add_reader(self._descriptor, self._dispatch)
            else:
                self.loop.remove_reader(self._descriptor)
        if changed & WRITE:
            if wants & WRITE:
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


def attach(handle: Attachable) -> None:
    """Makes the running event loop dispatch this handle. If the loop already dispatches the handle, the
    call has no effect.

    :raises RuntimeError: no event loop runs, or the handle belongs to another open loop
    """
    loop = asyncio.get_running_loop()
    if handle.attachment is not None and handle.attachment.loop.is_closed():
        detach(handle)
    if handle.attachment is None:
        handle.attachment = _Attachment(handle, loop)
    elif handle.attachment.loop is not loop:
        raise RuntimeError("the handle is attached to another event loop: call detach() there first")


def detach(handle: Attachable) -> None:
    """Undoes ``attach``. Has no effect on an unattached handle."""
    if handle.attachment is not None:
        handle.attachment.release()
        handle.attachment = None


async def run(handle: Attachable) -> None:
    """``reactor_run()`` for asyncio: serves until ``reactor_stop()``, or until the shutdown of the
    module.

    :raises BaseException: the error of ``reactor_stop_error()``
    """
    attach(handle)
    handle.entering()
    attachment: _Attachment = handle.attachment
    attachment.stopped.clear()
    attachment.arm()
    await attachment.stopped.wait()
    if handle.failure is not None:
        raise handle.failure


async def settled(future: Awaitable) -> Any:
    """The payload of the next response: a JSON value, bytes, or None.

    :raises OSError: as ``Future.get``
    :raises RuntimeError: as :func:`attach`
    """
    attach(future.handle)
    if not future.is_ready():
        waiter = asyncio.get_running_loop().create_future()

        def wake(_: Any) -> None:
            if not waiter.done():
                waiter.set_result(None)

        future.then(wake)
        try:
            await waiter
        except asyncio.CancelledError:
            future.cancel()
            raise
    return future.get()
