"""Finds the handler of each request, and answers with the error that a handler raises."""

import errno
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .errors import errnum_of, message_of
from .message import Message
from .responder import Responder
from .watchers import MessageWatchers


class _Handler(NamedTuple):
    call: Callable[[Message], Any]
    allow_guest: bool


class RequestServer:
    """Answers requests with the watchers of a handle. Methods without a watcher have default handlers.

    :param send: sends a message
    :param watchers: the started watchers
    :param log: appends a line to the broker's log: level, text
    """

    def __init__(
        self, send: Callable[[Message], None], watchers: MessageWatchers, log: Callable[[str, str], None]
    ) -> None:
        self.responder = Responder(send)
        self._watchers = watchers
        self._log = log
        self._handlers: Dict[str, _Handler] = {}
        self._refusing = False

    @property
    def refusing(self) -> bool:
        """Whether the module called ``refuse()``."""
        return self._refusing

    @property
    def methods(self) -> List[str]:
        """The methods that have a default handler."""
        return list(self._handlers)

    def handle(self, method: str, handler: Callable[[Message], Any], allow_guest: bool = False) -> None:
        """Sets the default handler of a method in every service of this handle.

        :param method: the topic after its first dot
        :param allow_guest: whether guests may call it
        """
        self._handlers[method] = _Handler(handler, allow_guest)

    def refuse(self) -> None:
        """Answers every later request with ``ENOSYS``."""
        self._refusing = True

    def receive(self, request: Message) -> None:
        """Handles a request.

        :raises Exception: the exception of its handler, unless it is an ``OSError``
        """
        if request.method == "disconnect":
            self.responder.drop_sender(request.sender)
        if self.responder.cancel(request):
            return
        handler = self._find(request)
        if handler is None:
            self._answer_unknown(request)
        elif not handler.allow_guest and not request.is_owner:
            self.responder.respond_error(request, errno.EPERM)
        else:
            self._call(request, handler.call)

    def answer_failure(self, request: Message, error: Exception) -> None:
        """Answers with the error that a handler raised.

        An ``OSError`` is an answer. Any other error is also a fault of the program.

        :param request: the request; or an event, which gets no answer
        :raises Exception: the fault
        """
        if request.type == "request" and not request.answered:
            self.responder.respond_error(request, errnum_of(error) or errno.ECONNRESET, message_of(error))
        if not isinstance(error, OSError):
            raise error
        if request.type != "request" or request.noresponse:
            self._log("err", f"{request.topic}: {message_of(error)}")

    def _find(self, request: Message) -> Optional[_Handler]:
        if self._refusing:
            return None
        watcher = self._watchers.for_request(request)
        if watcher is not None:
            return _Handler(watcher.call, watcher.allow_guest)
        return self._handlers.get(request.method)

    def _answer_unknown(self, request: Message) -> None:
        if request.method == "disconnect" and not self._refusing:
            self.responder.respond(request)
        else:
            self.responder.respond_error(request, errno.ENOSYS, f"Unknown service method '{request.topic}'")

    def _call(self, request: Message, handler: Callable[[Message], Any]) -> None:
        if request.streaming:
            self.responder.track(request)
        try:
            handler(request)
        except Exception as error:  # noqa: BLE001 - the requester gets any error
            self.answer_failure(request, error)
        if not request.answered:
            self.responder.track(request)
