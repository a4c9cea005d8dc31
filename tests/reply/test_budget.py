"""Caps hold: under parallel calls, over midnight, beside other sessions, with bills that come late or never."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.reply.budget import FIRST_OUTPUT, Budget, Elsewhere, Scope, Spent
from claude_or.reply.meter import Charge, Meter
from claude_or.routing.ask import Ask, Burst, ReplyFailed, Report, Route
from claude_or.wire.events import Usage
from tests.reply.script import Script, ask, failed

ROUTE = Route(provider="openrouter", slug="a/b", path="chat")
CENT = Decimal("0.01")


def price(slug: str, usage: Usage) -> Decimal | None:
    """One cent per thousand tokens of any kind, a tenth for what was cached."""
    if slug == "un/known":
        return None
    if slug == "fr/ee":
        return Decimal(0)
    whole = usage.input_tokens + usage.output_tokens
    return (whole + Decimal(usage.cache_read_input_tokens) / 10) * CENT / 1000


def asked(*, max_tokens: int = 1000, words: int = 0, agent: str = "") -> Ask:
    found = ask()
    messages = [{"role": "user", "content": "word " * words or "hi"}]
    request = msgspec.structs.replace(found.request, max_tokens=max_tokens, messages=messages)
    return msgspec.structs.replace(found, request=request, session_id="s", agent_id=agent)


def budget(**caps: str) -> Budget:
    return Budget(caps={scope: Decimal(limit) for scope, limit in caps.items()})  # pyright: ignore[reportArgumentType]


class Costly:
    """Answers at once, or when told, at a set cost."""

    def __init__(self, cost: Decimal | None, *, gate: asyncio.Event | None = None, output: int = 1000) -> None:
        self.cost, self.gate, self.output, self.calls = cost, gate, output, 0
        self.at_once = 0

    async def reply(self, ask: Ask):
        del ask
        self.calls += 1
        self.at_once += 1
        try:
            yield Burst(report=Report())
            if self.gate:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
            usage = Usage(input_tokens=10, output_tokens=self.output)
            yield Burst(report=Report(model="a/b", generation_id=f"gen-{self.calls}", usage=usage, cost=self.cost))
        finally:
            self.at_once -= 1


async def call(
    within: Budget, inner: Costly, of: Ask, charges: list[Charge] | None = None, route: Route = ROUTE
) -> bool:
    """Whether the call was made."""
    charge = charges.append if charges is not None else lambda _charge: None
    meter = Meter(inner=inner, route=route, charge=charge, price=price, budget=within)
    try:
        async for _ in meter.reply(of):
            pass
    except ReplyFailed as refused:
        found = refused.failure
    else:
        return True
    assert (found.status, found.kind, found.should_retry) == (402, "billing", False)
    return False


async def test_twenty_at_once_overshoot_by_less_than_one_call():
    within = budget(session="0.105")
    inner = Costly(CENT)
    made = await asyncio.gather(*(call(within, inner, asked(), []) for _ in range(20)))
    assert sum(made) == 10
    assert inner.calls == 10
    assert within.spent("session") == 10 * CENT
    assert within.refused == 10


async def test_who_waits_reserves_by_what_was_learnt_meanwhile():
    within = budget(session="1.248")  # 3.9 calls
    inner = Costly(CENT * 32, output=32_000)
    made = await asyncio.gather(*(call(within, inner, asked(max_tokens=32_000)) for _ in range(20)))
    assert sum(made) == 3


@given(
    limit=st.integers(1, 60),
    calls=st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000)), min_size=1, max_size=30),
    waves=st.integers(1, 3),
)
def test_parallel_calls_never_overshoot_by_more_than_one_of_them(limit: int, calls: list[tuple[int, int]], waves: int):
    """Answers of any length within what was allowed, in waves, so that later reservations go by earlier answers."""

    async def play() -> None:
        within = budget(session=str(limit * CENT))
        inners = [(Costly(length * CENT / 1000, output=length), length + more) for length, more in calls]
        for wave in range(waves):
            part = inners[wave::waves]
            await asyncio.gather(*(call(within, inner, asked(max_tokens=most)) for inner, most in part))
        spent = sum((inner.cost or Decimal(0) for inner, _ in inners if inner.calls), Decimal(0))
        assert within.spent("session") == spent
        if waves == 1:
            assert spent <= limit * CENT + max(inner.cost or Decimal(0) for inner, _ in inners)

    asyncio.run(play())


async def test_a_call_that_does_not_fit_waits_for_those_in_flight_and_then_takes_its_chance():
    within = budget(session="0.05")
    gate = asyncio.Event()
    slow = Costly(CENT / 10, gate=gate)
    first = asyncio.create_task(call(within, slow, asked(max_tokens=4000)))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(call(within, Costly(CENT), asked(max_tokens=4000)))
    await asyncio.sleep(0.01)
    assert not second.done()
    gate.set()
    assert await asyncio.gather(first, second) == [True, True]


async def test_who_waits_and_goes_leaves_nothing_behind():
    within = budget(session="0.05")
    gate = asyncio.Event()
    first = asyncio.create_task(call(within, Costly(CENT, gate=gate), asked(max_tokens=4000)))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(call(within, Costly(CENT), asked(max_tokens=4000)))
    await asyncio.sleep(0.01)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first
    assert await call(within, Costly(CENT), asked(max_tokens=1000))


async def test_a_refusal_names_cap_spending_and_the_way_out():
    within = budget(day="0.02")
    assert await call(within, Costly(CENT), asked())
    with pytest.raises(ReplyFailed) as caught:
        await within.reserve(asked(max_tokens=3000, words=2000), ROUTE, price)
    words = caught.value.failure.message
    for part in ("$0.0200", "today", "$0.0100 spent", "claude-or budget raise 0.02 --cap day"):
        assert part in words


async def test_a_raised_cap_lets_the_next_call_through():
    within = budget(session="0.005")
    assert not await call(within, Costly(CENT), asked())
    assert within.raise_by("session", Decimal("0.05")) == Decimal("0.055")
    assert await call(within, Costly(CENT), asked())
    with pytest.raises(KeyError):
        within.raise_by("day", Decimal(1))


async def test_a_model_without_a_price_is_refused_under_a_cap_unless_allowed():
    unknown = Route(provider="openrouter", slug="un/known", path="chat")
    within = budget(session="1")
    assert not await call(within, Costly(CENT), asked(), route=unknown)
    within.unknown_price = "allow"
    assert await call(within, Costly(CENT), asked(), route=unknown)
    assert within.spent("session") == CENT
    assert await call(budget(), Costly(CENT), asked(), route=unknown)


async def test_a_free_model_passes_also_when_nothing_is_left():
    within = budget(session="0.01")
    assert await call(within, Costly(CENT), asked(max_tokens=900))
    free = Route(provider="openrouter", slug="fr/ee", path="chat")
    assert await call(within, Costly(Decimal(0)), asked(), route=free)
    assert not await call(within, Costly(CENT), asked())


async def test_a_call_without_a_bill_counts_as_reserved_until_the_bill_comes():
    within = budget(session="1")
    charges: list[Charge] = []
    inner = Costly(None)
    meter = Meter(
        inner=inner,
        route=ROUTE,
        charge=charges.append,
        price=lambda s, u: None if u.input_tokens == 10 else price(s, u),
        budget=within,
    )
    async for _ in meter.reply(asked(max_tokens=2000)):
        pass
    assert charges[0].cost is None
    assert within.spent("session") >= 2 * CENT
    within.correct("gen-1", CENT / 2)
    assert within.spent("session") == CENT / 2
    within.correct("gen-1", CENT)
    assert within.spent("session") == CENT / 2


async def test_a_call_that_asked_nobody_gives_its_reservation_back():
    within = budget(session="1")
    meter = Meter(
        inner=Script([failed("invalid_request")]), route=ROUTE, charge=lambda _c: None, price=price, budget=within
    )
    with pytest.raises(ReplyFailed):
        async for _ in meter.reply(asked()):
            pass
    assert within.spent("session") == 0
    assert await call(within, Costly(CENT), asked())


async def test_what_other_sessions_spent_counts():
    spent: dict[Scope, Decimal] = {"day": Decimal("0.5")}

    async def claim(amount: Decimal, left: Spent, alone: Decimal) -> Elsewhere:
        del amount, alone
        return Elsewhere(spent=spent, taken=spent["day"] <= left["day"])

    within = Budget(caps={"day": Decimal("0.55"), "session": Decimal(1)}, claim=claim)
    assert await call(within, Costly(CENT), asked())
    spent["day"] = Decimal("0.54")
    assert not await call(within, Costly(CENT), asked())


async def test_calls_of_other_sessions_in_flight_are_waited_for():
    held = [CENT * 50, CENT * 50, Decimal(0)]
    released: list[str] = []

    async def claim(amount: Decimal, left: Spent, alone: Decimal) -> Elsewhere:
        now = held.pop(0)
        return Elsewhere(held={"day": now}, taken=now + amount <= left["day"] + amount + alone, hold="mine")

    within = Budget(caps={"day": CENT * 50}, claim=claim, release=released.append)
    assert await call(within, Costly(CENT), asked(max_tokens=900))
    assert held == []
    assert released == ["mine"]


async def test_a_refusal_tells_what_other_sessions_hold():
    async def claim(amount: Decimal, left: Spent, alone: Decimal) -> Elsewhere:
        del amount, left, alone
        return Elsewhere(spent={"day": CENT * 10}, held={"day": CENT * 40}, taken=False)

    times = iter([0.0, 0.0, 61.0])
    within = Budget(caps={"day": CENT * 50}, claim=claim, clock=lambda: next(times))
    with pytest.raises(ReplyFailed) as refused:
        await within.reserve(asked(max_tokens=900), ROUTE, price)
    said = refused.value.failure.message
    assert "$0.1000 spent, $0.4000 held for calls of other sessions, and this call may cost" in said


async def test_a_new_day_has_its_cap_whole_the_session_has_not():
    today = [(2026, 1, 31)]
    within = Budget(
        caps={"day": Decimal("0.015"), "month": Decimal("0.025"), "session": Decimal("0.035")}, day=lambda: today[0]
    )
    assert await call(within, Costly(CENT), asked(max_tokens=900))
    assert not await call(within, Costly(CENT), asked(max_tokens=900))
    today[0] = (2026, 2, 1)
    assert await call(within, Costly(CENT), asked(max_tokens=900))
    today[0] = (2026, 2, 2)
    assert await call(within, Costly(CENT), asked(max_tokens=900))
    assert within.spent("month") == 2 * CENT
    today[0] = (2026, 3, 1)
    assert not await call(within, Costly(CENT), asked(max_tokens=900)), "the session's own cap"


async def test_one_warning_per_cap_at_four_fifths():
    said: list[str] = []
    within = Budget(caps={"session": Decimal("0.10")}, warn=said.append)
    for n in range(9):
        assert await call(within, Costly(CENT), asked(max_tokens=900))
        assert len(said) == (n >= 7)
    assert "$0.0800 of $0.1000" in said[0]


async def test_a_reservation_learns_from_the_answers_and_from_the_cache():
    within = budget(session="100")
    first = await within.reserve(asked(max_tokens=32_000), ROUTE, price)
    assert first is not None
    assert first.amount >= FIRST_OUTPUT * CENT / 1000
    within.settle(first, CENT, Usage(output_tokens=50, cache_read_input_tokens=2_000))
    second = await within.reserve(asked(max_tokens=32_000, words=2_000), ROUTE, price)
    other = await within.reserve(asked(max_tokens=32_000, words=2_000, agent="b"), ROUTE, price)
    assert second is not None
    assert other is not None
    assert second.amount < other.amount < first.amount
