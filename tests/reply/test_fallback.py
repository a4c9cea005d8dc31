"""Further attempts: only what may help, only before anything was sent, never for long."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from claude_or.reply.fallback import DEADLINE_S, LONGEST_DELAY_S, Fallback
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed, Route
from tests.reply.script import ALIVE, START, Script, answer, ask, burst, delta, error_burst, failed


@dataclass
class Clock:
    """Time that passes by sleeping only."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def fallback(clock: Clock, *repliers: Replier, attempts: int = 3, random: float = 0.5) -> Fallback:
    """One route per replier."""
    routes = [(Route(provider="openrouter", slug=f"a/{n}", path="chat"), r) for n, r in enumerate(repliers)]
    return Fallback(routes=routes, attempts=attempts, sleep=clock.sleep, clock=clock, random=lambda: random)


async def play(replier: Replier, asked: Ask | None = None) -> list[Burst]:
    """All bursts of an answer."""
    async with aclosing(replier.reply(asked or ask())) as bursts:
        return [found async for found in bursts]


@pytest.mark.parametrize("kind", ["overloaded", "rate_limit", "api", "timeout"])
async def test_what_may_be_over_in_a_moment_is_tried_again_with_growing_pauses(kind: str) -> None:
    clock = Clock()
    script = Script([failed(kind)], [ALIVE, failed(kind)], answer("hello"))
    assert await play(fallback(clock, script)) == [ALIVE, *answer("hello")]
    assert len(script.asks) == 3
    assert clock.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    "kind",
    [
        "invalid_request",
        "authentication",
        "billing",
        "permission",
        "not_found",
        "too_large",
        "budget",
        "context_overflow",
    ],
)
async def test_what_stays_wrong_is_not_tried_again(kind: str) -> None:
    clock = Clock()
    script = Script([failed(kind)])
    with pytest.raises(ReplyFailed) as raised:
        await play(fallback(clock, script))
    assert raised.value.failure.kind == kind
    assert len(script.asks) == 1
    assert clock.slept == []


async def test_a_host_that_forbids_another_try_is_obeyed() -> None:
    script = Script([failed(should_retry=False)])
    with pytest.raises(ReplyFailed):
        await play(fallback(Clock(), script))
    assert len(script.asks) == 1


async def test_after_the_last_attempt_the_last_failure_is_told() -> None:
    clock = Clock()
    script = Script([failed("api")], [failed("api")], [failed("rate_limit", retry_after=2.0)])
    with pytest.raises(ReplyFailed) as raised:
        await play(fallback(clock, script))
    assert raised.value.failure.kind == "rate_limit"
    assert raised.value.failure.retry_after == 2.0
    assert len(script.asks) == 3


async def test_pauses_are_spread() -> None:
    slept: list[float] = []
    for random in (0.0, 0.999):
        clock = Clock()
        await play(fallback(clock, Script([failed()], answer("x")), random=random))
        slept += clock.slept
    assert slept[0] == pytest.approx(0.375)
    assert slept[1] == pytest.approx(0.625, abs=0.01)


async def test_a_host_is_never_asked_sooner_than_it_said() -> None:
    clock = Clock()
    await play(fallback(clock, Script([failed("rate_limit", retry_after=7.0)], answer("x")), random=0.0))
    assert clock.slept == [7.0]


async def test_a_longer_wait_is_left_to_the_client() -> None:
    clock = Clock()
    script = Script([failed("rate_limit", retry_after=LONGEST_DELAY_S + 1)])
    with pytest.raises(ReplyFailed) as raised:
        await play(fallback(clock, script))
    assert raised.value.failure.retry_after == LONGEST_DELAY_S + 1
    assert clock.slept == []


async def test_no_attempt_begins_after_the_deadline() -> None:
    clock = Clock()

    class Slow(Script):
        async def reply(self, ask: Ask):
            clock.now += DEADLINE_S * 0.6
            async for found in super().reply(ask):
                yield found

    script = Slow([failed("timeout")])
    with pytest.raises(ReplyFailed):
        await play(fallback(clock, script, attempts=10))
    assert len(script.asks) == 2


@pytest.mark.parametrize(("waited", "told"), [(DEADLINE_S + 1, False), (1.0, None)])
async def test_who_waited_in_vain_for_long_is_told_not_to_repeat(waited: float, told: bool | None) -> None:
    clock = Clock()

    class Silent(Script):
        async def reply(self, ask: Ask):
            clock.now += waited
            async for found in super().reply(ask):
                yield found

    with pytest.raises(ReplyFailed) as raised:
        await play(fallback(clock, Silent([failed("timeout")])))
    assert raised.value.failure.should_retry is told


