"""Attributes of this process that prctl(2) sets."""

import signal
import sys
from typing import Any


def die_with_parent() -> None:
    """Makes the kernel kill this process when the broker that started it ends (``PR_SET_PDEATHSIG``)."""
    _prctl(1, int(signal.SIGKILL))


def set_process_title(title: str) -> None:
    """Sets the name of this process in ``ps``: ``PR_SET_NAME`` of prctl(2), which keeps 15 bytes."""
    import ctypes

    _prctl(15, ctypes.create_string_buffer(title.encode("utf-8", "replace")[:15]))


def _prctl(option: int, value: Any) -> None:
    if not sys.platform.startswith("linux"):
        # Only Linux has prctl(2).
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
