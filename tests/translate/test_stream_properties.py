"""What must hold for every stream: legal at any stop, nothing lost, streaming = folded, cuts never matter.

`play` checks each event against an independent automaton; `message` compares the fold with the SDK's reading.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from claude_or.wire.events import InputJsonDelta, StreamError, TextDelta, ThinkingDelta
from claude_or.wire.openai import ChatChunk, decode_chunk
from claude_or.wire.sse import COMMENT, SseDecoder
from tests.properties import chance_is_a_seed
from tests.translate.script import DONE, chunk, events_of, finish, piece, play, usage

# -- what hosts could send, made by chance ----------------------------------------------------------

BY_CHANCE = st.randoms(use_true_random=chance_is_a_seed())
"""Under the long profile one drawn number makes a whole example: ten times the examples, but a failing one does not shrink."""

Maker = Callable[[Random], Any]


def one_of(*values: Any) -> Maker:
    """One of these values; those that are makers make it."""

    def make(random: Random) -> Any:
        value = random.choice(values)
        return value(random) if callable(value) else value

    return make


def with_some_of(required: dict[str, Maker] | None = None, **optional: Maker) -> Maker:
    """An object that has some of the optional fields."""

    def make(random: Random) -> dict[str, Any]:
        chosen = {name: maker for name, maker in optional.items() if random.randint(0, 2) == 0}
        return {name: maker(random) for name, maker in {**(required or {}), **chosen}.items()}

    return make


def up_to(most: int, maker: Maker) -> Maker:
    """A list."""
    return lambda random: [maker(random) for _ in range(random.randint(0, most))]


# -- chaos: chunks that make no sense ---------------------------------------------------------------

TEXTS = one_of("", " ", "\n", "a", "wörd ", "\u2028", "[REDACTED]", "STOP", "{")
ARGUMENTS = one_of(
    *("", " ", "{", "}", "{}", '{"a":1}', '{"a"', ":1}", "null", '"', "\\", '"{}"', "[", "]", "x"), None, {"a": 1}
)
IDS = one_of("", "c1", "c2", "bad:id", None)
DETAIL = with_some_of(
    {"type": one_of("reasoning.text", "reasoning.summary", "reasoning.encrypted", "new", 3)},
    text=one_of(TEXTS, TEXTS, None, 3),
    summary=TEXTS,
    data=TEXTS,
    signature=one_of("", "S", "T"),
    format=one_of("anthropic-claude-v1", "google-gemini-v1", None, 4),
    index=one_of(0, 1, None, "x"),
    id=IDS,
)
PIECE = with_some_of(
    index=one_of(0, 1, "1", None),
    id=IDS,
    function=with_some_of(name=one_of("", "Read", "Write", "get_", None), arguments=ARGUMENTS),
)
DELTA = with_some_of(
    content=one_of(TEXTS, TEXTS, None),
    reasoning=one_of(TEXTS, TEXTS, None),
    reasoning_content=TEXTS,
    reasoning_details=one_of(up_to(2, DETAIL), up_to(2, DETAIL), None),
    tool_calls=one_of(up_to(2, PIECE), up_to(2, PIECE), None),
    refusal=one_of(TEXTS, None),
    function_call=one_of({"name": "Read", "arguments": "{}"}),
    annotations=one_of([{"type": "url_citation", "url_citation": {"url": "https://a"}}]),
    images=one_of([{"image_url": {"url": "data:"}}]),
)
REASON = one_of(None, "", "stop", "tool_calls", "length", "content_filter", "error", "new")
CHUNK = one_of(
    *[lambda random: chunk(DELTA(random))] * 4,
    *[lambda random: chunk(one_of(DELTA, DELTA, None)(random), finish_reason=REASON(random))] * 2,
    *(usage(10, 3, cost=0.1), DONE, decode_chunk(b'{"error":{"code":500,"message":"boom"}}')),
)
OPTIONS = with_some_of(
    show_thinking=one_of(True, False),
    cut_at=one_of(("STOP", "a{")),
    is_tool=lambda _: {"get_Read"}.__contains__,
    context_window=one_of(5),
    limit=one_of(400),
)


@given(BY_CHANCE)
def test_the_grammar_holds_for_any_chunks_and_any_stop(random: Random) -> None:
    chunks, options, dies = up_to(12, CHUNK)(random), OPTIONS(random), random.randint(0, 1)
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

SIGNS = 'ab \\"\n\t{}[]:,0é\u2028\x85\x00😀'


def text_of(random: Random, *, least: int = 0) -> str:
    """A short text of signs that something could trip over."""
    return "".join(random.choice(SIGNS) for _ in range(random.randint(least, 8)))


def visible_of(random: Random) -> str:
    """A text that opens a block."""
    return text_of(random) + random.choice("xyzö") + text_of(random)


def json_of(random: Random, depth: int = 0) -> Any:
    """Any JSON value."""
    kind = random.randint(0, 7 if depth < 3 else 5)
    if kind == 6:
        return [json_of(random, depth + 1) for _ in range(random.randint(0, 3))]
    if kind == 7:
        return input_of(random, depth + 1)
    number = random.randint(-(2**53), 2**53)
    return (None, True, number, number / 2**20, 0, text_of(random))[kind]


def input_of(random: Random, depth: int = 0) -> dict[str, Any]:
    """A call's input."""
    return {text_of(random): json_of(random, depth) for _ in range(random.randint(0, 3))}


