"""The handle that programs and modules talk through (docs/design/modules.md §2, docs/design/embedding.md §3)."""

import errno
import os
import select
import socket
from collections import deque
from time import monotonic
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple, Type, TypeVar, Union

from . import constants as c
from .errors import ProtocolError, errnum_of, message_of, request_error
from .flow_control import Leave
from .future import Future
from .message import TYPE_NUMBERS, Message, encode_payload
from .responder import Responder
from .stream import Stream, connect
from .watchers import MessageWatcher, Timers, TimerWatcher
from .wire import encode_message, is_topic

READ = 1
WRITE = 2
"""What ``wants()`` is made of; the same bits as ``selectors.EVENT_READ`` and ``EVENT_WRITE``."""

NodeId = Union[int, str]

LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")

CLOSE_SECONDS = 5.0
"""How long ``close()`` waits for what was sent to leave."""

_REQUIRED: Any = object()
_Self = TypeVar("_Self", bound="Sluice")


class Sluice:
    """A connection to an instance. It belongs to the thread that made it.

    Two ways to live with it. Blocking: ``h.rpc(topic).get()`` and ``h.reactor_run()``. Inside an event loop of somebody
    else: wait until ``fileno()`` is ready for what ``wants()`` says, or until ``timeout()`` has passed, then call
    ``dispatch()``; ask the two again before each wait. No thread, no polling.

    :param uri: ``local:///PATH``; by default what ``SLUICE_URI`` says
    :param sock: a connected socket instead
    :raises OSError: if nobody answers there
    """

    #: A module answers only once it runs, and fails with what its handlers raise.
    is_module = False

    def __init__(self, uri: Optional[str] = None, *, sock: Optional[socket.socket] = None) -> None:
        self._stream = Stream(sock if sock is not None else connect(uri or _instance_uri()))
        self._poll = select.poll()
        self._poll.register(self._stream.fileno(), select.POLLIN)
        self._polls_write = False
        self._leave = Leave()
        self._inbox: Deque[Message] = deque()
        self._futures: Dict[int, Future] = {}
        self._ready: Deque[Future] = deque()
        #: How many futures have a callback that is still to be called.
        self.callbacks = 0
        self._scheduled: Set[int] = set()
        self._last_matchtag = 0
        self._responder = Responder(self._send)
        self._subscriptions: Dict[str, int] = {}
        #: Answers to methods that no watcher takes: method → handler.
        self.default_methods: Dict[str, Callable[[Message], None]] = {}
        #: Those of them that guests may call.
        self.guest_methods: Set[str] = set()
        #: Called for events besides the watchers: topic → handler.
        self.default_events: Dict[str, Callable[[Message], None]] = {}
        self.watchers_of_messages: List[MessageWatcher] = []
        self.timers = Timers()
        #: Called when ``wants()`` or ``timeout()`` may have changed; for event loops that are told rather than ask.
        self.on_change: Optional[Callable[[], None]] = None
        self.stats: Dict[str, Dict[str, int]] = {}
        self.clear_stats()
        self.debug_flags = 0
        self._stopped = False
        self._refusing = False
        self._failure: Optional[BaseException] = None
        self._closed = False
        #: What ties it to an event loop of asyncio.
        self.attachment: Any = None
        welcome = self._await_welcome()
        self.name = str(welcome["name"])
        self.uuid = str(welcome["uuid"])
        self.rank = int(welcome["rank"])
        self.size = int(welcome["size"])
        self.args: Tuple[str, ...] = tuple(welcome["args"])
        self.attrs: Dict[str, str] = dict(welcome["attrs"])
        self.conf: Any = welcome["conf"]

    # -- requests -------------------------------------------------------------------------------------------------

    def rpc(self, topic: str, payload: Any = None, nodeid: NodeId = c.NODEID_ANY, flags: int = 0) -> Future:
        """Sends a request.

        :param payload: a JSON value, JSON text as a string, bytes, or None
        :param nodeid: a rank, ``NODEID_ANY`` or ``NODEID_UPSTREAM``
        :param flags: ``RPC_STREAMING``, ``RPC_NORESPONSE``
        :raises OSError: ``EINVAL`` for a topic or payload that is none, ``EMSGSIZE``, ``ECONNRESET`` after ``close()``
        """
        if not is_topic(topic):
            raise request_error(errno.EINVAL, f"'{topic}' is not a topic")
        if self._stream.gone:
            raise self._gone_error()
        matchtag = 0 if flags & c.RPC_NORESPONSE else self._next_matchtag()
        future = Future(self, topic, matchtag, bool(flags & c.RPC_STREAMING))
        message = Message(
            "request", topic, encode_payload(payload), matchtag=matchtag, flags=flags, nodeid=_nodeid(nodeid)
        )
        self._send(message)
        if matchtag:
            self._futures[matchtag] = future
        else:
            future.deliver(Message("response", topic))
        return future

    def notify(self, topic: str, payload: Any = None, nodeid: NodeId = c.NODEID_ANY) -> None:
        """Sends a request that wants no response. Raises as :meth:`rpc`."""
        self.rpc(topic, payload, nodeid, c.RPC_NORESPONSE)

    def respond(self, request: Message, payload: Any = None) -> None:
        """Answers a request; a streaming one with one of many responses. Text is sent as it is.

        :raises OSError: ``EINVAL`` if it has been answered, or the payload is not JSON
        """
        self._responder.respond(request, payload)

    def respond_error(self, request: Message, errnum: int, text: Optional[str] = None) -> None:
        """Fails a request; ``ENODATA`` ends a stream in order.

        :raises OSError: ``EINVAL`` if it has been answered
        """
        self._responder.respond_error(request, errnum, text)

    # -- events, services, facts ----------------------------------------------------------------------------------

    def event_subscribe(self, topic: str) -> None:
        """Has the events of a topic sent here, for message watchers; waits until the broker knows.

        :param topic: a topic, its beginning followed by ``.*``, or ``*``
        :raises OSError: ``EINVAL``
        """
        count = self._subscriptions.get(topic, 0)
        if count == 0:
            self.rpc("event.subscribe", {"topic": topic}).get()
        self._subscriptions[topic] = count + 1

    def event_unsubscribe(self, topic: str) -> None:
        """Takes back one ``event_subscribe``.

        :raises OSError: ``ENOENT`` if there was none
        """
        count = self._subscriptions.get(topic, 0)
        if count == 0:
            raise request_error(errno.ENOENT, f"{topic}: not subscribed")
        if count > 1:
            self._subscriptions[topic] = count - 1
            return
        del self._subscriptions[topic]
        self.rpc("event.unsubscribe", {"topic": topic}).get()

    def publish(self, topic: str, payload: Any = None) -> Future:
        """Publishes an event; ``get()`` gives ``{"seq": N}``, its place in the sequence of the instance."""
        return self.rpc(f"event.publish.{topic}", payload)

    def service_register(self, name: str) -> Future:
        """Has requests for another service sent here too; ``get()`` fails with ``EEXIST`` if another owns it."""
        return self.rpc("service.add", {"name": name})

    def service_unregister(self, name: str) -> Future:
        """Takes back ``service_register``."""
        return self.rpc("service.remove", {"name": name})

    def attr_get(self, name: str, default: Any = _REQUIRED) -> Any:
        """An attribute of this rank's broker, a string.

        :raises FileNotFoundError: if there is none, and no default
        """
        if name in self.attrs:
            return self.attrs[name]
        try:
            return self.rpc("attr.get", {"name": name}).get()["value"]
        except FileNotFoundError:
            if default is _REQUIRED:
                raise
            return default

    def attr_set(self, name: str, value: str) -> None:
        """Sets an attribute.

        :raises OSError: ``EPERM`` if it is read-only, ``EINVAL``
        """
        self.rpc("attr.set", {"name": name, "value": value}).get()
        self.attrs.pop(name, None)

    def conf_get(self, key: Optional[str] = None, default: Any = None, update: bool = False) -> Any:
        """The configuration at a dotted key, the whole without one.

        :param update: ask the broker rather than use what this handle knows
        """
        if update:
            self.conf = self.rpc("config.get", {}).get()["value"]
        value = self.conf
        for word in key.split(".") if key else ():
            if not isinstance(value, dict) or word not in value:
                return default
            value = value[word]
        return value

    def log(self, level: Union[int, str], text: str) -> None:
        """Appends a line to the broker's log; once the broker has gone, does nothing.

        :param level: as ``syslog`` numbers them, or ``"emerg"`` to ``"debug"``
        """
        word = LEVELS[level] if isinstance(level, int) else level
        if not self._stream.gone:
            self.notify("log.append", {"level": word, "text": str(text)})

    # -- watchers -------------------------------------------------------------------------------------------------

    def msg_watcher(
        self,
        callback: Callable[..., Any],
        type_mask: int = c.MSGTYPE_ANY,
        topic_glob: str = "*",
        args: Any = None,
        allow_guest: bool = False,
    ) -> MessageWatcher:
        """A watcher that calls ``callback(handle, watcher, message, args)`` once it is started. The latest comes first."""
        return MessageWatcher(self, callback, type_mask, topic_glob, args, allow_guest)

    msg_watcher_create = msg_watcher

    def timer_watcher(
        self, after: float, callback: Callable[..., Any], repeat: float = 0.0, args: Any = None
    ) -> TimerWatcher:
        """A timer that calls ``callback(handle, watcher, revents, args)`` some seconds after it is started."""
        return TimerWatcher(self, after, callback, repeat, args)

    timer_watcher_create = timer_watcher

    # -- foreign loops --------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._stream.fileno()

    def wants(self) -> int:
        """What to wait for: ``READ``, or ``READ | WRITE``; 0 once the connection has ended or is about to be closed."""
        if self._stream.gone:
            return 0
        return READ | WRITE if self._stream.unsent else READ

    def timeout(self) -> Optional[float]:
        """Seconds after which it wants to be called even without input; None: not before there is some."""
        if self._inbox or self._ready:
            return 0.0
        return self.timers.timeout()

    def dispatch(self) -> int:
        """Does what can be done now and never waits; returns the number of messages, callbacks and timers handled.

        What a callback raises goes through to the caller; a module fails with it instead.
        """
        self._flush()
        if not self._inbox:
            self._read()
        count = 0
        for _ in range(len(self._inbox)):
            if not self._inbox:
                break
            message = self._inbox.popleft()
            count += 1
            self._guarded(self._handle_message, message)
        for _ in range(len(self._ready)):
            if not self._ready:
                break
            future = self._ready.popleft()
            self._scheduled.discard(id(future))
            count += 1
            self._guarded(future.call_back)
        for due, timer in self.timers.due():
            count += 1
            self._guarded(timer.fire, due)
        return count

    def changed(self) -> None:
        """Tells the event loop around this handle that what it wants may have changed."""
        if self.on_change is not None:
            self.on_change()

    # -- event loop of our own ------------------------------------------------------------------------------------

    def reactor_run(self) -> int:
        """Handles messages and timers until ``reactor_stop()``, or until nothing is left to wait for.

        A module runs until its shutdown, and reports running when it first gets here.

        :returns: number of messages, callbacks and timers handled
        :raises BaseException: what ``reactor_stop_error()`` was given, and what a callback raised
        """
        self.entering()
        count = 0
        while not self._stopped and self._is_active():
            self._wait(self.timeout())
            count += self.dispatch()
        if self._failure is not None:
            failure = self._failure
            if not self.is_module:
                self._failure = None
            raise failure
        return count

    def run(self) -> Any:
        """The same, for the end of an entry function."""
        self.reactor_run()

    def reactor_stop(self) -> None:
        """Ends ``reactor_run()``."""
        self._stopped = True
        self.changed()

    def reactor_stop_error(self, error: Optional[BaseException] = None) -> None:
        """Ends ``reactor_run()`` with an error; a module fails with it. The first one counts."""
        if self._failure is None:
            self._failure = error or request_error(errno.ECONNRESET, "stopped with an error")
        self.reactor_stop()

    def entering(self) -> None:
        """The event loop is about to begin: that of a client may have been stopped before."""
        self._stopped = self._stream.gone

    @property
    def has_input(self) -> bool:
        """Whether messages have arrived that nobody has dealt with."""
        return bool(self._inbox)

    @property
    def gone(self) -> bool:
        """Whether the broker has gone."""
        return self._stream.gone

    @property
    def stopped(self) -> bool:
        """Whether the event loop was told to end, or the broker has gone."""
        return self._stopped

    @property
    def failure(self) -> Optional[BaseException]:
        """What the event loop was ended with."""
        return self._failure

    def debug_test(self, flag: int, clear: bool = False) -> bool:
        """Whether one of these debug bits is set (``sluice module debug``); with ``clear``, unsets them."""
        is_set = bool(self.debug_flags & flag)
        if clear:
            self.debug_flags &= ~flag
        return is_set

    def clear_stats(self) -> None:
        """Sets the counts of messages to 0."""
        self.stats = {way: {name: 0 for name in TYPE_NUMBERS} for way in ("tx", "rx")}

    def close(self, linger: float = 0.0) -> None:
        """Sends what waits, then closes. Pending requests fail with ``ECANCELED``.

        :param linger: seconds that the other end is given to close first: it would see a reset if it had sent anything
            that was not read
        """
        if self._closed:
            return
        self._closed = True
        deadline = monotonic() + CLOSE_SECONDS
        self._leave.give()
        self._flush()
        while self._stream.unsent and not self._stream.gone:
            remaining = deadline - monotonic()
            if remaining <= 0:
                break
            select.select([], [self._stream], [], remaining)
            self._flush()
        self._stream.finish(linger)
        try:
            # Event loops stop watching the descriptor while its number is still this connection's: see wants().
            self.changed()
        finally:
            self._poll.unregister(self._stream.fileno())
            self._stream.close()
            self._inbox.clear()
            self.timers.clear()
            self._fail_all(request_error(errno.ECANCELED, "the connection was closed"))

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        self.close()

    # -- for futures and hosts ------------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """Waits until a condition holds that responses bring about; returns False if time ran out before.

        Whatever else arrives is kept for ``dispatch()``: no handler runs inside of somebody's wait.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not condition():
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining < 0:
                return False
            if self._stream.gone:
                raise self._gone_error()
            self._wait(remaining)
            self._flush()
            self._read()
        if self._inbox or self._ready:
            self.changed()
        return True

    def schedule(self, future: Future) -> None:
        """Has the callback of a future called by the next ``dispatch()`` if it is ready, else when it is."""
        if future.is_ready() and id(future) not in self._scheduled:
            self._scheduled.add(id(future))
            self._ready.append(future)
            self.changed()

    def forget(self, future: Future) -> bool:
        """Stops waiting for a future; returns whether it was awaited. The service of a stream is told."""
        if self._futures.pop(future.matchtag, None) is None:
            return False
        if future.streaming and not self._stream.gone:
            self.notify(f"{future.topic.partition('.')[0]}.cancel", {"matchtag": future.matchtag})
        return True

    def refuse_requests(self) -> None:
        """From now on answers every request with ``ENOSYS``, those that wait too."""
        self._refusing = True
        waiting, self._inbox = self._inbox, deque()
        for message in waiting:
            self._handle_message(message)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _await_welcome(self) -> Dict[str, Any]:
        while not self._inbox:
            if self._stream.gone:
                cause = self._stream.cause
                self._stream.close()
                raise request_error(errno.ECONNRESET, "the broker closed the connection") from cause
            self._wait(None)
            self._read()
        message = self._inbox.popleft()
        if message.type != "control" or message.control != "welcome" or not isinstance(message.payload, dict):
            raise ProtocolError(f"expected a welcome from the broker, got a {message.type}")
        missing = {"name", "uuid", "rank", "size", "args", "attrs", "conf"} - set(message.payload)
        if missing:
            raise ProtocolError(f"the broker's welcome lacks {', '.join(sorted(missing))}")
        return dict(message.payload)

    def _is_active(self) -> bool:
        return bool(self.is_module or self.watchers_of_messages or self.timers.live or self.callbacks)

    def _wait(self, timeout: Optional[float]) -> None:
        if self._stream.gone:
            return
        writes = self._stream.unsent > 0
        if writes != self._polls_write:
            self._poll.modify(self._stream.fileno(), select.POLLIN | (select.POLLOUT if writes else 0))
            self._polls_write = writes
        # Rounded up: a timer that is called too early would have to wait once more.
        self._poll.poll(None if timeout is None else int(timeout * 1000 + 0.999))

    def _read(self) -> None:
        was_gone = self._stream.gone
        for message in self._stream.receive():
            self.stats["rx"][message.type] += 1
            if self._leave.hears(message):
                self._flush()
                self.changed()
            elif message.type != "response":
                self._inbox.append(message)
                continue
            future = self._futures.get(message.matchtag)
            if future is not None and future.deliver(message):
                self._futures.pop(message.matchtag, None)
        if self._stream.gone and not was_gone:
            self._fail_all(self._gone_error())

    def _fail_all(self, error: OSError) -> None:
        futures, self._futures = self._futures, {}
        for future in futures.values():
            future.fail(error)
        self._stopped = True
        self.changed()

    def _gone_error(self) -> OSError:
        return request_error(errno.ECONNRESET, "the connection to the broker has gone")

    def _guarded(self, call: Callable[..., Any], *args: Any) -> None:
        if not self.is_module:
            call(*args)
            return
        try:
            call(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the module fails with
            self.reactor_stop_error(error)

    def _handle_message(self, message: Message) -> None:
        if message.type == "request":
            self._serve(message)
        elif message.type == "event":
            self._deliver_event(message)
        elif message.type == "control" and message.control == "disconnect":
            self._stream.gone = True
            self._fail_all(self._gone_error())

    def _deliver_event(self, message: Message) -> None:
        default = self.default_events.get(message.topic)
        if default is not None:
            default(message)
        for watcher in list(self.watchers_of_messages):
            if watcher.wants(message):
                watcher.callback(self, watcher, message, watcher.args)

    def _serve(self, request: Message) -> None:
        if request.method == "disconnect":
            self._responder.drop_sender(request.sender)
        if self._responder.cancel(request):
            return
        watcher = None if self._refusing else self._watcher_of(request)
        if watcher is not None:
            if not watcher.allow_guest and not request.is_owner:
                self.respond_error(request, errno.EPERM)
            else:
                self._call(request, lambda: watcher.callback(self, watcher, request, watcher.args))
            return
        default = None if self._refusing else self.default_methods.get(request.method)
        if default is not None and request.method not in self.guest_methods and not request.is_owner:
            self.respond_error(request, errno.EPERM)
        elif default is not None:
            self._call(request, lambda: default(request))
        elif request.method == "disconnect" and not self._refusing:
            self.respond(request)
        else:
            self.respond_error(request, errno.ENOSYS, f"Unknown service method '{request.topic}'")

    def _watcher_of(self, request: Message) -> Optional[MessageWatcher]:
        for watcher in reversed(self.watchers_of_messages):
            if watcher.wants(request):
                return watcher
        return None

    def _call(self, request: Message, handler: Callable[[], Any]) -> None:
        if request.streaming:
            self._responder.open_stream(request)
        try:
            handler()
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of any
            self.answer_failure(request, error)

    def answer_failure(self, request: Message, error: Exception) -> None:
        """Answers with what a handler raised. An ``OSError`` is an answer; anything else is also a fault of the program.

        :raises Exception: the fault
        """
        if request.type == "request" and not request.answered:
            self.respond_error(request, errnum_of(error) or errno.ECONNRESET, message_of(error))
        if not isinstance(error, OSError):
            raise error
        if request.type != "request" or request.noresponse:
            self.log("err", f"{request.topic}: {message_of(error)}")

    def _send(self, message: Message) -> None:
        if self._closed:
            raise self._gone_error()
        frame = encode_message(message)
        self.stats["tx"][message.type] += 1
        had_unsent = self._stream.unsent
        if self._leave.keeps(message, had_unsent):
            self._leave.keep(frame)
            return
        self._stream.send(frame)
        if self._stream.unsent and not had_unsent:
            self.changed()

    def _flush(self) -> None:
        self._stream.flush()
        while self._leave.may_take(self._stream.unsent) and not self._stream.gone:
            self._stream.send(self._leave.take())

    def _next_matchtag(self) -> int:
        while True:
            self._last_matchtag = self._last_matchtag % c.LAST_MATCHTAG + 1
            if self._last_matchtag not in self._futures:
                return self._last_matchtag


def _instance_uri() -> str:
    uri = os.environ.get("SLUICE_URI")
    if not uri:
        raise request_error(errno.ENOENT, "no instance: SLUICE_URI is not set")
    return uri


def _nodeid(nodeid: NodeId) -> NodeId:
    if nodeid == c.NODEID_ANY:
        return "any"
    return "upstream" if nodeid == c.NODEID_UPSTREAM else nodeid
