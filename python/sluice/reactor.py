"""The event loop of a handle, and four calls that let another loop drive the handle (docs/design/embedding.md §3)."""

import errno
from collections import deque
from itertools import islice
from time import monotonic
from typing import Any, Callable, Deque, NamedTuple, Optional, Protocol, Set

from . import constants as c
from .claim import Claim, claimed
from .connection import Connection
from .errors import request_error
from .message import Message
from .timers import Timers

READ = 1
WRITE = 2
"""The bits of ``wants()``, equal to ``selectors.EVENT_READ`` and ``EVENT_WRITE``."""


DISPATCH_LIMIT = 64
"""The most messages, callbacks and timers that one ``dispatch()`` handles, so that the outer event loop continues."""


class Scheduled(Protocol):
    """The argument of ``schedule()``."""

    def is_ready(self) -> bool:
        """Whether a callback is due."""

    def call_back(self) -> None:
        """Calls back."""


class ReactorHooks(NamedTuple):
    """The message handling that a reactor uses."""

    #: Takes a response, as soon as it has been received.
    settle: Callable[[Message], None]
    #: Takes any other message; only ``dispatch()`` calls it.
    deliver: Callable[[Message], None]
    #: Takes the error of requests that cannot be answered any more, because the connection has ended.
    disconnected: Callable[[OSError], None]
    #: Whether ``run()`` has to wait for more than timers.
    is_needed: Callable[[], bool]


