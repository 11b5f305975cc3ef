"""What a handle calls back: for messages, and when time has passed."""

import heapq
from fnmatch import translate
from re import compile as _pattern
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Tuple

from .message import TYPE_NUMBERS, Message

if TYPE_CHECKING:
    from .handle import Sluice

_WILD = frozenset("*?[")


class MessageWatcher:
    """Calls ``callback(handle, watcher, message, args)`` for messages of some types with topics that match a glob."""

    def __init__(
        self,
        handle: "Sluice",
        callback: Callable[..., Any],
        type_mask: int,
        topic_glob: str,
        args: Any = None,
        allow_guest: bool = False,
    ) -> None:
        self.handle = handle
        self.callback = callback
        self.type_mask = type_mask
        self.topic_glob = topic_glob
        self.args = args
        self.allow_guest = allow_guest
        self._match = _pattern(translate(topic_glob)).match if _WILD & set(topic_glob) else None

    def start(self) -> "MessageWatcher":
        self.handle.watchers_of_messages.append(self)
        return self

    def stop(self) -> None:
        if self in self.handle.watchers_of_messages:
            self.handle.watchers_of_messages.remove(self)

    def destroy(self) -> None:
        self.stop()

    def wants(self, message: Message) -> bool:
        """Whether this is a message for it."""
        if not self.type_mask & TYPE_NUMBERS[message.type]:
            return False
        if self._match is None:
            return message.topic == self.topic_glob
        return self._match(message.topic) is not None

    def __enter__(self) -> "MessageWatcher":
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()


class TimerWatcher:
    """Calls ``callback(handle, watcher, revents, args)`` once after some seconds, or again and again."""

    def __init__(
        self, handle: "Sluice", after: float, callback: Callable[..., Any], repeat: float = 0.0, args: Any = None
    ) -> None:
        if after < 0 or repeat < 0:
            raise ValueError("a timer cannot be set to the past")
        self.handle = handle
        self.after = after
        self.callback = callback
        self.repeat = repeat
        self.args = args
        self._generation = 0
        self.active = False

    def start(self) -> "TimerWatcher":
        """Starts, or starts anew."""
        self.stop()
        self.active = True
        self.handle.timers.add(self, monotonic() + self.after)
        self.handle.changed()
        return self

    def stop(self) -> None:
        if self.active:
            self.active = False
            self._generation += 1
            self.handle.timers.live -= 1

    def destroy(self) -> None:
        self.stop()

    @property
    def generation(self) -> int:
        """Entries of the queue that were made for an earlier start are stale."""
        return self._generation

    def fire(self, due: float) -> None:
        """Calls back; a repeating timer is first set to its next time."""
        if self.repeat > 0:
            self.handle.timers.live -= 1
            self.handle.timers.add(self, max(due + self.repeat, monotonic()))
        else:
            self.stop()
        self.callback(self.handle, self, 0, self.args)

    def __enter__(self) -> "TimerWatcher":
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()


class Timers:
    """The timers of a handle, the earliest first."""

    def __init__(self) -> None:
        self._queue: List[Tuple[float, int, int, TimerWatcher]] = []
        self._serial = 0
        #: How many have been started and neither stopped nor run out.
        self.live = 0

    def add(self, timer: TimerWatcher, due: float) -> None:
        self._serial += 1
        self.live += 1
        heapq.heappush(self._queue, (due, self._serial, timer.generation, timer))

    def timeout(self) -> Optional[float]:
        """Seconds until the earliest is due; None if there is none."""
        self._drop_stale()
        return max(0.0, self._queue[0][0] - monotonic()) if self._queue else None

    def due(self) -> Iterator[Tuple[float, TimerWatcher]]:
        """Takes out those that are due now, each once, for the caller to fire."""
        now = monotonic()
        last = self._serial
        while True:
            self._drop_stale()
            if not self._queue or self._queue[0][0] > now or self._queue[0][1] > last:
                return
            due, _, _, timer = heapq.heappop(self._queue)
            yield due, timer

    def clear(self) -> None:
        """Stops all."""
        for _, _, generation, timer in list(self._queue):
            if generation == timer.generation:
                timer.stop()
        self._queue.clear()

    def _drop_stale(self) -> None:
        while self._queue and self._queue[0][2] != self._queue[0][3].generation:
            heapq.heappop(self._queue)
