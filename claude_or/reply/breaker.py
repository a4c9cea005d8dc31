"""A route that fails again and again is left alone for a while, so that ten client retries do not become thirty calls.

    closed ──(so many failures in a row, not all in one moment)──► resting ──(the pause is over)──► one call may try
      ▲                                                               ▲                                  │
      └──────────────── an answer begins, or the host objects ────────┼──────────── it fails too ────────┘

Only the host's own trouble counts: its 5xx, broken connections, silence. A 4xx says that the host is well, whoever is at
fault. Each route has a breaker of its own: other models never notice. While a route rests there is one trial per pause, which
needs no bookkeeping of who tries: a trial that hangs holds up nobody for longer than a pause.

Long before that, the client's ten retries must not multiply ours: once a route failed as often as one request may try, each
further request tries once (`route_failing`), and once it failed for `LASTING_S`, the client is told to stop and its user what for.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Route
from claude_or.wire.anthropic import Failure, FailureKind

FAILURES: Final = 20
"""So many in a row open it."""
SPAN_S: Final = 1.0
"""And they must not all be of one moment: ten agents that stumble over the same blip are no lasting fault."""
PAUSE_S: Final = 15.0
"""How long a route rests before the next trial; short enough for the client's own retries to outlast it."""

TRIED: Final = 3
"""After so many failures in a row a request is no longer tried again by us."""
LASTING_S: Final = 30.0
"""A row of failures that is so long is no hiccup: the client should tell its user, instead of trying on for minutes."""
LASTING_LIMIT_S: Final = 90.0
"""The same for a host that is asked too often: most limits are by the minute."""
STALE_S: Final = 60.0
"""What failed before a pause of this length says nothing about now."""

HOSTS_TROUBLE: Final = frozenset[FailureKind]({"api", "timeout", "overloaded"})

_log = get_log("breaker")


@dataclass(slots=True)
class Breaker:
    """One route's. Times are seconds of the clock that is handed in."""

    failures: int = 0
    since: float = 0.0
    """When the first failure of the row was."""
    resting_until: float | None = None
    last: str = ""
    """The last failure, in words."""
    row: int = 0
    """Failures in a row that trying again might help against, limits of the host's included."""
    row_since: float = 0.0
    latest: float = 0.0
    """When the last one was."""

    def wait(self, now: float) -> float:
        """Seconds until somebody may be asked; 0 lets this caller ask, and while the route rests only this one."""
        if self.row and now - max(self.latest, self.resting_until or 0.0) > STALE_S:
            self.worked()
        if self.resting_until is None:
            return 0.0
        if now < self.resting_until:
            return self.resting_until - now
        self.resting_until = now + PAUSE_S
        return 0.0

    def failed(self, failure: Failure, now: float) -> bool:
        """Count a failure of the host; whether the route rests because of it and did not before."""
        self.failures += 1
        if self.failures == 1:
            self.since = now
        self.last = failure.message
        if self.failures < FAILURES or now - self.since < SPAN_S:
            return False
        fresh = self.resting_until is None
        self.resting_until = now + PAUSE_S
        return fresh

    def stumbled(self, now: float) -> None:
        """Count a failure of any kind that may pass."""
        if not self.row:
            self.row_since = now
        self.row += 1
        self.latest = now

    def lasts(self, now: float, limit: float) -> bool:
        """Whether it fails for so many seconds already."""
        return self.row > 1 and now - self.row_since >= limit

    def is_well(self) -> bool:
        """The host is well, though it may not want us; whether the route rested until now."""
        rested = self.resting_until is not None
        self.failures, self.resting_until, self.last = 0, None, ""
        return rested

    def worked(self) -> bool:
        """An answer began, or a request was the reason for none; whether the route rested until now."""
        self.row = 0
        return self.is_well()


