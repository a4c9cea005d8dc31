"""What the client holds open: its sessions with a server, and the requests that wait for their answers."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import Final

from msgspec import Raw

from claude_or.mcp.messages import Fields, Message, error, line, notification, progress_token, raw, with_id, with_param

QUEUE: Final = 256
"""Messages that may wait for a client that does not read; beyond it log lines go first, then the oldest."""
LOG_MESSAGE: Final = "notifications/message"


class Outbox:
    """Messages on their way to the client, in order."""

    def __init__(self) -> None:
        self.over = False
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._changed = asyncio.Event()

    def put(self, method: str, message: bytes) -> None:
        """Queue one message; `method` only decides what may be dropped when there are too many."""
        if len(self._waiting) >= QUEUE:
            at = next((at for at, (kind, _) in enumerate(self._waiting) if kind == LOG_MESSAGE), 0)
            del self._waiting[at]
        self._waiting.append((method, message))
        self._changed.set()

    def end(self) -> None:
        """Nothing comes after what is queued."""
        self.over = True
        self._changed.set()

    async def take(self) -> list[bytes]:
        """All that waits, as soon as there is something; empty at the end."""
        while not self._waiting and not self.over:
            self._changed.clear()
            await self._changed.wait()
        taken = [message for _, message in self._waiting]
        self._waiting.clear()
        return taken


class Session:
    """One session of the client, from its `initialize` on. `outbox` is what its GET stream carries."""

    def __init__(self) -> None:
        self.id = os.urandom(16).hex()
        self.outbox = Outbox()
        self.streams = 0
        self.initialized = False

    @property
    def listening(self) -> bool:
        """Whether a GET stream is open."""
        return self.streams > 0

    def replace_outbox(self) -> Outbox:
        """A new stream takes over; what the earlier one did not send goes with it."""
        if self.streams:
            self.outbox.end()
            self.outbox = Outbox()
        return self.outbox


class Exchange:
    """One request of the client, until its answer. What belongs to it meanwhile (progress, questions) goes the same way.

    Without a session it is one of `claude-or` itself, which hears the answer alone.
    """

    def __init__(self, message: Message, session: Session | None) -> None:
        if message.id is None:
            raise ValueError("an exchange needs a request")
        self.id: Raw = message.id
        self.method = message.method
        self.fields = message.fields
        self.session = session
        self.token = progress_token(message.fields)
        self.wire_id = 0
        self.repeated = False
        self.outbox = Outbox()
        self.timer: asyncio.TimerHandle | None = None

    @property
    def done(self) -> bool:
        """Whether it was answered."""
        return self.outbox.over

    def progress(self, fields: Fields) -> None:
        """Pass on a notification of progress, under the client's own token."""
        if self.token is not None:
            self.outbox.put("notifications/progress", line(with_param(fields, "progressToken", self.token)))

    def answer(self, fields: Fields) -> None:
        """Give the response, under the client's own id."""
        self.stop_clock()
        if not self.done:
            self.outbox.put("", line(with_id(fields, self.id)))
            self.outbox.end()

    def fail(self, code: int, message: str) -> None:
        """Answer with an error of ours."""
        self.answer(error(self.id, code, message))

    def drop(self) -> None:
        """The client is gone: nobody waits for the answer."""
        self.stop_clock()
        self.outbox.end()

    def cancellation(self, reason: Raw | None) -> Fields:
        """What tells the server that the answer is not wanted any more."""
        return notification(
            "notifications/cancelled",
            {"requestId": self.wire_id, "reason": reason or raw("the client cancelled the request")},
        )

    def stop_clock(self) -> None:
        """No time limit any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Sessions:
    """The client's sessions with one server."""

    MOST: Final = 64

    def __init__(self) -> None:
        self._by_id: dict[str, Session] = {}

    def open(self) -> Session:
        """A new one. The oldest that nobody listens to makes room: a client redials without saying goodbye."""
        if len(self._by_id) >= self.MOST:
            idle = next((session for session in self._by_id.values() if not session.listening), None)
            if idle is not None:
                self.close(idle)
        session = Session()
        self._by_id[session.id] = session
        return session

    def find(self, id_: str) -> Session | None:
        """The session of this id."""
        return self._by_id.get(id_)

    def close(self, session: Session) -> None:
        """Forget it and end its stream."""
        self._by_id.pop(session.id, None)
        session.outbox.end()

    def all(self) -> list[Session]:
        """The open ones, oldest first."""
        return list(self._by_id.values())

    def listener(self) -> Session | None:
        """The newest one with a stream."""
        return next((session for session in reversed(self._by_id.values()) if session.listening), None)
