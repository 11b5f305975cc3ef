"""Sends and receives messages over a socket without blocking. Keeps bytes that the kernel does not
take."""

import os
import socket
from typing import List, Optional, Union

from .errors import ProtocolError
from .message import Message
from .wire import FrameDecoder

CHUNK = 256 * 1024


class Stream:
    """Messages in and out of a connected stream socket.

    :param sock: without other users. It becomes non-blocking
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._decoder = FrameDecoder()
        self._unsent = bytearray()
        #: Whether the exchange has ended: an end of either side, or an invalid message from the other end.
        self.gone = False
        #: The cause, if the stream did not end cleanly.
        self.cause: Optional[Exception] = None

    def fileno(self) -> int:
        """The descriptor; -1 after ``close()``."""
        return self._sock.fileno()

    @property
    def unsent_bytes(self) -> int:
        """The bytes that wait for the kernel."""
        return len(self._unsent)

    def send(self, frame: bytes) -> None:
        """Sends a message. Keeps bytes that the kernel does not take now. Has no effect once the exchange
        has ended."""
        if self.gone:
            return
        if not self._unsent:
            sent = self._write(frame)
            if sent == len(frame):
                return
            frame = frame[sent:]
        self._unsent += frame

    def flush(self) -> None:
        """Sends as many kept bytes as the kernel takes now."""
        while self._unsent and not self.gone:
            with memoryview(self._unsent) as view:
                sent = self._write(view[:CHUNK])
            if sent == 0:
                return
            del self._unsent[:sent]

    def receive(self) -> List[Message]:
        """Returns the messages of one read: an empty list once the exchange has ended."""
        if self.gone:
            return []
        try:
            chunk = self._sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            self._end(error)
            return []
        try:
            if chunk:
                return self._decoder.push(chunk)
            if self._decoder.pending:
                raise ProtocolError(f"malformed message: the stream ended {self._decoder.pending} bytes into it")
        except ProtocolError as error:
            self._end(error)
            return []
        self._end(None)
        return []

    def finish(self, linger: float = 0.0) -> None:
        """Ends the exchange of messages, and drops the kept bytes. The descriptor stays open.

        :param linger: how many seconds the other end has to close first
        """
        if linger > 0 and not self.gone:
            self._linger(linger)
        self.gone = True
        self._unsent.clear()

    def close(self) -> None:
        """Closes the descriptor, whose number the next file or socket may get."""
        self.finish()
        self._sock.close()

    def _linger(self, seconds: float) -> None:
        self._sock.settimeout(seconds)
        try:
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(CHUNK):
                continue
        except OSError as error:
            # The other end has disconnected, or needs longer than that: either way the wait has ended.
            self.cause = error

    def _write(self, frame: Union[bytes, memoryview]) -> int:
        try:
            return self._sock.send(frame)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            # The other end reads no more. Messages that it sent before must still be read, which also finds the end.
            return len(frame)

    def _end(self, cause: Optional[Exception]) -> None:
        self.gone = True
        self.cause = cause
        self._unsent.clear()


def connect(uri: str) -> socket.socket:
    """Connects to an instance.

    :param uri: ``local:///PATH`` of a socket, or ``fd://N`` of an inherited socket
    :raises ValueError: the URI has another form
    :raises OSError: with the errno of connect(2): no broker listens there
    """
    if uri.startswith("fd://") and uri[5:].isdigit():
        number = int(uri[5:])
        os.set_inheritable(number, False)
        return socket.socket(fileno=number)
    if not uri.startswith("local:///"):
        raise ValueError(f"invalid instance URI '{uri}': it must be local:///PATH, the socket of a rank")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(uri[len("local://") :])
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"no broker at {uri}: {error.strerror}") from error
    return sock
