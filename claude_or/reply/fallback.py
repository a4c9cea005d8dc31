"""Try again, or elsewhere, as long as nothing was sent.

The client repeats failed requests too (ten times, up to some minutes, visibly), so this stays short: it takes care of what is
over in seconds. A host that asks for a longer wait is not waited for; its `Retry-After` goes to the client, which then waits
instead of us. A host that was silent for so long that no further attempt is made is not worth ten more such waits either, so
the client is told not to repeat. Two repairs are known, each made once: where the balance, the window or the model allows for a shorter
answer than was asked for, that one is asked for, and a host that refuses what earlier answers thought is asked without it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import msgspec

from claude_or.log import get_log
from claude_or.reply.pins import Pins, Place
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Route
from claude_or.routing.remedies import REMEDIES, may_help
from claude_or.upstream.chat import session_key
from claude_or.wire.anthropic import Failure

FIRST_DELAY_S: Final = 0.5
GROWTH: Final = 2.0
LONGEST_DELAY_S: Final = 20.0
"""Longest wait between two attempts, also when a host asks for more."""
DEADLINE_S: Final = 60.0
"""After so many seconds no further attempt begins."""
USEFUL_TOKENS: Final = 1_024
"""An answer that may not even be so long is of no use."""
USEFUL_ROOM: Final = 8_192
"""With less room than this beside the prompt, a shorter history helps more than a shorter answer: the client compacts."""

_log = get_log("fallback")


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """Routes in order, each with who answers on it. `attempts` is how often the last possible route is tried; what helps
    against which failure stands in `routing/remedies.py`. `window_of` tells a route's window in tokens, None when unknown.

    `random` gives a number in [0, 1) for the jitter, `clock` seconds that never jump.
    """

    routes: Sequence[tuple[Route, Replier]]
    attempts: int = 3
    window_of: Callable[[Route], int | None] = lambda _route: None
    pins: Pins = field(default_factory=Pins)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The first answer that begins. Raises `ReplyFailed` with the last failure when none does."""
        deadline = self.clock() + DEADLINE_S
        conversation = session_key(ask)
        left = self.pins.ordered(self.routes, conversation)
        first = left[0][0]
        repairs = [shorter, without_reasoning]
        while True:
            route, replier = left.pop(0)
            attempt = 1
            while True:
                began = False
                try:
                    async with aclosing(replier.reply(ask)) as bursts:
                        async for burst in bursts:
                            if burst.frames and not began:
                                began = True
                                self._answered(route, first, conversation)
                            yield burst
                    return  # noqa: TRY300
                except ReplyFailed as failed:
                    if began:
                        raise  # against the contract; all the same no text is ever sent twice
                    failure = failed.failure
                    _told(route, attempt, failure)
                    repair = next((repair for repair in repairs if repair(ask, failure)), None)
                    if repair is not None:
                        repairs.remove(repair)
                        ask = repair(ask, failure) or ask
                        continue
                    useful = self._useful(route, left, failure)
                    delay = self._delay(failure, attempt, deadline, others=bool(useful))
                    if delay is None:
                        self.pins.failed(route, conversation)
                        if not useful:
                            raise self._last_word(failed, deadline) from failed
                        # Those for requests that are too long stay in reserve.
                        left = [*useful, *(place for place in left if place[0].spare and place not in useful)]
                        break
                await self.sleep(delay)
                attempt += 1

    def _useful(self, route: Route, left: Sequence[Place], failure: Failure) -> list[Place]:
        """The routes that may do what this one could not, in their order."""
        window = self.window_of(route)
        return [
            place
            for place in left
            if may_help(
                failure,
                same_host=place[0].provider == route.provider,
                window=window,
                other_window=self.window_of(place[0]),
                spare=place[0].spare,
            )
        ]

    def _answered(self, route: Route, first: Route, conversation: str) -> None:
        self.pins.answered(route, conversation)
        if route != first:
            _log.warning("served by a fallback", slug=route.label, host=route.provider, instead_of=first.label)

    def _last_word(self, failed: ReplyFailed, deadline: float) -> ReplyFailed:
        failure = failed.failure
        if failure.cause == "unreachable":
            # No network, a wrong address: the client would keep its user waiting for minutes before it says so.
            return ReplyFailed(msgspec.structs.replace(failure, should_retry=False), report=failed.report)
        if failure.kind != "timeout" or failure.should_retry is not None or self.clock() <= deadline:
            return failed
        return ReplyFailed(msgspec.structs.replace(failure, should_retry=False), report=failed.report)

    def _delay(self, failure: Failure, attempt: int, deadline: float, *, others: bool) -> float | None:
        """Seconds until the next attempt on this route; None when there is none. `others`: another route is worth trying."""
        remedy = REMEDIES[failure.kind]
        attempts = min(self.attempts, remedy.tries) if others else self.attempts
        if not remedy.retry or failure.should_retry is False or attempt >= attempts:
            return None
        if failure.cause in {"route_resting", "route_failing"}:
            # Waiting is the client's part: it shows that it waits, and its user may choose another model meanwhile.
            return None
        delay = min(FIRST_DELAY_S * GROWTH ** (attempt - 1), LONGEST_DELAY_S)
        # Never sooner than the host asks, spread so that many sessions do not come back at once.
        delay *= 0.75 + 0.5 * self.random()
        if failure.retry_after is not None:
            delay = max(delay, failure.retry_after)
        if delay > LONGEST_DELAY_S or self.clock() + delay > deadline:
            return None
        return delay


def _told(route: Route, attempt: int, failure: Failure) -> None:
    _log.warning(
        "attempt failed",
        slug=route.label,
        host=route.provider,
        attempt=attempt,
        kind=failure.kind,
        status=failure.upstream_status,
        message=failure.message,
    )


def shorter(ask: Ask, failure: Failure) -> Ask | None:
    """The ask with the output that the host would take; None when that is no repair, or no useful one."""
    tokens = failure.possible_output
    least = USEFUL_ROOM if failure.kind == "context_overflow" else USEFUL_TOKENS
    if tokens is None or not least <= tokens < ask.request.max_tokens:
        return None
    return msgspec.structs.replace(ask, request=msgspec.structs.replace(ask.request, max_tokens=tokens))


def without_reasoning(ask: Ask, failure: Failure) -> Ask | None:
    """The ask without what earlier answers thought; None when that is not what the host refused."""
    if failure.cause != "reasoning_rejected" or not ask.replay_reasoning:
        return None
    return msgspec.structs.replace(ask, replay_reasoning=False)
