"""What must hold for every stream: legal at any stop, nothing lost, streaming = folded, cuts never matter.

`play` checks each event against an independent automaton; `message` compares the fold with the SDK's reading.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from claude_or.wire.events import InputJsonDelta, StreamError, TextDelta, ThinkingDelta
from claude_or.wire.openai import ChatChunk, decode_chunk
from claude_or.wire.sse import COMMENT, SseDecoder
from tests.translate.script import DONE, Play, chunk, events_of, finish, piece, play, usage

# -- chaos: chunks that make no sense ---------------------------------------------------------------

TEXTS = st.sampled_from(["", " ", "\n", "a", "wörd ", "\u2028", "[REDACTED]", "STOP", "{"])
ARGUMENTS = st.sampled_from([
    "",
    " ",
    "{",
    "}",
    "{}",
    '{"a":1}',
    '{"a"',
    ":1}",
    "null",
    '"',
    "\\",
    '"{}"',
    "[",
    "]",
    "x",
])
NAMES = st.sampled_from(["", "Read", "Write", "get_"])
IDS = st.sampled_from(["", "c1", "c2", "bad:id"])
DETAILS = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted", "new", 3])},
    optional={
        "text": TEXTS | st.none() | st.just(3),
        "summary": TEXTS,
        "data": TEXTS,
        "signature": st.sampled_from(["", "S", "T"]),
        "format": st.sampled_from(["anthropic-claude-v1", "google-gemini-v1", None, 4]),
        "index": st.sampled_from([0, 1, None, "x"]),
        "id": IDS | st.none(),
    },
)
PIECES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, "1", None]),
        "id": IDS | st.none(),
        "function": st.fixed_dictionaries(
            {}, optional={"name": NAMES | st.none(), "arguments": ARGUMENTS | st.none() | st.just({"a": 1})}
        ),
    },
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXTS | st.none(),
        "reasoning": TEXTS | st.none(),
        "reasoning_content": TEXTS,
        "reasoning_details": st.lists(DETAILS, max_size=2) | st.none(),
        "tool_calls": st.lists(PIECES, max_size=2) | st.none(),
        "refusal": TEXTS | st.none(),
        "function_call": st.just({"name": "Read", "arguments": "{}"}),
        "annotations": st.just([{"type": "url_citation", "url_citation": {"url": "https://a"}}]),
        "images": st.just([{"image_url": {"url": "data:"}}]),
    },
)
REASONS = st.sampled_from([None, "", "stop", "tool_calls", "length", "content_filter", "error", "new"])
CHAOS = st.one_of(
    st.builds(lambda delta, reason: chunk(delta, finish_reason=reason), DELTAS | st.none(), REASONS),
    st.builds(lambda delta: chunk(delta), DELTAS),
    st.builds(lambda delta: chunk(delta), DELTAS),
    st.just(usage(10, 3, cost=0.1)),
    st.just(DONE),
    st.just(decode_chunk(b'{"error":{"code":500,"message":"boom"}}')),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "show_thinking": st.booleans(),
        "cut_at": st.just(("STOP", "a{")),
        "is_tool": st.just({"get_Read"}.__contains__),
        "context_window": st.just(5),
        "limit": st.just(400),
    },
)


@given(st.lists(CHAOS, max_size=12), OPTIONS, st.booleans())
def test_the_grammar_holds_for_any_chunks_and_any_stop(
    chunks: list[ChatChunk], options: dict[str, Any], dies: bool
) -> None:
    p = play(**options).gets(*chunks)
    p.fails() if dies else p.closes()
    translator = p.translator
    assert translator.over
    assert translator.started == bool(p.all)
    if translator.failure is not None:
        assert not p.all or p.all[-1] == StreamError(translator.failure)
    elif all(block["type"] != "tool_use" for block in p.message["content"]) or p.message["stop_reason"] == "tool_use":
        assert p.story is not None
    p.gets(*chunks).closes().fails()
    assert translator.failure is None or not p.all or p.all[-1] == StreamError(translator.failure)


# -- sense: an answer, told in any order a host could choose ------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
INPUTS = st.dictionaries(st.text(max_size=4), JSON, max_size=3)
VISIBLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda t: not t.isspace() and t.strip() != "[REDACTED]"
)


def pieces_of(draw: st.DrawFn, whole: str) -> list[str]:
    """The text cut at up to three places."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[a:b] for a, b in itertools.pairwise([0, *cuts, len(whole)])]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[ChatChunk], str, str, list[dict[str, Any]]]:
    """Chunks of an answer, and the text, the reasoning and the calls' inputs that they tell."""
    strands: list[list[dict[str, Any]]] = []
    inputs = draw(st.lists(INPUTS, max_size=3))
    for index, arguments in enumerate(inputs):
        whole = msgspec.json.encode(arguments).decode()
        first, *rest = pieces_of(draw, whole)
        start = {"tool_calls": [piece(index, f"c{index}", f"T{index}", first)]}
        strands.append([start, *({"tool_calls": [piece(index, args=part)]} for part in rest)])
    words = draw(st.lists(VISIBLE, max_size=4))
    strands.append([{"content": word} for word in words])
    thoughts = draw(st.lists(VISIBLE, max_size=4))
    plain = draw(st.booleans())
    strands.append([
        {"reasoning": part} if plain else {"reasoning_details": [{"type": "reasoning.text", "text": part, "index": 0}]}
        for part in thoughts
    ])
    # Any interleaving that keeps the order inside each strand, as parallel calls come.
    order = draw(st.permutations([n for n, strand in enumerate(strands) for _ in strand]))
    iterators = [iter(strand) for strand in strands]
    chunks = [chunk(next(iterators[n])) for n in order]
    if not inputs and not words:
        chunks.append(chunk({"content": "x"}))
        words = [*words, "x"]
    return [*chunks, finish("tool_calls" if inputs else "stop"), DONE], "".join(words), "".join(thoughts), inputs