async def test_once_frames_came_nothing_is_tried_again() -> None:
    clock = Clock()
    script = Script([burst(*START), delta("half"), error_burst(failed("api"))])
    found = await play(fallback(clock, script))
    assert found[-1].frames[-1].event == "error"
    assert len(script.asks) == 1


async def test_not_even_a_wrapper_that_breaks_the_contract_has_text_sent_twice() -> None:
    script, other = Script([burst(*START), delta("half"), failed("overloaded")]), Script(answer("whole"))
    found: list[Burst] = []
    with pytest.raises(ReplyFailed):
        async with aclosing(fallback(Clock(), script, other).reply(ask())) as bursts:
            found += [part async for part in bursts]
    assert (len(script.asks), len(other.asks)) == (1, 0)


async def test_the_next_route_is_taken_when_the_first_is_spent_or_cannot_do_it() -> None:
    clock = Clock()
    spent, missing, good = Script([failed("overloaded")]), Script([failed("not_found")]), Script(answer("hello"))
    assert await play(fallback(clock, spent, missing, good, attempts=2)) == answer("hello")
    assert (len(spent.asks), len(missing.asks), len(good.asks)) == (2, 1, 1)


@pytest.mark.parametrize("kind", ["budget", "authentication", "billing", "invalid_request"])
async def test_another_route_does_not_help_against_the_users_own_limits(kind: str) -> None:
    other = Script(answer("hello"))
    with pytest.raises(ReplyFailed):
        await play(fallback(Clock(), Script([failed(kind)]), other))
    assert other.asks == []


async def test_a_balance_that_affords_less_is_asked_for_less_once() -> None:
    clock = Clock()
    script = Script([failed("billing", possible_output=2000)], answer("short"))
    asked = ask(max_tokens=32_000, temperature=0.5)
    assert await play(fallback(clock, script), asked) == answer("short")
    assert [entry.request.max_tokens for entry in script.asks] == [32_000, 2000]
    assert script.asks[1].request.temperature == 0.5
    assert asked.request.max_tokens == 32_000
    assert clock.slept == []

    again = Script([failed("billing", possible_output=2000)], [failed("billing", possible_output=1500)])
    with pytest.raises(ReplyFailed):
        await play(fallback(clock, again), ask(max_tokens=32_000))
    assert len(again.asks) == 2


@pytest.mark.parametrize("kind", ["context_overflow", "invalid_request"])
async def test_a_shorter_answer_is_asked_for_where_the_window_or_the_model_allows_no_longer_one(kind: str) -> None:
    script = Script([failed(kind, 400, "invalid_request_error", possible_output=16_000)], answer("short"))
    assert await play(fallback(Clock(), script), ask(max_tokens=32_000)) == answer("short")
    assert [entry.request.max_tokens for entry in script.asks] == [32_000, 16_000]


async def test_with_hardly_any_room_left_the_client_hears_of_the_overflow() -> None:
    script = Script([failed("context_overflow", 400, "invalid_request_error", possible_output=5_000)])
    with pytest.raises(ReplyFailed) as raised:
        await play(fallback(Clock(), script), ask(max_tokens=32_000))
    assert raised.value.failure.kind == "context_overflow"
    assert len(script.asks) == 1


@pytest.mark.parametrize("affordable", [10, 1000, 50_000])
async def test_a_repair_that_is_none_is_not_tried(affordable: int) -> None:
    script = Script([failed("billing", possible_output=affordable)])
    with pytest.raises(ReplyFailed):
        await play(fallback(Clock(), script), ask(max_tokens=1000))
    assert len(script.asks) == 1


async def test_a_host_that_refuses_earlier_reasoning_is_asked_once_without_it() -> None:
    clock = Clock()
    refused = failed("invalid_request", 400, "invalid_request_error", cause="reasoning_rejected")
    script = Script([refused], answer("without"))
    assert await play(fallback(clock, script)) == answer("without")
    assert [entry.replay_reasoning for entry in script.asks] == [True, False]
    assert clock.slept == []

    again = Script([refused], [refused])
    with pytest.raises(ReplyFailed):
        await play(fallback(clock, again))
    assert len(again.asks) == 2


async def test_a_client_that_leaves_during_a_pause_causes_no_further_call() -> None:
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await asyncio.sleep(30)

    script = Script([failed()], answer("x"))
    route = Route(provider="openrouter", slug="a/b", path="chat")
    replier = Fallback(routes=[(route, script)], sleep=sleep)
    task = asyncio.create_task(play(replier))
    await asleep.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(script.asks) == 1
    assert script.open == 0


async def test_closing_it_closes_the_call_that_runs() -> None:
    script = Script([burst(*START), delta("a"), 30.0])
    bursts = fallback(Clock(), script).reply(ask())
    await anext(bursts)
    assert script.open == 1
    await bursts.aclose()
    assert script.open == 0
