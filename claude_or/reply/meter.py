"""What each call upstream cost: the innermost wrapper, so that retries, side calls and abandoned calls are all seen.

One call is one `Charge`, made when the call ends in whatever way. A call begins with the first report, which may be empty: a
leaf that asks nobody (a request that cannot be carried) reports nothing and is not charged. Of a call that was abandoned only
what had been told is known; it is counted as such, never guessed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Report, Role, Route
from claude_or.wire.anthropic import FailureKind
from claude_or.wire.events import Usage

Outcome = Literal["answered", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One call upstream. `cost` is in US dollars, None while nobody told it; `priced` says that it is by the listing."""

    request_id: str
    route: Route
    role: Role
    outcome: Outcome
    report: Report
    cost: Decimal | None = None
    priced: bool = False
    failure: FailureKind | None = None


Price = Callable[[str, Usage], Decimal | None]
"""What a usage costs by the listing, in US dollars, by slug."""


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Passes an answer through and charges it once. `price` is asked where the host tells usage but no cost."""

    inner: Replier
    route: Route
    charge: Callable[[Charge], None]
    price: Price = lambda _slug, _usage: None

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The inner answer, unchanged."""
        report: Report | None = None
        outcome: Outcome = "cancelled"
        failure: FailureKind | None = None
        try:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    report = burst.report or report
                    if burst.frames:
                        outcome = _ENDS.get(burst.frames[-1].event, outcome)
                    yield burst
        except ReplyFailed as failed:
            outcome, failure = "failed", failed.failure.kind
            report = failed.report or report
            raise
        finally:
            if report is not None:
                self._charge(ask, report, outcome, failure)

    def _charge(self, ask: Ask, report: Report, outcome: Outcome, failure: FailureKind | None) -> None:
        cost, priced = self._cost(report)
        self.charge(
            Charge(
                request_id=ask.request_id,
                route=self.route,
                role=ask.plan.role,
                outcome=outcome,
                report=report,
                cost=cost,
                priced=priced,
                failure=failure,
            )
        )

    def _cost(self, report: Report) -> tuple[Decimal | None, bool]:
        if report.cost is not None or report.usage is None:
            return report.cost, False
        by_list = self.price(self.route.slug, report.usage)
        return by_list, by_list is not None


_ENDS: dict[str, Outcome] = {"message_stop": "answered", "error": "failed"}


@dataclass(slots=True)
class Count:
    """The sums of some calls. Tokens as the Messages API counts them: `read` and `written` (cache) are not part of `input`."""

    calls: int = 0
    failures: int = 0
    cancelled: int = 0
    input: int = 0
    read: int = 0
    written: int = 0
    output: int = 0
    cost: Decimal = Decimal(0)
    unknown: int = 0
    """Calls that may have cost something that nobody told."""
    priced: int = 0
    """Calls whose cost is by the listing, not by the host's bill."""

    def add(self, charge: Charge) -> None:
        """Count one call in."""
        self.calls += 1
        self.failures += charge.outcome == "failed"
        self.cancelled += charge.outcome == "cancelled"
        self.priced += charge.priced
        usage = charge.report.usage
        if usage is not None:
            self.input += usage.input_tokens
            self.read += usage.cache_read_input_tokens
            self.written += usage.cache_creation_input_tokens
            self.output += usage.output_tokens
        if charge.cost is not None:
            self.cost += charge.cost
        elif charge.outcome != "failed" or charge.report.model:
            # A call that failed before a model was named was not billed.
            self.unknown += 1

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(slots=True)
class Tally:
    """The session's sums in memory, by slug, in the order in which models were first asked. `add` is the meter's `charge`."""

    models: dict[str, Count] = field(default_factory=dict[str, Count])

    def add(self, charge: Charge) -> None:
        """Count one call in."""
        self.models.setdefault(charge.route.slug, Count()).add(charge)

    @property
    def total(self) -> Count:
        """Everything."""
        return sum(self.models.values(), Count())

    def __iter__(self) -> Iterator[tuple[str, Count]]:
        return iter(self.models.items())
