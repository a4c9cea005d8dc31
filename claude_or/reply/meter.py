"""What each call upstream may cost and did cost: the innermost wrapper, so that retries, side calls and abandoned calls are all seen.

Before a call the budget has its say (`budget.py`); what it refuses was never made.

One call is one `Charge`, made when the call ends in whatever way. A call begins with the first report, which may be empty: a
leaf that asks nobody (a request that cannot be carried) reports nothing and is not charged. Of a call that was abandoned only
what had been told is known; it is counted as such, never guessed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from claude_or.reply.budget import Budget, Price, Reservation
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Report, Role, Route
from claude_or.wire.anthropic import FailureKind
from claude_or.wire.events import Usage

Outcome = Literal["answered", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One call upstream. `cost` is in US dollars, None while nobody told it; `priced` says that it is by the listing.

    `first_s` is the time to the first frame, `seconds` to the end. `ask` is what was asked.
    """

    request_id: str
    route: Route
    role: Role
    outcome: Outcome
    report: Report
    cost: Decimal | None = None
    priced: bool = False
    failure: FailureKind | None = None
    first_s: float | None = field(default=None, compare=False)
    seconds: float = field(default=0.0, compare=False)
    ask: Ask | None = field(default=None, compare=False, repr=False)

    @property
    def is_billed(self) -> bool:
        """Whether there is, or may come, a bill: a call that failed before a model was named was not billed."""
        return self.outcome != "failed" or bool(self.report.model)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Passes an answer through and charges it once. `price` is asked where the host tells usage but no cost."""

    inner: Replier
    route: Route
    charge: Callable[[Charge], None]
    price: Price = lambda _slug, _usage: None
    budget: Budget | None = None
    clock: Callable[[], float] = time.monotonic

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The inner answer, unchanged. Raises `ReplyFailed` (402) for what the budget refuses."""
        held = await self.budget.reserve(ask, self.route, self.price) if self.budget else None
        charge = None
        try:
            call = _Call(self.clock())
            try:
                async with aclosing(self.inner.reply(ask)) as bursts:
                    async for burst in bursts:
                        call.see(burst, self.clock)
                        yield burst
            except ReplyFailed as failed:
                call.outcome, call.failure = "failed", failed.failure.kind
                call.report = failed.report or call.report
                raise
            finally:
                if call.report is not None:
                    charge = self._charge_of(ask, call, call.report)
                    self.charge(charge)
        finally:
            self._settle(held, charge)

    def _settle(self, held: Reservation | None, charge: Charge | None) -> None:
        if self.budget is None:
            return
        if charge is None:
            self.budget.settle(held, None, billed=False)
        else:
            report = charge.report
            self.budget.settle(
                held, charge.cost, report.usage, generation=report.generation_id, billed=charge.is_billed
            )

    def _charge_of(self, ask: Ask, call: _Call, report: Report) -> Charge:
        cost, priced = self._cost(report)
        return Charge(
            request_id=ask.request_id,
            route=self.route,
            role=ask.plan.role,
            outcome=call.outcome,
            report=report,
            cost=cost,
            priced=priced,
            failure=call.failure,
            first_s=call.first_s,
            seconds=self.clock() - call.began,
            ask=ask,
        )

    def _cost(self, report: Report) -> tuple[Decimal | None, bool]:
        if report.cost is not None:
            return report.cost, False
        by_list = self.price(self.route.slug, report.usage or _SOMETHING)
        if report.usage is None and by_list:
            return None, False
        return by_list, by_list is not None


@dataclass(slots=True)
class _Call:
    """What is known of the call that runs."""

    began: float
    report: Report | None = None
    outcome: Outcome = "cancelled"
    failure: FailureKind | None = None
    first_s: float | None = None

    def see(self, burst: Burst, clock: Callable[[], float]) -> None:
        self.report = burst.report or self.report
        if burst.frames:
            self.outcome = _ENDS.get(burst.frames[-1].event, self.outcome)
            if self.first_s is None:
                self.first_s = clock() - self.began


_SOMETHING = Usage(input_tokens=1, output_tokens=1, web_search_requests=1)
"""What costs nothing of this costs nothing at all, so nobody needs to know how much it was."""
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
    """Calls whose cost is by a list of prices, not by the host's bill; that something is free needs no bill."""

    def add(self, charge: Charge) -> None:
        """Count one call in."""
        self.calls += 1
        self.failures += charge.outcome == "failed"
        self.cancelled += charge.outcome == "cancelled"
        self.priced += charge.priced and bool(charge.cost)
        usage = charge.report.usage
        if usage is not None:
            self.input += usage.input_tokens
            self.read += usage.cache_read_input_tokens
            self.written += usage.cache_creation_input_tokens
            self.output += usage.output_tokens
        if charge.cost is not None:
            self.cost += charge.cost
        elif charge.is_billed:
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

    def settle(self, slug: str, cost: Decimal) -> None:
        """The bill of one call that was counted without one."""
        count = self.models.setdefault(slug, Count())
        count.cost += cost
        count.unknown = max(0, count.unknown - 1)

    @property
    def total(self) -> Count:
        """Everything."""
        return sum(self.models.values(), Count())

    def __iter__(self) -> Iterator[tuple[str, Count]]:
        return iter(self.models.items())
