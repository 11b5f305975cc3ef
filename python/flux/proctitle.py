"""``flux.proctitle``: the name of this process."""

from typing import Any

from sluice.process_title import set_process_title as set_proctitle

from ._absent import absent

__all__ = ["set_proctitle"]


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
