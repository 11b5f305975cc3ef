"""Sluice for Python: the client, modules and rc files. Python 3.9 or later, standard library only.

The package imports a name at its first use. An rc file that sends no request does not load the client.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .brokermod import BrokerModule as BrokerModule
    from .brokermod import event_handler as event_handler
    from .brokermod import request_handler as request_handler
    from .future import Future as Future
    from .handle import READ as READ
    from .handle import WRITE as WRITE
    from .handle import Sluice as Sluice
    from .message import Message as Message
    from .rc import Context as Context
    from .rc import task as task
    from .started_module import ModuleExit as ModuleExit
    from .started_module import StartedModule as StartedModule
    from .started_module import run_module as run_module

_HOMES = {
    "BrokerModule": "brokermod",
    "event_handler": "brokermod",
    "request_handler": "brokermod",
    "Future": "future",
    "READ": "handle",
    "WRITE": "handle",
    "Sluice": "handle",
    "Message": "message",
    "Context": "rc",
    "task": "rc",
    "ModuleExit": "started_module",
    "StartedModule": "started_module",
    "run_module": "started_module",
}

__all__ = [
    "BrokerModule",
    "Context",
    "Future",
    "Message",
    "ModuleExit",
    "READ",
    "Sluice",
    "StartedModule",
    "WRITE",
    "event_handler",
    "request_handler",
    "run_module",
    "task",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sluice' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
