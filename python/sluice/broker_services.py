"""Requests of a handle to the broker's own services: events, services, attributes, configuration, the log."""

import errno
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

from . import constants as c
from .claim import Claim, claimed
from .errors import message_of, request_error
from .future import Future
from .outgoing_requests import NodeId

_REQUIRED: Any = object()

OnEnd = Callable[[OSError], Any]
"""Called when a subscription ends."""


class Subscription(NamedTuple):
    """A topic that the handle has subscribed to."""

    #: The request whose error ends the subscription.
    future: Future
    #: One for each call of ``event_subscribe``.
    ends: List[Optional[OnEnd]]


class BrokerServices:
    """Calls that are requests to the broker, for a handle that has ``rpc()``."""

    #: Attributes that the broker gave with its welcome, and that never change.
    attrs: Dict[str, str]
    #: The configuration, a JSON value.
    conf: Any

    def __init__(self) -> None:
        self._subscriptions: Dict[str, Subscription] = {}

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle holds."""
        raise NotImplementedError

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        raise NotImplementedError

    def rpc(self, topic: str, payload: Any = None, nodeid: NodeId = c.NODEID_ANY, flags: int = 0) -> Future:
        """Sends a request."""
        raise NotImplementedError

    def end_with(self, error: OSError) -> None:
        """Fails a module, or ends the connection of a client, with an error."""
        raise NotImplementedError

    @claimed
    def event_subscribe(self, topic: str, on_end: Optional[OnEnd] = None) -> None:
        """Subscribes this handle to a topic, for message watchers. Waits for the broker's confirmation.

        :param topic: a topic, its beginning followed by ``.*``, or ``*``
        :param on_end: called once with an ``OSError`` of ``ENODATA`` when missed events end the
            subscription. The callback may subscribe again. Without a callback the module fails, or the
            client's connection ends
        :raises OSError: ``EINVAL`` for an invalid topic; ``ECONNRESET`` once the connection has ended
        """
        if topic not in self._subscriptions:
            future = self.rpc("event.subscribe", {"topic": topic}, flags=c.RPC_STREAMING)
            future.get()
            future.reset()
            self._subscriptions[topic] = Subscription(future, [])
            future.then_in_background(self._subscription_answered, topic)
        self._subscriptions[topic].ends.append(on_end)

    @claimed
    def event_unsubscribe(self, topic: str) -> None:
        """Undoes one ``event_subscribe``.

        :raises OSError: ``ENOENT`` if the topic is not subscribed; ``ECONNRESET`` once the connection has ended
        """
        if topic not in self._subscriptions:
            raise request_error(errno.ENOENT, f"{topic}: not subscribed")
        ends = self._subscriptions[topic].ends
        ends.pop()
        if not ends:
            del self._subscriptions[topic]
            self.rpc("event.unsubscribe", {"topic": topic}).get()

    def _subscription_answered(self, future: Future, topic: str) -> None:
        """Handles a later response to the request of a subscription: the first error ends the
        subscription."""
        subscription = self._subscriptions.get(topic)
        if self.gone or subscription is None or subscription.future is not future:
            return
        try:
            future.response()
            future.reset()
            return
        except OSError as cause:
            text = f"subscription to {topic} has ended: {message_of(cause)}"
            error = request_error(cause.errno or errno.ENODATA, text)
        del self._subscriptions[topic]
        for on_end in subscription.ends:
            if on_end is not None:
                on_end(error)
        if None in subscription.ends:
            self.end_with(error)

    def publish(self, topic: str, payload: Any = None) -> Future:
        """Publishes an event. ``get()`` returns ``{"seq": N}``, the event's number in the instance.

        Parameters and errors are as for :meth:`rpc`.
        """
        return self.rpc(f"event.publish.{topic}", payload)

    def service_register(self, name: str) -> Future:
        """Registers another service. ``get()`` fails with ``EEXIST`` if another module owns the service."""
        return self.rpc("service.add", {"name": name})

    def service_unregister(self, name: str) -> Future:
        """Undoes ``service_register``. ``get()`` fails with ``ENOENT`` if this handle does not own the
        service."""
        return self.rpc("service.remove", {"name": name})

    def attr_get(self, name: str, default: Any = _REQUIRED) -> Any:
        """An attribute of this rank's broker, as a string.

        :param default: the value of an unset attribute
        :raises FileNotFoundError: the attribute is not set, and the call has no default
        """
        if name in self.attrs:
            return self.attrs[name]
        try:
            return self.rpc("attr.get", {"name": name}).get()["value"]
        except FileNotFoundError:
            if default is _REQUIRED:
                raise
            return default

    @claimed
    def attr_set(self, name: str, value: str) -> None:
        """Sets an attribute.

        :raises OSError: ``EPERM`` for a read-only attribute; ``EINVAL`` for an invalid name or value
        """
        self.rpc("attr.set", {"name": name, "value": value}).get()
        self.attrs.pop(name, None)

    def conf_get(self, key: Optional[str] = None, default: Any = None, update: bool = False) -> Any:
        """The JSON value at a dotted key of the configuration; without a key, the whole configuration.

        :param default: the value if the key is not set
        :param update: request the value from the broker rather than use the copy of this handle
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
        """Appends a line to the broker's log. Has no effect once the connection has ended.

        :param level: ``"emerg"`` to ``"debug"``, or 0 to 7 as ``syslog`` numbers them
        """
        word = c.LEVELS[level] if isinstance(level, int) else level
        if not self.gone:
            self.rpc("log.append", {"level": word, "text": str(text)}, flags=c.RPC_NORESPONSE)
