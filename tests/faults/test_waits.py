"""How long a host that asks for a wait is waited for, at the door: in whatever form it asks, up to a ceiling, then the client's turn."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

import pytest

from claude_or.reply.fallback import LONGEST_DELAY_S
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, error, text
from tests.proxy.gateway import gateway, prompt


def in_seconds(seconds: float) -> str:
    """An HTTP date."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


WAITS: dict[str, tuple[Mapping[str, str], float, float]] = {
    "nothing said": ({}, 0.3, 0.7),
    "seconds": ({"Retry-After": "7"}, 7, 7),
    "a fraction": ({"Retry-After": "2.5"}, 2.5, 2.5),
    "milliseconds": ({"Retry-After-Ms": "3200"}, 3.2, 3.2),
    "milliseconds before seconds": ({"Retry-After-Ms": "1200", "Retry-After": "9"}, 1.2, 1.2),
    "less than our own pause": ({"Retry-After": "0"}, 0.3, 0.7),
    "a date": ({"Retry-After": "DATE 8"}, 6, 8),
    "a date that is past": ({"Retry-After": "DATE -30"}, 0.3, 0.7),
    "the end of a window": ({"X-RateLimit-Reset": "RESET 9"}, 7, 9),
    "nonsense": ({"Retry-After": "soon"}, 0.3, 0.7),
    "a negative number": ({"Retry-After": "-3"}, 0.3, 0.7),
    "the ceiling": ({"Retry-After": f"{LONGEST_DELAY_S:g}"}, LONGEST_DELAY_S, LONGEST_DELAY_S),
}


def spelled(headers: Mapping[str, str]) -> dict[str, str]:
    """With times of now."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        kind, _, seconds = value.partition(" ")
        match kind:
            case "DATE":
                found[name] = in_seconds(float(seconds))
            case "RESET":
                found[name] = str(int((time.time() + float(seconds)) * 1000))
            case _:
                found[name] = value
    return found


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("how", WAITS)
async def test_a_host_is_waited_for_as_it_asks(how: str, status: int) -> None:
    headers, least, most = WAITS[how]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def brain(_ask: Ask, n: int) -> Scripted:
        return text("hello") if n else error(status, "wait", headers=spelled(headers))

    async with OpenRouterFake(brain) as host, gateway(host, sleep=sleep) as door:
        answered = await door.post(prompt())
    assert answered.message["content"][0]["text"] == "hello"
    assert len(slept) == 1
    assert least - 0.01 <= slept[0] <= most + 0.01


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("headers", [{"Retry-After": "40"}, {"Retry-After": "DATE 41"}, {"Retry-After-Ms": "39500"}])
async def test_beyond_the_ceiling_the_wait_is_the_clients(headers: Mapping[str, str], stream: bool) -> None:
    async def sleep(_seconds: float) -> None:
        raise AssertionError("nobody may wait")

    async with OpenRouterFake(lambda _ask, _n: error(429, "wait", headers=spelled(headers))) as host:
        async with gateway(host, sleep=sleep) as door:
            answered = await door.post(prompt(stream=stream))
        assert len(host.asks) == 1
    assert answered.error == (429, "rate_limit_error")
    assert 38 <= int(answered.headers["retry-after"]) <= 41


async def test_attempts_are_spread_and_never_more_than_three() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with OpenRouterFake(lambda _ask, _n: error(503, "down")) as host:
        for _ in range(12):
            # A new proxy each time: one that has seen it fail tries less.
            host.asks.clear()
            async with gateway(host, sleep=sleep) as door:
                assert (await door.post(prompt())).status == 529
            assert len(host.asks) == 3
    first, second = slept[::2], slept[1::2]
    for found, usual in ((first, 0.5), (second, 1.0)):
        assert len(set(found)) > 6
        assert all(0.74 * usual <= seconds <= 1.26 * usual for seconds in found)
