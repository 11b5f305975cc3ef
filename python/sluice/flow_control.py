"""Keeping requests back while the broker does not take them (docs/wire-protocol.md, "Not standing in the way")."""

from collections import deque
from typing import Deque

from .message import Message

_HOLD = '{"requests":"hold"}'
_SEND = '{"requests":"send"}'

AHEAD_BYTES = 64 * 1024
"""Requests are kept when this much waits for the kernel: what was handed on cannot be taken back."""


class Leave:
    """Whether requests may be sent, and those that may not yet. Whatever else is sent goes ahead of them."""

    def __init__(self) -> None:
        self._given = True
        self._kept: Deque[bytes] = deque()

    def hears(self, message: Message) -> bool:
        """Takes note of what the broker says of requests; returns whether the message was about that."""
        if message.type != "control" or message.control != "status" or message.raw not in (_HOLD, _SEND):
            return False
        self._given = message.raw == _SEND
        return True

    def give(self) -> None:
        """Lets requests go: what is sent last is sent."""
        self._given = True

    def keeps(self, message: Message, unsent: int) -> bool:
        """Whether a message has to wait. Reports of a module's own state never do.

        :param unsent: bytes that wait for the kernel
        """
        if message.type != "request" or message.topic == "module.status":
            return False
        return not self._given or bool(self._kept) or unsent >= AHEAD_BYTES

    def keep(self, frame: bytes) -> None:
        """Keeps a request, in its wire form, for later."""
        self._kept.append(frame)

    def may_take(self, unsent: int) -> bool:
        """Whether one that was kept may be sent now."""
        return self._given and bool(self._kept) and unsent < AHEAD_BYTES

    def take(self) -> bytes:
        """The first that was kept."""
        return self._kept.popleft()
