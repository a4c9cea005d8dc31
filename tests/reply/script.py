"""A replier that plays a script, for what stands around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from claude_or.routing.ask import Ask, Burst, Plan, ReplyFailed, Report, Route
from claude_or.wire.anthropic import Failure, MessagesRequest
from claude_or.wire.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextBlock,
    TextDelta,
    Usage,
    encode,
    error_frame,
)

ALIVE = Burst()
"""A sign of life."""

Step = Burst | ReplyFailed | Exception | float | asyncio.Event
"""A burst, something that is raised, seconds of silence, or something that is waited for."""


def ask(max_tokens: int = 1000, **more: Any) -> Ask:
    """A small ask."""
    route = Route(provider="openrouter", slug="z-ai/glm-5.3", path="chat")
    return Ask(
        request_id="req_1",
        request=MessagesRequest(
            model="big", messages=[{"role": "user", "content": "hi"}], max_tokens=max_tokens, **more
        ),
        raw=b"{}",
        plan=Plan(asked="big", role="main", routes=(route,), reason="told so"),
    )


def failed(kind: Any = "overloaded", status: int = 529, type_: str = "overloaded_error", **more: Any) -> ReplyFailed:
    """A failure before any frame."""
    return ReplyFailed(Failure(kind=kind, status=status, type=type_, message=f"failed: {kind}", **more))


def burst(*events: Event, report: Report | None = None) -> Burst:
    """Frames that come together."""
    return Burst(frames=[encode(event) for event in events], report=report)


START = (MessageStart("msg_1", "big", Usage(input_tokens=3)), BlockStart(0, TextBlock()))


def delta(text: str) -> Burst:
    """A piece of text."""
    return burst(TextDelta(0, text))


def answer(*texts: str, report: Report | None = None) -> list[Burst]:
    """A whole answer, a burst per text."""
    stop = (BlockStop(0), MessageDelta("end_turn", Usage(output_tokens=2)), MessageStop())
    return [burst(*START), *(delta(text) for text in texts), burst(*stop, report=report)]


def error_burst(failure: ReplyFailed) -> Burst:
    """The end of an answer that failed half-way."""
    return Burst(frames=[error_frame(failure.failure)])


class Script:
    """Plays one list of steps per call, the last one again and again; `asks` and `open` tell what happened."""

    def __init__(self, *calls: Sequence[Step]) -> None:
        self.calls = calls
        self.asks: list[Ask] = []
        self.open = 0
        self.closed = asyncio.Event()
        """Set when the last open call was closed."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Play the next list."""
        steps = self.calls[min(len(self.asks), len(self.calls) - 1)]
        self.asks.append(ask)
        self.open += 1
        self.closed.clear()
        try:
            for step in steps:
                match step:
                    case Burst():
                        yield step
                    case asyncio.Event():
                        await step.wait()
                    case int() | float():
                        await asyncio.sleep(step)
                    case _:
                        raise step
        finally:
            self.open -= 1
            if not self.open:
                self.closed.set()
