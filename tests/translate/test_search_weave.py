"""Whatever answers a searching model gives, outside there is one legal message, and its history only ever grows at its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.host_fetch import HostFetch
from claude_or.translate.host_search import HostSearch, SearchAsked
from claude_or.translate.search_calls import as_calls
from claude_or.translate.search_weave import SearchWeave
from claude_or.translate.sidelines import Link
from claude_or.translate.web_search import Hit, error_block, result_block
from claude_or.wire.events import (
    CUT,
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
    encode,
    fold,
)
from claude_or.wire.sse import Frame
from tests.upstream.test_chat import check_grammar

KINDS = st.sampled_from(["text", "thinking", "tool", "search"])
ANSWERS = st.lists(st.lists(KINDS, max_size=5), min_size=1, max_size=4)
SPOKEN = st.lists(st.lists(KINDS, min_size=1, max_size=5), min_size=1, max_size=4)
"""Where an answer is empty, the user's next words follow the results at once, as they do in a chat."""
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "what do zebras have?"}]


def events_of(kinds: Sequence[str], n: int) -> list[Event]:
    """One answer of the model with these blocks."""
    out: list[Event] = [MessageStart(f"msg_{n}", "m", Usage(input_tokens=10))]
    for i, kind in enumerate(kinds):
        match kind:
            case "text":
                out += [BlockStart(i, TextBlock()), TextDelta(i, f"said {n}.{i}"), BlockStop(i)]
            case "thinking":
                thought: list[Event] = [ThinkingDelta(i, "hm"), SignatureDelta(i, f"sealed {n}.{i}")]
                out += [BlockStart(i, ThinkingBlock()), *thought, BlockStop(i)]
            case _:
                name = "web_search" if kind == "search" else "Read"
                given = f'{{"query":"q {n}.{i}"}}'
                pieces: list[Event] = [InputJsonDelta(i, piece) for piece in (given[:4], given[4:])]
                out += [BlockStart(i, ToolUseBlock(f"toolu_{n}_{i}", name)), *pieces, BlockStop(i)]
    reason = "tool_use" if {"tool", "search"} & set(kinds) else "end_turn"
    usage = Usage(input_tokens=10, output_tokens=3)
    return [*out, MessageDelta(reason, usage=usage), MessageStop()]


def woven(answers: Sequence[Sequence[str]]) -> tuple[list[Frame], list[list[dict[str, Any]]], SearchWeave]:
    """The outgoing frames, the histories that the model was shown, and the weave, played like the wrapper does."""
    ids = count()
    weave = SearchWeave("web_search", lambda: f"srvtoolu_co_{next(ids)}")
    frames: list[Frame] = []
    shown = [list(ASKED)]
    for n, kinds in enumerate(answers):
        frames += weave.feed([encode(event) for event in events_of(kinds, n)])
        if not weave.calls:
            break
        for i, call in enumerate(weave.calls):
            hits = [Hit(url=f"https://z.org/{call.query}", text="stripes")]
            frames += weave.result(error_block(call.id, "unavailable") if i else result_block(call.id, hits))
        frames += weave.next_answer()
        if weave.client_calls:
            break
        shown.append(as_calls([*ASKED, {"role": "assistant", "content": weave.content}], "web_search"))
    return [*frames, *weave.next_answer(), *weave.end()], shown, weave


@given(ANSWERS)
def test_any_answers_make_one_legal_message_that_holds_all_of_them(answers: list[list[str]]) -> None:
    frames, shown, _ = woven(answers)
    check_grammar(frames)
    message = fold(frames)
    asked = len(shown)
    played = [kind for kinds in answers[:asked] for kind in kinds]
    kinds = [block["type"] for block in message["content"]]
    for kind, name in (("text", "text"), ("thinking", "thinking"), ("tool", "tool_use"), ("search", "server_tool_use")):
        assert kinds.count(name) == played.count(kind)
    queries = [block["input"]["query"] for block in message["content"] if block["type"] == "server_tool_use"]
    assert all(query.startswith("q ") for query in queries)
    assert kinds.count("web_search_tool_result") == kinds.count("server_tool_use")
    assert message["usage"]["output_tokens"] == 3 * min(asked, len(answers))
    called = {block["id"]: i for i, block in enumerate(message["content"]) if block["type"] == "server_tool_use"}
    for i, block in enumerate(message["content"]):
        if block["type"] == "web_search_tool_result":
            assert called[block["tool_use_id"]] < i


