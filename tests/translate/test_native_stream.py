"""The answer on the native path: untouched where it is legal, repaired where that is safe, else ended with an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.history import host_data, host_detail
from claude_or.translate.native_stream import NativeStream
from claude_or.translate.reasoning import ReasoningCarry, unpack
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import CUT, ILLEGAL, FoldError, fold, frame_of
from claude_or.wire.sse import COMMENT, Frame, SseDecoder

ESTIMATE = 77
DETAIL = {"type": "reasoning.encrypted", "data": "opaque", "format": "openai-responses-v1"}
HEAD: dict[str, Any] = {
    "id": "gen-1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "anthropic/claude-test-2026",
    "stop_reason": None,
    "stop_sequence": None,
    "provider": "Anthropic",
    "new_field": {"kept": 1.50},
    "usage": {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": None},
}
USAGE: dict[str, Any] = {
    "input_tokens": 88,
    "output_tokens": 120,
    "output_tokens_details": {"thinking_tokens": 9},
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 10,
    "cost": Decimal("0.006580000000000000000001"),
    "is_byok": False,
}
_STARTS: dict[Any, dict[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"id": "t1", "name": "Read", "input": {}},
}


def start(**fields: Any) -> Frame:
    """`message_start` as the host sends it."""
    return frame_of({"type": "message_start", "message": {**HEAD, **fields}})


def begins(index: Any, kind: Any, **fields: Any) -> Frame:
    """A block begins."""
    block = {"type": kind, **_STARTS.get(kind, {}), **fields}
    return frame_of({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: Any, kind: str, **fields: Any) -> Frame:
    """A delta."""
    return frame_of({"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}})


def text(index: int, said: Any) -> Frame:
    """A delta of text."""
    return delta(index, "text_delta", text=said)


def ends(index: Any) -> Frame:
    """A block ends."""
    return frame_of({"type": "content_block_stop", "index": index})


def near_end(reason: Any = "end_turn", **fields: Any) -> Frame:
    """`message_delta`."""
    return frame_of({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": USAGE, **fields})


STOP = frame_of({"type": "message_stop"})
DONE = Frame("data", b"[DONE]", b"event: data\ndata: [DONE]\n\n")
PING = frame_of({"type": "ping"})
BARE_END = frame_of({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
WORDS = [begins(0, "text"), text(0, "Hello"), text(0, " there"), ends(0)]
CALL = [begins(1, "tool_use"), delta(1, "input_json_delta", partial_json="{}"), ends(1)]
EXTRA = [begins(2, "redacted_thinking", data=host_data(DETAIL)), ends(2)]


def failure_of(error: Any) -> Failure:
    """A stand-in for the real classification."""
    words = error.get("message", "") if isinstance(error, dict) else error
    return Failure(kind="api", status=502, type="api_error", message=str(words))


def new(*, carried: bool = False, thinking: bool = True) -> NativeStream:
    """A stream as the leaf makes it."""
    return NativeStream(
        message_id="msg_1",
        model="sonnet",
        input_estimate=ESTIMATE,
        failure_in_stream=failure_of,
        carry=ReasoningCarry(family="openai", slug="openai/gpt-test") if carried else None,
        thinking=thinking,
    )


def check(frames: Sequence[Frame]) -> None:
    """The grammar, as an automaton of its own."""
    opened, index, near, over = False, -1, False, False
    for place, frame in enumerate(frames):
        event = msgspec.json.decode(frame.data)
        assert frame.event == event.get("type", frame.event)
        assert SseDecoder().feed(frame.raw) == [frame]
        assert not over, "something after the end"
        assert (place == 0) == (frame.event == "message_start")
        match frame.event:
            case "content_block_start":
                index += 1
                assert (opened, near, event["index"]) == (False, False, index)
                opened = True
            case "content_block_delta":
                assert (opened, event["index"]) == (True, index)
            case "content_block_stop":
                assert (opened, event["index"]) == (True, index)
                opened = False
            case "message_delta":
                assert (opened, near) == (False, False)
                near = True
            case "message_stop":
                assert near
                over = True
            case "error":
                assert not opened
                over = True
            case _:
                pass
    assert over or not frames


def play(frames: Iterable[Frame], *, carried: bool = False) -> tuple[NativeStream, list[Frame]]:
    """The whole stream; what comes out has passed the grammar."""
    stream = new(carried=carried)
    out = stream.feed(frames)
    out += stream.close()
    check(out)
    return stream, out


def names(frames: Iterable[Frame]) -> list[str]:
    """Event names."""
    return [frame.event for frame in frames]


# -- a legal stream -----------------------------------------------------------------------------------


def test_a_legal_stream_goes_on_byte_for_byte_but_for_its_start() -> None:
    whole = [start(), *WORDS, *CALL, near_end("tool_use"), STOP]
    stream, out = play(whole)
    assert [frame.raw for frame in out[1:]] == [frame.raw for frame in whole[1:]]
    assert stream.losses == []
    assert stream.failure is None
    assert stream.over


def test_the_start_names_what_was_asked_for_and_keeps_the_rest() -> None:
    _, out = play([start(), *WORDS, near_end(), STOP])
    message = msgspec.json.decode(out[0].data)["message"]
    assert message == {**HEAD, "model": "sonnet", "usage": {**HEAD["usage"], "input_tokens": ESTIMATE}}


@pytest.mark.parametrize(
    "usage",
    [{"input_tokens": 5}, {"input_tokens": 0, "cache_read_input_tokens": 9}, {"cache_creation_input_tokens": 9}],
)
def test_a_count_of_the_input_is_not_overruled(usage: dict[str, Any]) -> None:
    _, out = play([start(usage=usage), *WORDS, near_end(), STOP])
    assert msgspec.json.decode(out[0].data)["message"]["usage"] == usage


def test_a_start_without_its_usual_fields_gets_them() -> None:
    _, out = play([frame_of({"type": "message_start", "message": {}}), *WORDS, near_end(), STOP])
    message = msgspec.json.decode(out[0].data)["message"]
    assert (message["id"], message["role"], message["content"]) == ("msg_1", "assistant", [])
    assert message["usage"] == {"input_tokens": ESTIMATE, "output_tokens": 0}


def test_nothing_is_said_before_there_is_content() -> None:
    stream = new()
    assert stream.feed([Frame(COMMENT, b"OPENROUTER PROCESSING", b": x\n\n"), start(), PING]) == []
    assert not stream.started
    assert names(stream.feed([begins(0, "text"), PING])) == ["message_start", "content_block_start", "ping"]
    assert stream.started


def test_what_it_cost_is_exact() -> None:
    stream, _ = play([start(), *WORDS, near_end(), STOP])
    report, usage = stream.report, stream.report.usage
    assert (report.model, report.provider, report.generation_id) == ("anthropic/claude-test-2026", "Anthropic", "gen-1")
    assert report.cost == Decimal("0.006580000000000000000001")
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.thinking_tokens) == (88, 2000, 9)


def test_figures_of_the_start_hold_where_the_end_has_none() -> None:
    ending = near_end(usage={"output_tokens": 3, "input_tokens": None})
    usage = play([start(usage={"input_tokens": 5}), *WORDS, ending, STOP])[0].report.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (5, 3)
    assert play([start(), *WORDS, BARE_END, STOP])[0].report.usage is None


def test_the_end_mark_and_whatever_follows_the_end_are_left_out() -> None:
    stream, out = play([start(), *WORDS, near_end(), PING, STOP, DONE, PING, *WORDS])
    assert names(out[-2:]) == ["message_delta", "message_stop"]
    assert stream.feed([start()]) == []
    assert stream.close() == []
    assert stream.fail(CUT) == []


def test_unknown_events_blocks_and_deltas_go_on_as_they_are() -> None:
    odd = [
        frame_of({"type": "progress", "x": 1}),
        begins(1, "novelty", payload=[1]),
        delta(1, "novelty_delta", y=2),
        text(1, "of a block that nobody knows"),
        ends(1),
        begins(2, "text"),
        delta(2, "citations_delta", citation={"url": "u"}),
        ends(2),
    ]
    stream, out = play([start(), *WORDS, *odd, near_end(), STOP])
    assert out[5:-2] == odd
    assert stream.losses == []


def test_what_is_unknown_and_outside_the_answer_is_told() -> None:
    early = frame_of({"type": "progress", "x": 1})
    foreign = Frame("odd", b"no json", b"event: odd\ndata: no json\n\n")
    stream, out = play([early, foreign, start(), *WORDS, near_end(), STOP])
    assert "progress" not in names(out)
    assert stream.losses == ["an event 'progress' outside the answer", "an event that is no JSON"]


# -- the host's own block ------------------------------------------------------------------------------


@pytest.mark.parametrize("carried", [False, True])
def test_the_copy_of_the_reasoning_behind_the_final_text_is_held_back(carried: bool) -> None:
    extra = [begins(1, "redacted_thinking", data=host_data(DETAIL)), ends(1)]
    stream, out = play([start(), *WORDS, *extra, near_end(), STOP], carried=carried)
    assert [block["type"] for block in fold(out)["content"]] == ["text"]
    assert out[1:5] == WORDS
    assert stream.losses == (["reasoning that came after the text it belongs to"] if carried else [])


def test_for_a_model_that_wants_it_back_it_travels_behind_the_call() -> None:
    stream, out = play([start(), *WORDS, *CALL, *EXTRA, near_end("tool_use"), STOP], carried=True)
    content = fold(out)["content"]
    assert [block["type"] for block in content] == ["text", "tool_use", "thinking"]
    assert unpack(content[2]["signature"], "", family="openai") == [DETAIL]
    assert stream.losses == []


def test_a_signing_model_has_it_with_the_signed_block_already() -> None:
    _, out = play([start(), *WORDS, *CALL, *EXTRA, near_end("tool_use"), STOP])
    assert [block["type"] for block in fold(out)["content"]] == ["text", "tool_use"]


def test_a_copy_that_cannot_be_read_is_told_as_lost() -> None:
    extra = [begins(2, "redacted_thinking", data="openrouter.reasoning:%%"), ends(2)]
    stream, _ = play([start(), *WORDS, *CALL, *extra, near_end("tool_use"), STOP], carried=True)
    assert stream.losses == ["reasoning that cannot be read"]


def test_indexes_stay_contiguous_when_a_block_in_the_middle_is_held_back() -> None:
    middle = [begins(0, "redacted_thinking", data=host_data(DETAIL)), delta(0, "odd"), ends(0)]
    later = [
        begins(1, "text"),
        text(1, "x"),
        ends(1),
        begins(2, "thinking"),
        delta(2, "signature_delta", signature="s"),
    ]
    content = fold(play([start(), *middle, *later, ends(2), near_end(), STOP])[1])["content"]
    assert [block["type"] for block in content] == ["text", "thinking"]
    assert (content[0]["text"], content[1]["signature"]) == ("x", "s")


def test_redacted_thinking_of_the_model_itself_goes_on() -> None:
    own = [begins(1, "redacted_thinking", data="opaque"), ends(1)]
    assert play([start(), *WORDS, *own, near_end(), STOP])[1][5:7] == own


def test_thoughts_that_were_not_asked_for_are_held_back() -> None:
    thinking = [begins(0, "thinking"), delta(0, "thinking_delta", thinking="hm"), ends(0)]
    redacted = [begins(1, "redacted_thinking", data="opaque"), ends(1)]
    said = [begins(2, "text"), text(2, "so"), ends(2)]
    stream = new(thinking=False)
    assert stream.feed([start(), *thinking, *redacted]) == []
    out = stream.feed([*said, near_end(), STOP])
    check(out)
    assert fold(out)["content"] == [{"type": "text", "text": "so"}]
    assert stream.losses == ["thoughts that nobody asked for"]


def test_host_data_is_read_back() -> None:
    assert host_detail(host_data(DETAIL)) == DETAIL
    assert host_detail("openrouter.reasoning:WzFd") is None


# -- repairs -------------------------------------------------------------------------------------------

HALF = frame_of({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})
REPAIRED = {
    "no start": [*WORDS, near_end(), STOP],
    "no stop": [start(), *WORDS, near_end()],
    "block not closed before the next": [start(), *WORDS[:3], begins(1, "text"), ends(1), near_end(), STOP],
    "late end of a closed block": [start(), *WORDS[:3], begins(1, "text"), ends(0), ends(1), near_end(), STOP],
    "block not closed before the end": [start(), *WORDS[:3], near_end(), STOP],
    "block closed twice": [start(), *WORDS, ends(0), near_end(), STOP],
    "indexes from 1": [start(), begins(1, "text"), text(1, "Hello there"), ends(1), near_end(), STOP],
    "one index twice": [start(), *WORDS, begins(0, "text"), text(0, "!"), ends(0), near_end(), STOP],
    "end in two parts": [start(), *WORDS, near_end("stop_sequence"), near_end(None), STOP],
    "delta of nothing": [start(), *WORDS[:3], text(0, None), ends(0), near_end(), STOP],
    "start of half a block": [start(), HALF, *WORDS[1:], near_end(), STOP],
    "two starts before the first block": [start(), start(), *WORDS, near_end(), STOP],
    "usage that is none": [start(), *WORDS, near_end(usage=None), STOP],
}


@pytest.mark.parametrize("name", REPAIRED)
def test_what_can_be_put_right_without_touching_content_is(name: str) -> None:
    stream, out = play(REPAIRED[name])
    message = fold(out)
    assert stream.failure is None
    assert "".join(block["text"] for block in message["content"]).startswith("Hello there")
    assert message["stop_reason"] in {"end_turn", "stop_sequence"}


def test_an_end_in_two_parts_is_one() -> None:
    later = near_end(None, usage={"output_tokens": 5})
    message = fold(play([start(), *WORDS, near_end("max_tokens"), later, STOP])[1])
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 5)
    for first, second in ((near_end(None), BARE_END), (BARE_END, near_end())):
        assert fold(play([start(), *WORDS, first, second, STOP])[1])["usage"]["output_tokens"] == 120


@pytest.mark.parametrize("name", ["message", "wrong"])
def test_an_event_under_another_name_gets_its_own(name: str) -> None:
    renamed = [Frame(name, frame.data, b"event: %b\ndata: %b\n\n" % (name.encode(), frame.data)) for frame in WORDS]
    assert play([start(), *renamed, near_end(), STOP])[1][1:5] == WORDS


def test_an_event_that_lacks_its_type_goes_by_its_name() -> None:
    bare = Frame("content_block_stop", b'{"index":0}', b"")
    assert names(play([start(), *WORDS[:3], bare, near_end(), STOP])[1])[4] == "content_block_stop"


@pytest.mark.parametrize("said", [b'"half \\ud83d"', b'"bad \xff"'])
def test_json_that_is_not_strict_is_put_right(said: bytes) -> None:
    data = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%b}}' % said
    odd = Frame("content_block_delta", data, b"event: content_block_delta\ndata: %b\n\n" % data)
    _, out = play([start(), *WORDS[:1], odd, *WORDS[1:], near_end(), STOP])
    assert fold(out)["content"][0]["text"].endswith("\ufffdHello there")


# -- failures ------------------------------------------------------------------------------------------

ILLEGAL_WITHIN_TEXT = {
    "second start": start(),
    "delta for nobody": text(5, "lost"),
    "arguments in a text": delta(0, "input_json_delta", partial_json="{}"),
    "a text that is none": text(0, 5),
    "delta that is none": frame_of({"type": "content_block_delta", "index": 0, "delta": 5}),
    "block without a type": begins(1, None),
    "block without an index": begins(None, "text"),
    "block that is none": frame_of({"type": "content_block_start", "index": 1, "content_block": 1}),
    "call without a name": begins(1, "tool_use", name=""),
    "end without a reason": STOP,
    "end that is none": frame_of({"type": "message_delta", "delta": None}),
    "event that is no JSON": Frame("content_block_delta", b'{"type":', b""),
    "nameless event that is no JSON": Frame("message", b"<html>", b""),
}


@pytest.mark.parametrize("name", ILLEGAL_WITHIN_TEXT)
def test_anything_else_ends_the_answer_with_the_block_closed_first(name: str) -> None:
    stream, out = play([start(), *WORDS[:3], ILLEGAL_WITHIN_TEXT[name], *WORDS])
    assert stream.failure == ILLEGAL
    assert names(out[-2:]) == ["content_block_stop", "error"]
    with pytest.raises(FoldError):
        fold(out)


EARLY = frame_of({"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3, "cost": 1}})


@pytest.mark.parametrize("place", range(6))
def test_figures_before_the_end_end_nothing_and_hold_where_the_end_has_none(place: int) -> None:
    frames = [start(), *WORDS, BARE_END, STOP]
    stream, out = play([*frames[: place + 1], EARLY, *frames[place + 1 :]])
    assert out[1:5] == WORDS
    assert names(out[5:]) == ["message_delta", "message_stop"]
    assert fold(out)["stop_reason"] == "end_turn"
    assert (stream.report.usage.output_tokens if stream.report.usage else None, stream.report.cost) == (3, 1)


def test_a_block_after_the_end_was_told_is_illegal() -> None:
    stream, out = play([start(), *WORDS, near_end(), begins(1, "text")])
    assert stream.failure == ILLEGAL
    assert names(out[-2:]) == ["content_block_stop", "error"]


@pytest.mark.parametrize("illegal", [text(0, "x"), frame_of({"type": "message_start", "message": 1}), STOP])
def test_a_failure_before_anything_was_sent_says_nothing(illegal: Frame) -> None:
    stream = new()
    assert stream.feed([start(), illegal, *WORDS]) == []
    assert stream.failure == ILLEGAL
    assert not stream.started


@pytest.mark.parametrize(
    "error",
    [
        frame_of({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        frame_of({"type": "odd", "error": {"message": "busy"}}),
        Frame("message", b'{"error":{"message":"busy"}}', b""),
        Frame("message", b'{"type":["odd"],"error":{"message":"busy"}}', b""),
        frame_of({"type": "error", "message": "busy"}),
    ],
)
def test_an_error_of_the_host_ends_the_answer_in_its_words(error: Frame) -> None:
    _, out = play([start(), *WORDS[:2], error, *WORDS])
    assert names(out[-2:]) == ["content_block_stop", "error"]
    assert msgspec.json.decode(out[-1].data)["error"]["message"] == "busy"


@pytest.mark.parametrize("count", range(5))
def test_a_stream_that_just_stops_is_an_error(count: int) -> None:
    stream, out = play([start(), *WORDS][: count + 1])
    assert stream.failure == CUT
    assert names(out[-1:]) == (["error"] if count else [])


def test_an_end_without_a_reason_is_none() -> None:
    assert play([start(), *WORDS, near_end(None)])[0].failure == CUT


def test_a_held_back_block_that_breaks_off_leaves_no_trace_but_the_error() -> None:
    _, out = play([start(), *WORDS, begins(1, "redacted_thinking", data=host_data(DETAIL))])
    assert names(out[-2:]) == ["content_block_stop", "error"]


@pytest.mark.parametrize("count", range(8))
def test_the_connection_may_fail_in_any_state(count: int) -> None:
    stream = new()
    out = stream.feed([start(), *WORDS, near_end(), STOP][:count])
    check(out + stream.fail(CUT))


# -- anything ------------------------------------------------------------------------------------------

WHOLE = b"".join(frame.raw for frame in [start(), *WORDS, PING, *CALL, *EXTRA, near_end("tool_use"), STOP, DONE])


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12), st.booleans())
def test_where_the_stream_is_cut_never_matters(cuts: list[int], carried: bool) -> None:
    decoder, stream = SseDecoder(), new(carried=carried)
    out: list[Frame] = []
    places = [0, *sorted(cuts), len(WHOLE)]
    for begin, end in pairwise(places):
        out += stream.feed(decoder.feed(WHOLE[begin:end]))
    assert out == new(carried=carried).feed(SseDecoder().feed(WHOLE))
    check(out)


@given(st.integers(0, len(WHOLE)))
def test_a_stream_that_breaks_off_anywhere_is_whole_or_an_error(length: int) -> None:
    decoder, stream = SseDecoder(), new()
    out = stream.feed(decoder.feed(WHOLE[:length]) + decoder.close()) + stream.close()
    check(out)
    if stream.failure is None:
        assert fold(out)["content"][0]["text"] == "Hello there"
    else:
        assert stream.failure == CUT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
INDEX = st.integers(-1, 3)
KINDS = st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking", "novelty", "", None])
DELTA_KINDS = st.sampled_from([
    "text_delta",
    "thinking_delta",
    "signature_delta",
    "input_json_delta",
    "novelty_delta",
    "citations_delta",
])
FIELD_NAMES = st.sampled_from(["text", "thinking", "signature", "partial_json"])
EVENTS = st.sampled_from(["message_start", "content_block_start", "message_delta", "error", "content_block_stop"])
PARTS = st.sampled_from(["index", "delta", "usage", "message", "error", "content_block"])
ANY_FRAME = st.one_of(
    st.sampled_from([start(), PING, STOP, DONE, EARLY, near_end(), near_end("tool_use"), *WORDS, *CALL, *EXTRA]),
    st.builds(begins, INDEX | JSON, KINDS),
    st.builds(lambda i, kind, name, said: delta(i, kind, **{name: said}), INDEX, DELTA_KINDS, FIELD_NAMES, JSON),
    st.builds(ends, INDEX | JSON),
    st.builds(lambda usage, reason: near_end(reason, usage=usage), JSON, JSON),
    st.builds(lambda usage: start(usage=usage), JSON | st.dictionaries(st.sampled_from(list(USAGE)), JSON)),
    st.builds(lambda kind, body: frame_of({**body, "type": kind}), EVENTS, st.dictionaries(PARTS, JSON)),
    st.builds(lambda data: Frame("message", data, b""), st.binary(max_size=8)),
)


@given(st.lists(ANY_FRAME, max_size=14), st.booleans(), st.booleans())
def test_whatever_comes_what_goes_out_is_legal_and_can_be_folded(
    frames: list[Frame], carried: bool, thinking: bool
) -> None:
    stream = new(carried=carried, thinking=thinking)
    out = [told for frame in frames for told in stream.feed([frame])] + stream.close()
    check(out)
    assert stream.over
    if stream.failure is None:
        fold(out)
    elif out:
        with pytest.raises(FoldError):
            fold(out)
