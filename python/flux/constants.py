"""The numbers that Flux programs use, under their names there."""

from typing import Any

from sluice import constants as _c

from ._absent import absent

FLUX_RPC_NORESPONSE = _c.RPC_NORESPONSE
FLUX_RPC_STREAMING = _c.RPC_STREAMING
FLUX_NODEID_ANY = _c.NODEID_ANY
FLUX_NODEID_UPSTREAM = _c.NODEID_UPSTREAM
FLUX_MATCHTAG_NONE = 0
FLUX_MSGTYPE_REQUEST = _c.MSGTYPE_REQUEST
FLUX_MSGTYPE_RESPONSE = _c.MSGTYPE_RESPONSE
FLUX_MSGTYPE_EVENT = _c.MSGTYPE_EVENT
FLUX_MSGTYPE_CONTROL = _c.MSGTYPE_CONTROL
FLUX_MSGTYPE_ANY = _c.MSGTYPE_ANY
FLUX_ROLE_OWNER = _c.ROLE_OWNER
FLUX_ROLE_USER = _c.ROLE_GUEST


def __getattr__(name: str) -> Any:
    raise absent(__name__, name)
