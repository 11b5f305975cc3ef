"""Answering requests: which have been answered, and whose sender does not wait any more."""

import errno
from re import compile as _pattern
from typing import Any, Callable, Dict, Optional

from .errors import request_error
from .message import Message, encode_payload

_is_cancel = _pattern(r'\s*\{\s*"matchtag"\s*:\s*\d+\s*\}\s*').fullmatch


class Responder:
    """Sends responses, each request's last once.

    :param send: sends a message
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        #: Streams that are open: sender → matchtag → request.
        self._streams: Dict[str, Dict[int, Message]] = {}

    def respond(self, request: Message, payload: Any = None) -> None:
        """Sends a response; to a streaming request one of many.

        :raises OSError: ``EINVAL`` if it has been answered, or the payload is not JSON
        """
        self._answer(request, 0, None, payload, last=not request.streaming)

    def respond_error(self, request: Message, errnum: int, text: Optional[str] = None) -> None:
        """Sends the error response, which is the last; ``ENODATA`` ends a stream in order.

        :raises OSError: ``EINVAL`` if it has been answered
        :raises ValueError: for an errnum of 0
        """
        if errnum == 0:
            raise ValueError("an error response needs an error number")
        self._answer(request, errnum, text, None, last=True)

    def open_stream(self, request: Message) -> None:
        """Remembers a streaming request until it has its last response."""
        if not request.noresponse:
            self._streams.setdefault(request.sender, {})[request.matchtag] = request

    def drop_sender(self, sender: str) -> None:
        """Nobody waits for the streams of this sender any more."""
        for request in self._streams.pop(sender, {}).values():
            self._abandon(request)

    def cancel(self, message: Message) -> bool:
        """Ends the stream that a ``cancel`` names; returns whether the message was such a one."""
        if message.method != "cancel" or not message.noresponse:
            return False
        if not isinstance(message.raw, str) or _is_cancel(message.raw) is None:
            return False
        request = self._streams.get(message.sender, {}).get(message.payload["matchtag"])
        if request is not None:
            self.respond_error(request, errno.ECANCELED)
            self._abandon(request)
        return True

    def _answer(self, request: Message, errnum: int, text: Optional[str], payload: Any, *, last: bool) -> None:
        if request.type != "request":
            raise request_error(errno.EINVAL, f"{request.topic}: not a request")
        if request.answered:
            if request.abandoned:
                return
            raise request_error(errno.EINVAL, f"{request.topic}: has been answered already")
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
        streams = self._streams.get(request.sender)
        if streams is None or streams.get(request.matchtag) is not request:
            return
        del streams[request.matchtag]
        if not streams:
            del self._streams[request.sender]

    def _abandon(self, request: Message) -> None:
        """What its handler still sends goes nowhere, and is no mistake."""
        request.end(abandoned=True)
