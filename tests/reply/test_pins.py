"""A strict order of providers: one after the other, then with the one that answered, until it fails."""

from __future__ import annotations

from claude_or.reply.fallback import Fallback
from claude_or.reply.pins import Pins
from claude_or.routing.ask import Route
from tests.reply.script import Script, answer, ask, failed
from tests.reply.test_fallback import Clock, play


async def test_a_conversation_stays_with_the_provider_that_answered_until_it_fails() -> None:
    clock, pins = Clock(), Pins()
    busy = [failed("rate_limit")]
    a = Script(busy, answer("a"))
    b = Script(answer("b"), answer("b"), busy)
    routes = [
        (Route(provider="openrouter", slug="x/y", path="chat", turn=name), script)
        for name, script in (("a", a), ("b", b))
    ]

    async def once(session: str) -> None:
        fallback = Fallback(routes=routes, sleep=clock.sleep, clock=clock, pins=pins)
        await play(fallback, ask_of(session))

    await once("s1")
    assert (len(a.asks), len(b.asks)) == (1, 1)
    await once("s1")
    assert (len(a.asks), len(b.asks)) == (1, 2)
    await once("s2")
    assert (len(a.asks), len(b.asks)) == (2, 2)
    await once("s1")
    assert (len(a.asks), len(b.asks)) == (3, 3)
    await once("s1")
    assert (len(a.asks), len(b.asks)) == (4, 3)


def ask_of(session: str):
    """An ask of one conversation."""
    import msgspec

    return msgspec.structs.replace(ask(), session_id=session)
