"""A route that keeps failing rests: after how much, for how long, and who notices."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

import pytest

from claude_or.reply.breaker import FAILURES, PAUSE_S, SPAN_S, Breakers, Guarded
from claude_or.reply.fallback import Fallback
from claude_or.routing.ask import Burst, Replier, ReplyFailed, Route
from tests.fakes.listing import SMALL
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.record import Ask as Asked
from tests.fakes.replies import Scripted, error, text
from tests.proxy.gateway import CONTROL, gateway, prompt
from tests.reply.script import ALIVE, Script, answer, ask, failed


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 500.0

    def __call__(self) -> float:
        return self.now


def route(slug: str = "a/one") -> Route:
    """A route."""
    return Route(provider="openrouter", slug=slug, path="chat")


def guarded(script: Replier, breakers: Breakers, slug: str = "a/one") -> Guarded:
    """The script behind a breaker."""
    return Guarded(inner=script, route=route(slug), breakers=breakers)


async def play(replier: Replier) -> list[Burst] | str:
    """All bursts, or the kind of the failure; `route_resting` when nobody was asked."""
    try:
        async with aclosing(replier.reply(ask())) as bursts:
            return [found async for found in bursts]
    except ReplyFailed as raised:
        return "route_resting" if raised.failure.cause == "route_resting" else raised.failure.kind


async def open_it(replier: Replier, clock: Clock) -> None:
    """Fail until the route rests."""
    for _ in range(FAILURES):
        await play(replier)
        clock.now += SPAN_S / 10


@pytest.mark.parametrize("kind", ["api", "timeout", "overloaded"])
async def test_twenty_failures_of_the_host_in_a_row_and_nobody_asks_it_any_more(kind: str) -> None:
    clock = Clock()
    script = Script([ALIVE, failed(kind)])
    breakers = Breakers(clock=clock)
    for _ in range(FAILURES):
        assert await play(guarded(script, breakers)) == kind
        clock.now += SPAN_S / 10
    for _ in range(50):
        assert await play(guarded(script, breakers)) == "route_resting"
    assert len(script.asks) == FAILURES == 20


async def test_failures_of_one_moment_are_a_blip() -> None:
    script = Script([failed("api")])
    breakers = Breakers(clock=Clock())
    for _ in range(3 * FAILURES):
        assert await play(guarded(script, breakers)) == "api"


@pytest.mark.parametrize(
    ("kind", "upstream_status"),
    [
        ("invalid_request", 400),
        ("authentication", 401),
        ("billing", 402),
        ("not_found", 404),
        ("rate_limit", 429),
        ("api", 418),
        ("timeout", 408),
    ],
)
async def test_a_host_that_objects_is_well(kind: str, upstream_status: int) -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    objection = [failed(kind, upstream_status=upstream_status)]
    script = Script(*[[failed("api")]] * (FAILURES - 1), objection, *[[failed("api")]] * (FAILURES - 1), objection)
    for _ in range(3 * FAILURES):
        clock.now += 1
        assert await play(guarded(script, breakers)) in {"api", kind}


async def test_a_request_that_was_never_sent_says_nothing_about_the_host() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    script = Script(*[[failed("api")]] * (FAILURES - 1), [failed("invalid_request")], [failed("api")])
    for _ in range(FAILURES + 1):
        clock.now += 1
        await play(guarded(script, breakers))
    assert await play(guarded(script, breakers)) == "route_resting"


async def test_after_the_pause_one_call_tries_and_the_others_wait_on() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    script = Script([failed("api")])
    await open_it(guarded(script, breakers), clock)
    clock.now += PAUSE_S
    assert [await play(guarded(script, breakers)) for _ in range(3)] == ["api", "route_resting", "route_resting"]
    clock.now += PAUSE_S
    script.calls = (answer("well again"),)
    assert await play(guarded(script, breakers)) == answer("well again")
    assert await play(guarded(script, breakers)) == answer("well again")
    assert breakers.told() == []


async def test_a_trial_that_hangs_holds_up_nobody_for_longer_than_a_pause() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    script = Script([failed("api")])
    await open_it(guarded(script, breakers), clock)
    clock.now += PAUSE_S
    script.calls = ([ALIVE, 30.0],)
    async with aclosing(guarded(script, breakers).reply(ask())) as hanging:
        assert await anext(hanging) == ALIVE
        assert await play(guarded(script, breakers)) == "route_resting"
        clock.now += PAUSE_S
        script.calls = (answer("x"),)
        assert await play(guarded(script, breakers)) == answer("x")


async def test_a_resting_route_is_left_for_the_next_one_without_a_pause() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    dead = Script([failed("api")])
    await open_it(guarded(dead, breakers), clock)

    async def sleep(_seconds: float) -> None:
        raise AssertionError("nobody may wait")

    routes = [
        (route(slug), guarded(script, breakers, slug))
        for slug, script in (("a/one", dead), ("b/two", Script(answer("from elsewhere"))))
    ]
    assert await play(Fallback(routes=routes, sleep=sleep)) == answer("from elsewhere")
    assert await play(Fallback(routes=routes[:1], sleep=sleep)) == "route_resting"


class Session:
    """A client that tries ten times again, as Claude Code does, before a chain with three attempts of its own."""

    def __init__(self, replier: Replier) -> None:
        self.clock = Clock()
        inner = guarded(replier, Breakers(clock=self.clock))
        self.chain = Fallback(routes=[(route(), inner)], sleep=self.sleep, clock=self.clock, random=lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    async def try_on(self) -> tuple[int, ReplyFailed | None]:
        """How many requests the client made, and the last failure."""
        delay = 0.5
        told: ReplyFailed | None = None
        for requests in range(1, 12):
            try:
                async with aclosing(self.chain.reply(ask())) as bursts:
                    _ = [found async for found in bursts]
            except ReplyFailed as raised:
                told = raised
            else:
                return requests, None
            if told.failure.should_retry is False:
                return requests, told
            self.clock.now += max(delay, told.failure.retry_after or 0.0)
            delay = min(delay * 2, 35.0)
        return 11, told


@pytest.mark.parametrize(
    ("kind", "upstream_status", "most_calls", "most_seconds"),
    [("api", 500, 12, 50), ("overloaded", 503, 12, 50), ("rate_limit", 429, 14, 120)],
)
async def test_what_lasts_is_told_within_a_minute_and_the_clients_retries_do_not_multiply_ours(
    kind: str, upstream_status: int, most_calls: int, most_seconds: float
) -> None:
    script = Script([failed(kind, upstream_status=upstream_status)])
    session = Session(script)
    began = session.clock.now
    requests, told = await session.try_on()
    assert told is not None
    assert told.failure.kind == kind
    assert "failed: " in told.failure.message
    assert "/model" in told.failure.message
    assert len(script.asks) <= most_calls
    assert session.clock.now - began <= most_seconds
    assert len(script.asks) == requests + 2

    # Who asks at once again is told at once again, at the price of one call.
    calls, now = len(script.asks), session.clock.now
    assert (await session.try_on())[0] == 1
    assert (len(script.asks), session.clock.now) == (calls + 1, now)

    # And an hour later nobody remembers.
    session.clock.now += 3600
    assert (await session.try_on())[0] == requests


async def test_an_outage_of_twenty_seconds_costs_a_session_nothing() -> None:
    script = Script(*[[failed("api", upstream_status=502)]] * 7, answer("well again"))
    session = Session(script)
    began = session.clock.now
    _, told = await session.try_on()
    assert told is None
    assert 10 < session.clock.now - began < 30


async def test_an_answer_in_between_begins_a_new_row() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    script = Script(*[[failed("api", upstream_status=500)], answer("x")] * 20)
    for n in range(40):
        clock.now += 5
        found = await play(guarded(script, breakers))
        assert found == ("api" if n % 2 == 0 else answer("x"))


async def test_at_the_door_it_is_a_quick_529_with_words_and_other_models_do_not_notice() -> None:
    clock = Clock()

    def brain(asked: Asked, _n: int) -> Scripted:
        return text("fine") if asked.body["model"] == SMALL else error(500, "it is on fire")

    async with OpenRouterFake(brain) as host, gateway(host, breakers=Breakers(clock=clock)) as door:
        while len(host.asks) < FAILURES:
            clock.now += 1
            assert (await door.post(prompt())).status in {500, 502, 529}
        calls = len(host.asks)
        assert calls <= FAILURES
        for stream in (True, False) * 5:
            refused = await door.post(prompt(stream=stream))
            assert refused.error == (529, "overloaded_error")
            assert 1 <= int(refused.headers["retry-after"]) <= PAUSE_S
            for word in ("/model", "in a row", "it is on fire"):
                assert word in refused.json["error"]["message"]
        assert len(host.asks) == calls
        assert (await door.post({**prompt(), "model": SMALL})).message["content"][0]["text"] == "fine"
        status = await door.ask("GET", "/control/status", headers={"authorization": f"Bearer {CONTROL}"})
        (told,) = status.json["troubled_routes"]
        assert (told["slug"], told["failures"], told["resting"]) == ("z-ai/glm-5.3", FAILURES, True)
        assert 0 < told["trial_in"] <= PAUSE_S
        clock.now += PAUSE_S
        host.script(lambda _ask, _n: text("well again"))
        assert (await door.post(prompt())).message["content"][0]["text"] == "well again"
