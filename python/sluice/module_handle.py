"""The handle of a module (docs/design/modules.md §3): reports its states and has the default handlers."""

import errno
import socket
from collections import deque
from typing import Any, Deque, Dict, List

from . import aio, handle
from . import constants as c
from .errors import message_of, request_error
from .message import Message

_RUSAGE_FIELDS = (
    "maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw".split()
)


class ModuleSluice(handle.Sluice):
    """A handle over the channel that a module was started with."""

    is_module = True

    def __init__(self, *, sock: socket.socket) -> None:
        #: Requests to a module that does not run yet: its handlers may not all be there.
        self._early: Deque[Message] = deque()
        self._ran = False
        super().__init__(sock=sock)

    @property
    def ran(self) -> bool:
        """Whether it ever reported running."""
        return self._ran

    def set_running(self) -> None:
        """Reports that the module runs, which ends the wait of who loads it. ``reactor_run()`` and ``run()`` do so too."""
        if self._ran:
            return
        self._ran = True
        if not self.gone:
            self.notify("module.status", {"status": c.STATUS_RUNNING})
        self._serve_early()

    def entering(self) -> None:
        self.set_running()

    def refuse_requests(self) -> None:
        self._serve_early()
        super().refuse_requests()

    def stop_serving(self) -> None:
        """From now on answers requests with ``ENOSYS``, those too that have arrived already."""
        self._refusing = True

    def _handle_message(self, message: Message) -> None:
        if message.type == "request" and not self._ran and not self._refusing:
            self._early.append(message)
        else:
            super()._handle_message(message)

    def _serve_early(self) -> None:
        """What has waited comes before what has come since."""
        self._inbox.extendleft(reversed(self._early))
        self._early.clear()
        self.changed()


class AsyncModuleSluice(ModuleSluice, aio.Sluice):
    """The same for an entry function that is a coroutine: ``await h.rpc(…)``, ``await h.run()``."""


def register_default_handlers(h: ModuleSluice) -> None:
    """What every module answers unless it has handlers of its own (docs/design/modules.md §3)."""

    def shutdown(request: Message) -> None:
        h.reactor_stop()
        h.respond(request)
        h.stop_serving()

    def ping(request: Message) -> None:
        # As it came, unparsed; of no payload, none.
        h.respond(request, request.raw)

    def stats_get(request: Message) -> None:
        h.respond(request, h.stats)

    def stats_clear(request: Message) -> None:
        h.clear_stats()
        h.respond(request)

    def rusage(request: Message) -> None:
        h.respond(request, resource_usage((request.payload or {}).get("who") or "self"))

    def debug(request: Message) -> None:
        h.respond(request, {"flags": change_debug_flags(h, request.payload or {})})

    def config_reload(request: Message) -> None:
        if not isinstance(request.payload, dict):
            raise request_error(errno.EPROTO, "the payload must be a configuration")
        h.conf = request.payload
        h.respond(request)

    methods = {
        "shutdown": shutdown,
        "ping": ping,
        "stats-get": stats_get,
        "stats-clear": stats_clear,
        "rusage": rusage,
        "debug": debug,
        "config-reload": config_reload,
    }
    h.default_methods.update(methods)
    h.guest_methods.update({"ping", "stats-get", "rusage"})
    topic = f"{h.name}.stats-clear"
    h.default_events[topic] = lambda _: h.clear_stats()
    h.rpc("event.subscribe", {"topic": topic}).then(_report_failure, h)


def _report_failure(future: Any, h: ModuleSluice) -> None:
    try:
        future.get()
    except OSError as error:
        h.log("err", f"stats-clear: {message_of(error)}")


def change_debug_flags(h: ModuleSluice, payload: Dict[str, Any]) -> int:
    """Answers ``NAME.debug``: ``{op?: setbit|clrbit|set|clr, flags?: mask}``; returns the bits as they are then.

    :raises OSError: ``EPROTO`` for another op
    """
    op, mask = payload.get("op"), payload.get("flags") or 0
    if type(mask) is not int:
        raise request_error(errno.EPROTO, "'flags' must be an integer")
    if op == "setbit":
        h.debug_flags |= mask
    elif op == "clrbit":
        h.debug_flags &= ~mask
    elif op == "set":
        h.debug_flags = mask
    elif op == "clr":
        h.debug_flags = 0
    elif op is not None:
        raise request_error(errno.EPROTO, f"'op' must be one of setbit, clrbit, set, clr, not '{op}'")
    h.debug_flags &= 0xFFFFFFFF
    return h.debug_flags


def resource_usage(who: str) -> Dict[str, float]:
    """Answers ``NAME.rusage``: getrusage(2), times in seconds, memory in KiB.

    :param who: ``self``, ``children`` or ``thread``
    :raises OSError: ``EPROTO`` for anything else
    """
    import resource

    numbers = {"self": resource.RUSAGE_SELF, "children": resource.RUSAGE_CHILDREN}
    if hasattr(resource, "RUSAGE_THREAD"):
        numbers["thread"] = resource.RUSAGE_THREAD
    if who not in numbers:
        raise request_error(errno.EPROTO, f"'who' must be one of self, thread, children, not '{who}'")
    usage = resource.getrusage(numbers[who])
    fields: List[str] = ["utime", "stime", *_RUSAGE_FIELDS]
    return {field: getattr(usage, f"ru_{field}") for field in fields}
