"""``flux.Flux``."""

import errno
from typing import Any, Optional

from sluice.broker_services import OnEnd
from sluice.constants import NODEID_ANY
from sluice.future import Future
from sluice.handle import NodeId, Sluice

CHECKPOINT_LOOKUPS = ("content.checkpoint-get", "content-backing.checkpoint-get", "kvs.checkpoint-get")
"""The topics with which Flux programs request the last checkpoint."""


def event_topics(topic: str) -> "tuple[str, ...]":
    """The topics of Sluice that match a topic of Flux and all topics below that topic."""
    if topic in ("", "*"):
        return ("*",)
    return (topic,) if topic.endswith(".*") else (topic, f"{topic}.*")


class Flux(Sluice):
    """A connection to the instance, with the name and the additional methods of Flux."""

    def event_subscribe(self, topic: str, on_end: Optional[OnEnd] = None) -> None:
        """Subscribes to a topic and all topics below it, or to every topic with ``""``.

        :param on_end: as in ``Sluice.event_subscribe``
        :raises OSError: ``EINVAL`` for an invalid topic
        """
        *others, last = event_topics(topic)
        for each in others:
            # Only the last one calls ``on_end``, because all of these subscriptions end together.
            super().event_subscribe(each, None if on_end is None else lambda _: None)
        super().event_subscribe(last, on_end)

    def event_unsubscribe(self, topic: str) -> None:
        """Undoes one ``event_subscribe``.

        :raises OSError: ``ENOENT`` if the topic is not subscribed
        """
        for each in event_topics(topic):
            super().event_unsubscribe(each)

    def attr_remove(self, name: str) -> None:
        """Removes an attribute.

        :raises OSError: ``ENOENT`` for an unset attribute; ``EPERM`` for a read-only one
        """
        self.rpc("attr.rm", {"name": name}).get()

    def rpc(self, topic: str, payload: Any = None, nodeid: NodeId = NODEID_ANY, flags: int = 0) -> Future:
        """The same as ``Sluice.rpc``. Lookups of Flux's checkpoints fail with ``ENOENT``, because
        the store has its own checkpoints."""
        if topic in CHECKPOINT_LOOKUPS:
            future = Future(self._requests, topic, 0, False)
            future.fail(OSError(errno.ENOENT, "No such file or directory"))
            return future
        return super().rpc(topic, payload, nodeid, flags)

    def get_reactor(self) -> "Flux":
        """The event loop of this handle, for ``reactor_run`` and ``reactor_stop``: the handle itself."""
        return self

    def reactor_run(self, reactor: Any = None, flags: int = 0) -> int:
        """As ``Sluice.reactor_run``.

        :param reactor: this handle, or None
        :param flags: ``FLUX_REACTOR_NOWAIT`` for one pass that never waits, ``FLUX_REACTOR_ONCE`` for one wait and one
            pass
        :raises OSError: ``EINVAL`` for the event loop of another handle, or another flag
        """
        self._check_reactor(reactor)
        return super().reactor_run(flags)

    def reactor_stop(self, reactor: Any = None) -> None:
        """Ends ``reactor_run()``."""
        self._check_reactor(reactor)
        super().reactor_stop()

    def _check_reactor(self, reactor: Any) -> None:
        if reactor is not None and reactor is not self:
            raise OSError(errno.EINVAL, "the event loop of another handle")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'Flux' object has no attribute '{name}': Sluice does not provide it")
