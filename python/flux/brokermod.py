"""``flux.brokermod``: modules as classes."""

from typing import Any

from sluice.brokermod import BrokerModule, event_handler, request_handler

__all__ = ["BrokerModule", "event_handler", "request_handler"]


def __getattr__(name: str) -> Any:
    from . import _absent

    raise _absent(__name__, name)
