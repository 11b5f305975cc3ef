"""The requests that a handle has sent and that await a response, by matchtag."""

import errno
from typing import Any, Callable, Dict, Optional, Union

from . import constants as c
from .claim import Claim
from .connection import Connection
from .errors import request_error
from .future import Future
from .message import Message, encode_payload
from .reactor import Reactor
from .wire import is_topic

NodeId = Union[int, str]
"""A rank, ``NODEID_ANY`` or ``NODEID_UPSTREAM``; or these two as ``"any"`` and ``"upstream"``."""


class OutgoingRequests:
    """Sends requests and settles their futures.

    :param handle: the handle of the futures
    """

    def __init__(self, handle: Any, connection: Connection, reactor: Reactor) -> None:
        self.handle = handle
        #: How many futures have a callback that is still to be called.
        self.callbacks = 0
        self._connection = connection
        self._reactor = reactor
        self._futures: Dict[int, Future] = {}
        self._last_matchtag = 0

    def rpc(self, topic: str, payload: Any, nodeid: NodeId, flags: int) -> Future:
        """Sends a request. Parameters and errors are as for ``Sluice.rpc``."""
        if not is_topic(topic):
            raise request_error(errno.EINVAL, f"'{topic}' is not a topic")
        if self._connection.gone:
            raise self._connection.gone_error()
        matchtag = 0 if flags & c.RPC_NORESPONSE else self._next_matchtag()
        future = Future(self, topic, matchtag, bool(flags & c.RPC_STREAMING))
        self._connection.send(
            Message("request", topic, encode_payload(payload), matchtag=matchtag, flags=flags, nodeid=_nodeid(nodeid))
        )
        if matchtag:
            self._futures[matchtag] = future
        else:
            future.deliver(Message("response", topic))
        return future

    def settle(self, response: Message) -> None:
        """Passes a response to its future, or drops it if no future waits for it."""
        future = self._futures.get(response.matchtag)
        if future is not None and future.deliver(response):
            self._futures.pop(response.matchtag, None)

    def fail_all(self, error: OSError) -> None:
        """Fails every pending request."""
        futures, self._futures = self._futures, {}
        for future in futures.values():
            future.fail(error)

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle and its futures holds."""
        return self._reactor.claim

    # -- for futures ----------------------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], bool], timeout: Optional[float] = None) -> bool:
        """As ``Reactor.wait_until``."""
        return self._reactor.wait_until(condition, timeout)

    def schedule(self, future: Future) -> None:
        """As ``Reactor.schedule``."""
        self._reactor.schedule(future)

    def forget(self, future: Future) -> bool:
        """Stops waiting for responses. Cancels a stream at its service. Returns whether more responses
        were due."""
        if self._futures.pop(future.matchtag, None) is None:
            return False
        if future.streaming and not self._connection.gone:
            service = future.topic.partition(".")[0]
            self.rpc(f"{service}.cancel", {"matchtag": future.matchtag}, c.NODEID_ANY, c.RPC_NORESPONSE)
        return True

    def _next_matchtag(self) -> int:
        """Counts up, and skips the matchtags of open requests."""
        while True:
            self._last_matchtag = self._last_matchtag % c.LAST_MATCHTAG + 1
            if self._last_matchtag not in self._futures:
                return self._last_matchtag


def _nodeid(nodeid: NodeId) -> NodeId:
    if nodeid == c.NODEID_ANY:
        return "any"
    return "upstream" if nodeid == c.NODEID_UPSTREAM else nodeid
