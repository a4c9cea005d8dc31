"""One charge per call upstream, however the call ends, with what is known by then."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal

import pytest

from claude_or.reply.meter import Charge, Count, Meter, Tally
from claude_or.routing.ask import Burst, ReplyFailed, Report, Route
from claude_or.wire.events import Usage
from tests.reply.script import ALIVE, START, Script, answer, ask, burst, delta, error_burst, failed

BEGUN = Burst(report=Report())
ROUTE = Route(provider="openrouter", slug="z-ai/glm-5.3", path="chat")
USAGE = Usage(input_tokens=10, output_tokens=5, cache_read_input_tokens=100, cache_creation_input_tokens=20)
TOLD = Report(
    model="z-ai/glm-5.3-20260901", provider="Novita", generation_id="gen-1", usage=USAGE, cost=Decimal("0.02")
)


def meter(script: Script, charges: list[Charge], **more: object) -> Meter:
    """A meter around a script."""
    return Meter(inner=script, route=ROUTE, charge=charges.append, **more)  # pyright: ignore[reportArgumentType]


async def play(replier: Meter) -> list[Burst]:
    """All bursts of an answer."""
    async with aclosing(replier.reply(ask())) as bursts:
        return [found async for found in bursts]


async def test_an_answer_passes_unchanged_and_is_charged_once() -> None:
    charges: list[Charge] = []
    whole = [ALIVE, *answer("a", "b", report=TOLD)]
    assert await play(meter(Script(whole), charges)) == whole
    assert charges == [
        Charge(
            request_id="req_1",
            route=ROUTE,
            role="main",
            outcome="answered",
            report=TOLD,
            cost=Decimal("0.02"),
            priced=False,
        )
    ]


async def test_a_failure_before_the_answer_is_charged_with_its_kind() -> None:
    charges: list[Charge] = []
    with pytest.raises(ReplyFailed):
        await play(meter(Script([BEGUN, failed("rate_limit")]), charges))
    (charge,) = charges
    assert (charge.outcome, charge.failure, charge.cost) == ("failed", "rate_limit", None)


async def test_a_failure_in_the_middle_is_charged_with_what_was_told() -> None:
    charges: list[Charge] = []
    await play(meter(Script([burst(*START, report=TOLD), delta("a"), error_burst(failed("api"))]), charges))
    (charge,) = charges
    assert (charge.outcome, charge.cost) == ("failed", Decimal("0.02"))


async def test_a_cancelled_call_is_charged_once_with_what_was_told() -> None:
    charges: list[Charge] = []
    begun = asyncio.Event()
    script = Script([burst(*START, report=Report(generation_id="gen-1")), begun, 30.0])
    task = asyncio.create_task(play(meter(script, charges)))
    while not script.asks:
        await asyncio.sleep(0)
    begun.set()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (charge,) = charges
    assert (charge.outcome, charge.report.generation_id) == ("cancelled", "gen-1")
    assert script.open == 0


async def test_a_reader_that_stops_after_the_last_frame_has_an_answer_one_that_stops_before_has_none() -> None:
    charges: list[Charge] = []
    for stop_after in (5, 2):
        bursts = meter(Script([BEGUN, *answer("a", "b", report=TOLD)]), charges).reply(ask())
        for _ in range(stop_after):
            await anext(bursts)
        await bursts.aclose()
    assert [charge.outcome for charge in charges] == ["answered", "cancelled"]


async def test_the_listing_prices_what_the_host_does_not() -> None:
    charges: list[Charge] = []
    untold = Report(model="m", usage=USAGE)
    price = {"z-ai/glm-5.3": Decimal("0.5")}
    await play(meter(Script(answer("a", report=untold)), charges, price=lambda slug, _usage: price.get(slug)))
    await play(meter(Script(answer("a", report=untold)), charges))
    assert [(charge.cost, charge.priced) for charge in charges] == [(Decimal("0.5"), True), (None, False)]


async def test_where_nobody_was_asked_nothing_is_charged() -> None:
    charges: list[Charge] = []
    with pytest.raises(ReplyFailed):
        await play(meter(Script([failed("invalid_request")]), charges))
    await play(meter(Script(answer("nothing to pay")), charges))
    assert charges == []


def charge(outcome: str, report: Report, cost: str | None = None, slug: str = "a/b", *, priced: bool = False) -> Charge:
    """A charge of that outcome."""
    return Charge(
        request_id="r",
        route=Route(provider="openrouter", slug=slug, path="chat"),
        role="main",
        outcome=outcome,  # pyright: ignore[reportArgumentType]
        report=report,
        cost=Decimal(cost) if cost else None,
        priced=priced,
    )


def test_the_tally_sums_by_model_exactly() -> None:
    tally = Tally()
    tally.add(charge("answered", TOLD, "0.1"))
    tally.add(charge("answered", TOLD, "0.2", priced=True))
    tally.add(charge("cancelled", Report(), slug="c/d"))
    tally.add(charge("failed", Report(), slug="c/d"))
    tally.add(charge("failed", Report(model="c/d"), slug="c/d"))
    assert dict(tally) == {
        "a/b": Count(calls=2, input=20, output=10, read=200, written=40, cost=Decimal("0.3"), priced=1),
        "c/d": Count(calls=3, failures=2, cancelled=1, unknown=2),
    }
    assert tally.total == Count(
        calls=5,
        failures=2,
        cancelled=1,
        input=20,
        output=10,
        read=200,
        written=40,
        cost=Decimal("0.3"),
        unknown=2,
        priced=1,
    )
