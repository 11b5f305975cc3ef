"""The handle of a module (docs/design/modules.md §3): its states and default handlers."""

import errno
import socket
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from . import aio, handle
from . import constants as c
from .errors import message_of, request_error
from .future import Future
from .message import Message

#: How many seconds an ending module may take to answer the requests that it has received.
ANSWERS_SECONDS = 5.0

_RUSAGE_FIELDS = (
    "maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw".split()
)


class ModuleSluice(handle.Sluice):
    """A handle over the channel that a module has from its start.

    :param sock: that channel
    :raises OSError: ``ECONNRESET`` if the broker closed the connection
    """

    is_module = True

    def __init__(self, *, sock: socket.socket) -> None:
        #: Requests to a module that does not run yet: some of its handlers may still be missing.
        self._early: Deque[Message] = deque()
        self._ran = False
        #: For a module of a library: the contract whose methods it reports when it runs.
        self.kind: Optional[str] = None
        super().__init__(sock=sock)

    @property
    def ran(self) -> bool:
        """Whether the module has ever reported that it runs."""
        return self._ran

    def set_running(self) -> None:
        """Reports that the module runs, which ends its load. ``reactor_run()`` and ``run()`` call
        ``set_running()`` too."""
        if self._ran:
            return
        self._ran = True
        if not self.gone:
            methods = {} if self.kind is None else {"methods": self.methods_of(self.kind)}
            self.notify("module.status", {"status": c.STATUS_RUNNING, **methods})
        self._serve_early()

    def methods_of(self, service: str) -> List[str]:
        """The methods that the module answers under the name of a service; ``*`` means all."""
        return [*self._server.methods, *self._watchers.methods_of(service)]

    def entering(self) -> None:
        """Reports that the module runs, unless it has stopped."""
        self.set_running()

    def finish(self, seconds: float) -> None:
        """Ends the event loop once the received requests have answers. Refuses later ones with ``ENOSYS``.

        :param seconds: how long that may take
        """
        responder = self._server.responder

        def stop_if_answered() -> None:
            if not responder.owes_answers:
                self.reactor_stop()

        self._server.refuse()
        responder.on_answered = stop_if_answered
        self.timer_watcher(seconds, lambda *_: self.reactor_stop()).start()
        stop_if_answered()

    def refuse_requests(self) -> None:
        """Answers the received requests with ``ENOSYS`` now, and the later ones on arrival."""
        self._serve_early()
        self._server.refuse()
        self._reactor.deliver_waiting()

    def report_finalizing(self) -> None:
        """Reports that the module ends, and refuses requests until the broker answers. Then no more
        requests arrive.

        :raises OSError: the broker has disconnected, or refuses the report
        """
        future = self.rpc("module.status", {"status": c.STATUS_FINALIZING})
        while not future.is_ready():
            self._reactor.wait_until(lambda: future.is_ready() or self._reactor.has_input)
            self.refuse_requests()
        future.get()

    def handle_method(self, method: str, handler: Callable[[Message], Any], allow_guest: bool = False) -> None:
        """Sets the default handler of a method, for requests that no watcher takes.

        :param method: the topic after its first dot
        :param allow_guest: whether guests may call it
        """
        self._server.handle(method, handler, allow_guest)

    def _deliver(self, message: Message) -> None:
        if message.type == "request" and not self._ran and not self._server.refusing:
            self._early.append(message)
        else:
            super()._deliver(message)

    def _serve_early(self) -> None:
        """Delivers early requests before later messages."""
        self._reactor.put_back(self._early)
        self._early.clear()


class AsyncModuleSluice(ModuleSluice, aio.Sluice):
    """A module's handle for an entry function that is a coroutine: ``await h.rpc(…)``, ``await h.run()``."""


def register_default_handlers(h: ModuleSluice) -> None:
    """Sets the handlers that every module has unless it sets its own (docs/design/modules.md §3)."""

    def shutdown(request: Message) -> None:
        h.respond(request)
        h.finish(ANSWERS_SECONDS)

    def ping(request: Message) -> None:
        # The unparsed payload.
        h.respond(request, request.raw)

    def stats_get(request: Message) -> None:
        h.respond(request, h.stats)

    def stats_clear(request: Message) -> None:
        h.clear_stats()
        h.respond(request)

    def rusage(request: Message) -> None:
        h.respond(request, resource_usage(_fields(request).get("who")))

    def debug(request: Message) -> None:
        h.respond(request, {"flags": change_debug_flags(h, _fields(request))})

    def config_reload(request: Message) -> None:
        if not isinstance(request.payload, dict):
            raise request_error(errno.EPROTO, "the payload must be a configuration")
        h.conf = request.payload
        h.respond(request)

    h.handle_method("shutdown", shutdown)
    h.handle_method("ping", ping, allow_guest=True)
    h.handle_method("stats-get", stats_get, allow_guest=True)
    h.handle_method("stats-clear", stats_clear)
    h.handle_method("rusage", rusage, allow_guest=True)
    h.handle_method("debug", debug)
    h.handle_method("config-reload", config_reload)
    topic = f"{h.name}.stats-clear"
    h.msg_watcher(lambda *_: h.clear_stats(), c.MSGTYPE_EVENT, topic).start()
    _subscribe(h, topic)


def _fields(request: Message) -> Dict[str, Any]:
    """The fields of a request, which may lack a payload.

    :raises OSError: ``EPROTO`` if the payload is not an object
    """
    payload = request.payload
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise request_error(errno.EPROTO, "payload must be an object")
    return payload


def _subscribe(h: ModuleSluice, topic: str) -> None:
    """Subscribes without a wait. Missed events cause a new subscription."""
    h.rpc("event.subscribe", {"topic": topic}, flags=c.RPC_STREAMING).then(_subscription_answered, h, topic)


def _subscription_answered(future: Future, h: ModuleSluice, topic: str) -> None:
    try:
        future.get()
        future.reset()
    except OSError as error:
        if error.errno == errno.ENODATA and not h.gone:
            _subscribe(h, topic)
        # The module itself may subscribe to the topic, or unsubscribe from the topic.
        elif error.errno != errno.ECANCELED:
            h.log("err", f"stats-clear: {message_of(error)}")


def change_debug_flags(h: ModuleSluice, payload: Dict[str, Any]) -> int:
    """Carries out a request ``NAME.debug``. Returns the new bits.

    :param payload: ``{"op"?: "setbit"|"clrbit"|"set"|"clr", "flags"?: mask}``
    :raises OSError: ``EPROTO`` for another op, or flags that are not an integer
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


def resource_usage(who: Any) -> Dict[str, float]:
    """The fields of getrusage(2): ``{"utime": seconds, "maxrss": KiB, …}``.

    :param who: ``self`` (also None), ``children`` or ``thread``
    :raises OSError: ``EPROTO`` for anything else
    """
    import resource

    if who is None:
        who = "self"
    numbers = {"self": resource.RUSAGE_SELF, "children": resource.RUSAGE_CHILDREN}
    if hasattr(resource, "RUSAGE_THREAD"):
        numbers["thread"] = resource.RUSAGE_THREAD
    if not isinstance(who, str) or who not in numbers:
        raise request_error(errno.EPROTO, f"'who' must be one of self, thread, children, not '{who}'")
    usage = resource.getrusage(numbers[who])
    fields: List[str] = ["utime", "stime", *_RUSAGE_FIELDS]
    return {field: getattr(usage, f"ru_{field}") for field in fields}
