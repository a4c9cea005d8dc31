"""Bodies that nobody meant: whatever comes in, the answer is a message or an error of the API's, soon, and never a 500.

Real requests of every kind are taken apart and put together wrongly, as JSON and as bytes; the whole chain answers them,
the fake host included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import text, tool_call
from tests.proxy.gateway import TOKEN, Door, gateway, prompt
from tests.translate import shapes

SOON_S = 5.0
FORMS: list[Callable[[], dict[str, Any]]] = [
    prompt,
    shapes.main_turn,
    shapes.tool_loop,
    shapes.media_turn,
    shapes.searched_turn,
    lambda: shapes.thinking_turn("c2lnbmF0dXJl"),
    shapes.compact_turn,
    shapes.title_call,
    shapes.web_search_call,
    shapes.web_fetch_call,
    shapes.mcp_turn,
]
RAW = [msgspec.json.encode(form()) for form in FORMS]

WORDS = sorted({
    word
    for raw in RAW
    for word in raw.decode().replace('"', " ").replace(":", " ").replace(",", " ").split()
    if word.isidentifier() and len(word) < 30
})
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 10**30, -(10**30), 1e308, -0.5, 2**53 + 1]),
    st.sampled_from(["", "\x00", "\ud7ff", "a" * 300, "data:,", "https://[", "é\u202e", "{}", "null", "/v1"]),
    st.sampled_from(WORDS),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.dictionaries(st.sampled_from(WORDS), st.one_of(st.none(), st.sampled_from(WORDS), st.integers()), max_size=4),
    st.just([[[[[[]]]]]]),
)
Place = tuple[Any, Any]


def places(tree: Any) -> list[Place]:
    """Every (container, key) of a JSON tree."""
    found: list[Place] = []
    left = [tree]
    while left:
        node = left.pop()
        keys: Any = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            left.append(node[key])
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A request with up to six changes in its tree, sometimes also in its bytes."""
    tree = msgspec.json.decode(draw(st.sampled_from(RAW)))
    for _ in range(draw(st.integers(1, 6))):
        known = places(tree)
        if not known:
            break
        node, key = known[draw(st.integers(0, len(known) - 1))]
        match draw(st.sampled_from(["replace", "replace", "delete", "copy", "rename", "swap"])):
            case "replace":
                node[key] = deepcopy(draw(ODD))
            case "delete":
                del node[key]
            case "copy" if isinstance(node, list):
                node.insert(key, msgspec.json.decode(msgspec.json.encode(node[key])))
            case "rename" | "copy" if isinstance(node, dict):
                node[draw(st.sampled_from(WORDS))] = node.pop(key)
            case _:
                other, there = known[draw(st.integers(0, len(known) - 1))]
                copied = msgspec.json.encode(other[there]) if _has(other, there) else b"0"
                node[key] = msgspec.json.decode(copied)
    raw = bytearray(msgspec.json.encode(tree))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        piece = draw(st.sampled_from([b"", b"\xff", b"\\", b'"', b"NaN", b"{", b"]", b"\\ud800", b"\x00", b"1e999"]))
        raw[at : at + draw(st.integers(0, 2))] = piece
    return bytes(raw)


def _has(node: Any, key: Any) -> bool:
    return key in node if isinstance(node, dict) else key < len(node)


class World:
    """A proxy before a fake host, on an event loop that the test drives by hand."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.door: Door = self.runner.run(self._open())

    async def _open(self) -> Door:
        host = OpenRouterFake(lambda _ask, n: text("hello") if n % 3 else tool_call("Read", {"file_path": "/a"}))
        await self.stack.enter_async_context(host)
        return await self.stack.enter_async_context(gateway(host))

    def close(self) -> None:
        """End it."""
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def post(self, raw: bytes, path: str) -> None:
        """Send a body and judge the answer."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}

        async def send() -> None:
            async with asyncio.timeout(SOON_S):
                answered = await self.door.ask("POST", path, data=raw, headers=headers)
            if answered.status != 200:
                # A host may find fault with what it was asked, too: then it is its status.
                assert answered.error[0] in {400, 404, 413, 422}, (answered.status, answered.body)
                assert b"Traceback" not in answered.body
            elif answered.headers["content-type"].startswith("text/event-stream"):
                assert answered.events[-1] in {"message_stop", "error"}
                assert b"claude-or made a mistake" not in answered.body
            else:
                assert answered.json.get("type") == "message" or "input_tokens" in answered.json

        self.runner.run(send())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One for all bodies: what one of them breaks, the next one finds."""
    there = World()
    yield there
    there.close()


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(raw=mutated())
def test_a_hundred_bodies_that_nobody_meant(world: World, raw: bytes) -> None:
    world.post(raw, "/v1/messages?beta=true")
    world.post(raw, "/v1/messages/count_tokens")


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=2_000, deadline=None, suppress_health_check=QUIET)
@given(raw=mutated())
def test_two_thousand_bodies_that_nobody_meant(world: World, raw: bytes) -> None:
    world.post(raw, "/v1/messages?beta=true")
    world.post(raw, "/v1/messages/count_tokens")
