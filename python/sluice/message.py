"""Messages and their payloads (docs/design/modules.md §2)."""

import json
from typing import Any, Dict, List, Optional, Union

from .constants import MSGTYPE_CONTROL, MSGTYPE_EVENT, MSGTYPE_REQUEST, MSGTYPE_RESPONSE
from .constants import ROLE_OWNER, RPC_NORESPONSE, RPC_STREAMING
from .errors import request_error

#: On the wire: nothing, JSON text, or raw bytes.
RawPayload = Union[None, str, bytes]

#: Numbers of message types, in the form of watchers' masks.
TYPE_NUMBERS = {
    "request": MSGTYPE_REQUEST,
    "response": MSGTYPE_RESPONSE,
    "event": MSGTYPE_EVENT,
    "control": MSGTYPE_CONTROL,
}

_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_DECODE = json.JSONDecoder().decode


def encode_payload(payload: Any) -> RawPayload:
    """Encodes the payload of a program for the wire.

    :param payload: None for no payload; JSON text as a string, or bytes, both sent unchanged; or else a value that
        JSON can express
    :raises OSError: ``EINVAL`` for a value that JSON cannot express
    """
    if payload is None or isinstance(payload, str):
        return payload
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    try:
        return _ENCODE(payload)
    except (TypeError, ValueError, RecursionError) as cause:
        import errno

        raise request_error(errno.EINVAL, f"JSON cannot express the payload: {cause}") from cause


def decode_payload(raw: RawPayload) -> Any:
    """Decodes a received payload for a program: a JSON value, bytes, or None.

    :raises OSError: ``EPROTO`` if the text is invalid JSON
    """
    if not isinstance(raw, str):
        return raw
    try:
        return _DECODE(raw)
    except (ValueError, RecursionError) as cause:
        import errno

        raise request_error(errno.EPROTO, f"invalid JSON in the payload: {cause}") from cause


class Message:
    """One message. Its ``type`` determines its fields: ``request``, ``response``, ``event`` or
    ``control``."""

    __slots__ = (
        "type",
        "topic",
        "raw",
        "matchtag",
        "flags",
        "nodeid",
        "errnum",
        "error",
        "seq",
        "control",
        "route",
        "userid",
        "rolemask",
        "_decoded",
        "_payload",
        "_ended",
        "abandoned",
    )

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name on the wire
        topic: str = "",
        raw: RawPayload = None,
        *,
        matchtag: int = 0,
        flags: int = 0,
        nodeid: Union[int, str] = "any",
        errnum: int = 0,
        error: Optional[str] = None,
        seq: int = 0,
        control: str = "",
        route: Optional[List[str]] = None,
        userid: Optional[int] = None,
        rolemask: Optional[int] = None,
    ) -> None:
        self.type = type
        self.topic = topic
        #: The payload in the form that is sent: None, JSON text, or bytes.
        self.raw = raw
        self.matchtag = matchtag
        self.flags = flags
        self.nodeid = nodeid
        #: POSIX number of a response; 0 is success.
        self.errnum = errnum
        self.error = error
        self.seq = seq
        self.control = control
        self.route: List[str] = [] if route is None else route
        self.userid = userid
        self.rolemask = rolemask
        self._decoded = False
        self._payload: Any = None
        self._ended = False
        #: Whether the requester no longer waits for a response.
        self.abandoned = False

    @property
    def payload(self) -> Any:
        """A JSON value, bytes, or None. The first use parses the payload.

        :raises OSError: ``EPROTO`` if it is invalid JSON
        """
        if not self._decoded:
            self._payload = decode_payload(self.raw)
            self._decoded = True
        return self._payload

    @property
    def payload_str(self) -> Optional[str]:
        """The payload as unparsed text, or None without payload."""
        return self.raw.decode("utf-8") if isinstance(self.raw, bytes) else self.raw

    @property
    def service(self) -> str:
        """The part of the topic up to the first dot."""
        return self.topic.partition(".")[0]

    @property
    def method(self) -> str:
        """The part of the topic after the first dot."""
        return self.topic.partition(".")[2]

    @property
    def streaming(self) -> bool:
        """Whether a request gets many responses."""
        return bool(self.flags & RPC_STREAMING)

    @property
    def noresponse(self) -> bool:
        """Whether a request gets no response."""
        return bool(self.flags & RPC_NORESPONSE)

    @property
    def is_owner(self) -> bool:
        """Whether the owner of the instance sent the message; true without a user."""
        return self.rolemask is None or bool(self.rolemask & ROLE_OWNER)

    @property
    def sender(self) -> str:
        """Id of the requester; empty on a private channel."""
        return self.route[0] if self.route else ""

    @property
    def answered(self) -> bool:
        """Whether a request has its last response, or the requester has abandoned it."""
        return self._ended

    def end(self, abandoned: bool = False) -> None:
        """Marks a request as answered.

        :param abandoned: the requester no longer waits for a response
        """
        self._ended = True
        self.abandoned = self.abandoned or abandoned

    def __repr__(self) -> str:
        fields: Dict[str, Any] = {"topic": self.topic or self.control, "payload": self.raw}
        if self.errnum:
            fields["errnum"] = self.errnum
        return f"<{self.type} {' '.join(f'{key}={value!r}' for key, value in fields.items())}>"
