"""What a server asks the client (its roots, a form to fill in, a completion), on the way there and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Raw

from claude_or.mcp.messages import (
    INTERNAL,
    Fields,
    Message,
    error,
    line,
    number_of,
    param,
    raw,
    result,
    with_id,
    with_param,
)
from claude_or.mcp.sessions import Outbox

LIMIT: Final = 10.0
"""Seconds that a question waits for a client that could answer it."""


class Questions:
    """The open questions of one life of a server, under ids of ours.

    `write` sends a message to the server; `outbox` is the best way to the client at the moment: the newest open request, else the
    newest stream.
    """

    def __init__(
        self, ids: Iterator[int], write: Callable[[Fields], object], outbox: Callable[[], Outbox | None]
    ) -> None:
        self._ids = ids
        self._write = write
        self._outbox = outbox
        self._open: dict[int, tuple[Raw, Outbox | None]] = {}
        self._homeless: list[tuple[int, str, bytes]] = []

    def take(self, message: Message) -> None:
        """The server asks."""
        id_ = message.id or raw(0)
        if message.method == "ping":
            self._write(result(id_, {}))
            return
        number = next(self._ids)
        self._open[number] = (id_, None)
        self._deliver(number, message.method, line(with_id(message.fields, number)))

    def withdraw(self, fields: Fields) -> None:
        """The server cancels one of its questions."""
        wanted = bytes(param(fields, "requestId") or b"")
        for number, (id_, outbox) in list(self._open.items()):
            if bytes(id_) == wanted:
                del self._open[number]
                if outbox is not None:
                    outbox.put("notifications/cancelled", line(with_param(fields, "requestId", raw(number))))

    def answer(self, message: Message) -> None:
        """The client answers; an answer to a question of an earlier life means nothing."""
        known = self._open.pop(number_of(message.id) or 0, None)
        if known is not None:
            self._write(with_id(message.fields, known[0]))

    def deliver_waiting(self) -> None:
        """There is a new way to the client."""
        homeless, self._homeless = self._homeless, []
        for number, method, data in homeless:
            self._deliver(number, method, data)

    def forget(self) -> None:
        """The server's life is over."""
        self._open.clear()
        self._homeless.clear()

    def _deliver(self, number: int, method: str, data: bytes) -> None:
        if number not in self._open:
            return
        outbox = self._outbox()
        if outbox is None:
            self._homeless.append((number, method, data))
            asyncio.get_running_loop().call_later(LIMIT, self._expire, number)
            return
        self._open[number] = (self._open[number][0], outbox)
        outbox.put(method, data)

    def _expire(self, number: int) -> None:
        if any(number == waiting for waiting, _, _ in self._homeless):
            self._homeless = [entry for entry in self._homeless if entry[0] != number]
            id_, _ = self._open.pop(number)
            self._write(error(id_, INTERNAL, "no client listens"))
