"""Requests of a handle to the broker's own services: events, services, attributes, configuration, the log."""

import errno
from typing import Any, Dict, Optional, Union

from . import constants as c
from .claim import Claim, claimed
from .errors import request_error
from .future import Future
from .outgoing_requests import NodeId

_REQUIRED: Any = object()


class BrokerServices:
    """Calls that are requests to the broker, for a handle that has ``rpc()``."""

    #: Attributes that the broker gave with its welcome, and that never change.
    attrs: Dict[str, str]
    #: The configuration, a JSON value.
    conf: Any

    def __init__(self) -> None:
        self._subscriptions: Dict[str, int] = {}

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

    @claimed
    def event_subscribe(self, topic: str) -> None:
        """Subscribes this handle to a topic, for message watchers; waits until the broker has confirmed it.

        :param topic: a topic, its beginning followed by ``.*``, or ``*``
        :raises OSError: ``EINVAL`` for an invalid topic; ``ECONNRESET`` once the connection has ended
        """
        count = self._subscriptions.get(topic, 0)
        if count == 0:
            self.rpc("event.subscribe", {"topic": topic}).get()
        self._subscriptions[topic] = count + 1

    @claimed
    def event_unsubscribe(self, topic: str) -> None:
        """Undoes one ``event_subscribe``.

        :raises OSError: ``ENOENT`` if the topic is not subscribed; ``ECONNRESET`` once the connection has ended
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
        """Publishes an event; ``get()`` returns ``{"seq": N}``, its number in the sequence of the
        instance.

        Parameters and errors are as for :meth:`rpc`.
        """
        return self.rpc(f"event.publish.{topic}", payload)

    def service_register(self, name: str) -> Future:
        """Serves another name too; ``get()`` fails with ``EEXIST`` if another module owns the
        service."""
        return self.rpc("service.add", {"name": name})

    def service_unregister(self, name: str) -> Future:
        """Undoes ``service_register``; ``get()`` fails with ``ENOENT`` if this handle does not own the service."""
        return self.rpc("service.remove", {"name": name})

    def attr_get(self, name: str, default: Any = _REQUIRED) -> Any:
        """An attribute of this rank's broker, a string.

        :param default: the value if it is not set
        :raises FileNotFoundError: it is not set, and the call has no default
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

        :raises OSError: ``EPERM`` if it is read-only; ``EINVAL`` for an invalid name or value
        """
        self.rpc("attr.set", {"name": name, "value": value}).get()
        self.attrs.pop(name, None)

    def conf_get(self, key: Optional[str] = None, default: Any = None, update: bool = False) -> Any:
        """The configuration at a dotted key, a JSON value; without a key, the whole configuration.

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
        """Appends a line to the broker's log; has no effect once the connection has ended.

        :param level: ``"emerg"`` to ``"debug"``, or 0 to 7 as ``syslog`` numbers them
        """
        word = c.LEVELS[level] if isinstance(level, int) else level
        if not self.gone:
            self.rpc("log.append", {"level": word, "text": str(text)}, flags=c.RPC_NORESPONSE)
