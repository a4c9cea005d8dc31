"""Caps on spending, held by reservation: what a call may cost is set aside before it is made.

    spent + reserved by calls in flight + this call's reservation ≤ cap, for every cap

A reservation is the estimated prompt at its price (the part that this conversation read from the cache last time at the
price of reading) plus as much output as nearly all answers of this session stayed below. As long as no answer is known, one
call goes ahead alone on a guess, and others go beside it only where all that they may say fits. While other calls are in flight a call that does not
fit waits for them: what they reserved and did not use comes back. When none is in flight it is refused, in words that name
the cap and how to raise it. A call that ended without a bill keeps its reservation as spent until the bill is known.

What other sessions have spent and hold for calls of theirs is asked anew before each call, and in the same step ours is told to
them (`Claim`), so that a cap for a day, a project or a month holds for all of them together.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from claude_or.log import get_log
from claude_or.routing.ask import Ask, ReplyFailed, Route
from claude_or.translate.tokens import estimate
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import Usage

Scope = Literal["session", "day", "project", "month"]
SCOPES: Final[tuple[Scope, ...]] = ("session", "day", "project", "month")

WARN_AT: Final = Decimal("0.8")
FIRST_OUTPUT: Final = 4_096
"""Tokens of output reserved as long as few answers of the session are known."""
FEW: Final = 20
REMEMBERED: Final = 200
"""Answers whose lengths are remembered."""
NEARLY_ALL: Final = 0.95
LOOK_S: Final = 0.5
"""Seconds until other sessions are looked at again where their calls in flight leave no room."""
OTHERS_S: Final = 60.0
"""Seconds that are waited for other sessions' calls."""

_NAMES: Final[dict[Scope, str]] = {
    "session": "this session",
    "day": "today",
    "project": "this project",
    "month": "this month",
}
_log = get_log("budget")

