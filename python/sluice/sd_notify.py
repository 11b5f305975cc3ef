"""``python3 -m sluice.sd_notify NAME=VALUE…``: reports the state of a service to its manager (sd_notify(3)).

Brokers on machines without ``systemd-notify`` run this program, because Node has no Unix datagram sockets.
"""

import os
import socket
import struct
import sys
from typing import List


def notify(assignments: List[str], address: str) -> None:
    """Sends one message. If the system allows it, the message names the parent process as its sender,
    because the manager accepts only that process.

    :param assignments: each ``NAME=VALUE``
    :param address: of the socket, with ``@`` first for the abstract name space
    :raises OSError: with the errno of connect(2) or send(2), such as ``ENOENT`` for a missing socket
    """
    message = "\n".join(assignments).encode()
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        credentials = struct.pack("3i", os.getppid(), os.getuid(), os.getgid())
        try:
            sender.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
        except PermissionError:
            sender.send(message)


def main() -> int:
    """The command.

    :returns: the exit status: 1 if the text does not reach the manager
    """
    try:
        notify(sys.argv[1:], os.environ.get("NOTIFY_SOCKET", ""))
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