class Reactor:
    """Receives messages, and calls handlers, callbacks of futures and timers.

    :param is_module: whether ``run()`` lasts until ``stop()``, and ends with the exception of a callback
    """

    def __init__(self, connection: Connection, hooks: ReactorHooks, is_module: bool) -> None:
        self._connection = connection
        self._hooks = hooks
        self._is_module = is_module
        self._inbox: Deque[Message] = deque()
        self._ready: Deque[Scheduled] = deque()
        self._scheduled: Set[int] = set()
        self._is_dispatching = False
        #: The claim that each call on the handle holds.
        self.claim = Claim()
        self.timers = Timers()
        #: Called when ``wants()`` or ``timeout()`` may have changed.
        self.on_change: Optional[Callable[[], None]] = None
        #: Whether ``run()`` has to end.
        self.stopped = False
        #: Whether ``run()`` still makes all due calls, because only the connection has ended.
        self._drains = False
        #: The error with which it was stopped.
        self.failure: Optional[BaseException] = None
        connection.on_change = self.changed

    # -- driven by another event loop -----------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor to wait for; -1 after ``close()``."""
        return self._connection.fileno()

    def wants(self) -> int:
        """The events to wait for: ``READ``, or ``READ | WRITE``; 0 once the connection has ended."""
        if self._connection.gone:
            return 0
        return READ | WRITE if self._connection.unsent_bytes else READ

    @claimed
    def timeout(self) -> Optional[float]:
        """Seconds after which to call ``dispatch()`` even without input; None: only after input."""
        if self._inbox or self._ready:
            return 0.0
        return self.timers.timeout()

    @claimed
    def dispatch(self) -> int:
        """Handles waiting input and due timers without a wait. Returns the number of messages, callbacks
        and timers handled.

        The number is at most 64. ``timeout()`` is 0 while messages, callbacks or due timers wait.

        :raises OSError: ``EBUSY`` inside a handler or callback, or during a call of another thread
        :raises Exception: the exception of a callback, except in a module
        """
        if self._is_dispatching:
            raise request_error(errno.EBUSY, "dispatch() cannot run inside a handler; return to the event loop")
        self._is_dispatching = True
        try:
            return self._dispatch()
        finally:
            self._is_dispatching = False

    def _dispatch(self) -> int:
        self._connection.flush()
        if not self._inbox:
            self._receive()
        count = 0
        # A handler may close the connection, which empties both queues.
        for _ in range(min(len(self._inbox), DISPATCH_LIMIT)):
            if not self._inbox:
                break
            count += 1
            self._guarded(self._hooks.deliver, self._inbox.popleft())
        for _ in range(min(len(self._ready), DISPATCH_LIMIT - count)):
            if not self._ready:
                break
            scheduled = self._ready.popleft()
            self._scheduled.discard(id(scheduled))
            count += 1
            self._guarded(scheduled.call_back)
        for due, timer in islice(self.timers.due(), DISPATCH_LIMIT - count):
            count += 1
            self._guarded(timer.fire, due)
        return count

    def changed(self) -> None:
        """Notifies the outer event loop that ``wants()`` or ``timeout()`` may have changed."""
        if self.on_change is not None:
            self.on_change()

    # -- driven by itself -----------------------------------------------------------------------------------------

    @claimed
    def run(self, flags: int = 0) -> int:
        """Dispatches until ``stop()``, or until nothing is outstanding.

        :param flags: ``REACTOR_NOWAIT`` for one pass that never waits, ``REACTOR_ONCE`` for one wait and one pass
        :returns: number of messages, callbacks and timers handled
        :raises BaseException: the error of ``stop()``, and the exception of a callback
        """
        if flags not in (0, c.REACTOR_NOWAIT, c.REACTOR_ONCE):
            raise request_error(errno.EINVAL, f"invalid flags of reactor_run(): {flags!r}")
        count = 0
        if flags == c.REACTOR_NOWAIT and not self.stopped:
            count = self.dispatch()
        while flags != c.REACTOR_NOWAIT and self._has_work:
            self._connection.wait(self.timeout())
            count += self.dispatch()
            if flags == c.REACTOR_ONCE:
                break
        if self.failure is not None:
            failure = self.failure
            if not self._is_module:
                self.failure = None
            raise failure
        return count

    @property
    def _has_work(self) -> bool:
        if self.stopped:
            return self._drains and bool(self._inbox or self._ready)
        return self._is_module or self.timers.live > 0 or self._hooks.is_needed()

    def restart(self) -> None:
        """Undoes ``stop()``, unless the connection has ended."""
        self.stopped = self._connection.gone

    def stop(self) -> None:
        """Ends ``run()``."""
        self.stopped = True
        self._drains = False
        self.changed()

    def stop_error(self, error: Optional[BaseException] = None) -> None:
        """Ends ``run()`` with an error, by default an ``OSError`` of ``ECONNRESET``. The first error counts."""
        if self.failure is None:
            self.failure = error or request_error(errno.ECONNRESET, "stopped with an error")
        self.stop()

    def schedule(self, scheduled: Scheduled) -> None:
        """Makes the next ``dispatch()`` call ``call_back()``, if a callback is due."""
        if scheduled.is_ready() and id(scheduled) not in self._scheduled:
            self._scheduled.add(id(scheduled))
            self._ready.append(scheduled)
            self.changed()

    @claimed
    def wait_until(self, condition: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """Waits until received messages make a condition true.

        A wait handles only responses. It keeps other messages for ``dispatch()``.

        :param timeout: seconds; None waits for ever
        :returns: whether the condition holds; False after the timeout
        :raises OSError: ``ECONNRESET`` if the connection has ended and the condition is false
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not condition():
            if self._connection.gone:
                raise self._connection.gone_error()
            remaining = None if deadline is None else max(0.0, deadline - monotonic())
            self._connection.wait(remaining)
            self._connection.flush()
            self._receive()
            if remaining == 0.0 and not condition():
                return False
        if self._inbox or self._ready:
            self.changed()
        return True

    # -- messages -------------------------------------------------------------------------------------------------

    @property
    def has_input(self) -> bool:
        """Whether messages wait for their delivery."""
        return bool(self._inbox)

    def take(self) -> Message:
        """Removes and returns the first message that waits for its delivery."""
        return self._inbox.popleft()

    def put_back(self, messages: "Deque[Message]") -> None:
        """Delivers messages again, before the waiting ones."""
        self._inbox.extendleft(reversed(messages))
        self.changed()

    def deliver_waiting(self) -> None:
        """Delivers only the waiting messages."""
        waiting, self._inbox = self._inbox, deque()
        for message in waiting:
            self._hooks.deliver(message)

    def disconnect(self) -> None:
        """Ends the exchange of messages, because the broker has disconnected."""
        self._connection.disconnect()
        self.end(self._connection.gone_error())

    def fail(self, error: OSError) -> None:
        """Ends the exchange of messages, and ``run()``, with an error. All later calls raise it too."""
        self._connection.disconnect(error)
        self._hooks.disconnected(error)
        self.stop_error(error)

    def end(self, error: OSError) -> None:
        """Ends ``run()`` and all pending requests.

        :param error: of the requests
        """
        self._hooks.disconnected(error)
        drains = self._drains or not self.stopped
        self.stop()
        self._drains = drains

    def close(self, error: OSError) -> None:
        """Handles the end of the connection. Afterwards only callbacks of pending requests run.

        :param error: of the requests
        """
        self._inbox.clear()
        self.timers.clear()
        self.end(error)

    def _receive(self) -> None:
        was_gone = self._connection.gone
        for message in self._connection.receive():
            if message.type == "response":
                self._hooks.settle(message)
            else:
                self._inbox.append(message)
        if self._connection.gone and not was_gone:
            self.end(self._connection.gone_error())

    def _guarded(self, call: Callable[..., Any], *args: Any) -> None:
        if not self._is_module:
            call(*args)
            return
        try:
            call(*args)
        except Exception as error:  # noqa: BLE001 - any error of a callback fails the module
            self.stop_error(error)
