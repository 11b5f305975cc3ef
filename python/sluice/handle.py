"""The handle through which programs and modules send and receive messages.

It follows docs/design/modules.md §2 and docs/design/embedding.md §3.
"""

import errno
import os
import socket
from typing import Any, Callable, Dict, Optional, Type, TypeVar

from . import constants as c
from .broker_services import BrokerServices
from .claim import Claim, claimed
from .connection import Connection
from .errors import request_error
from .future import Future
from .message import Message
from .outgoing_requests import NodeId, OutgoingRequests
from .reactor import READ, WRITE, Reactor, ReactorHooks
from .request_server import RequestServer
from .stream import connect
from .watchers import MessageWatcher, MessageWatchers, TimerWatcher
from .welcome import await_welcome

__all__ = ["READ", "WRITE", "NodeId", "Sluice"]

_Self = TypeVar("_Self", bound="Sluice")


class Sluice(BrokerServices):
    """A connection to an instance.

    Several threads may use a handle and its futures, one at a time, with a lock of the caller. A call
    during a call of another thread only raises an ``OSError`` of ``EBUSY``.

    There are two ways to use a handle. Blocking programs call ``h.rpc(topic).get()`` and
    ``h.reactor_run()``. Another event loop waits until ``fileno()`` is ready for the events of
    ``wants()``, or until ``timeout()`` has passed, and then calls ``dispatch()``. It calls ``wants()``
    and ``timeout()`` again before each wait. The handle starts no thread and does not poll.

    :param uri: ``local:///PATH``; by default the value of ``SLUICE_URI``
    :param sock: a connected socket instead
    :raises OSError: ``ENOENT`` if ``SLUICE_URI`` is not set; the errno of connect(2) if no broker listens there;
        ``ECONNRESET`` if the broker closed the connection
    :raises ValueError: the URI has another form
    """

    #: A module reports its states, and fails when a handler raises an exception.
    is_module = False

    #: Seconds that ``close()`` gives the broker to read the sent messages.
    close_timeout = 5.0

    def __init__(self, uri: Optional[str] = None, *, sock: Optional[socket.socket] = None) -> None:
        super().__init__()
        self._connection = Connection(sock if sock is not None else connect(uri or _instance_uri()))
        hooks = ReactorHooks(
            settle=lambda response: self._requests.settle(response),
            deliver=self._deliver,
            disconnected=lambda error: self._requests.fail_all(error),
            is_needed=lambda: bool(self._watchers or self._requests.callbacks),
        )
        self._reactor = Reactor(self._connection, hooks, self.is_module)
        self._requests = OutgoingRequests(self, self._connection, self._reactor)
        self._watchers = MessageWatchers(self)
        self._server = RequestServer(self._connection.send, self._watchers, self.log)
        #: Its attachment to an event loop of asyncio; see ``sluice.aio.attach``.
        self.attachment: Any = None
        self.debug_flags = 0
        welcome = await_welcome(self._connection, self._reactor)
        self.name = welcome.name
        self.uuid = welcome.uuid
        self.rank = welcome.rank
        self.size = welcome.size
        self.args = welcome.args
        self.attrs = welcome.attrs
        self.conf = welcome.conf

    @property
    def claim(self) -> Claim:
        """The claim that each call on this handle holds."""
        return self._reactor.claim

    def get_rank(self) -> int:
        """The rank of this broker, under the name of Flux."""
        return self.rank

    def get_size(self) -> int:
        """The number of ranks of the instance, under the name of Flux."""
        return self.size

    # -- requests -------------------------------------------------------------------------------------------------

    def rpc(self, topic: str, payload: Any = None, nodeid: NodeId = c.NODEID_ANY, flags: int = 0) -> Future:
        """Sends a request.

        :param topic: service and method, words joined by single dots
        :param payload: a JSON value, JSON text as a string, bytes, or None
        :param nodeid: a rank, ``NODEID_ANY`` or ``NODEID_UPSTREAM``
        :param flags: ``RPC_STREAMING``, ``RPC_NORESPONSE``
        :returns: the future of the response
        :raises OSError: ``EINVAL`` for an invalid topic or payload; ``EMSGSIZE`` for a payload over 64 MiB;
            ``ECONNRESET`` once the connection has ended
        """
        with self.claim:
            return self._requests.rpc(topic, payload, nodeid, flags)

    def notify(self, topic: str, payload: Any = None, nodeid: NodeId = c.NODEID_ANY) -> None:
        """Sends a request that gets no response. Parameters and errors are as for :meth:`rpc`."""
        self.rpc(topic, payload, nodeid, c.RPC_NORESPONSE)

    def respond(self, request: Message, payload: Any = None) -> None:
        """Answers a request. A streaming request gets many responses.

        :param payload: a JSON value, JSON text as a string, bytes, or None
        :raises OSError: ``EINVAL`` if the request has been answered, or JSON cannot express the payload; ``EMSGSIZE``
            for a payload over 64 MiB; ``ECONNRESET`` after ``close()``
        """
        with self.claim:
            self._server.responder.respond(request, payload)

    def respond_error(self, request: Message, errnum: int, text: Optional[str] = None) -> None:
        """Fails a request. ``ENODATA`` ends a stream without an error.

        :param errnum: POSIX number
        :param text: for users; by default the requester shows the text of the number
        :raises OSError: ``EINVAL`` if the request has been answered; ``ECONNRESET`` after ``close()``
        :raises ValueError: ``errnum`` is 0
        """
        with self.claim:
            self._server.responder.respond_error(request, errnum, text)

    def answer_failure(self, request: Message, error: Exception) -> None:
        """Answers with the error that a handler raised.

        An ``OSError`` is an answer. Any other error is also a fault of the program.

        :param request: the request; or an event, which gets no answer
        :raises Exception: the fault
        """
        with self.claim:
            self._server.answer_failure(request, error)

    # -- watchers -------------------------------------------------------------------------------------------------

    def msg_watcher(
        self,
        callback: Callable[..., Any],
        type_mask: int = c.MSGTYPE_ANY,
        topic_glob: str = "*",
        args: Any = None,
        allow_guest: bool = False,
    ) -> MessageWatcher:
        """A watcher that calls ``callback(handle, watcher, message, args)`` after ``start()``.

        The last started watcher that matches answers a request. All matching watchers get an event.

        :param type_mask: ``MSGTYPE_REQUEST``, ``MSGTYPE_EVENT``, or both
        :param topic_glob: with ``*``, ``?`` and ``[…]``
        :param allow_guest: whether guests may send requests to it, rather than get ``EPERM``
        """
        return MessageWatcher(self._watchers, callback, type_mask, topic_glob, args, allow_guest)

    msg_watcher_create = msg_watcher

    def timer_watcher(
        self, after: float, callback: Callable[..., Any], repeat: float = 0.0, args: Any = None
    ) -> TimerWatcher:
        """A timer that calls ``callback(handle, watcher, revents, args)`` after ``start()``.

        :param after: seconds from ``start()`` to the first call
        :param repeat: seconds from each call to the next; 0 for one call
        :raises ValueError: ``after`` or ``repeat`` is negative
        """
        return TimerWatcher(self, self._reactor, after, callback, repeat, args)

    timer_watcher_create = timer_watcher

    # -- inside another event loop --------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor to wait for; -1 after ``close()``."""
        return self._reactor.fileno()

    def wants(self) -> int:
        """The events to wait for: ``READ``, or ``READ | WRITE``; 0 once the connection has ended."""
        return self._reactor.wants()

    def timeout(self) -> Optional[float]:
        """Seconds after which to call ``dispatch()`` even without input; None: only after input."""
        return self._reactor.timeout()

    def dispatch(self) -> int:
        """Handles waiting input and due timers without a wait. Returns the number of messages, callbacks
        and timers handled.

        The number is at most 64. ``timeout()`` is 0 while messages, callbacks or due timers wait.

        :raises OSError: ``EBUSY`` inside a handler or callback, or during a call of another thread
        :raises Exception: the exception of a callback, except in a module, which fails with it
        """
        return self._reactor.dispatch()

    @property
    def on_change(self) -> Optional[Callable[[], None]]:
        """Called when ``wants()`` or ``timeout()`` may have changed, for loops that do not call
        them before each wait."""
        return self._reactor.on_change

    @on_change.setter
    def on_change(self, callback: Optional[Callable[[], None]]) -> None:
        self._reactor.on_change = callback

    # -- its own event loop ---------------------------------------------------------------------------------------

    @claimed
    def reactor_run(self, flags: int = 0) -> int:
        """Handles messages and timers until ``reactor_stop()``, or until nothing is outstanding.

        In a module the call lasts until the shutdown. The first call reports that the module runs.

        :param flags:
            ``REACTOR_NOWAIT`` for one pass that never waits, as in ``dispatch()``; ``REACTOR_ONCE``
            for one wait and one pass
        :returns: number of messages, callbacks and timers handled
        :raises BaseException: the error of ``reactor_stop_error()``, and the exception of a
            callback
        """
        self.entering()
        return self._reactor.run(flags)

    def run(self) -> Any:
        """The same as ``reactor_run()``, for the end of an entry function."""
        self.reactor_run()

    @claimed
    def reactor_stop(self) -> None:
        """Ends ``reactor_run()``."""
        self._reactor.stop()

    @claimed
    def reactor_stop_error(self, error: Optional[BaseException] = None) -> None:
        """Ends ``reactor_run()`` with an error, by default an ``OSError`` of ``ECONNRESET``. The first
        call counts."""
        self._reactor.stop_error(error)

    def entering(self) -> None:
        """Prepares for the start of the event loop, which a client may have stopped before."""
        self._reactor.restart()

    def end_with(self, error: OSError) -> None:
        """Fails a module, or ends the connection of a client, with an error."""
        if self.is_module:
            self._reactor.stop_error(error)
        else:
            self._reactor.fail(error)

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self._connection.gone

    @property
    def stopped(self) -> bool:
        """Whether the event loop has to end, after ``reactor_stop()`` or with the connection."""
        return self._reactor.stopped

    @property
    def failure(self) -> Optional[BaseException]:
        """The error that stopped the event loop."""
        return self._reactor.failure

    # -- itself ---------------------------------------------------------------------------------------------------

    def debug_test(self, flag: int, clear: bool = False) -> bool:
        """Whether one of these debug bits is set (``sluice module debug``). With ``clear``, unsets
        them."""
        is_set = bool(self.debug_flags & flag)
        if clear:
            self.debug_flags &= ~flag
        return is_set

    @property
    def stats(self) -> Dict[str, Dict[str, int]]:
        """Messages sent (``tx``) and received (``rx``), by their type."""
        return self._connection.stats

    def clear_stats(self) -> None:
        """Sets the counts of messages to 0."""
        self._connection.clear_stats()

    @claimed
    def close(self, linger: float = 0.0) -> None:
        """Sends the waiting messages, then closes.

        Pending requests fail with ``ECANCELED``. After the call, no handler and no timer runs.

        :param linger: how many seconds the broker has to close first, because unread data would cause a
            reset
        """
        if self._connection.closed:
            return
        try:
            self._connection.close(self.close_timeout, linger)
        finally:
            self._reactor.close(request_error(errno.ECANCELED, "the connection was closed"))

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        self.close()

    def _deliver(self, message: Message) -> None:
        if message.type == "request":
            self._server.receive(message)
        elif message.type == "event":
            self._watchers.deliver_event(message)
        elif message.type == "control" and message.control == "disconnect":
            self._reactor.disconnect()


def _instance_uri() -> str:
    uri = os.environ.get("SLUICE_URI")
    if not uri:
        raise request_error(errno.ENOENT, "no instance: SLUICE_URI is not set")
    return uri
