"""Lets hosts survive the signals that go to a whole process group or service at once."""

import signal
from types import FrameType
from typing import Optional


def outlive_signals() -> None:
    """Makes this process survive SIGINT and SIGTERM. Its runner ends it over a channel, or by closing the
    channel.

    Programs that the process starts would inherit ``SIG_IGN``, but not handlers.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _outlive)


def _outlive(_number: int, _frame: Optional[FrameType]) -> None:
    """Ignores the signal."""