@given(answers())
def test_no_text_and_no_argument_is_lost(answer: tuple[list[ChatChunk], str, str, list[dict[str, Any]]]) -> None:
    chunks, words, thoughts, inputs = answer
    p = events_of(chunks)
    assert p.translator.failure is None
    content = p.message["content"]
    assert "".join(block["text"] for block in content if block["type"] == "text") == words
    assert "".join(block["thinking"] for block in content if block["type"] == "thinking") == thoughts
    calls = {block["name"]: block["input"] for block in content if block["type"] == "tool_use"}
    assert calls == {f"T{index}": arguments for index, arguments in enumerate(inputs)}
    assert not p.translator.losses


@given(answers(), st.data())
def test_an_answer_cut_anywhere_is_legal_and_never_looks_whole(
    answer: tuple[list[ChatChunk], str, str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    chunks = answer[0]
    length = data.draw(st.integers(0, len(chunks) - 2))
    p = play().gets(*chunks[:length]).closes()
    assert p.translator.failure is not None
    assert not p.all or isinstance(p.all[-1], StreamError)


@given(answers())
def test_what_was_streamed_before_an_end_is_what_was_said(
    answer: tuple[list[ChatChunk], str, str, list[dict[str, Any]]],
) -> None:
    chunks, words, thoughts, _ = answer
    p = events_of(chunks)
    assert "".join(e.text for e in p.all if isinstance(e, TextDelta)) == words
    assert "".join(e.thinking for e in p.all if isinstance(e, ThinkingDelta)) == thoughts
    sent = "".join(e.partial_json for e in p.all if isinstance(e, InputJsonDelta))
    folded = "".join(
        msgspec.json.encode(b["input"]).decode() for b in p.message["content"] if b["type"] == "tool_use" and b["input"]
    )
    assert len(sent) == len(folded)


@given(answers(), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_cuts_between_bytes_never_matter(
    answer: tuple[list[ChatChunk], str, str, list[dict[str, Any]]], line_end: bytes, data: st.DataObject
) -> None:
    chunks = answer[0]
    lines = [b"data: [DONE]" if c.done else b"data: " + msgspec.json.encode(c) for c in chunks]
    stream = b"".join(line + line_end * 2 for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reads = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    decoder, p = SseDecoder(), play()
    for read in reads:
        for frame in decoder.feed(read):
            if frame.event != COMMENT:
                p.gets(decode_chunk(frame.data))
    for frame in decoder.close():
        p.gets(decode_chunk(frame.data))
    assert p.all == events_of(chunks).all


@given(st.lists(CHAOS, max_size=8), OPTIONS)
def test_the_same_chunks_give_the_same_bytes(chunks: list[ChatChunk], options: dict[str, Any]) -> None:
    def told() -> Play:
        return events_of(chunks, **options)

    assert told().all == told().all
