"""Sockets that notice when nobody is at the other end any more.

A laptop that slept, or changed its network, holds connections that are dead without a word: nothing that is sent arrives, and no
refusal comes back. Left to the system's defaults a request would hang on such a connection for a quarter of an hour, and a reader
until its limit for silence. So what was sent must be acknowledged within `UNANSWERED_S`, and a silent connection is asked
whether it lives. A host that is alive and thinks for an hour answers that by its system alone.
"""

from __future__ import annotations

import socket
from typing import Any, Final

UNANSWERED_S: Final = 45
"""Below the time in which the fallback still tries again, so that a request on a dead connection is sent on a new one."""
IDLE_S: Final = 20
EVERY_S: Final = 10
PROBES: Final = 3

_TCP: Final = {
    "TCP_KEEPIDLE": IDLE_S,
    "TCP_KEEPALIVE": IDLE_S,  # macOS's name for it
    "TCP_KEEPINTVL": EVERY_S,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": UNANSWERED_S * 1000,  # Linux; in milliseconds
}


def lively_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for an address as `getaddrinfo` tells it. What the system does not know is left out."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP.items():
        option = getattr(socket, name, None)
        if option is not None:
            try:
                made.setsockopt(socket.IPPROTO_TCP, option, value)
            except OSError:
                continue  # some sandboxes know the name only
    return made
