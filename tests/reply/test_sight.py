"""Eyes that say nothing: how long an answer waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from claude_or.reply.sight import MOST_AT_ONCE, MOST_TRIES, Album, Sight
from claude_or.routing.ask import Ask, Burst, Plan, Route
from claude_or.translate.profiles import ModelProfile
from tests.fakes.papers import picture
from tests.reply.script import START, ask, burst

PLAN = Plan(
    asked="eyes", role="background", routes=(Route(provider="openrouter", slug="a/eyes", path="chat"),), reason=""
)


class Silent:
    """Never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        del ask
        self.asked += 1
        await asyncio.Event().wait()
        yield Burst()


class Heard:
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        self.asks.append(ask)
        yield burst(*START)


async def unread(data: str) -> str:
    raise AssertionError(data)


async def test_all_pictures_of_a_request_wait_no_longer_together_than_is_allowed() -> None:
    eyes, inner = Silent(), Heard()
    sight = Sight(
        inner=inner,
        profile=ModelProfile(images=False),
        album=Album(),
        read=unread,
        eyes=eyes,
        plan=PLAN,
        look_seconds=3600,
        all_seconds=0.05,
    )
    shown = [picture(shade) for shade in range(3 * MOST_AT_ONCE)]
    request = msgspec.structs.replace(ask().request, messages=[{"role": "user", "content": shown}])
    looking = msgspec.structs.replace(ask(), request=request)
    for _ in range(MOST_TRIES + 1):
        async with asyncio.timeout(30):
            assert [one async for one in sight.reply(looking)]
    # One round for each try; those that had no time left were not asked at all, and then it is given up.
    assert eyes.asked <= MOST_TRIES * MOST_AT_ONCE
    assert inner.asks[-1].request.messages == request.messages
