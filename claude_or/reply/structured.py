"""Answers that fit the schema of their request, from hosts that do not see to it.

What the model answers is held back until it was checked (`translate/structured.py`); the signs of life of its host go through, so that
nobody takes the silence for an end. An answer that does not fit goes back to the model with the reason, a few times; the client reads
the one that fits, with the usage of all. Since nothing was sent before, a failure is still a plain failure: another route may be
tried. Each call passes the meter, which stands inside. A host that refuses the schema is asked for it in words, for the rest of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Route
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.search_weave import sum_of_usages
from claude_or.translate.structured import (
    NotFit,
    Wanted,
    asked_again,
    body_of,
    check_schemas,
    in_words,
    is_asked,
    is_refusal,
    unenforced,
    without_enforcement,
)
from claude_or.upstream.judging import fitting_in_time
from claude_or.wire.anthropic import BadRequest, Failure, MessagesRequest
from claude_or.wire.events import FoldError, fold
from claude_or.wire.messages import frames_of
from claude_or.wire.sse import Frame

_CHECKED: Final = frozenset({"end_turn", "tool_use"})
"""Ends of an answer that is whole. What a limit cut or the model refused tells that by its stop reason."""

_log = get_log("reply")


@dataclass(frozen=True, kw_only=True)
class Structured:
    """Answers a request that wants a schema kept; every other request passes unchanged.

    `retries` is how often the model is asked again, `judge` is `fitting` in bounded time, `refusing` what was found to take no schemas, by host and slug.
    """

    inner: Replier
    profile: ModelProfile
    route: Route
    retries: int = 2
    judge: Callable[[dict[str, Any], Wanted], Awaitable[dict[str, Any]]] = fitting_in_time
    refusing: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """One legal answer under the contract of `routing/ask.py`. Raises `ReplyFailed`."""
        # Most requests ask for no schema, and a wrapper that only hands on would cost them a hop for each delta.
        return self._kept(ask) if is_asked(ask.request) else self.inner.reply(ask)

    async def _kept(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        place = (self.route.provider, self.route.slug)
        if place not in self.refusing:
            try:
                async with aclosing(self._answered(ask, self.profile)) as bursts:
                    async for burst in bursts:
                        yield burst
                return  # noqa: TRY300
            except ReplyFailed as failed:
                if not is_refusal(failed.failure):
                    raise
                _log.warning("the host refuses the schema: asked for in words", slug=self.route.slug)
        async with aclosing(self._answered(ask, without_enforcement(self.profile))) as bursts:
            async for burst in bursts:
                yield burst
        # Only now it is certain that it was the schema.
        self.refusing.add(place)

    async def _answered(self, ask: Ask, profile: ModelProfile) -> AsyncGenerator[Burst, None]:
        native = self.route.path == "native"
        try:
            wanted = unenforced(ask.request, profile, native=native)
            if wanted is not None:
                # In a thread: the library takes 0.1 s to load, and whoever wrote the schema may have made it slow.
                await asyncio.to_thread(check_schemas, ask.request)
        except BadRequest as refused:
            raise ReplyFailed(refused.failure) from refused
        if wanted and (native or profile is not self.profile):
            # The chat leaf tells it by itself, as far as the profile of the model goes.
            ask = self._changed(ask, in_words(ask.request, profile))
        answers = self._checked(ask, wanted) if wanted else self.inner.reply(ask)
        async with aclosing(answers) as bursts:
            async for burst in bursts:
                yield burst

    async def _checked(self, ask: Ask, wanted: Wanted) -> AsyncGenerator[Burst, None]:
        usage: dict[str, Any] = {}
        attempt = 0
        while True:
            frames: list[Frame] = []
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    frames += burst.frames
                    yield Burst(report=burst.report)
            message = _folded(frames)
            usage = sum_of_usages(usage, message["usage"])
            if message["stop_reason"] not in _CHECKED:
                break
            try:
                message = await self.judge(message, wanted)
                break
            except BadRequest as refused:
                raise ReplyFailed(refused.failure) from refused
            except NotFit as trouble:
                attempt += 1
                _log.warning(
                    "answer does not fit the schema", slug=self.route.slug, attempt=attempt, reason=trouble.plain
                )
                if attempt > self.retries:
                    raise ReplyFailed(self._given_up(trouble, attempt)) from trouble
                ask = self._changed(ask, asked_again(ask.request, message, trouble, wanted))
        yield Burst(frames=frames_of({**message, "usage": usage}) if attempt else _told(frames, message, usage))

    def _changed(self, ask: Ask, request: MessagesRequest) -> Ask:
        # Only the native leaf reads the body.
        raw = body_of(request, ask.request, ask.raw) if self.route.path == "native" else ask.raw
        return msgspec.structs.replace(ask, request=request, raw=raw)

    def _given_up(self, trouble: NotFit, attempts: int) -> Failure:
        times = "once" if attempts == 1 else f"{attempts} times"
        return Failure(
            kind="api",
            status=502,
            type="api_error",
            message=f"{self.route.slug} was asked {times} and never kept to the JSON schema of the request. {trouble.plain}\n"
            "Choose a model with structured outputs (`claude-or models search` tells them), or a simpler schema.",
            should_retry=False,
        )


def _told(frames: list[Frame], message: dict[str, Any], usage: dict[str, Any]) -> list[Frame]:
    """The frames as they came where nothing was changed, so that the pieces stay those of the model."""
    return frames if fold(frames) == message else frames_of({**message, "usage": usage})


def _folded(frames: list[Frame]) -> dict[str, Any]:
    try:
        return fold(frames)
    except FoldError as broken:
        raise ReplyFailed(broken.failure) from broken
