"""The estimate is near the truth from the start, and nearer with every answer of the session."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.calibration import Calibration, conversation_of
from claude_or.translate.profiles import profile_for
from claude_or.translate.tokens import Measure, estimate, measure
from claude_or.wire.anthropic import MessagesRequest, decode_request
from tests.translate.fillers import COUNTS, FILLERS, TOOL_PROSE, filler, tool_entry

TOOLS = 12
USUAL = ("prose", "code", "json", "log", "diff")
"""What coding sessions read; the others are rarer, and tokenizers differ more about them."""
SLUGS = list(COUNTS)


class Conversation:
    """A conversation as the client sends it, and its tokens by the counts of one tokenizer."""

    def __init__(self, slug: str, seed: int = 0) -> None:
        self.counts = COUNTS[slug]
        self.profile = profile_for(slug, None)
        self.random = random.Random(seed)
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": f"conversation {seed}"}]
        self.actual = (60 + TOOLS * TOOL_PROSE) * self.counts["prose"] + TOOLS * (self.counts["tool"] + 8) + 9

    def add(self, kind: str, times: int) -> None:
        """A call and its result: some fillers of a kind."""
        call = {"type": "tool_use", "id": f"t{len(self.messages)}", "name": "Read1", "input": {"file_path": "/a"}}
        done = {"type": "tool_result", "tool_use_id": call["id"], "content": filler(kind, times)}
        self.messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [done]}]
        self.actual += times * self.counts[kind] + 40

    def turn(self, kinds: Sequence[str] = USUAL) -> None:
        """Some 400 to 4,000 tokens more."""
        kind = self.random.choice(kinds)
        self.add(kind, self.random.randint(400, 4000) // self.counts[kind])

    @property
    def request(self) -> MessagesRequest:
        """The whole of it."""
        body = {
            "model": "m",
            "max_tokens": 100,
            "system": filler("prose", 60),
            "tools": [tool_entry(number) for number in range(TOOLS)],
            "messages": self.messages,
        }
        return decode_request(msgspec.json.encode(body))

    def told(self, learnt: Calibration) -> tuple[int, Calibration]:
        """What is told of the request, and what is known after its answer."""
        request = self.request
        found, number, length = measure(request, profile=self.profile), conversation_of(request), len(request.messages)
        return learnt.tokens(found, number, length), learnt.observe(found, self.actual, number, length)


def off(told: int, actual: int) -> float:
    """By how much, in percent; negative is too few."""
    return 100 * (told / actual - 1)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("kind", FILLERS)
def test_a_first_request_is_estimated_within_fifteen_percent(slug: str, kind: str) -> None:
    conversation = Conversation(slug)
    conversation.add(kind, 3000 // conversation.counts[kind])

    told = estimate(conversation.request, profile=conversation.profile)

    assert -15 <= off(told, conversation.actual) <= 15


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("seed", range(5))
def test_after_three_turns_a_conversation_is_known_within_five_percent_and_never_two_below(
    slug: str, seed: int
) -> None:
    conversation, learnt = Conversation(slug, seed), Calibration()
    found: list[float] = []
    for _ in range(14):
        conversation.turn()
        told, learnt = conversation.told(learnt)
        found.append(off(told, conversation.actual))

    assert max(found[3:]) <= 5
    assert min(found[3:]) >= -2


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("kind", sorted(FILLERS.keys() - set(USUAL)))
def test_an_unusual_kind_of_text_surprises_only_once(slug: str, kind: str) -> None:
    conversation, learnt = Conversation(slug), Calibration()
    for turn in range(10):
        if turn == 3:
            conversation.add(kind, 2500 // conversation.counts[kind])
        else:
            conversation.turn((kind,) if turn > 3 else USUAL)
        told, learnt = conversation.told(learnt)
        if turn == 3:
            assert -8 <= off(told, conversation.actual) <= 8
        elif turn > 3:
            assert -2 <= off(told, conversation.actual) <= 5


@pytest.mark.parametrize("slug", SLUGS)
def test_what_one_conversation_taught_helps_the_next(slug: str) -> None:
    learnt = Calibration()
    first, second = Conversation(slug, 1), Conversation(slug, 2)
    for kind in FILLERS:
        first.add(kind, 2000 // first.counts[kind])
        _, learnt = first.told(learnt)
    for kind in FILLERS:
        second.add(kind, 3000 // second.counts[kind])

    told, _ = second.told(learnt)

    assert -2 <= off(told, second.actual) <= 5


def test_a_compacted_conversation_is_a_new_one() -> None:
    conversation, learnt = Conversation(SLUGS[0]), Calibration()
    for _ in range(4):
        conversation.turn()
        _, learnt = conversation.told(learnt)
    compacted = Conversation(SLUGS[0], seed=7)
    compacted.add("prose", 20)

    told, _ = compacted.told(learnt)

    assert -5 <= off(told, compacted.actual) <= 5


def test_a_conversation_without_its_tools_is_not_measured_by_itself_with_them() -> None:
    conversation = Conversation(SLUGS[0])
    conversation.turn()
    _, learnt = conversation.told(Calibration())
    bare = msgspec.structs.replace(conversation.request, tools=[])

    told = learnt.tokens(measure(bare), conversation_of(bare), len(bare.messages))

    tools = TOOLS * (conversation.counts["tool"] + 8 + TOOL_PROSE * conversation.counts["prose"])
    assert -10 <= off(told, conversation.actual - tools) <= 10


def test_a_conversation_is_known_again_wherever_its_cache_marks_stand_by_now() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    first: dict[str, Any] = {"type": "text", "text": "look around"}

    def conversation(content: Any, *more: dict[str, Any]) -> int:
        body = {"model": "m", "max_tokens": 9, "system": "S", "messages": [{"role": "user", "content": content}, *more]}
        return conversation_of(decode_request(msgspec.json.encode(body)))

    later = {"role": "assistant", "content": "Yes."}, {"role": "user", "content": [{**first, **mark}]}
    assert conversation([{**first, **mark}]) == conversation([first], *later) == conversation("look around")
    assert conversation([first]) != conversation([{**first, "text": "look there"}])


MEASURE: Measure = (5000.0, 400.0, 300.0, 900.0, 100.0, 0.0, 0.0, 0.0, 500.0)


@pytest.mark.parametrize("actual", [0, 60, 1_000, 1_000_000])
def test_nothing_is_learnt_from_odd_figures(actual: int) -> None:
    assert Calibration().observe(MEASURE, actual) == Calibration()


def test_nothing_is_learnt_from_tiny_requests() -> None:
    assert Calibration().observe((50.0, *(0.0,) * 8), 90) == Calibration()


def test_only_the_latest_conversations_are_kept() -> None:
    learnt = Calibration()
    for number in range(200):
        learnt = learnt.observe(MEASURE, 8000, number, 1)

    assert list(learnt.anchors) == list(range(136, 200))


@given(
    st.lists(
        st.tuples(st.lists(st.floats(0, 1e6), min_size=9, max_size=9), st.integers(0, 10**7), st.integers(0, 3)),
        max_size=12,
    )
)
def test_whatever_hosts_report_there_is_always_a_number(seen: list[tuple[list[float], int, int]]) -> None:
    learnt = Calibration()
    for found, actual, conversation in seen:
        learnt = learnt.observe(tuple(found), actual, conversation, conversation)
        assert all(0.4 <= weight <= 3.0 for weight in learnt.weights)
        assert 1 <= learnt.tokens(tuple(found), conversation, conversation) < 10**8
