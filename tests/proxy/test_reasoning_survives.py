"""What a model thought comes back to it unchanged, over long loops and restarts, and to nobody else.

The host here is stern: it remembers the reasoning it handed out with each call and refuses a history that does not bring it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Models, Settings
from tests.fakes.listing import GEMINI, GPT, SONNET
from tests.fakes.openrouter import KEY, Ask, OpenRouterFake
from tests.fakes.replies import Detail, Part, Reply, error, reasoning, text, tool_call
from tests.proxy.gateway import WEATHER, gateway, prompt

TURNS = 30
Json = dict[str, Any]


def _gpt(n: int, call: str) -> tuple[Sequence[Part], list[Json]]:
    """A summary in pieces, then what is encrypted under an id of its own."""
    del call
    style = "openai-responses-v1"
    summary = f"**Step {n}** ünïcödé 🙂 and a longer line that is cut"
    kept = {"type": "reasoning.encrypted", "data": f"gAAAA{n:06d}", "id": f"rs_{n:04d}", "format": style, "index": 0}
    # Within one index, pieces of one type belong together; another type begins an entry.
    told = {"type": "reasoning.summary", "summary": summary, "format": style, "index": 0}
    return [reasoning(summary, style=style, summary=True), Detail(kept)], [told, kept]


def _gemini(n: int, call: str) -> tuple[Sequence[Part], list[Json]]:
    """Only a signature, tied to the call."""
    kept = {
        "type": "reasoning.encrypted",
        "data": f"ZW5j{n:06d}",
        "id": call,
        "format": "google-gemini-v1",
        "index": 0,
    }
    return [Detail(kept)], [kept]


def _claude(n: int, call: str) -> tuple[Sequence[Part], list[Json]]:
    """Text in pieces, the signature last."""
    del call
    style = "anthropic-claude-v1"
    words = f"Thinking about step {n}, at some length."
    seal = f"c2ln{n:06d}"
    told = {"type": "reasoning.text", "text": words, "signature": seal, "format": style, "index": 0}
    return [reasoning(words, style=style, signature=seal)], [told]


STYLES = {GPT: _gpt, GEMINI: _gemini, SONNET: _claude}


class Stern:
    """A host's brain: one call a turn with fresh reasoning; a 400 for a history that lost any of it."""

    def __init__(self, slug: str, turns: int = TURNS) -> None:
        self.slug = slug
        self.turns = turns
        self.handed: dict[str, list[Json]] = {}
        self.refusals: list[str] = []

    def __call__(self, ask: Ask, _n: int) -> Reply:
        back = [message for message in ask.messages if message["role"] == "assistant"]
        for message, (call, details) in zip(back, self.handed.items(), strict=True):
            assert [made["id"] for made in message["tool_calls"]] == [call]
            if message.get("reasoning_details") != details:
                self.refusals.append(f"{message.get('reasoning_details')} is not {details}")
                return error(400, "Function call is missing a thought_signature in functionCall parts")
        if len(back) == self.turns:
            return Reply([text("Done.")])
        call = f"call_{len(back):04d}"
        parts, details = STYLES[self.slug](len(back), call)
        self.handed[call] = details
        return Reply([*parts, tool_call("get_weather", {"city": f"Town {len(back)}"}, call_id=call)])


def settings(slug: str) -> Settings:
    """Everything on this model."""
    return Settings(models=Models(big=slug, small=slug), paths={"*": "chat"})


