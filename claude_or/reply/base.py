"""What wrappers and the request handler do with a stream of bursts."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from claude_or.routing.ask import Ask, Replier, ReplyFailed
from claude_or.wire.events import FoldError, fold
from claude_or.wire.sse import Frame


async def whole_message(replier: Replier, ask: Ask) -> dict[str, Any]:
    """The answer in one piece: the fold of the same stream that a streaming client would have read.

    Raises `ReplyFailed`, also for an answer that failed half-way: nothing of it was shown.
    """
    frames: list[Frame] = []
    async with aclosing(replier.reply(ask)) as bursts:
        async for burst in bursts:
            frames += burst.frames
    try:
        return fold(frames)
    except FoldError as broken:
        raise ReplyFailed(broken.failure) from broken
