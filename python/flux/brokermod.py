"""``flux.brokermod``: modules as classes."""

from typing import Any

from sluice.brokermod import BrokerModule, event_handler, request_handler

from ._absent import absent

__all__ = ["BrokerModule", "event_handler", "request_handler"]


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
