"""A connection to a broker: messages over a stream, under flow control."""

import errno
import select
import socket
from time import monotonic
from typing import Callable, Dict, List, Optional

from .errors import message_of, request_error
from .flow_control import FlowControl
from .message import TYPE_NUMBERS, Message
from .stream import Stream
from .wire import encode_message


_LONGEST_POLL = 2**31 - 1


def poll_time(timeout: Optional[float]) -> Optional[int]:
    """Milliseconds for ``poll()``, at most as many as it takes. The caller waits again until its time is over.

    :param timeout: seconds; None waits for ever
    """
    # Rounded up: a timer that is called too early would have to wait once more.
    return None if timeout is None else int(min(timeout * 1000 + 0.999, _LONGEST_POLL))


def _no_counts() -> Dict[str, Dict[str, int]]:
    return {way: {name: 0 for name in TYPE_NUMBERS} for way in ("tx", "rx")}


class Connection:
    """Sends and receives messages. Only ``wait()`` and ``close()`` wait.

    :param sock: a connected stream socket without other users, which becomes non-blocking
    """

    def __init__(self, sock: socket.socket) -> None:
        self._stream = Stream(sock)
        self._flow = FlowControl()
        self._poll = select.poll()
        self._poll.register(self._stream.fileno(), select.POLLIN)
        self._polls_write = False
        self._closed = False
        self._error: Optional[OSError] = None
        #: Called when the events to wait for have changed.
        self.on_change: Callable[[], None] = lambda: None
        #: Messages sent (``tx``) and received (``rx``), by their type.
        self.stats = _no_counts()

    def fileno(self) -> int:
        """The descriptor; -1 after ``close()``."""
        return self._stream.fileno()

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes that wait for the kernel, without held requests."""
        return self._stream.unsent_bytes

    @property
    def gone(self) -> bool:
        """Whether the broker disconnected, or this end closed."""
        return self._stream.gone

    @property
    def closed(self) -> bool:
        """Whether the program called ``close()``."""
        return self._closed

    @property
    def cause(self) -> Optional[Exception]:
        """The cause, if the connection did not close cleanly."""
        return self._stream.cause

    def gone_error(self) -> OSError:
        """The error of a call that needs the broker: ``ECONNRESET``, or the error of ``disconnect()``."""
        if self._error is not None:
            return request_error(self._error.errno or errno.ECONNRESET, message_of(self._error))
        return request_error(errno.ECONNRESET, "the connection to the broker has ended")

    def clear_stats(self) -> None:
        """Sets the counts of messages to 0."""
        self.stats = _no_counts()

    def send(self, message: Message) -> None:
        """Sends a message, or keeps it until the broker resumes requests. Has no effect once the
        broker has disconnected.

        :raises OSError: ``ECONNRESET`` after ``close()``; ``EMSGSIZE`` for a message over a limit of the
            wire form; ``EINVAL`` for a message without wire form
        """
        if self._closed:
            raise self.gone_error()
        frame = encode_message(message)
        self.stats["tx"][message.type] += 1
        unsent_before = self._stream.unsent_bytes
        if self._flow.must_hold(message, unsent_before):
            self._flow.hold(frame)
            return
        self._stream.send(frame)
        if self._stream.unsent_bytes and not unsent_before:
            self.on_change()

    def flush(self) -> None:
        """Sends as much as the kernel takes now: kept messages, and requests that the broker no longer
        holds."""
        self._stream.flush()
        while self._flow.may_send(self._stream.unsent_bytes) and not self._stream.gone:
            self._stream.send(self._flow.next())

    def receive(self) -> List[Message]:
        """Returns the messages of one read. Handles flow-control messages itself."""
        messages: List[Message] = []
        for message in self._stream.receive():
            self.stats["rx"][message.type] += 1
            if self._flow.receive(message):
                self.flush()
                self.on_change()
            else:
                messages.append(message)
        return messages

    def wait(self, timeout: Optional[float]) -> None:
        """Waits until data has arrived, or until the kernel accepts more of the sent bytes.

        :param timeout: seconds; None waits for ever
        """
        if self._stream.gone:
            return
        writes = self._stream.unsent_bytes > 0
        if writes != self._polls_write:
            self._poll.modify(self._stream.fileno(), select.POLLIN | (select.POLLOUT if writes else 0))
            self._polls_write = writes
        self._poll.poll(poll_time(timeout))

    def disconnect(self, error: Optional[OSError] = None) -> None:
        """Ends the exchange of messages. The descriptor stays open until ``close()``.

        :param error: the error of later calls, by default ``ECONNRESET``
        """
        self._error = error
        self._stream.finish()

    def close(self, flush_timeout: float = 0.0, linger: float = 0.0) -> None:
        """Sends the kept messages, then closes. A second call has no effect.

        :param flush_timeout: how many seconds the broker has to read the kept messages
        :param linger: how many seconds the broker has to close first, because unread data would cause a
            reset
        """
        if self._closed:
            return
        self._closed = True
        self._flush_until(monotonic() + flush_timeout)
        self._stream.finish(linger)
        try:
            # Event loops stop watching the descriptor while its number still belongs to this connection.
            self.on_change()
        finally:
            self._poll.unregister(self._stream.fileno())
            self._stream.close()

    def _flush_until(self, deadline: float) -> None:
        self._flow.resume()
        self.flush()
        writable = select.poll()
        writable.register(self._stream.fileno(), select.POLLOUT)
        while self._stream.unsent_bytes and not self._stream.gone:
            remaining = deadline - monotonic()
            if remaining <= 0:
                return
            writable.poll(poll_time(remaining))
            self.flush()
