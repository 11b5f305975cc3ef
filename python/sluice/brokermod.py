"""Modules as classes (docs/design/modules.md §5)."""

from inspect import isawaitable, iscoroutinefunction
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, TypeVar

from . import constants as c
from .handle import Sluice
from .message import Message
from .watchers import MessageWatcher

_F = TypeVar("_F", bound=Callable[..., Any])


class _Handler(NamedTuple):
    type_mask: int
    topic: str
    prefix: bool
    allow_guest: bool


def request_handler(topic: str, prefix: bool = True, allow_guest: bool = False) -> Callable[[_F], _F]:
    """Registers a method as a handler of requests. The method gets the message. It answers with
    ``self.handle.respond``.

    :param topic: the part after the module's name; with ``prefix=False`` the whole topic
    :param allow_guest: whether guests may send such requests, rather than get ``EPERM``
    """
    return _mark(_Handler(c.MSGTYPE_REQUEST, topic, prefix, allow_guest))


def event_handler(topic: str, prefix: bool = True) -> Callable[[_F], _F]:
    """Subscribes to events, and registers a method as their handler.

    :param topic: the part after the module's name; with ``prefix=False`` the whole topic
    """
    return _mark(_Handler(c.MSGTYPE_EVENT, topic, prefix, True))


def _mark(handler: _Handler) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        marks = getattr(function, "_sluice_handlers", ())
        setattr(function, "_sluice_handlers", (*marks, handler))
        return function

    return decorate


class Log:
    """``log.info(text)`` and its siblings: one method a level, ``debug`` to ``emerg``."""

    def __init__(self, handle: Sluice) -> None:
        self._handle = handle

    def __getattr__(self, level: str) -> Callable[[str], None]:
        if level not in c.LEVELS:
            raise AttributeError(f"invalid log level '{level}': it must be one of {', '.join(c.LEVELS)}")
        return lambda text: self._handle.log(level, text)


class BrokerModule:
    """A module: methods with ``@request_handler`` and ``@event_handler``, started with ``run()``.

    :param h: the handle that ``mod_main`` gets
    :param args: the module's arguments
    :raises OSError: the subscription to an event failed
    :raises ValueError: a handler of a module is a coroutine, but its entry function is not

    >>> class Hello(BrokerModule):
    ...     @request_handler("greet")
    ...     def greet(self, msg):
    ...         self.handle.respond(msg, {"text": f"hello from {self.name}"})
    """

    def __init__(self, h: Sluice, *args: str) -> None:
        self.handle = h
        self.args: Tuple[str, ...] = args
        self.log = Log(h)
        self._watchers = [self._watch(method, handler) for method, handler in self._handlers()]

    @property
    def name(self) -> str:
        """The name under which the broker loaded the module."""
        return self.handle.name

    def set_running(self) -> None:
        """Reports that the module runs, before its event loop begins."""
        set_running = getattr(self.handle, "set_running", None)
        if set_running is not None:
            set_running()

    def debug_test(self, flag: int, clear: bool = False) -> bool:
        """Returns whether one of these debug bits is set. With ``clear``, clears them."""
        return self.handle.debug_test(flag, clear)

    def stop(self) -> None:
        """Ends the event loop."""
        self.handle.reactor_stop()

    def stop_error(self, error: Optional[BaseException] = None) -> None:
        """Ends the event loop. The module fails with the error, by default an ``OSError`` of
        ``ECONNRESET``."""
        self.handle.reactor_stop_error(error)

    def run(self) -> Any:
        """Serves until shutdown. A coroutine uses ``await self.run()``.

        :raises BaseException: the error with which the module failed
        """
        return self.handle.run()

    def subscription_ended(self, topic: str, error: OSError) -> None:
        """Called with ``ENODATA`` when missed events end the subscription of an ``@event_handler``.

        By default the module fails. A subclass may call ``self.handle.event_subscribe``, and read the
        reported state again.
        """
        self.stop_error(error)

    def _handlers(self) -> Iterator[Tuple[Callable[..., Any], _Handler]]:
        # Base classes first, because later watchers take precedence over earlier watchers.
        names: Dict[str, None] = {}
        for cls in reversed(type(self).__mro__):
            names.update(dict.fromkeys(vars(cls)))
        for name in names:
            if isinstance(getattr(type(self), name, None), property):
                continue
            method: Any = getattr(self, name, None)
            for handler in getattr(method, "_sluice_handlers", ()):
                yield method, handler

    def _watch(self, method: Callable[..., Any], handler: _Handler) -> MessageWatcher:
        if iscoroutinefunction(method) and self.handle.is_module and self.handle.attachment is None:
            raise ValueError(f"{method.__qualname__} is a coroutine, and needs a coroutine mod_main that awaits run()")
        topic = f"{self.handle.name}.{handler.topic}" if handler.prefix else handler.topic
        if handler.type_mask == c.MSGTYPE_EVENT:
            self.handle.event_subscribe(topic, lambda error: self.subscription_ended(topic, error))

        def call(_handle: Sluice, _watcher: MessageWatcher, message: Message, _args: Any) -> None:
            result = method(message)
            if isawaitable(result):
                _spawn(self.handle, message, result)

        return self.handle.msg_watcher(call, handler.type_mask, topic, None, handler.allow_guest).start()


def _spawn(handle: Sluice, message: Message, result: Any) -> None:
    from .aio import spawn

    spawn(handle, message, result)
