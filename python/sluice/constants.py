"""Numbers of the message protocol (RFC 3, docs/design/modules.md §2)."""

RPC_NORESPONSE = 1
"""Flag of a request that gets no response."""

RPC_STREAMING = 2
"""Flag of a request that gets many responses. The last response has errnum ``ENODATA``."""

NODEID_ANY = 0xFFFFFFFF
"""Sends a request to this rank if it has the service, else to the ranks towards rank 0."""

NODEID_UPSTREAM = 0xFFFFFFFE
"""Sends a request only to the ranks towards rank 0."""

REACTOR_NOWAIT = 1
"""Flag of ``reactor_run()``: one pass that never waits."""

REACTOR_ONCE = 2
"""Flag of ``reactor_run()``: one wait and one pass."""

MSGTYPE_REQUEST = 1
MSGTYPE_RESPONSE = 2
MSGTYPE_EVENT = 4
MSGTYPE_CONTROL = 8
MSGTYPE_ANY = 15

ROLE_OWNER = 1
ROLE_GUEST = 2

STATUS_RUNNING = 1
STATUS_FINALIZING = 2
STATUS_EXITED = 3
"""The states that a module reports with ``module.status``."""

LAST_MATCHTAG = 0xFFFFFFFF

LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Log levels, in the order in which ``syslog`` numbers them from 0."""
