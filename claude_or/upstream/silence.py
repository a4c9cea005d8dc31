"""How long a host may say nothing, over all the reads of one answer.

`asyncio.timeout` around each read costs more than reading and translating what came: a timer made and cancelled for every
delta. Here one timer serves an answer. It looks when the earliest silence could be over, and goes on to wait for the rest if
something came meanwhile. Only waiting counts: while the client reads slowly nobody waits for the host.
"""

from __future__ import annotations

import asyncio
from typing import Self

from aiohttp import StreamReader


class Silence:
    """A context manager around the reads of `content`. When a wait took its limit, `content` fails with `TimeoutError`."""

    __slots__ = ("_content", "_due", "_limit", "_loop", "_since", "_timer", "expired")

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")
        self._since: float | None = None
        self._limit = 0.0
        self.expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def begins(self, limit: float) -> None:
        """From here on somebody waits, at most `limit` seconds."""
        now = self._loop.time()
        self._since, self._limit = now, limit
        if self._due > now + limit:
            self._look_at(now + limit)

    def ends(self) -> None:
        """Something came."""
        self._since = None

    def _look_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._since is None:
            self._look_at(now + self._limit)
        elif now < self._since + self._limit:
            self._look_at(self._since + self._limit)
        else:
            self.expired = True
            self._content.set_exception(TimeoutError())