Price = Callable[[str, Usage], Decimal | None]
Spent = Mapping[Scope, Decimal]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What other sessions have spent and hold for calls in flight, by scope. `taken`: what was claimed is known to them as `hold`."""

    spent: Spent = field(default_factory=dict[Scope, Decimal])
    held: Spent = field(default_factory=dict[Scope, Decimal])
    taken: bool = True
    hold: str = ""


Claim = Callable[[Decimal, Spent, Decimal], Awaitable[Elsewhere]]
"""Takes an amount if what others spent and hold fits into what is left of each cap after it; says what it found. The last amount may
be missing where others hold nothing."""


def nobody_else(left: Spent, alone: Decimal) -> Elsewhere:
    """What a session finds that has no others."""
    return Elsewhere(taken=all(rest + alone >= 0 for rest in left.values()))


async def _claim_alone(amount: Decimal, left: Spent, alone: Decimal) -> Elsewhere:
    del amount
    return nobody_else(left, alone)


@dataclass(slots=True)
class Reservation:
    """What one call may cost, in US dollars. `conversation` is whose cache it counts on, `hold` what others know it by."""

    amount: Decimal
    conversation: tuple[str, str, str]
    hold: str = ""


@dataclass(kw_only=True)
class Budget:
    """The caps of one session, in US dollars, by scope. Without caps everything passes.

    `claim` takes room that other sessions share, `release` gives back what it took, by `hold`. `day` is the local day, so that a session
    that runs over midnight starts anew. `warn` is told once per cap when four fifths are spent. `unknown_price` says whether a
    model without a price may be asked at all.
    """

    caps: dict[Scope, Decimal]
    claim: Claim = _claim_alone
    release: Callable[[str], None] = lambda _hold: None
    clock: Callable[[], float] = time.monotonic
    day: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
    """Year, month and day of this moment, local."""
    warn: Callable[[str], None] = lambda _words: None
    unknown_price: Literal["refuse", "allow"] = "refuse"
    refused: int = 0
    """Calls that were not made."""
    _own: dict[tuple[int, int, int], Decimal] = field(default_factory=dict[tuple[int, int, int], Decimal])
    _held: list[Reservation] = field(default_factory=list[Reservation])
    _open_bills: dict[str, Reservation] = field(default_factory=dict[str, Reservation])
    _outputs: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _cached: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    _elsewhere: Elsewhere = field(default_factory=Elsewhere)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock)
    _warned: set[Scope] = field(default_factory=set[Scope])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def reserve(self, ask: Ask, route: Route, price: Price) -> Reservation | None:
        """Set aside what the call may cost; waits for calls in flight where that can help. None when nothing is capped.

        Raises `ReplyFailed` (402) when it does not fit.
        """
        if not self.caps:
            return None
        conversation = (ask.session_id, ask.agent_id, route.slug)
        prompt, began = estimate(ask.request), self.clock()
        most = price(route.slug, self._expected(prompt, conversation, ask.request.max_tokens))
        if most is None:
            if self.unknown_price == "allow":
                return None
            raise self._refusal(
                f"{route.slug} has no known price, and a spending cap is set (budget.unknown_price: allow lets it pass)"
            )
        while True:
            async with self._claiming:  # what one claim took, the next one must see
                # Anew each time: who waits learns from the answers that came meanwhile.
                likely = min(ask.request.max_tokens, self._likely_output())
                amount = price(route.slug, self._expected(prompt, conversation, likely)) or Decimal(0)
                # As long as no answer is known, a call needs room for all that it may say, unless it is the only one.
                kept = amount if self._outputs else most
                late, first = self.clock() - began > OTHERS_S, not self._held
                left = self._left(amount if first and late else kept)
                found = self._elsewhere = await self.claim(kept, left, kept - amount if first else Decimal(0))
                # Meanwhile answers may have cost more than was reserved for them.
                needed = amount if not self._held and (late or not any(found.held.values())) else kept
                scope = self._too_small(needed, found)
                if found.taken and scope is None:
                    reservation = Reservation(kept, conversation, found.hold)
                    self._held.append(reservation)
                    return reservation
                if found.taken:
                    self._give_back(found.hold)
            await self._room(scope, amount, late=late)

    async def _room(self, scope: Scope | None, amount: Decimal, *, late: bool) -> None:
        """Wait for calls in flight that may leave room, ours or others'. Raises `ReplyFailed` when there are none."""
        found = self._elsewhere
        others = any(found.held.values()) and self._too_small(amount, Elsewhere(found.spent)) is None
        if scope is not None and not self._held and (late or not others):
            raise self._refusal(self._words(scope, amount))
        _log.debug("a call waits for room under a cap", scope=scope, ours=len(self._held), others=others)
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S if others or scope is None else None):
                await self._changed.wait()

    def settle(
        self,
        reservation: Reservation | None,
        cost: Decimal | None,
        usage: Usage | None = None,
        *,
        generation: str = "",
        billed: bool = True,
    ) -> None:
        """The call is over: `cost` is its bill, None while unknown, `billed` False when there will be none."""
        if reservation is not None and reservation in self._held:
            self._held.remove(reservation)
        self._changed.set()
        awaited = cost is None and billed and reservation is not None and bool(generation)
        if reservation is not None and not awaited:
            self._give_back(reservation.hold)
        if usage is not None:
            self._outputs.append(usage.output_tokens)
            if reservation is not None:
                self._cached[reservation.conversation] = usage.cache_read_input_tokens
        if cost is None and billed and reservation is not None:
            cost = reservation.amount
            if generation:
                self._open_bills[generation] = reservation
        if cost:
            self._add(cost)

    def correct(self, generation: str, cost: Decimal) -> None:
        """A bill came late: it takes the place of the reservation that was counted as spent."""
        counted = self._open_bills.pop(generation, None)
        if counted is not None:
            self._give_back(counted.hold)
            self._add(cost - counted.amount)

    def _give_back(self, hold: str) -> None:
        if hold:
            self.release(hold)

    def spent(self, scope: Scope) -> Decimal:
        """Spent in a scope so far, in this session and, as last read, elsewhere."""
        return self.own(scope) + self._elsewhere.spent.get(scope, Decimal(0))

    def told(self) -> dict[str, dict[str, str]]:
        """Limit and spending by scope, as text."""
        return {
            scope: {"limit": format(cap, "f"), "spent": format(self.spent(scope), "f")}
            for scope, cap in self.caps.items()
        }

    def raise_by(self, scope: Scope, dollars: Decimal) -> Decimal:
        """Raise a cap; the new one. Raises `KeyError` when there is none in this scope."""
        self.caps[scope] += dollars
        if self.spent(scope) < self.caps[scope] * WARN_AT:
            self._warned.discard(scope)
        self._changed.set()
        return self.caps[scope]

    def _add(self, cost: Decimal) -> None:
        today = self.day()
        self._own[today] = self._own.get(today, Decimal(0)) + cost
        for scope, cap in self.caps.items():
            spent = self.spent(scope)
            if spent >= cap * WARN_AT and scope not in self._warned:
                self._warned.add(scope)
                words = f"{_dollars(spent)} of {_dollars(cap)} spent for {_NAMES[scope]}"
                _log.warning("cap near", scope=scope, spent=str(spent), cap=str(cap))
                self.warn(words)

    def own(self, scope: Scope) -> Decimal:
        """Spent by this session in a scope."""
        if scope == "day":
            return self._own.get(self.day(), Decimal(0))
        year, month, _ = self.day()
        days = self._own.items()
        return sum((cost for day, cost in days if scope != "month" or day[:2] == (year, month)), Decimal(0))

    def _left(self, amount: Decimal) -> dict[Scope, Decimal]:
        """What this session leaves of each cap after a call of this amount. A call that costs nothing breaks none."""
        held = sum((one.amount for one in self._held), Decimal(0))
        return {scope: cap - self.own(scope) - held - amount for scope, cap in self.caps.items()} if amount else {}

    def _too_small(self, amount: Decimal, found: Elsewhere) -> Scope | None:
        """The first cap that a call of this amount would break, with what others spent and hold."""
        nothing = Decimal(0)
        for scope, rest in self._left(amount).items():
            if found.spent.get(scope, nothing) + found.held.get(scope, nothing) > rest:
                return scope
        return None

    def _expected(self, prompt: int, conversation: tuple[str, str, str], output: int) -> Usage:
        read = min(prompt, self._cached.get(conversation, 0))
        return Usage(input_tokens=prompt - read, cache_read_input_tokens=read, output_tokens=output)

    def _likely_output(self) -> int:
        if not self._outputs:
            return FIRST_OUTPUT
        ordered = sorted(self._outputs)
        nearly_all = ordered[min(len(ordered) - 1, int(len(ordered) * NEARLY_ALL))]
        return max(nearly_all, FIRST_OUTPUT) if len(ordered) < FEW else nearly_all

    def _words(self, scope: Scope, amount: Decimal) -> str:
        cap, spent, held = self.caps[scope], self.spent(scope), self._elsewhere.held.get(scope, Decimal(0))
        others = f", {_dollars(held)} held for calls of other sessions" if held else ""
        return (
            f"the cap of {_dollars(cap)} for {_NAMES[scope]} is reached: {_dollars(spent)} spent{others}, and this call may "
            f"cost {_dollars(amount)}. `claude-or budget raise {_step(cap)}{'' if scope == 'session' else f' --cap {scope}'}` "
            f'in another terminal raises it; then say "go on"'
        )

    def _refusal(self, words: str) -> ReplyFailed:
        self.refused += 1
        _log.warning("call refused by budget", reason=words)
        return ReplyFailed(
            Failure(
                kind="billing",
                status=402,
                type="billing_error",
                message=f"claude-or: {words}.",
                should_retry=False,
            )
        )


def _dollars(amount: Decimal) -> str:
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def _step(cap: Decimal) -> str:
    """A sensible raise: as much again."""
    return format(cap.normalize() + Decimal(0), "f")