@given(SPOKEN)
def test_what_the_model_is_shown_only_grows_and_answers_every_call(answers: list[list[str]]) -> None:
    frames, shown, _ = woven(answers)
    told = {"role": "assistant", "content": fold(frames)["content"]}
    later = as_calls([*ASKED, told, {"role": "user", "content": "and then?"}], "web_search")
    asked = shown[: len(answers)]
    for before, after in pairwise([*asked, later]):
        assert msgspec.json.encode(after[: len(before)]) == msgspec.json.encode(before)
    for i, message in enumerate(later):
        if message["role"] != "assistant":
            continue
        calls = [b["id"] for b in message["content"] if b["type"] == "tool_use" and b["name"] == "web_search"]
        answer = later[i + 1]["content"]
        results = [b["tool_use_id"] for b in answer if b["type"] == "tool_result"] if isinstance(answer, list) else []
        assert calls == results
    assert "server_tool_use" not in str(later)


LINKS = [Link("https://z.org", "Zebras", "stripes")]


@given(st.lists(KINDS, max_size=5), st.booleans(), st.integers(0, 20), st.integers(0, 2), st.booleans())
def test_a_host_s_own_search_is_told_legally_wherever_its_links_come(
    kinds: list[str], alone: bool, known_after: int, searches: int, cut: bool
) -> None:
    host = HostSearch(SearchAsked(name="web_search", query="zebras", alone=alone), lambda: "srvtoolu_co_1")
    events = events_of([kind for kind in kinds if kind != "search"], 0)
    events[-2] = MessageDelta("end_turn", usage=Usage(output_tokens=3, web_search_requests=searches))
    if cut:
        events = [*events[: max(1, len(events) - 2)], StreamError(CUT)]
    frames: list[Frame] = []
    for i, event in enumerate(events):
        frames += [encode(out) for out in host.weave([event], LINKS if i >= known_after else [])]
    if not frames:
        assert cut
        assert not host.started
        return
    check_grammar(frames)
    if cut:
        assert frames[-1].event == "error"
        return
    message = fold(frames)
    found = [block for block in message["content"] if block["type"] == "web_search_tool_result"]
    searched = known_after < len(events) - 1 or searches
    assert len(found) == bool(searched)
    rest = [block["type"] for block in message["content"] if block["type"] in {"text", "thinking", "tool_use"}]
    assert len(rest) == len([kind for kind in kinds if kind != "search"])
    assert bool(message["usage"].get("server_tool_use")) == bool(searched)
    if alone and found and "text" in rest:
        assert message["content"].index(found[0]) < [block["type"] for block in message["content"]].index("text")


def fetch_detail(n: int, *, told: bool) -> dict[str, Any]:
    """What the host says of a fetch; not `told` while it has no result."""
    result = {"url": f"https://z.org/{n}", "content": "stripes"}
    asked = {"type": "reasoning.server_tool_call", "tool_name": "openrouter:web_fetch", "tool_call_id": f"c{n}"}
    return {**asked, "arguments": f'{{"url":"https://z.org/{n}"}}', "result": result if told else None}


@given(
    st.lists(KINDS, max_size=5),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2), st.booleans()), max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_the_host_s_fetches_are_told_legally_and_once_wherever_they_come(
    kinds: list[str], notes: list[tuple[int, int, bool]], searched: bool, cut: bool
) -> None:
    ids = count()
    fetch = HostFetch("web_fetch", lambda: f"srvtoolu_co_{next(ids)}")
    asked = SearchAsked(name="web_search", query="zebras", alone=True)
    search = HostSearch(asked, lambda: f"srvtoolu_co_{next(ids)}") if searched else None
    events = events_of([kind for kind in kinds if kind != "search"], 0)
    if cut:
        events = [*events[: max(1, len(events) - 2)], StreamError(CUT)]
    told: set[int] = set()
    frames: list[Frame] = []
    last = len(events) - (1 if cut else 2)
    for i, event in enumerate(events):
        for at, n, whole in notes:
            if min(at, last) == i:
                assert fetch.note([fetch_detail(n, told=whole), {"type": "reasoning.text"}]) == [
                    {"type": "reasoning.text"}
                ]
                told |= {n} if whole else set()
        out = fetch.weave([event])
        frames += [encode(woven) for woven in (search.weave(out, LINKS) if search else out)]
    if not frames:
        assert cut
        return
    check_grammar(frames)
    if cut:
        return
    message = fold(frames)
    pages = [block["content"]["url"] for block in message["content"] if block["type"] == "web_fetch_tool_result"]
    assert sorted(pages) == sorted(f"https://z.org/{n}" for n in told)
    calls = {block["id"] for block in message["content"] if block["type"] == "server_tool_use"}
    results = {block["tool_use_id"] for block in message["content"] if "tool_use_id" in block}
    assert calls == results
    assert message["usage"].get("server_tool_use", {}).get("web_fetch_requests", 0) == len(told)
