"""The response to a request that is still to come."""

import errno
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Generator, Iterator, Optional, Tuple

from .errors import request_error
from .message import Message, decode_payload

if TYPE_CHECKING:
    from .handle import Sluice


class Future:
    """What ``rpc()`` gives.

    ``get()`` waits; ``then()`` calls back from the event loop; ``await`` works in a coroutine of asyncio. Of a streaming
    request each of them gives the response that is first in line, until ``reset()`` lets go of it; the stream ends with an
    ``OSError`` of ``ENODATA``. Iterating over the future does this by itself.
    """

    def __init__(self, handle: "Sluice", topic: str, matchtag: int, streaming: bool) -> None:
        self.handle = handle
        self.topic = topic
        self.matchtag = matchtag
        self.streaming = streaming
        self._responses: Deque[Message] = deque()
        self._error: Optional[BaseException] = None
        self._callback: Optional[Tuple[Callable[..., Any], Tuple[Any, ...], Any]] = None
        #: Whether the callback has seen the response that is first in line.
        self._is_seen = False
        #: Called once, when ``get()`` or the like has a response.
        self.when_got: Optional[Callable[[], None]] = None

    def is_ready(self) -> bool:
        """Whether ``get()`` would not wait."""
        return bool(self._responses) or self._error is not None

    def wait_for(self, timeout: Optional[float] = None) -> "Future":
        """Waits until there is a response.

        :param timeout: seconds; None waits for ever
        :raises OSError: ``ETIMEDOUT``
        """
        if not self.handle.wait_until(self.is_ready, timeout):
            raise request_error(errno.ETIMEDOUT, f"{self.topic}: no response within {timeout:g} s")
        return self

    def response(self, timeout: Optional[float] = None) -> Message:
        """Waits, and gives the whole response.

        :raises OSError: with the errnum and text of the response; ``ETIMEDOUT``; ``ECONNRESET`` if the broker went away
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
        """Waits, and gives the payload: a JSON value, bytes, or None.

        :raises OSError: as :meth:`response`; ``EPROTO`` if the payload is not JSON
        """
        return decode_payload(self.response(timeout).raw)

    def get_str(self) -> Optional[str]:
        """As :meth:`get`, but the payload as unparsed text."""
        return self.response().payload_str

    def then(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> "Future":
        """Calls ``callback(future, *args, **kwargs)`` from the event loop for each response, and when it fails.

        The event loop of a client runs as long as one is outstanding.
        """
        if self._callback is None:
            self.handle.callbacks += 1
        self._callback = (callback, args, kwargs)
        self.handle.schedule(self)
        return self

    def reset(self) -> None:
        """Lets go of the response that is first in line, to wait for the next of a stream."""
        if self._responses:
            self._responses.popleft()
        self._is_seen = False
        if self._callback is not None:
            self.handle.schedule(self)

    def cancel(self) -> None:
        """Tells the service that nobody listens to this stream any more; fails it with ``ECANCELED``."""
        if self._error is None and self.handle.forget(self):
            self.fail(request_error(errno.ECANCELED, f"{self.topic}: cancelled"))

    def deliver(self, message: Message) -> bool:
        """Takes a response; returns whether it is the last."""
        self._responses.append(message)
        if self._callback is not None:
            self.handle.schedule(self)
        return message.errnum != 0 or not self.streaming

    def fail(self, error: BaseException) -> None:
        """Ends it with an error of our own."""
        self._error = error
        if self._callback is not None:
            self.handle.schedule(self)

    def call_back(self) -> None:
        """Calls the callback, once for each response; the last time for the one that ends it."""
        if self._callback is None or self._is_seen or not self.is_ready():
            return
        callback, args, kwargs = self._callback
        self._is_seen = True
        if not self.streaming or not self._responses or self._responses[0].errnum != 0:
            self._callback = None
            self.handle.callbacks -= 1
        callback(self, *args, **kwargs)

    def __iter__(self) -> Iterator[Any]:
        """The payloads of a stream until ``ENODATA``; leaving the loop early cancels it."""
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
        from .aio import settled

        return settled(self).__await__()
