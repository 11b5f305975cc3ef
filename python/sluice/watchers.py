"""Callbacks of a handle: for messages, and for timers."""

from fnmatch import translate
from re import compile as _pattern
from time import monotonic
from typing import Any, Callable, List, Optional, TypeVar

from .claim import Claim, claimed
from .errors import message_of
from .message import TYPE_NUMBERS, Message
from .reactor import Reactor

_WILD = frozenset("*?[")
_MessageSelf = TypeVar("_MessageSelf", bound="MessageWatcher")
_TimerSelf = TypeVar("_TimerSelf", bound="TimerWatcher")


class MessageWatcher:
    """Calls ``callback(handle, watcher, message, args)`` for messages of some types with topics that match a glob.

    :param watchers: the started watchers, with this watcher between start and stop
    :param type_mask: ``MSGTYPE_REQUEST``, ``MSGTYPE_EVENT``, or both
    :param topic_glob: with ``*``, ``?`` and ``[…]``, as :mod:`fnmatch` has them
    :param allow_guest: whether guests may send requests to it
    """

    def __init__(
        self,
        watchers: "MessageWatchers",
        callback: Callable[..., Any],
        type_mask: int,
        topic_glob: str,
        args: Any = None,
        allow_guest: bool = False,
    ) -> None:
        self._watchers = watchers
        self.callback = callback
        self.type_mask = type_mask
        self.topic_glob = topic_glob
        self.args = args
        self.allow_guest = allow_guest
        self._match = _pattern(translate(topic_glob)).match if _WILD & set(topic_glob) else None

    @property
    def handle(self) -> Any:
        """The handle of the watcher."""
        return self._watchers.handle

    def start(self: _MessageSelf) -> _MessageSelf:
        """Starts the watcher, and returns it."""
        with self.handle.claim:
            self._watchers.add(self)
        return self

    def stop(self) -> None:
        """Stops the watcher, if it is started."""
        with self.handle.claim:
            self._watchers.remove(self)

    def destroy(self) -> None:
        """The same as ``stop()``."""
        self.stop()

    def wants(self, message: Message) -> bool:
        """Whether the watcher takes this message."""
        if not self.type_mask & TYPE_NUMBERS[message.type]:
            return False
        if self._match is None:
            return message.topic == self.topic_glob
        return self._match(message.topic) is not None

    def call(self, message: Message) -> None:
        """Calls back.

        :raises BaseException: the exception of the callback
        """
        self.callback(self.handle, self, message, self.args)

    def __enter__(self: _MessageSelf) -> _MessageSelf:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()


class MessageWatchers:
    """The started message watchers of a handle.

    :param handle: the handle that callbacks get
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._started: List[MessageWatcher] = []

    def __len__(self) -> int:
        return len(self._started)

    def add(self, watcher: MessageWatcher) -> None:
        """Adds a watcher. The last added watcher gets requests first."""
        self._started.append(watcher)

    def remove(self, watcher: MessageWatcher) -> None:
        """Removes a watcher, if it is present."""
        if watcher in self._started:
            self._started.remove(watcher)

    def for_request(self, request: Message) -> Optional[MessageWatcher]:
        """The last watcher that takes a request, which answers the request, or None."""
        for watcher in reversed(self._started):
            if watcher.wants(request):
                return watcher
        return None

    def methods_of(self, service: str) -> List[str]:
        """The methods of a service that a watcher of requests answers; ``*`` means all methods."""
        methods = []
        for watcher in self._started:
            if not watcher.type_mask & TYPE_NUMBERS["request"]:
                continue
            name, dot, method = watcher.topic_glob.partition(".")
            if name == "*" or name == service:
                methods.append(method if dot else "*")
        return methods

    def deliver_event(self, event: Message) -> None:
        """Calls every watcher that takes an event. Drops an event with invalid JSON, because a mistake of its
        publisher must not fail the subscribers.

        :raises BaseException: the exception of a callback
        """
        watchers = [each for each in self._started if each.wants(event)]
        try:
            if watchers:
                event.payload  # noqa: B018 - decodes it
        except OSError as error:
            self.handle.log("err", f"event {event.topic} dropped: {message_of(error)}")
            return
        for watcher in watchers:
            watcher.call(event)


class TimerWatcher:
    """Calls ``callback(handle, watcher, revents, args)`` after some seconds, either once or repeatedly.

    :param handle: the handle that the callback gets
    :param reactor: its timers include this timer between start and stop
    :param after: seconds from ``start()`` to the first call
    :param repeat: seconds from each call to the next; 0 for one call
    :raises ValueError: ``after`` or ``repeat`` is negative
    """

    def __init__(
        self,
        handle: Any,
        reactor: Reactor,
        after: float,
        callback: Callable[..., Any],
        repeat: float = 0.0,
        args: Any = None,
    ) -> None:
        if after < 0 or repeat < 0:
            raise ValueError(f"invalid timer: after={after!r} and repeat={repeat!r} must be 0 or more seconds")
        self.handle = handle
        self._reactor = reactor
        self.after = after
        self.callback = callback
        self.repeat = repeat
        self.args = args
        self._generation = 0
        self.active = False

    @property
    def claim(self) -> Claim:
        """The claim that each call on the handle holds."""
        return self._reactor.claim

    @claimed
    def start(self: _TimerSelf) -> _TimerSelf:
        """Starts or restarts the timer, and returns it."""
        self.stop()
        self.active = True
        self._reactor.timers.add(self, monotonic() + self.after)
        self._reactor.changed()
        return self

    @claimed
    def stop(self) -> None:
        """Stops the watcher, if it is started."""
        if self.active:
            self.active = False
            self._generation += 1
            self._reactor.timers.live -= 1

    def destroy(self) -> None:
        """The same as ``stop()``."""
        self.stop()

    @property
    def generation(self) -> int:
        """The number of stops. Entries of the queue from before the last stop are invalid."""
        return self._generation

    def fire(self, due: float) -> None:
        """Sets a repeating timer to its next time, then calls back.

        :param due: when the call was due, in seconds of ``time.monotonic()``
        :raises BaseException: the exception of the callback
        """
        if self.repeat > 0:
            self._reactor.timers.live -= 1
            self._reactor.timers.add(self, max(due + self.repeat, monotonic()))
        else:
            self.stop()
        self.callback(self.handle, self, 0, self.args)

    def __enter__(self: _TimerSelf) -> _TimerSelf:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()
