"""The queue of timers, the earliest first."""

import heapq
from time import monotonic
from typing import Iterator, List, Optional, Protocol, Tuple


class Timer(Protocol):
    """The part of a timer that the queue uses."""

    @property
    def generation(self) -> int:
        """The number of stops of the timer. The queue drops entries with another number."""

    def fire(self, due: float) -> None:
        """Calls back. ``due``: when the call was due, in seconds of ``time.monotonic()``."""

    def stop(self) -> None:
        """Stops the timer. No callback runs afterwards."""


class Timers:
    """The timers of a handle. Times are in seconds of ``time.monotonic()``."""

    def __init__(self) -> None:
        self._queue: List[Tuple[float, int, int, Timer]] = []
        self._serial = 0
        #: How many timers have been started, and have neither been stopped nor run out.
        self.live = 0

    def add(self, timer: Timer, due: float) -> None:
        """Adds a started timer."""
        self._serial += 1
        self.live += 1
        heapq.heappush(self._queue, (due, self._serial, timer.generation, timer))

    def timeout(self) -> Optional[float]:
        """Seconds until the earliest timer is due, at least 0; None without a timer."""
        self._drop_stale()
        return max(0.0, self._queue[0][0] - monotonic()) if self._queue else None

    def due(self) -> Iterator[Tuple[float, Timer]]:
        """Removes and returns the due timers, each once. The caller fires them."""
        now = monotonic()
        last = self._serial
        while True:
            self._drop_stale()
            if not self._queue or self._queue[0][0] > now or self._queue[0][1] > last:
                return
            due, _, _, timer = heapq.heappop(self._queue)
            yield due, timer

    def clear(self) -> None:
        """Stops all timers."""
        for _, _, generation, timer in list(self._queue):
            if generation == timer.generation:
                timer.stop()
        self._queue.clear()

    def _drop_stale(self) -> None:
        while self._queue and self._queue[0][2] != self._queue[0][3].generation:
            heapq.heappop(self._queue)