def pieces_of(random: Random, whole: str) -> list[str]:
    """The text cut at up to three places."""
    cuts = sorted(random.randint(0, len(whole)) for _ in range(random.randint(0, 3)))
    return [whole[a:b] for a, b in itertools.pairwise([0, *cuts, len(whole)])]


class Answer(NamedTuple):
    """Chunks of an answer, and the text, the reasoning and the calls' inputs that they tell."""

    chunks: list[ChatChunk]
    words: str
    thoughts: str
    inputs: list[dict[str, Any]]


def answer_of(random: Random) -> Answer:
    """An answer in any order a host could choose."""
    strands: list[list[dict[str, Any]]] = []
    inputs = [input_of(random) for _ in range(random.randint(0, 3))]
    for index, arguments in enumerate(inputs):
        first, *rest = pieces_of(random, msgspec.json.encode(arguments).decode())
        start = {"tool_calls": [piece(index, f"c{index}", f"T{index}", first)]}
        strands.append([start, *({"tool_calls": [piece(index, args=part)]} for part in rest)])
    words = [visible_of(random) for _ in range(random.randint(0 if inputs else 1, 4))]
    strands.append([{"content": word} for word in words])
    thoughts = [visible_of(random) for _ in range(random.randint(0, 4))]
    plain = random.randint(0, 1)
    strands.append([
        {"reasoning": part} if plain else {"reasoning_details": [{"type": "reasoning.text", "text": part, "index": 0}]}
        for part in thoughts
    ])
    # Any interleaving that keeps the order inside each strand, as parallel calls come.
    order = [n for n, strand in enumerate(strands) for _ in strand]
    random.shuffle(order)
    iterators = [iter(strand) for strand in strands]
    chunks = [chunk(next(iterators[n])) for n in order]
    ending = [finish("tool_calls" if inputs else "stop"), DONE]
    return Answer([*chunks, *ending], "".join(words), "".join(thoughts), inputs)


@given(BY_CHANCE)
def test_no_text_and_no_argument_is_lost_streamed_or_folded(random: Random) -> None:
    chunks, words, thoughts, inputs = answer_of(random)
    p = events_of(chunks)
    assert p.translator.failure is None
    # The SDK takes longer than all the rest, so of very many examples it reads every tenth.
    content = (p.folded if chance_is_a_seed() and random.randint(0, 9) else p.message)["content"]
    assert "".join(block["text"] for block in content if block["type"] == "text") == words
    assert "".join(block["thinking"] for block in content if block["type"] == "thinking") == thoughts
    calls = {block["name"]: block["input"] for block in content if block["type"] == "tool_use"}
    assert calls == {f"T{index}": arguments for index, arguments in enumerate(inputs)}
    assert not p.translator.losses
    assert "".join(e.text for e in p.all if isinstance(e, TextDelta)) == words
    assert "".join(e.thinking for e in p.all if isinstance(e, ThinkingDelta)) == thoughts
    sent = "".join(e.partial_json for e in p.all if isinstance(e, InputJsonDelta))
    folded = "".join(
        msgspec.json.encode(b["input"]).decode() for b in content if b["type"] == "tool_use" and b["input"]
    )
    assert len(sent) == len(folded)


@given(BY_CHANCE)
def test_an_answer_cut_anywhere_is_legal_and_never_looks_whole(random: Random) -> None:
    chunks = answer_of(random).chunks
    p = play().gets(*chunks[: random.randint(0, len(chunks) - 2)]).closes()
    assert p.translator.failure is not None
    assert not p.all or isinstance(p.all[-1], StreamError)


@given(BY_CHANCE)
def test_cuts_between_bytes_never_matter(random: Random) -> None:
    chunks = answer_of(random).chunks
    line_end = random.choice((b"\n", b"\r\n", b"\r"))
    lines = [b"data: [DONE]" if c.done else b"data: " + msgspec.json.encode(c) for c in chunks]
    stream = b"".join(line + line_end * 2 for line in lines)
    # Inside a blank line is where a decoder goes wrong, so half of the cuts fall there.
    near = [match.start() for match in re.finditer(rb"(?<=[\r\n])[\r\n]", stream)]
    cuts = [random.choice((random.randint(0, len(stream)), random.choice(near))) for _ in range(random.randint(0, 6))]
    decoder, p = SseDecoder(), play()
    for start, end in itertools.pairwise([0, *sorted(cuts), len(stream)]):
        for frame in decoder.feed(stream[start:end]):
            if frame.event != COMMENT:
                p.gets(decode_chunk(frame.data))
    for frame in decoder.close():
        p.gets(decode_chunk(frame.data))
    assert p.all == events_of(chunks).all


@given(BY_CHANCE)
def test_the_same_chunks_give_the_same_bytes(random: Random) -> None:
    chunks, options = up_to(8, CHUNK)(random), OPTIONS(random)
    assert events_of(chunks, **options).all == events_of(chunks, **options).all
