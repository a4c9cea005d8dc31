"""How long the head of a request may take: aiohttp waits for it as long as a connection may idle, or for ever.

Stands between a connection and aiohttp's protocol and passes everything on. A clock runs from the first byte (or the opening
of the connection) until the request reaches the door; whoever takes longer is cut off, without a word, as there is nobody to
answer. How long a body may take is `bodies.py`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from claude_or.log import get_log

_log = get_log("proxy")


class Waiting(asyncio.Protocol):
    """One connection. `connections` maps aiohttp's protocol, as requests know it, to this."""

    __slots__ = ("_busy", "_connections", "_inner", "_loop", "_timer", "_transport")

    def __init__(self, inner: web.RequestHandler, connections: Connections) -> None:
        self._inner: Final = inner
        self._connections: Final = connections
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.BaseTransport | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is waited for from here on."""
        self._transport = transport
        self._connections.open[self._inner] = self
        self._wait()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Outside of a request, bytes are the head of the next one."""
        if not self._busy and self._timer is None:
            self._wait()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._stop()
        self._connections.open.pop(self._inner, None)
        self._inner.connection_lost(exc)

    def began(self) -> None:
        """A request is at the door."""
        self._busy = True
        self._stop()

    def ended(self) -> None:
        """It was answered."""
        self._busy = False

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._connections.seconds, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        _log.info("a request's head did not arrive in time")
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()


class Connections:
    """All open connections; `seconds` is how long a head may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.open: dict[asyncio.BaseProtocol, Waiting] = {}

    def factory(self, make: Callable[[], web.RequestHandler]) -> Callable[[], asyncio.Protocol]:
        """aiohttp's protocol factory, made impatient."""
        return lambda: Waiting(make(), self)

    def of(self, request: web.Request) -> Waiting | None:
        """The connection of a request; None for one that is lost."""
        return self.open.get(request.protocol)
