"""The wire form (docs/design/modules.md §2): two big-endian uint32, header length and payload length; the header as
JSON (schema/wire-header.schema.json); the payload."""

import errno
import json
from re import compile as _pattern
from struct import Struct
from typing import Any, Dict, List, Optional, Union

from .errors import ProtocolError, request_error
from .message import Message, RawPayload

HEADER_LIMIT = 64 * 1024
PAYLOAD_LIMIT = 64 * 1024 * 1024
ERROR_TEXT_LIMIT = 8192
"""The most characters of an error text, so that it fits into a header."""

_UINT32 = 0xFFFFFFFF
_KEYS = {
    "request": frozenset({"type", "payload", "userid", "rolemask", "topic", "matchtag", "flags", "nodeid", "route"}),
    "response": frozenset({"type", "payload", "userid", "rolemask", "topic", "matchtag", "errnum", "error", "route"}),
    "event": frozenset({"type", "payload", "userid", "rolemask", "topic", "seq"}),
    "control": frozenset({"type", "payload", "userid", "rolemask", "control"}),
}
_INTEGERS = {
    "matchtag": _UINT32,
    "flags": 3,
    "errnum": 0x7FFFFFFF,
    "seq": 2**53 - 1,
    "userid": _UINT32,
    "rolemask": _UINT32,
}
_is_topic = _pattern(r"[^.\s]+(?:\.[^.\s]+)*").fullmatch
_prelude = Struct(">II")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decode = json.JSONDecoder().decode


def is_topic(text: str) -> bool:
    """Whether a text is words joined by single dots, without white space."""
    return _is_topic(text) is not None


def encode_message(message: Message) -> bytes:
    """The wire form of a message.

    :raises OSError: ``EMSGSIZE`` if the header is over 64 KiB or the payload over 64 MiB.
        ``EINVAL`` for text that UTF-8 cannot express: half of a surrogate pair
    """
    raw = message.raw
    header: Dict[str, Any] = {"type": message.type}
    if message.type == "control":
        header["control"] = message.control
    else:
        header["topic"] = message.topic
    for key in ("matchtag", "flags", "errnum", "seq"):
        value = getattr(message, key)
        if value:
            header[key] = value
    if message.nodeid != "any":
        header["nodeid"] = message.nodeid
    if message.error is not None:
        header["error"] = message.error[:ERROR_TEXT_LIMIT]
    if message.route:
        header["route"] = message.route
    if message.userid is not None:
        header["userid"] = message.userid
    if message.rolemask is not None:
        header["rolemask"] = message.rolemask
    body = b""
    if raw is not None:
        is_text = isinstance(raw, str)
        header["payload"] = "json" if is_text else "bytes"
        body = _encode_text(raw) if isinstance(raw, str) else raw
    text = _encode(header).encode("utf-8", "replace")
    _check_size("header", len(text), HEADER_LIMIT)
    _check_size("payload", len(body), PAYLOAD_LIMIT)
    return _prelude.pack(len(text), len(body)) + text + body


def _encode_text(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as cause:
        raise request_error(errno.EINVAL, f"payload is not UTF-8: {cause}") from cause


def _check_size(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise request_error(errno.EMSGSIZE, f"message {what} of {size} bytes is over the limit of {limit}")


class FrameDecoder:
    """Decodes messages from a byte stream that arrives in pieces of any size."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._needed = _prelude.size

    def push(self, chunk: bytes) -> List[Message]:
        """Takes the next bytes, and returns the messages that they complete.

        A declared length alone reserves no memory. The decoder copies the kept bytes once for each frame.

        :raises ProtocolError: a message is invalid, and the decoder is no longer usable
        """
        kept = self._kept
        kept += chunk
        if len(kept) < self._needed:
            return []
        messages: List[Message] = []
        start = 0
        while True:
            self._needed = _prelude.size
            if len(kept) - start < _prelude.size:
                break
            header_bytes, payload_bytes = _prelude.unpack_from(kept, start)
            if header_bytes > HEADER_LIMIT or payload_bytes > PAYLOAD_LIMIT:
                raise ProtocolError(
                    f"malformed message: it declares a header of {header_bytes} and a payload of {payload_bytes} bytes"
                )
            body = start + _prelude.size + header_bytes
            end = body + payload_bytes
            if len(kept) < end:
                self._needed = end - start
                break
            messages.append(_parse(bytes(kept[start + _prelude.size : body]), bytes(kept[body:end])))
            start = end
        del kept[:start]
        return messages

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message."""
        return len(self._kept)


def _parse(header_bytes: bytes, body: bytes) -> Message:
    try:
        header = _decode(header_bytes.decode("utf-8"))
    except ValueError as cause:
        raise ProtocolError("malformed message: the header is not JSON") from cause
    if not isinstance(header, dict):
        raise _wrong("header", "an object")
    kind = header.get("type")
    allowed = _KEYS.get(kind) if isinstance(kind, str) else None
    if allowed is None or not isinstance(kind, str):
        raise _wrong("type", "one of request, response, event, control")
    if not allowed.issuperset(header):
        unknown = next(key for key in header if key not in allowed)
        raise ProtocolError(f"malformed message: unexpected '{unknown}' in the header of a {kind}")
    numbers: Dict[str, Any] = {key: _uint(header, key, limit) for key, limit in _INTEGERS.items() if key in header}
    raw = _payload(header.get("payload"), body)
    if kind == "control":
        return Message(kind, raw=raw, control=_control(header.get("control")), **numbers)
    return Message(
        kind,
        _topic(header.get("topic")),
        raw,
        nodeid=_nodeid(header.get("nodeid", "any")),
        error=_text_or_none(header, "error"),
        route=_route(header.get("route")),
        **numbers,
    )


def _payload(kind: Any, body: bytes) -> RawPayload:
    if kind == "json":
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as cause:
            raise ProtocolError("malformed message: the payload is not UTF-8") from cause
    if kind == "bytes":
        return body
    if kind is not None:
        raise _wrong("payload", "json or bytes")
    if body:
        raise ProtocolError("malformed message: bytes follow a header without payload")
    return None


def _uint(header: Dict[str, Any], key: str, limit: int) -> int:
    value = header[key]
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= limit:
        raise _wrong(key, f"an integer from 0 to {limit}")
    return int(value)


def _topic(value: Any) -> str:
    if not isinstance(value, str) or not is_topic(value):
        raise _wrong("topic", "words joined by dots")
    return value


def _control(value: Any) -> str:
    if value not in ("welcome", "status", "disconnect"):
        raise _wrong("control", "one of welcome, status, disconnect")
    return str(value)


def _nodeid(value: Any) -> Union[int, str]:
    if value == "any" or value == "upstream":
        return str(value)
    if type(value) is int and 0 <= value <= _UINT32:
        return value
    raise _wrong("nodeid", "a rank, any or upstream")


def _route(value: Any) -> List[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _wrong("route", "an array of names")
    return value


def _text_or_none(header: Dict[str, Any], key: str) -> Optional[str]:
    value = header.get(key)
    if value is None and key not in header:
        return None
    if not isinstance(value, str):
        raise _wrong(key, "a string")
    return value


def _wrong(key: str, expected: str) -> ProtocolError:
    return ProtocolError(f"malformed message: '{key}' must be {expected}")
