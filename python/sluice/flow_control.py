"""Flow control: keeps requests while the broker holds them (docs/wire-protocol.md)."""

from collections import deque
from typing import Deque

from .message import Message

_HOLD = '{"requests":"hold"}'
_SEND = '{"requests":"send"}'

AHEAD_BYTES = 64 * 1024
"""A handle holds requests when this many bytes wait for the kernel, because the handle cannot recall sent
bytes.
"""


class FlowControl:
    """Whether the handle may send requests now, and the requests that wait. The handle sends all other
    messages first."""

    def __init__(self) -> None:
        self._holding = False
        self._held: Deque[bytes] = deque()

    def receive(self, message: Message) -> bool:
        """Handles a control message ``status`` that holds or resumes requests. Returns False for
        any other message."""
        if message.type != "control" or message.control != "status" or message.raw not in (_HOLD, _SEND):
            return False
        self._holding = message.raw == _HOLD
        return True

    def resume(self) -> None:
        """Releases the waiting requests although the broker holds them, because the connection is
        about to close."""
        self._holding = False

    def must_hold(self, message: Message, unsent_bytes: int) -> bool:
        """Whether a message has to wait. Only requests other than ``module.status`` wait.

        :param unsent_bytes: the number of bytes that wait for the kernel
        """
        if message.type != "request" or message.topic == "module.status":
            return False
        return self._holding or bool(self._held) or unsent_bytes >= AHEAD_BYTES

    def hold(self, frame: bytes) -> None:
        """Keeps a request for later.

        :param frame: its wire form
        """
        self._held.append(frame)

    def may_send(self, unsent_bytes: int) -> bool:
        """Whether the handle may send a held request now.

        :param unsent_bytes: the number of bytes that wait for the kernel
        """
        return not self._holding and bool(self._held) and unsent_bytes < AHEAD_BYTES

    def next(self) -> bytes:
        """Removes and returns the request that has waited longest, in its wire form."""
        return self._held.popleft()
