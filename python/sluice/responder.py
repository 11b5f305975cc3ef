"""Sends responses, and keeps track of answered and abandoned requests."""

import errno
from re import compile as _pattern
from typing import Any, Callable, Dict, Optional

from .errors import request_error
from .message import Message, encode_payload

_cancel = _pattern(r'\s*\{\s*"matchtag"\s*:\s*(\d{1,10})\s*\}\s*').fullmatch


class Responder:
    """Sends responses, with exactly one last response for each request.

    :param send: sends a message, and may raise errors
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        #: Unanswered requests: sender → matchtag → request.
        self._open: Dict[str, Dict[int, Message]] = {}
        #: Called when a request is no longer open.
        self.on_answered: Callable[[], None] = lambda: None

    def respond(self, request: Message, payload: Any = None) -> None:
        """Sends a response. A streaming request gets many of them. Has no effect if the sender has
        abandoned the request.

        :param payload: a JSON value, JSON text as a string, bytes, or None
        :raises OSError: ``EINVAL`` if the request has been answered, or JSON cannot express the payload; ``EMSGSIZE``
            if it is over 64 MiB; ``ECONNRESET`` after ``close()``
        """
        self._answer(request, 0, None, payload, last=not request.streaming)

    def respond_error(self, request: Message, errnum: int, text: Optional[str] = None) -> None:
        """Sends an error as the last response. ``ENODATA`` ends a stream without an error.

        :param errnum: POSIX number
        :param text: for users; by default the requester shows the text of the number
        :raises OSError: ``EINVAL`` if the request has been answered; ``ECONNRESET`` after ``close()``
        :raises ValueError: ``errnum`` is 0
        """
        if errnum == 0:
            raise ValueError(f"{request.topic}: an error response needs an error number other than 0")
        self._answer(request, errnum, text, None, last=True)

    def track(self, request: Message) -> None:
        """Keeps a request until it has its last response."""
        if not request.noresponse:
            self._open.setdefault(request.sender, {})[request.matchtag] = request

    @property
    def owes_answers(self) -> bool:
        """Whether a received request has no answer yet. Streams do not count."""
        return any(not request.streaming for requests in self._open.values() for request in requests.values())

    def drop_sender(self, sender: str) -> None:
        """Abandons the requests of a sender that has disconnected."""
        for request in self._open.pop(sender, {}).values():
            request.end(abandoned=True)
        self.on_answered()

    def cancel(self, message: Message) -> bool:
        """Ends the stream that a request ``cancel`` names. Returns whether the message was such a
        request."""
        if message.method != "cancel" or not message.noresponse:
            return False
        match = _cancel(message.raw) if isinstance(message.raw, str) else None
        if match is None:
            return False
        request = self._open.get(message.sender, {}).get(int(match[1]))
        if request is not None and request.streaming:
            self.respond_error(request, errno.ECANCELED)
            request.end(abandoned=True)
        return True

    def _answer(self, request: Message, errnum: int, text: Optional[str], payload: Any, *, last: bool) -> None:
        if request.type != "request":
            raise request_error(errno.EINVAL, f"{request.topic}: not a request")
        if request.answered:
            if request.abandoned:
                return
            raise request_error(errno.EINVAL, f"{request.topic}: the request has been answered already")
        if not request.noresponse:
            response = Message(
                "response",
                request.topic,
                encode_payload(payload),
                matchtag=request.matchtag,
                errnum=errnum,
                error=text,
                route=request.route,
            )
            self._send(response)
        if last:
            request.end()
            self._forget(request)

    def _forget(self, request: Message) -> None:
        requests = self._open.get(request.sender)
        if requests is None or requests.get(request.matchtag) is not request:
            return
        del requests[request.matchtag]
        if not requests:
            del self._open[request.sender]
        self.on_answered()
