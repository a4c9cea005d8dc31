"""A request that is sent again while it still runs is asked upstream once.

The client repeats a request byte for byte when it thinks that the first one is lost. Usually its connection is closed then,
and with it the call. Where it is not, the repetition stands in line (the door keeps it alive with pings):

* the first one ends, well or badly: its outcome is the repetition's, too
* the first one's client leaves: the call upstream is closed, and the repetition takes its place

So there is never a second call at the same time, nobody's answer is taken away for the sake of somebody else's, and the
answer that is being read pays nothing but a copy of its bytes. Requests without a session are never taken for the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed
from claude_or.wire.anthropic import Failure
from claude_or.wire.sse import SseDecoder

KEPT_BYTES: Final = 4_000_000
"""Longest answer that is kept for a repetition; a longer one is asked for again, afterwards."""

_LAST: Final = frozenset({"message_stop", "error"})
_log = get_log("once")

Key = tuple[str, str, bytes]
"""Session, agent, body."""


class Running:
    """A request on its way, and what has been answered so far."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.failure: Failure | None = None
        self.answer: bytes | None = None
        """The whole answer, once it is over and if it was kept."""
        self._said: bytearray | None = bytearray()

    def heard(self, burst: Burst) -> None:
        """Remember what was said."""
        if self._said is None or not burst.frames:
            return
        for frame in burst.frames:
            self._said += frame.raw
        if len(self._said) > KEPT_BYTES:
            self._said = None
        elif burst.frames[-1].event in _LAST:
            self.answer = bytes(self._said)


@dataclass(slots=True)
class Requests:
    """Those of a session that are running."""

    running: dict[Key, Running] = field(default_factory=dict[Key, Running])


@dataclass(frozen=True, kw_only=True)
class Once:
    """Answers by `inner`, unless the same request is being answered already. Outermost in the chain."""

    inner: Replier
    requests: Requests

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The answer. Raises `ReplyFailed`."""
        if not ask.session_id:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    yield burst
            return
        key = (ask.session_id, ask.agent_id, ask.raw)
        while (other := self.requests.running.get(key)) is not None:
            _log.info("the same request is running already")
            await other.over.wait()
            if other.failure is not None:
                raise ReplyFailed(other.failure)
            if other.answer is not None:
                decoder = SseDecoder()
                yield Burst(frames=[*decoder.feed(other.answer), *decoder.close()])
                return
        mine = self.requests.running[key] = Running()
        try:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    mine.heard(burst)
                    yield burst
        except ReplyFailed as failed:
            mine.failure = failed.failure
            raise
        finally:
            del self.requests.running[key]
            mine.over.set()
