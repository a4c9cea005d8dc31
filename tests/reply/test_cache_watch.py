"""The hit rate of the prompt cache, and the reason for a miss."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_or.reply.cache_watch import KEPT, CacheWatch, difference
from claude_or.routing.ask import Ask, Report
from claude_or.wire.events import Usage
from tests.reply.script import ask

MARK = {"cache_control": {"type": "ephemeral"}}
USER = {"role": "user", "content": "one"}
SAID = {"role": "assistant", "content": [{"type": "text", "text": "two"}]}


def body(**more: Any) -> dict[str, Any]:
    tools = [{"name": "Read", "input_schema": {}}, {"name": "Write", "input_schema": {}}]
    system = [{"type": "text", "text": "be good"}]
    return {"model": "opus", "tools": tools, "system": system, "messages": [USER], **more}


def request(*, agent: str = "", **more: Any) -> Ask:
    return msgspec.structs.replace(ask(), raw=msgspec.json.encode(body(**more)), session_id="s", agent_id=agent)


def told(read: int, prompt: int = 10_000, provider: str = "Novita") -> Report:
    return Report(provider=provider, usage=Usage(input_tokens=prompt - read, cache_read_input_tokens=read))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": [USER, SAID, USER]}, ""),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "one", **MARK}]}, SAID]}, ""),
        ({"messages": [{"role": "user", "content": "other"}]}, "messages.0"),
        ({"messages": []}, "messages.0 is gone"),
        ({"tools": body()["tools"][::-1]}, "tools.0 (Read → Write)"),
        ({"tools": [*body()["tools"], {"name": "Grep"}]}, "tools.2 (Grep) is new"),
        ({"tools": body()["tools"][:1]}, "tools.1 (Write) is gone"),
        ({"system": [{"type": "text", "text": "be bad"}]}, "system.0"),
        ({"system": "be good"}, "system"),
        ({"model": "sonnet"}, "model"),
    ],
)
def test_the_first_difference_is_named_and_growth_is_none(change: dict[str, Any], reason: str):
    assert difference(msgspec.json.encode(body()), msgspec.json.encode(body(**change))) == reason


def test_a_prompt_that_is_no_json_has_no_reason():
    assert difference(b"", b"{}") == ""


def test_a_drop_is_noticed_once_with_its_reason():
    watch = CacheWatch()
    grown: dict[str, Any] = {"messages": [USER, SAID, USER]}
    assert watch.see(request(), "a/b", told(0), 0) == ""
    assert watch.see(request(**grown), "a/b", told(8_000), 10) == ""
    assert watch.see(request(messages=[SAID]), "a/b", told(0), 20) == "the prompt changed: messages.0"
    assert watch.see(request(messages=[SAID, USER]), "a/b", told(9_000), 30) == ""
    assert (watch.drops, watch.reason) == (1, "the prompt changed: messages.0")


def test_a_hop_and_an_old_prompt_are_reasons_when_the_prompt_is_the_same():
    watch = CacheWatch()
    watch.see(request(), "a/b", told(8_000), 0)
    assert watch.see(request(), "a/b", told(0, provider="Other"), 10) == "the host changed its supplier: Novita → Other"
    watch.see(request(), "a/b", told(8_000, provider="Other"), 20)
    assert watch.see(request(), "a/b", told(0, provider="Other"), 1_000) == "16 minutes since the last turn"
    watch.see(request(), "a/b", told(8_000, provider="Other"), 1_010)
    assert watch.see(request(), "a/b", told(0, provider="Other"), 1_020) == "the host did not say why"


def test_conversations_are_watched_apart_and_few_are_kept():
    watch = CacheWatch()
    watch.see(request(), "a/b", told(8_000), 0)
    assert watch.see(request(agent="x"), "a/b", told(0), 1) == ""
    assert watch.see(request(), "c/d", told(0), 2) == ""
    for number in range(KEPT):
        watch.see(request(agent=str(number)), "a/b", told(0), 3)
    assert watch.see(request(), "a/b", told(0), 4) == "", "forgotten meanwhile"


def test_the_rate_is_that_of_the_last_turns_of_the_main_conversation():
    watch = CacheWatch()
    watch.see(request(), "a/b", told(0), 0)
    assert watch.rate is None
    watch.see(request(agent="x"), "a/b", told(0), 0)
    assert watch.rate is None
    for turn in range(5):
        watch.see(request(), "a/b", told(9_000), turn)
    assert watch.rate == 0.9


def test_a_question_of_its_own_to_the_same_model_is_no_turn_of_the_conversation() -> None:
    watch = CacheWatch()
    before, after = request(), request(messages=[USER, SAID, USER])
    look = msgspec.structs.replace(request(messages=[]), plan=msgspec.structs.replace(before.plan, role="background"))
    watch.see(before, "a/eyes", told(8_000), 0.0)
    assert watch.see(look, "a/eyes", told(0, 1_000), 1.0) == ""
    assert watch.see(after, "a/eyes", told(8_000), 2.0) == ""
    assert (watch.drops, watch.rate) == (0, 0.8)
