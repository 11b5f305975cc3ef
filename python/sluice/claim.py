"""Lets several threads use a handle, one call at a time."""

import errno
from functools import wraps
from threading import RLock, get_ident
from typing import Any, Callable, Optional, Protocol, Tuple, Type, TypeVar, cast

from .errors import request_error

_F = TypeVar("_F", bound=Callable[..., Any])


class Claim:
    """The claim that a call on a handle holds until it returns. The thread with the claim may make
    further calls, also from a callback.

    Any thread may make the next call, because the handle keeps no thread-local data.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._pin: Optional[Tuple[int, Callable[[], bool]]] = None

    def pin(self, holds: Callable[[], bool]) -> None:
        """Refuses all other threads, because an event loop of this thread drives the handle.

        :param holds: whether that loop is still open
        """
        self._pin = (get_ident(), holds)

    def unpin(self) -> None:
        """Undoes ``pin``."""
        self._pin = None

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise request_error(errno.EBUSY, "the handle is in a call of another thread; hold one lock around each call")
        if self._pin is not None and self._pin[0] != get_ident() and self._pin[1]():
            self._lock.release()
            raise request_error(errno.EBUSY, "the handle is attached to an event loop of another thread; detach it there")

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        self._lock.release()


class Claimable(Protocol):
    """An object that has methods with ``@claimed``."""

    @property
    def claim(self) -> Claim:
        """The claim of the object's handle."""


def claimed(method: _F) -> _F:
    """Makes a method hold the claim of its handle. The method raises an ``OSError`` of ``EBUSY``
    during a call of another thread."""

    @wraps(method)
    def call(self: Claimable, *args: Any, **kwargs: Any) -> Any:
        with self.claim:
            return method(self, *args, **kwargs)

    return cast(_F, call)