@dataclass(slots=True)
class Breakers:
    """Those of all routes of a session, by host and model."""

    clock: Callable[[], float] = time.monotonic
    routes: dict[tuple[str, str], Breaker] = field(default_factory=dict[tuple[str, str], Breaker])

    def of(self, route: Route) -> Breaker:
        """The breaker of a route."""
        return self.routes.setdefault((route.provider, route.label), Breaker())

    def told(self) -> list[dict[str, Any]]:
        """Routes with failures in a row, for `/control/status`. `trial_in` is in seconds, None for a route in use."""
        now = self.clock()
        return [
            {
                "provider": provider,
                "slug": slug,
                "failures": breaker.failures,
                "resting": breaker.resting_until is not None,
                "trial_in": None if breaker.resting_until is None else round(max(0.0, breaker.resting_until - now), 1),
                "last": breaker.last,
            }
            for (provider, slug), breaker in self.routes.items()
            if breaker.failures
        ]


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """Passes an answer through and learns from it; while the route rests it answers at once in the host's place."""

    inner: Replier
    route: Route
    breakers: Breakers

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The inner answer, unchanged. Raises `ReplyFailed` without asking anybody while the route rests."""
        breaker = self.breakers.of(self.route)
        if wait := breaker.wait(self.breakers.clock()):
            lasts = breaker.lasts(self.breakers.clock(), LASTING_S)
            raise ReplyFailed(resting(self.route.slug, breaker, wait, lasts=lasts))
        began = False
        try:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    if burst.frames and not began:
                        began = True
                        self._works(rested=breaker.worked())
                    yield burst
        except ReplyFailed as failed:
            judged = self._judge(breaker, failed.failure)
            if judged is failed.failure:
                raise
            raise ReplyFailed(judged, report=failed.report) from failed

    def _judge(self, breaker: Breaker, failure: Failure) -> Failure:
        """Learn from a failure; what the chain above is told of it."""
        now = self.breakers.clock()
        objects = failure.upstream_status is not None and 400 <= failure.upstream_status < 500
        if failure.kind == "rate_limit":
            if objects:
                self._works(rested=breaker.is_well())
            breaker.stumbled(now)
            return in_a_row(failure, breaker, now, LASTING_LIMIT_S)
        if failure.kind not in HOSTS_TROUBLE or objects:
            # A request that we refuse to carry says nothing about the host.
            if objects:
                self._works(rested=breaker.worked())
            return failure
        breaker.stumbled(now)
        if breaker.failed(failure, now):
            _log.warning("route rests", slug=self.route.slug, failures=breaker.failures, last=breaker.last)
        return in_a_row(failure, breaker, now, LASTING_S)

    def _works(self, *, rested: bool) -> None:
        if rested:
            _log.info("route works again", slug=self.route.slug)


def in_a_row(failure: Failure, breaker: Breaker, now: float, limit: float) -> Failure:
    """A failure with what the ones before it say: not to be tried again by us, or not even by the client."""
    if failure.should_retry is not False and breaker.lasts(now, limit):
        seconds = round(now - breaker.row_since)
        return msgspec.structs.replace(
            failure,
            should_retry=False,
            message=f"{failure.message.rstrip('. ')} (failing for {seconds} s; try again later, or choose another model with /model)",
        )
    if not failure.cause and breaker.row > TRIED and now - breaker.row_since >= SPAN_S:
        return msgspec.structs.replace(failure, cause="route_failing")
    return failure


def resting(slug: str, breaker: Breaker, wait: float, *, lasts: bool = False) -> Failure:
    """What the client is told meanwhile. It comes back by itself after `Retry-After`, unless this `lasts`."""
    seconds = math.ceil(wait)
    return Failure(
        kind="overloaded",
        status=529,
        type="overloaded_error",
        message=(
            f"{slug} failed {breaker.failures} times in a row and is left alone for {seconds} s. "
            f"Wait, or choose another model with /model. Last failure: {breaker.last}"
        ),
        retry_after=float(seconds),
        should_retry=False if lasts else None,
        cause="route_resting",
    )
