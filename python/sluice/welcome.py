"""The welcome of the broker, which is its first message (docs/design/modules.md §2)."""

import errno
from typing import Any, Dict, NamedTuple, Tuple

from .connection import Connection
from .errors import ProtocolError, request_error
from .message import Message
from .reactor import Reactor

_FIELDS = ("name", "uuid", "rank", "size", "args", "attrs", "conf")


class Welcome(NamedTuple):
    """The content of the broker's welcome."""

    #: The uuid of the module; for a client, a uuid that the broker made.
    name: str
    uuid: str
    #: The rank of the broker, from 0.
    rank: int
    #: Number of ranks of the instance.
    size: int
    #: The arguments of the module.
    args: Tuple[str, ...]
    #: Attributes that never change.
    attrs: Dict[str, str]
    #: The configuration, a JSON value.
    conf: Any


def await_welcome(connection: Connection, reactor: Reactor) -> Welcome:
    """Waits for the welcome. Closes the connection after an error.

    :raises OSError: ``ECONNRESET`` if the broker disconnected
    :raises ProtocolError: the first message is not a valid welcome
    """
    try:
        reactor.wait_until(lambda: reactor.has_input or connection.gone)
        if not reactor.has_input:
            raise request_error(errno.ECONNRESET, "the broker closed the connection") from connection.cause
        return _parse(reactor.take())
    except BaseException:
        connection.close()
        raise


def _parse(message: Message) -> Welcome:
    if message.type != "control" or message.control != "welcome" or not isinstance(message.payload, dict):
        raise ProtocolError(f"expected a welcome from the broker, received a message of type {message.type}")
    fields = message.payload
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise ProtocolError(f"fields are missing in the broker's welcome: {', '.join(missing)}")
    return Welcome(
        name=str(fields["name"]),
        uuid=str(fields["uuid"]),
        rank=int(fields["rank"]),
        size=int(fields["size"]),
        args=tuple(fields["args"]),
        attrs=dict(fields["attrs"]),
        conf=fields["conf"],
    )
