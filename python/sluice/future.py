"""The future of a request, which gets its responses."""

import errno
from collections import deque
from typing import Any, Callable, Deque, Generator, Iterator, Optional, Protocol, Tuple

from .claim import Claim, claimed
from .errors import request_error
from .message import Message, decode_payload


_Callback = Tuple[Callable[..., Any], Tuple[Any, ...], Any]


class FutureOwner(Protocol):
    """The part of the requests that a future uses."""

    #: The handle that sent the request.
    handle: Any
    #: How many futures have a callback that is still to be called.
    callbacks: int

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle and its futures holds."""

    def wait_until(self, condition: Callable[[], bool], timeout: Optional[float]) -> bool:
        """Waits until a condition holds. Returns False after the timeout (seconds; None waits for
        ever)."""

    def schedule(self, future: "Future") -> None:
        """Makes the event loop call ``call_back()``, if the future is ready."""

    def forget(self, future: "Future") -> bool:
        """Stops waiting for responses. Cancels a stream at its service. Returns whether more responses
        were due.
        """


class Future:
    """The result of ``rpc()``.

    ``get()`` waits, ``then()`` calls back from the event loop, and ``await`` works in a coroutine of
    asyncio. With a streaming request each of them gives the next response, until ``reset()`` drops it.
    The stream ends with an ``OSError`` of ``ENODATA``. An iteration over the future calls ``reset()``
    itself.
    """

    def __init__(self, owner: FutureOwner, topic: str, matchtag: int, streaming: bool) -> None:
        self._owner = owner
        self.topic = topic
        self.matchtag = matchtag
        self.streaming = streaming
        self._responses: Deque[Message] = deque()
        self._error: Optional[BaseException] = None
        self._callback: Optional[_Callback] = None
        #: 1 while the event loop of a client runs for the callback.
        self._counted = 0
        #: Whether the callback has seen the response that is first in line.
        self._is_seen = False
        #: Called once, when a call such as ``get()`` has a response.
        self.when_got: Optional[Callable[[], None]] = None

    @property
    def handle(self) -> Any:
        """The handle that sent the request."""
        return self._owner.handle

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle and its futures holds."""
        return self._owner.claim

    def is_ready(self) -> bool:
        """Whether ``get()`` returns without a wait."""
        return bool(self._responses) or self._error is not None

    @claimed
    def wait_for(self, timeout: Optional[float] = None) -> "Future":
        """Waits until a response has arrived.

        :param timeout: seconds; None waits for ever
        :raises OSError: ``ETIMEDOUT`` after the timeout
        """
        if not self._owner.wait_until(self.is_ready, timeout):
            raise request_error(errno.ETIMEDOUT, f"{self.topic}: no response within {timeout:g} s")
        return self

    @claimed
    def response(self, timeout: Optional[float] = None) -> Message:
        """Waits, and returns the whole response.

        :param timeout: seconds; None waits for ever
        :raises OSError: with the errno and text of the response; ``ETIMEDOUT`` after the timeout;
            ``ECONNRESET`` if the broker disconnected; ``ECANCELED`` after ``close()`` of the handle, or
            ``cancel()``
        """
        if not self._responses and self._error is None:
            self.wait_for(timeout)
        when_got, self.when_got = self.when_got, None
        if when_got is not None:
            when_got()
        if self._responses:
            message = self._responses[0]
            if message.errnum == 0:
                return message
            raise request_error(message.errnum, message.error)
        assert self._error is not None
        raise self._error

    def get(self, timeout: Optional[float] = None) -> Any:
        """Waits, and returns the payload: a JSON value, bytes, or None.

        :param timeout: seconds; None waits for ever
        :raises OSError: as :meth:`response`; ``EPROTO`` if the payload is invalid JSON
        """
        return decode_payload(self.response(timeout).raw)

    def get_str(self) -> Optional[str]:
        """Waits, and returns the payload as unparsed text, or None without payload.

        :raises OSError: as :meth:`response`
        """
        return self.response().payload_str

    @claimed
    def then(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> "Future":
        """Calls ``callback(future, *args, **kwargs)`` from the event loop for each response, and when the
        future fails.

        The event loop of a client runs as long as a callback is outstanding.
        """
        self._call_later(1, (callback, args, kwargs))
        return self

    @claimed
    def then_in_background(self, callback: Callable[..., Any], *args: Any) -> None:
        """The same as :meth:`then`, but without running the event loop of a client."""
        self._call_later(0, (callback, args, {}))

    @claimed
    def reset(self) -> None:
        """Drops the first waiting response of a stream, to wait for the next one."""
        if self._responses:
            self._responses.popleft()
        self._is_seen = False
        self._schedule()

    @claimed
    def cancel(self) -> None:
        """Fails the request with ``ECANCELED``. Cancels a stream at its service."""
        if self._error is None and self._owner.forget(self):
            self.fail(request_error(errno.ECANCELED, f"{self.topic}: cancelled"))

    def deliver(self, message: Message) -> bool:
        """Accepts a response. Returns whether it is the last one."""
        self._responses.append(message)
        self._schedule()
        return message.errnum != 0 or not self.streaming

    def fail(self, error: BaseException) -> None:
        """Ends the request with an error without a response."""
        self._error = error
        self._schedule()

    def call_back(self) -> None:
        """Calls the callback once for each response. The last call is for the response that ends the
        request."""
        if self._callback is None or self._is_seen or not self.is_ready():
            return
        callback, args, kwargs = self._callback
        self._is_seen = True
        if not self.streaming or not self._responses or self._responses[0].errnum != 0:
            self._callback = None
            self._count(0)
        callback(self, *args, **kwargs)

    def _call_later(self, count: int, callback: "_Callback") -> None:
        self._count(count)
        self._callback = callback
        self._owner.schedule(self)

    def _count(self, count: int) -> None:
        self._owner.callbacks += count - self._counted
        self._counted = count

    def _schedule(self) -> None:
        if self._callback is not None:
            self._owner.schedule(self)

    def __iter__(self) -> Iterator[Any]:
        """Iterates over the payloads of a stream until ``ENODATA``. Leaving the loop early cancels the
        stream."""
        try:
            while True:
                try:
                    payload = self.get()
                except OSError as error:
                    if error.errno == errno.ENODATA:
                        return
                    raise
                self.reset()
                yield payload
        finally:
            self.cancel()

    def __await__(self) -> Generator[Any, None, Any]:
        # Only programs that use asyncio import it.
        from .attachment import settled

        return settled(self).__await__()
