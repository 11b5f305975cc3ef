"""``flux.proctitle``: what this process is called."""

from typing import Any

from sluice.process_title import set_process_title as set_proctitle

__all__ = ["set_proctitle"]


def __getattr__(name: str) -> Any:
    from . import _absent

    raise _absent(__name__, name)
