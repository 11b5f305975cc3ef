"""Errors in messages: a POSIX number and a text for users.

They are plain ``OSError(errnum, text)``. The number decides their class, such as ``FileNotFoundError``.
"""

import errno
import os
from typing import Optional

_LAST_ERRNUM = 0x7FFFFFFF


class ProtocolError(Exception):
    """The other end sent an invalid message (docs/design/modules.md §2). This end then closes the connection.
    """


def request_error(errnum: int, text: Optional[str] = None) -> OSError:
    """The error of a request that failed.

    :param errnum: POSIX number, not 0
    :param text: for users; by default the text of the number
    """
    return OSError(errnum, text or os.strerror(errnum))


def errnum_of(error: BaseException) -> Optional[int]:
    """The POSIX number of an error: the ``errno`` of an ``OSError``, ``EINVAL`` for a ``ValueError``, else
    None."""
    if isinstance(error, OSError) and isinstance(error.errno, int) and 0 < error.errno <= _LAST_ERRNUM:
        return error.errno
    return errno.EINVAL if isinstance(error, ValueError) else None


def message_of(error: BaseException) -> str:
    """The text of an error for users, never empty, without the number that ``str(OSError)`` puts in
    front."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return str(error.strerror)
    if isinstance(error, KeyError) and error.args:
        return f"KeyError: {error}"
    return str(error) or type(error).__name__


def stack_of(error: BaseException) -> str:
    """The traceback in the form in which Python prints it."""
    from traceback import format_exception

    return "".join(format_exception(type(error), error, error.__traceback__)).rstrip("\n")
