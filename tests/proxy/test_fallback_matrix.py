"""Every usual failure of a host × what is configured: tried again, served by the fallback, or told; never a second answer.

The whole proxy before two fake hosts. "once" fails one time and is well then, "always" never is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from claude_or.config.schema import Fallbacks, Limits, Models, Settings
from claude_or.translate.reasoning import ReasoningCarry
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Reply, Reset, error, html, text
from tests.proxy.gateway import MODEL, Answer, gateway, prompt

OTHER = "openai/gpt-6.1-sol"


@dataclass(frozen=True)
class Row:
    """One failure, and what must become of it: calls of the first model while it fails once and always, with and without a
    fallback; `alone` is what the client is told when nothing helps."""

    failing: Callable[[], Any]
    alone: tuple[int, str]
    calls_alone: int
    calls_before_fallback: int
    recovers: bool = True


ROWS = {
    "429 with header": Row(
        lambda: error(429, "slow down", headers={"Retry-After": "2"}), (429, "rate_limit_error"), 3, 1
    ),
    "429 without header": Row(lambda: error(429, "slow down"), (429, "rate_limit_error"), 3, 1),
    "429 for long": Row(
        lambda: error(429, "slow down", headers={"Retry-After": "300"}), (429, "rate_limit_error"), 1, 1, recovers=False
    ),
    "500": Row(lambda: error(500, "oops"), (500, "api_error"), 3, 2),
    "502 HTML": Row(lambda: html(502), (502, "api_error"), 3, 2),
    "503": Row(lambda: error(503, "overloaded"), (529, "overloaded_error"), 3, 2),
    "529": Row(lambda: error(529, "overloaded"), (529, "overloaded_error"), 3, 2),
    "404": Row(lambda: error(404, "No endpoints found"), (404, "not_found_error"), 1, 1, recovers=False),
    "reset": Row(lambda: Reply(parts=(Reset(),)), (502, "api_error"), 3, 2),
    "half body": Row(lambda: Reply(parts=(text("never"),), cut_at=120), (502, "api_error"), 3, 2),
}


def settings(fallback: bool) -> Settings:
    """The main model, with another one to fall back to or none."""
    return Settings(
        models=Models(big=MODEL, small=MODEL),
        fallbacks=Fallbacks(big=[OTHER]) if fallback else Fallbacks(),
        limits=Limits(attempts=3),
    )


async def asked(failing: Callable[[], Any], *, times: int, fallback: bool) -> tuple[Answer, list[str], Any]:
    """The answer, the models asked in order, and the tally; the main model fails so many times."""
    left = [failing() for _ in range(times)]

    def brain(ask: Any, _n: int) -> Any:
        return left.pop(0) if ask.model == MODEL and left else text("served")

    async with OpenRouterFake(brain) as host, gateway(host, settings=settings(fallback)) as door:
        answer = await door.post(prompt())
        return answer, [ask.model for ask in host.asks], door.tally


@pytest.mark.parametrize("name", ROWS)
async def test_alone_it_is_tried_again_and_then_told(name: str) -> None:
    row = ROWS[name]
    answer, models, _ = await asked(row.failing, times=100, fallback=False)
    assert answer.error == row.alone
    assert models == [MODEL] * row.calls_alone


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.recovers])
async def test_what_was_over_in_a_moment_is_not_noticed(name: str) -> None:
    answer, models, _ = await asked(ROWS[name].failing, times=1, fallback=False)
    assert answer.message["content"][0]["text"] == "served"
    assert models == [MODEL, MODEL]


@pytest.mark.parametrize("name", ROWS)
async def test_the_fallback_serves_under_the_name_that_was_asked_for(name: str) -> None:
    row = ROWS[name]
    answer, models, tally = await asked(row.failing, times=100, fallback=True)
    assert models == [*([MODEL] * row.calls_before_fallback), OTHER]
    assert answer.events.count("message_start") == 1
    assert answer.message["model"] == MODEL
    assert answer.message["content"][0]["text"] == "served"
    assert tally.models[OTHER].calls == 1
    assert tally.models[MODEL].failures == row.calls_before_fallback


async def test_a_request_that_is_wrong_for_everybody_is_asked_once() -> None:
    answer, models, _ = await asked(lambda: error(400, "bad tool"), times=100, fallback=True)
    assert answer.error == (400, "invalid_request_error")
    assert models == [MODEL]


async def test_after_content_nothing_is_tried_again() -> None:
    cut = Reply(parts=(text("a beginning that was sent already"),), cut_at=900)
    answer, models, _ = await asked(lambda: cut, times=100, fallback=True)
    assert models == [MODEL]
    assert answer.events[-1] == "error"


async def test_reasoning_of_one_family_is_not_replayed_to_the_fallback_of_another() -> None:
    carry = ReasoningCarry(family="z-ai", slug=MODEL)
    shown = carry.add([{"type": "reasoning.text", "text": "secret plan", "format": "unknown", "index": 0}])
    history = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": shown, "signature": carry.seal(shown)},
                {"type": "text", "text": "Hello."},
            ],
        },
        {"role": "user", "content": "go on"},
    ]

    def brain(ask: Any, _n: int) -> Any:
        return error(429, "slow down") if ask.model == MODEL else text("served")

    async with OpenRouterFake(brain) as host, gateway(host, settings=settings(fallback=True)) as door:
        assert (await door.post(prompt(messages=history))).message["model"] == MODEL
        first, second = host.asks
    assert b"secret plan" in first.raw
    assert b"secret plan" not in second.raw
    assert b"Hello." in second.raw