def grown(history: list[Json], message: Json) -> list[Json]:
    """The history after an answer, as a client writes it: the answer verbatim, then the results of its calls."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "fine"}
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    turn: list[Json] = [{"role": "assistant", "content": message["content"]}]
    return [*history, *turn, *([{"role": "user", "content": results}] if results else [])]


@pytest.mark.parametrize("slug", STYLES)
async def test_thirty_turns_with_a_restart_in_the_middle_lose_nothing(slug: str) -> None:
    stern = Stern(slug)
    history: list[Json] = [{"role": "user", "content": "Go through all towns."}]
    async with OpenRouterFake(stern, key=KEY) as host:
        for leg in (TURNS // 2, TURNS + 1 - TURNS // 2):
            async with gateway(host, settings=settings(slug)) as door:
                for _ in range(leg):
                    thinking: Json = {"type": "adaptive"}
                    answered = await door.post(
                        prompt(model=slug, messages=history, tools=[WEATHER], thinking=thinking, max_tokens=8000)
                    )
                    assert answered.status == 200, answered.body
                    # A client keeps sessions as JSON in a file.
                    history = msgspec.json.decode(msgspec.json.encode(grown(history, answered.message)))
    assert history[-1]["content"][-1] == {"type": "text", "text": "Done."}
    assert stern.refusals == []
    assert len(stern.handed) == TURNS
    assert len(host.asks) == TURNS + 1
    _each_extends_the_one_before(host.asks)


def _each_extends_the_one_before(asks: list[Ask]) -> None:
    for before, after in pairwise(asks):
        assert after.body["tools"] == before.body["tools"]
        earlier, later = (msgspec.json.encode(ask.messages) for ask in (before, after))
        assert later.startswith(earlier[:-1])


@pytest.mark.parametrize(("first", "second"), [(GPT, GEMINI), (GEMINI, SONNET), (SONNET, GPT)])
async def test_after_a_switch_another_family_gets_nothing_of_it(first: str, second: str) -> None:
    stern = Stern(first, turns=3)
    history: list[Json] = [{"role": "user", "content": "Go."}]
    both = Settings(models=Models(big=first, small=second), paths={"*": "chat"})
    async with OpenRouterFake(stern, key=KEY) as host, gateway(host, settings=both) as door:
        for _ in range(3):
            answered = await door.post(
                prompt(model=first, messages=history, tools=[WEATHER], thinking={"type": "adaptive"})
            )
            history = grown(history, answered.message)
        host.script([text("Another one here.")])
        answered = await door.post(
            prompt(model=second, messages=history, tools=[WEATHER], thinking={"type": "adaptive"})
        )
        assert answered.status == 200, answered.body
        foreign = host.asks[-1]
    assert len(stern.handed) == 3
    assert foreign.model == second
    for details in stern.handed.values():
        for entry in details:
            for secret in (entry.get("data"), entry.get("signature")):
                assert secret is None or secret.encode() not in foreign.raw
    assert b"claude-or.1." not in foreign.raw
    assert all("reasoning_details" not in message for message in foreign.messages)


async def test_a_host_that_refuses_its_own_reasoning_is_asked_once_without_it() -> None:
    stern = Stern(GEMINI, turns=2)
    history: list[Json] = [{"role": "user", "content": "Go."}]
    async with OpenRouterFake(stern, key=KEY) as host, gateway(host, settings=settings(GEMINI)) as door:
        answered = await door.post(
            prompt(model=GEMINI, messages=history, tools=[WEATHER], thinking={"type": "adaptive"})
        )
        history = grown(history, answered.message)
        refusal = error(400, "messages.1.content.0: Invalid `signature` in `thinking` block")
        host.script([refusal, text("Well then.")])
        answered = await door.post(
            prompt(model=GEMINI, messages=history, tools=[WEATHER], thinking={"type": "adaptive"})
        )
        with_it, without = host.asks[-2:]

        host.script([refusal, refusal])
        refused = await door.post(
            prompt(model=GEMINI, messages=history, tools=[WEATHER], thinking={"type": "adaptive"})
        )
    assert answered.message["content"][-1] == {"type": "text", "text": "Well then."}
    assert with_it.messages[1]["reasoning_details"] == stern.handed["call_0000"]
    assert "reasoning_details" not in without.messages[1]
    assert refused.error == (400, "invalid_request_error")
    assert host.overrun == 0
