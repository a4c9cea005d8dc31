"""Every quirk of chat streams that was seen in the field, one case each, and what the client is told."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from claude_or.wire.events import (
    BlockStop,
    InputJsonDelta,
    SignatureDelta,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
)
from claude_or.wire.openai import ChatChunk
from tests.translate.script import (
    DONE,
    ESTIMATE,
    SIGNED,
    START,
    begins,
    call,
    chunk,
    detail,
    ends,
    events_of,
    failure_of,
    finish,
    piece,
    play,
    raw_chunk,
    text,
    thought,
    usage,
)

WHOLE = '{"a":1}'


# -- the course of an answer --------------------------------------------------------------------


def test_text_streams_as_it_comes() -> None:
    (
        play()
        .gets(text("Hel"))
        .says(START, begins(TextBlock()), TextDelta(0, "Hel"))
        .gets(text("lo"))
        .says(TextDelta(0, "lo"))
        .gets(finish("stop"))
        .says_nothing()
        .gets(usage(10, 3))
        .says_nothing()
        .gets(DONE)
        .says(BlockStop(0), ends("end_turn", Usage(input_tokens=10, output_tokens=3)))
    )


def test_the_start_is_held_back_until_there_is_a_block() -> None:
    play().gets(chunk({"role": "assistant", "content": ""}), chunk(None), usage(1, 0), text("")).says_nothing()


def test_nothing_is_said_after_the_end() -> None:
    p = play().gets(text("a"), finish("stop"), DONE).skips()
    assert p.translator.over
    p.gets(text("b"), DONE).closes().fails().says_nothing()
    assert p.translator.failure is None


def test_usage_after_the_end_is_still_learned() -> None:
    p = play().gets(text("a"), finish("stop"), DONE, usage(5, 6, cost=0.25)).skips()
    assert p.translator.report.cost == Decimal("0.25")


def test_reasoning_text_and_calls_become_blocks_of_their_own() -> None:
    (
        play()
        .gets(thought("hm"), text("ok"), call(0, "c1", "Read", WHOLE), finish("tool_calls"), DONE)
        .says(
            START,
            begins(ThinkingBlock()),
            ThinkingDelta(0, "hm"),
            SignatureDelta(0, SIGNED),
            BlockStop(0),
            begins(TextBlock(), 1),
            TextDelta(1, "ok"),
            BlockStop(1),
            begins(ToolUseBlock("c1", "Read"), 2),
            InputJsonDelta(2, WHOLE),
            BlockStop(2),
            ends("tool_use"),
        )
    )


def test_each_switch_between_reasoning_and_text_opens_a_block() -> None:
    p = events_of([thought("a"), text("b"), thought("c"), text("d"), finish("stop"), DONE])
    assert p.story == [("a",), "b", ("c",), "d"]


def test_all_in_one_chunk() -> None:
    delta = {"reasoning": "r", "content": "t", "tool_calls": [piece(0, "c", "N", WHOLE)]}
    p = events_of([chunk(delta, finish_reason="tool_calls"), DONE])
    assert p.story == [("r",), "t", ["c", "N", {"a": 1}]]


def test_the_report_says_who_served() -> None:
    served = {"id": "gen-1", "model": "zai/model-2026", "provider": "Z.AI"}
    p = play().gets(
        raw_chunk({**served, "choices": [{"delta": {"content": "a"}}]}),
        raw_chunk({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.1}}),
    )
    report = p.translator.report
    assert (report.generation_id, report.model, report.provider) == ("gen-1", "zai/model-2026", "Z.AI")
    assert report.usage == Usage(input_tokens=9, output_tokens=1, cost=Decimal("0.1"))


def test_a_second_choice_is_left_out_and_listed() -> None:
    two = raw_chunk({"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]})
    p = events_of([two, two, finish("stop"), DONE])
    assert p.story == ["aa"]
    p.loses("a second choice")


# -- how it ends ----------------------------------------------------------------------------------

CALL = call(0, "c", "N", WHOLE)


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        pytest.param([text("a"), finish("stop")], "end_turn", id="stop"),
        pytest.param([text("a"), finish("eos")], "end_turn", id="eos"),
        pytest.param([text("a"), finish("something_new")], "end_turn", id="unknown"),
        pytest.param([text("a"), finish("")], "end_turn", id="empty reason, [DONE]"),
        pytest.param([text("a")], "end_turn", id="no reason, [DONE]"),
        pytest.param([text("a"), finish("tool_calls")], "end_turn", id="tool_calls without a call"),
        pytest.param([text("a"), finish("function_call")], "end_turn", id="function_call without a call"),
        pytest.param([CALL, finish("stop")], "tool_use", id="stop with a call"),
        pytest.param([CALL, finish("tool_calls")], "tool_use", id="tool_calls"),
        pytest.param([CALL, finish("function_call")], "tool_use", id="function_call"),
        pytest.param([CALL], "tool_use", id="no reason with a call"),
        pytest.param([CALL, finish("something_new")], "tool_use", id="unknown with a call"),
        pytest.param([text("a"), finish("length")], "max_tokens", id="length"),
        pytest.param([CALL, finish("length")], "max_tokens", id="length with a call"),
        pytest.param([text("a"), finish("MAX_TOKENS")], "max_tokens", id="MAX_TOKENS"),
        pytest.param([text("a"), finish("model_length")], "model_context_window_exceeded", id="model_length"),
        pytest.param([text("a"), finish("content_filter")], "refusal", id="content_filter"),
        pytest.param([text("a"), finish("sensitive")], "refusal", id="sensitive"),
        pytest.param([text("a"), finish("SAFETY")], "refusal", id="SAFETY"),
        pytest.param([text("a"), finish("stop"), finish("stop")], "end_turn", id="told twice"),
        pytest.param([text("a"), finish("stop"), finish("length")], "max_tokens", id="the last one counts"),
        pytest.param([text("a"), finish("stop"), text("b")], "end_turn", id="text after the reason"),
    ],
)
def test_the_stop_reason(chunks: list[ChatChunk], reason: str) -> None:
    p = events_of([*chunks, DONE])
    assert p.message["stop_reason"] == reason


def test_a_full_window_is_told_apart_from_the_output_limit() -> None:
    def reason(prompt: int, window: int | None) -> str:
        chunks = [text("a"), finish("length"), usage(prompt, 10), DONE]
        return events_of(chunks, context_window=window).message["stop_reason"]

    assert reason(90, 100) == "model_context_window_exceeded"
    assert reason(80, 100) == "max_tokens"
    assert reason(90, None) == "max_tokens"
    chunks = [text("a"), finish("length"), DONE]
    assert events_of(chunks, context_window=1).message["stop_reason"] == "max_tokens"


def test_a_stop_sequence_is_named_when_there_was_only_one() -> None:
    chunks = [text("a"), finish("stop", native_finish_reason="stop_sequence"), DONE]
    one = events_of(chunks, stop_sequences=("END",)).message
    assert (one["stop_reason"], one["stop_sequence"]) == ("stop_sequence", "END")
    two = events_of(chunks, stop_sequences=("END", "FIN")).message
    assert (two["stop_reason"], two["stop_sequence"]) == ("end_turn", None)


def test_an_answer_that_is_only_a_stop_sequence_is_whole() -> None:
    chunks = [finish("stop", native_finish_reason="stop_sequence"), DONE]
    assert events_of(chunks, stop_sequences=("END",)).story == []


def test_a_sequence_the_host_was_not_told_of_cuts_the_text() -> None:
    p = play(cut_at=("STOP", "TOP!")).gets(text("one S"))
    p.says(START, begins(TextBlock()), TextDelta(0, "one "))
    p.gets(text("o ST")).says(TextDelta(0, "So "))
    p.gets(text("OP! two")).says(BlockStop(0), ends("stop_sequence", stop_sequence="STOP"))
    p.gets(text("three"), finish("stop"), DONE).says_nothing()


def test_what_only_looked_like_a_stop_sequence_is_text() -> None:
    options: dict[str, Any] = {"cut_at": ("STOP", "")}
    assert events_of([text("ST"), finish("stop"), DONE], **options).story == ["ST"]
    assert events_of([text("a ST"), thought("x"), text("OP"), DONE], **options).story == ["a ST", ("x",), "OP"]
    assert events_of([text("a ST"), CALL, DONE], **options).story == ["a ST", ["c", "N", {"a": 1}]]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([usage(10, 3), text("a"), finish("stop")], id="before"),
        pytest.param([text("a"), usage(10, 3), finish("stop")], id="in the middle"),
        pytest.param([text("a"), finish("stop"), usage(10, 3)], id="after"),
        pytest.param([usage(10, 1), text("a"), usage(10, 2), finish("stop"), usage(10, 3)], id="again and again"),
        pytest.param(
            [text("a"), finish("stop"), usage(10, 3), raw_chunk({"choices": [], "usage": {}})], id="then none"
        ),
        pytest.param(
            [text("a"), finish("stop", usage={"prompt_tokens": 10, "completion_tokens": 3})], id="inside the choice"
        ),
        pytest.param(
            [
                text("a"),
                raw_chunk({
                    "choices": [{"delta": {}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 3},
                }),
            ],
            id="with the reason",
        ),
    ],
)
def test_usage_may_come_anywhere(chunks: list[ChatChunk]) -> None:
    p = events_of([*chunks, DONE])
    assert p.message["usage"]["input_tokens"] == 10
    assert p.message["usage"]["output_tokens"] == 3


def test_a_cost_once_told_is_kept() -> None:
    p = events_of([text("a"), usage(10, 2, cost=0.5), usage(10, 3), finish("stop"), DONE])
    assert p.translator.report.cost == Decimal("0.5")
    assert p.message["usage"]["cost"] == 0.5


def test_without_usage_it_is_estimated() -> None:
    figures = events_of([text("x" * 41), finish("stop"), DONE]).message["usage"]
    assert (figures["input_tokens"], figures["output_tokens"]) == (ESTIMATE, 11)


def test_a_whole_prompt_from_the_cache_is_no_missing_figure() -> None:
    cached = usage(10, 1, prompt_tokens_details={"cached_tokens": 10})
    figures = events_of([text("x"), finish("stop"), cached, DONE]).message["usage"]
    assert (figures["input_tokens"], figures["cache_read_input_tokens"]) == (0, 10)


def test_closing_without_done_after_a_reason_is_an_end() -> None:
    p = play().gets(text("a"), finish("stop"))
    assert p.translator.finished
    p.skips().closes().says(BlockStop(0), ends("end_turn"))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([text("a")], id="inside text"),
        pytest.param([thought("a")], id="inside reasoning"),
        pytest.param([call(0, "c", "N", '{"a')], id="inside arguments"),
        pytest.param([CALL], id="after a call"),
        pytest.param([text("a"), usage(1, 1)], id="usage is no end"),
    ],
)
def test_a_cut_answer_is_a_failure_and_closes_what_is_open(chunks: list[ChatChunk]) -> None:
    p = play().gets(*chunks)
    assert not p.translator.finished
    p.skips().closes()
    failure = p.translator.failure
    assert failure is not None
    assert failure.kind == "api"
    p.says(BlockStop(0), StreamError(failure)).fails_with("the answer broke off before its end")


@pytest.mark.parametrize("chunks", [[], [text("")], [text(" \n")], [call(0, "c", "N", "")]])
def test_a_cut_before_anything_was_sent_says_nothing(chunks: list[ChatChunk]) -> None:
    p = play().gets(*chunks).closes().says_nothing().fails_with("the answer broke off before its end")
    assert not p.translator.started


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([finish("stop")], id="nothing"),
        pytest.param([], id="only [DONE]"),
        pytest.param([text("\n\n"), finish("stop")], id="blank text"),
        pytest.param([finish("tool_calls")], id="tool_calls without a call"),
    ],
)
def test_an_empty_answer_is_a_failure(chunks: list[ChatChunk]) -> None:
    p = play().gets(*chunks, DONE).says_nothing().fails_with("the model's answer was empty")
    assert p.translator.failure is not None
    assert p.translator.failure.should_retry


@pytest.mark.parametrize(("reason", "stop"), [("length", "max_tokens"), ("content_filter", "refusal")])
def test_an_empty_answer_with_a_reason_to_be_empty_is_whole(reason: str, stop: Any) -> None:
    play().gets(finish(reason), DONE).says(START, ends(stop))


def test_a_refusal_is_text_with_its_own_reason() -> None:
    p = events_of([chunk({"refusal": "I "}), chunk({"refusal": "won't"}), finish("stop"), DONE])
    assert p.story == ["I won't"]
    assert p.message["stop_reason"] == "refusal"
    assert p.message["stop_details"]["explanation"] == "I won't"


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        pytest.param({"error": {"code": 502, "message": "x"}}, id="without choices"),
        pytest.param({"error": {"code": "502", "message": "x"}, "choices": []}, id="code as text"),
        pytest.param(
            {"error": {"message": "x"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
            id="with choices",
        ),
        pytest.param({"choices": [{"delta": {"content": "y"}, "error": {"message": "x"}}]}, id="inside the choice"),
        pytest.param({"error": "x"}, id="as text"),
    ],
)
def test_an_error_inside_the_stream_ends_it(error: dict[str, Any]) -> None:
    p = play().gets(text("a")).skips().gets(raw_chunk(error))
    p.says(BlockStop(0), StreamError(failure_of({"message": "x"}))).fails_with("x")
    p.gets(text("b"), DONE).closes().says_nothing()
    play().gets(raw_chunk(error)).says_nothing().fails_with("x")


@pytest.mark.parametrize("reason", ["insufficient_system_resource", "network_error", "abort", "ERROR"])
def test_a_reason_by_which_a_host_says_that_it_broke_off_is_never_an_end(reason: str) -> None:
    p = play().gets(text("a"), finish(reason))
    assert p.translator.failure is not None
    assert isinstance(p.all[-1], StreamError)
    assert reason in p.translator.failure.message or reason == "ERROR"
    assert play().gets(finish(reason)).closes().all == []


def test_a_finish_reason_error_without_an_error_object() -> None:
    native = {"native_finish_reason": "MALFORMED_FUNCTION_CALL"}
    play().gets(text("a"), finish("error", **native)).fails_with("the model stopped with MALFORMED_FUNCTION_CALL")
    play().gets(finish("error")).says_nothing().fails_with("the model stopped with an error")


def test_an_empty_error_object_is_none() -> None:
    assert events_of([raw_chunk({"error": {}, "choices": [{"delta": {"content": "a"}}]}), DONE]).story == ["a"]


def test_failing_from_outside() -> None:
    play().gets(text("a")).skips().fails("reset").says(BlockStop(0), StreamError(failure_of({"message": "reset"})))
    play().gets(text("")).fails("reset").says_nothing().fails_with("reset")


# -- blank text -----------------------------------------------------------------------------------


def test_blank_text_waits_for_text() -> None:
    play().gets(text("\n"), text(" ")).says_nothing().gets(text("a")).says(
        START, begins(TextBlock()), TextDelta(0, "\n a")
    )


def test_blank_text_alone_opens_no_block() -> None:
    p = events_of([thought("a"), text("\n"), thought("b"), text("\n\n"), CALL, text(" "), finish("tool_calls"), DONE])
    assert p.story == [("ab",), ["c", "N", {"a": 1}]]


# -- tool calls -----------------------------------------------------------------------------------


def test_arguments_stream_as_they_come() -> None:
    (
        play()
        .gets(call(0, "c1", "Write", ""))
        .says_nothing()
        .gets(call(0, args='{"a'))
        .says(START, begins(ToolUseBlock("c1", "Write")), InputJsonDelta(0, '{"a'))
        .gets(call(0, args='":1}'))
        .says(InputJsonDelta(0, '":1}'))
        .gets(finish("tool_calls"), DONE)
        .says(BlockStop(0), ends("tool_use"))
    )


def test_the_next_call_streams_as_soon_as_the_one_before_is_whole() -> None:
    (
        play()
        .gets(call(0, "c1", "A", '{"a":'), call(1, "c2", "B", '{"b'))
        .says(START, begins(ToolUseBlock("c1", "A")), InputJsonDelta(0, '{"a":'))
        .gets(call(1, args='":'))
        .says_nothing()
        .gets(call(0, args="1}"))
        .says(
            InputJsonDelta(0, "1}"),
            BlockStop(0),
            begins(ToolUseBlock("c2", "B"), 1),
            InputJsonDelta(1, '{"b'),
            InputJsonDelta(1, '":'),
        )
        .gets(call(1, args="2}"))
        .says(InputJsonDelta(1, "2}"))
        .gets(finish("tool_calls"), DONE)
        .says(BlockStop(1), ends("tool_use"))
    )


def test_text_and_reasoning_between_interleaved_calls_keep_their_place() -> None:
    p = events_of([
        call(0, "c1", "A", '{"a":'),
        text("wait"),
        call(1, "c2", "B", '{"b":'),
        thought("hm"),
        text("ing"),
        call(1, args="2}"),
        call(0, args="1}"),
        text("!"),
        finish("tool_calls"),
        DONE,
    ])
    assert p.story == [["c1", "A", {"a": 1}], "wait", ["c2", "B", {"b": 2}], ("hm",), "ing!"]


def test_three_calls_finished_in_reverse() -> None:
    starts = [call(i, f"c{i}", "N", '{"i":') for i in range(3)]
    rest = [call(i, args=f"{i}}}") for i in (2, 1, 0)]
    p = events_of([*starts, *rest, finish("tool_calls"), DONE])
    assert p.story == [[f"c{i}", "N", {"i": i}] for i in range(3)]


def test_a_call_behind_one_that_is_never_whole_is_written_at_the_end() -> None:
    p = events_of([call(0, "c1", "A", ""), call(1, "c2", "B", WHOLE), finish("tool_calls"), DONE])
    assert p.story == [["c1", "A", {}], ["c2", "B", {"a": 1}]]


QUIRKS: list[Any] = [
    pytest.param([call(0, "c", "N", WHOLE)], [["c", "N", {"a": 1}]], id="arguments whole"),
    pytest.param([call(0, "c", "N")], [["c", "N", {}]], id="arguments missing"),
    pytest.param([call(0, "c", "N", "")], [["c", "N", {}]], id="arguments empty"),
    pytest.param([call(0, "c", "N", "{}")], [["c", "N", {}]], id="arguments an empty object"),
    pytest.param([call(0, "c", "N", " { } ")], [["c", "N", {}]], id="arguments a blank object"),
    pytest.param([call(0, "c", "N", "null")], [["c", "N", {}]], id="arguments null as text"),
    pytest.param([call(0, "c", "N", "[]")], [["c", "N", {}]], id="arguments an empty list"),
    pytest.param([call(0, "c", "N", '""')], [["c", "N", {}]], id="arguments an empty string"),
    pytest.param([call(0, "c", "N", {"a": 1})], [["c", "N", {"a": 1}]], id="arguments an object"),
    pytest.param(
        [call(0, "c", "N", '"{\\"a\\":'), call(0, args='1}"')], [["c", "N", {"a": 1}]], id="arguments in a string"
    ),
    pytest.param([call(0, "c", "N", "{}"), call(0, args=WHOLE)], [["c", "N", {"a": 1}]], id="an empty object first"),
    pytest.param([call(0, "c", "N", "{"), call(0, args='"a":1}')], [["c", "N", {"a": 1}]], id="a brace first"),
    pytest.param([call(0, "c", "N", "\n "), call(0, args=WHOLE)], [["c", "N", {"a": 1}]], id="white space first"),
    pytest.param([call(0, "c", "N", WHOLE), call(0, args=" \n")], [["c", "N", {"a": 1}]], id="white space after"),
    pytest.param(
        [call(0, "c", "N", '{"a":"x\ny\tz"}')], [["c", "N", {"a": "x\ny\tz"}]], id="raw control characters in a string"
    ),
    pytest.param(
        [call(0, "c", "N", '{"a":"}\\'), call(0, args='"{"}')], [["c", "N", {"a": '}"{'}]], id="cut inside an escape"
    ),
    pytest.param(
        [call(0, args='{"a"'), call(0, "c", "N", ":1}")], [["c", "N", {"a": 1}]], id="arguments before the name"
    ),
    pytest.param([call(0, "c", "", ""), call(0, name="N", args=WHOLE)], [["c", "N", {"a": 1}]], id="name late"),
    pytest.param([call(0, None, "N", ""), call(0, "c", None, WHOLE)], [["c", "N", {"a": 1}]], id="id late"),
    pytest.param([call(0, None, "N", WHOLE)], [["new_0", "N", {"a": 1}]], id="no id"),
    pytest.param([call(0, "", "N", WHOLE)], [["new_0", "N", {"a": 1}]], id="id empty"),
    pytest.param(
        [call(0, "c", "N", '{"a"'), call(0, "c", "N", ":1}")], [["c", "N", {"a": 1}]], id="id and name on each piece"
    ),
    pytest.param(
        [call(0, "c", "N", '{"a"'), call(0, "d", "N", ":1}")], [["c", "N", {"a": 1}]], id="a new id on each piece"
    ),
    pytest.param(
        [call(0, "c", "N", '{"a"'), call(0, "d", "", ":1}")],
        [["c", "N", {"a": 1}]],
        id="a new id with an empty name on each piece",
    ),
    pytest.param(
        [call(0, "c", "N", '{"a"'), call(1, "c", None, ":1}")],
        [["c", "N", {"a": 1}]],
        id="the index shifts, the id stays",
    ),
    pytest.param(
        [call(0, "c", "N", '{"a"'), call(1, None, None, ":1}")], [["c", "N", {"a": 1}]], id="the index shifts, no id"
    ),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(0, "d", "M", '{"b":2}')],
        [["c", "N", {"a": 1}], ["d", "M", {"b": 2}]],
        id="index 0 for all",
    ),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(0, "d", "N", '{"b":2}')],
        [["c", "N", {"a": 1}], ["d", "N", {"b": 2}]],
        id="index 0 for all, same tool",
    ),
    pytest.param(
        [call(0, None, "N", WHOLE), call(0, None, "M", '{"b":2}')],
        [["new_0", "N", {"a": 1}], ["new_1", "M", {"b": 2}]],
        id="index 0 for all, no ids",
    ),
    pytest.param(
        [call(0, None, "N", WHOLE), call(0, None, "N", '{"b":2}')],
        [["new_0", "N", {"a": 1}], ["new_1", "N", {"b": 2}]],
        id="index 0 for all, no ids, same tool",
    ),
    pytest.param(
        [call(0, "c", "N", ""), call(0, "d", "N", WHOLE)],
        [["c", "N", {}], ["d", "N", {"a": 1}]],
        id="index 0 for all, the first without arguments",
    ),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(0, "d", "", ""), call(0, None, "M", '{"b":2}')],
        [["c", "N", {"a": 1}], ["d", "M", {"b": 2}]],
        id="index 0 for all, the name later than the id",
    ),
    pytest.param(
        [call(None, "c", "N", '{"a"'), call(args=":1}")], [["c", "N", {"a": 1}]], id="no index: goes to the last call"
    ),
    pytest.param(
        [
            call(None, "c", "N", '{"a"'),
            call(None, "d", "N", '{"b"'),
            call(None, "c", args=":1}"),
            call(None, "d", args=":2}"),
        ],
        [["c", "N", {"a": 1}], ["d", "N", {"b": 2}]],
        id="no index: ids tell the calls apart",
    ),
    pytest.param(
        [chunk({"tool_calls": [piece(None, "c", "N", WHOLE), piece(None, "d", "M", "{}")]})],
        [["c", "N", {"a": 1}], ["d", "M", {}]],
        id="no index: two whole calls at once",
    ),
    pytest.param([call(args='{"a"'), call(None, "c", "N", ":1}")], [["c", "N", {"a": 1}]], id="no index, name late"),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(1, "c", "N", '{"b":2}')],
        [["c", "N", {"a": 1}], ["new_0", "N", {"b": 2}]],
        id="the same id twice",
    ),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(0, "c", "N", WHOLE)], [["c", "N", {"a": 1}]], id="the whole call repeated"
    ),
    pytest.param([call(0, "c", "N", WHOLE), call(0, args=WHOLE)], [["c", "N", {"a": 1}]], id="the arguments repeated"),
    pytest.param(
        [call(0, "c", "N", WHOLE), call(1, "junk", "", "")], [["c", "N", {"a": 1}]], id="an empty call without a name"
    ),
    pytest.param(
        [chunk({"function_call": {"name": "N", "arguments": '{"a"'}}), chunk({"function_call": {"arguments": ":1}"}})],
        [["new_0", "N", {"a": 1}]],
        id="old function_call",
    ),
    pytest.param(
        [call(7, "c", "N", WHOLE), call(3, "d", "M", "{}")], [["c", "N", {"a": 1}], ["d", "M", {}]], id="gaps"
    ),
]


@pytest.mark.parametrize(("chunks", "story"), QUIRKS)
def test_a_call_of_any_shape(chunks: list[ChatChunk], story: list[Any]) -> None:
    p = events_of([*chunks, finish("tool_calls"), DONE])
    assert p.story == story
    assert p.translator.failure is None


def test_a_name_in_pieces_is_put_together_when_the_tools_are_known() -> None:
    chunks = [call(0, "c", "get_"), call(0, None, "weather"), call(0, args=WHOLE), finish("tool_calls"), DONE]
    known = {"get_weather", "list"}.__contains__
    assert events_of(chunks, is_tool=known).story == [["c", "get_weather", {"a": 1}]]
    two = [call(0, None, "list"), call(0, None, "weather", WHOLE), DONE]
    assert events_of(two, is_tool=known).story == [["new_0", "list", {}], ["new_1", "weather", {"a": 1}]]


def test_names_and_ids_are_turned_outward() -> None:
    p = events_of(
        [call(0, "functions.N:0", "short", WHOLE), DONE],
        name_out={"short": "a_very_long_name"}.__getitem__,
        id_out=lambda call_id: call_id.replace(".", "_").replace(":", "_"),
    )
    assert p.story == [["functions_N_0", "a_very_long_name", {"a": 1}]]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"a":', id="not whole"),
        pytest.param('{"a"}', id="no value"),
        pytest.param('{"a":1]', id="brackets mixed"),
        pytest.param("[1]", id="a list"),
        pytest.param("7", id="a number"),
        pytest.param("<a>1</a>", id="no JSON"),
        pytest.param('{"a":NaN}', id="not a number"),
        pytest.param('"{\\"a"', id="half an object in a string"),
    ],
)
def test_arguments_that_are_no_object_are_a_failure(arguments: str) -> None:
    p = play().gets(text("x"), call(0, "c", "N", arguments), finish("tool_calls")).skips()
    p.gets(DONE).fails_with("the model sent tool arguments that are no JSON object")


def test_a_piece_of_nobody_that_completes_nothing_is_no_arguments() -> None:
    p = play().gets(call(0, "c", "N", '{"a"'), call(1, None, None, "1}"), finish("tool_calls"), DONE)
    p.fails_with("the model sent tool arguments that are no JSON object")


def test_a_call_without_a_name_is_never_shown() -> None:
    p = play().gets(text("x"), call(0, "c", None, WHOLE), finish("tool_calls"), DONE)
    p.fails_with("the model called a tool without naming it")
    whole = events_of([text("x"), call(0, "c", "N", WHOLE), call(1, "d", "", " "), finish("tool_calls"), DONE])
    whole.loses("a call without a name")


def test_text_after_the_arguments_is_left_out_and_listed() -> None:
    p = events_of([call(0, "c", "N", WHOLE + "}"), call(0, args="</tool_call>"), finish("tool_calls"), DONE])
    assert p.story == [["c", "N", {"a": 1}]]
    p.loses("text after the end of a call's arguments")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_the_limit_may_cut_a_call(reason: str) -> None:
    p = events_of([call(0, "c", "N", '{"a":"ha'), finish(reason), DONE])
    # Half of the arguments reach a streaming client as they do from the API; a folded answer has none of them.
    assert p.story == [["c", "N", {}]]
    assert p.all[2] == InputJsonDelta(0, '{"a":"ha')


@pytest.mark.parametrize("arguments", ["", "{", '"{\\"a'])
def test_a_call_that_the_limit_cut_before_its_arguments_is_left_out(arguments: str) -> None:
    p = events_of([text("x"), call(0, "c", "N", arguments), call(1), finish("length"), DONE])
    assert p.story == ["x"]
    assert "a call cut before its arguments" in p.translator.losses


def test_a_call_that_was_whole_before_the_limit_is_kept() -> None:
    p = events_of([
        call(0, "c", "N", "{}"),
        call(1, "d", "M", '{"a":1}'),
        call(2, None, None, "{"),
        finish("length"),
        DONE,
    ])
    assert p.story == [["c", "N", {}], ["d", "M", {"a": 1}]]


def test_a_lone_surrogate_in_the_arguments_passes() -> None:
    p = play().gets(call(0, "c", "N", '{"a":"\\ud83d"}'), finish("tool_calls"), DONE)
    assert p.translator.failure is None


def test_arguments_nested_without_end_are_a_failure_not_a_crash() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    play().gets(call(0, "c", "N", deep), DONE).fails_with("the model sent tool arguments that are no JSON object")


# -- reasoning ------------------------------------------------------------------------------------


def test_details_and_plain_text_that_tell_the_same_are_shown_once() -> None:
    p = events_of([thought("a"), thought("b"), text("x"), DONE])
    assert p.story == [("ab",), "x"]
    assert p.carried[0].details == [{"type": "reasoning.text", "text": "ab", "index": 0}]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_plain_reasoning(field: str) -> None:
    p = events_of([chunk({field: "a"}), chunk({field: "b", "content": ""}), text("x"), DONE])
    assert p.story == [("ab",), "x"]
    assert (p.carried[0].details, p.carried[0].text) == (None, "ab")


def test_reasoning_wins_over_reasoning_content() -> None:
    assert events_of([chunk({"reasoning": "a", "reasoning_content": "a"}), text("x"), DONE]).story == [("a",), "x"]


def test_reasoning_told_again_at_the_end_is_not_shown_again() -> None:
    again = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "ab", "signature": "S"}]})
    p = events_of([chunk({"reasoning": "a"}), chunk({"reasoning": "b"}), again, text("x"), DONE])
    assert p.story == [("ab",), "x"]
    assert p.carried[0].details == [{"type": "reasoning.text", "text": "ab", "signature": "S"}]
    told = events_of([thought("a"), thought("b"), chunk({"reasoning": "ab"}), text("x"), DONE])
    assert told.story == [("ab",), "x"]


def test_redacted_reasoning_is_never_shown() -> None:
    secret = {"type": "reasoning.encrypted", "data": "x", "id": "r"}
    p = events_of([chunk({"reasoning": "[REDACTED]", "reasoning_details": [secret]}), text("x"), DONE])
    assert p.story == [("",), "x"]
    assert p.carried[0].details == [secret]


def test_a_signature_alone_belongs_to_the_text_before_it() -> None:
    p = events_of([thought("a"), detail("text", signature="S", index=0), text("x"), DONE])
    assert p.story == [("a",), "x"]
    assert p.carried[0].details == [{"type": "reasoning.text", "text": "a", "index": 0, "signature": "S"}]


def test_a_signature_that_comes_after_text_began_travels_before_the_call() -> None:
    p = events_of([thought("a"), text("x"), detail("text", signature="S", index=0), text("y"), CALL, DONE])
    assert p.story == [("a",), "xy", ("",), ["c", "N", {"a": 1}]]
    assert p.carried[1].details == [{"type": "reasoning.text", "signature": "S", "index": 0}]


def test_reasoning_for_a_later_call_trails_the_calls() -> None:
    late = detail("encrypted", data="x", id="d")
    p = events_of([CALL, late, call(1, "d", "M", "{}"), text("t"), finish("tool_calls"), DONE])
    assert p.story == [["c", "N", {"a": 1}], ["d", "M", {}], "t", ("",)]
    assert p.carried[0].details == [{"type": "reasoning.encrypted", "data": "x", "id": "d"}]


def test_reasoning_after_the_final_text_is_left_out_and_listed() -> None:
    p = events_of([text("x"), detail("encrypted", data="y"), finish("stop"), DONE])
    assert p.story == ["x"]
    p.loses("reasoning that came after the text it belongs to")


def test_reasoning_that_ends_the_answer_is_signed() -> None:
    p = events_of([thought("a"), detail("encrypted", data="y"), finish("length"), DONE])
    assert p.story == [("a",)]
    assert len(p.carried[0].details or []) == 2


def test_encrypted_reasoning_of_an_answer_cut_before_its_text_is_kept() -> None:
    p = events_of([detail("encrypted", data="y"), finish("length"), DONE])
    assert p.story == [("",)]


def test_summaries_are_shown_and_encrypted_details_carried_beside_them() -> None:
    p = events_of([detail("summary", summary="s", index=0), detail("encrypted", data="y", id="r"), text("x"), DONE])
    assert p.story == [("s",), "x"]
    assert p.carried[0].details == [
        {"type": "reasoning.summary", "summary": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "y", "id": "r"},
    ]


def test_an_empty_array_is_carried_before_a_call() -> None:
    empty = chunk({"content": "", "reasoning_details": []})
    p = events_of([empty, CALL, DONE])
    assert p.story == [("",), ["c", "N", {"a": 1}]]
    assert p.carried[0].details == []
    # Without a call nobody asks for it again.
    assert events_of([empty, text("x"), DONE]).story == ["x"]


def test_thinking_that_is_not_shown_is_a_signed_empty_block() -> None:
    (
        play(show_thinking=False)
        .gets(thought("a"))
        .says(START, begins(ThinkingBlock()))
        .gets(thought("b"), text("x"))
        .says(SignatureDelta(0, SIGNED), BlockStop(0), begins(TextBlock(), 1), TextDelta(1, "x"))
    )
    p = events_of([thought("a"), thought("b"), text("x"), DONE], show_thinking=False)
    assert p.carried[0].details == [{"type": "reasoning.text", "text": "ab", "index": 0}]
    plain = events_of([chunk({"reasoning": "ab"}), text("x"), DONE], show_thinking=False)
    assert (plain.story, plain.carried[0].text) == ([("",), "x"], "ab")


def test_what_the_signature_could_not_hold_is_listed() -> None:
    noise = random.Random(7).randbytes(3000).hex()
    p = events_of([detail("encrypted", data=noise), text("x"), DONE], limit=2000)
    p.loses("reasoning: 1 of 1 entries left out, over 2000 characters packed")


# -- what stands beside the text --------------------------------------------------------------------


def cites(*urls: str, **more: Any) -> ChatChunk:
    annotations = [{"type": "url_citation", "url_citation": {"url": url, **more}} for url in urls]
    return chunk({"content": "", "annotations": annotations})


def test_links_follow_the_text_once_each() -> None:
    p = events_of([text("x"), cites("https://a", title="A [1]\n"), cites("https://a", "https://b"), DONE])
    assert p.story == ["x\n\nSources:\n- [A (1)](https://a)\n- [https://b](https://b)"]
    assert [link.url for link in p.translator.citations.found] == ["https://a", "https://b"]


def test_links_without_text() -> None:
    assert events_of([cites("https://a"), DONE]).story == ["Sources:\n- [https://a](https://a)"]


def test_links_beside_a_call_are_listed_as_lost() -> None:
    events_of([text("x"), cites("https://a"), CALL, DONE]).loses("links to sources")


@pytest.mark.parametrize("odd", [{"type": "file"}, {}, {"type": "url_citation", "url_citation": 3}, {"url": ""}])
def test_other_annotations_are_listed_as_lost(odd: dict[str, Any]) -> None:
    p = events_of([chunk({"content": "x", "annotations": [odd]}), DONE])
    assert p.story == ["x"]
    p.loses("an annotation that is no link")


def test_pictures_and_sound_are_listed_and_pictures_leave_a_note() -> None:
    images: list[Any] = [
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"image_url": "data:image/png;base64,xx"},
    ]
    p = events_of([chunk({"content": "x", "images": images, "audio": {"id": "a"}}), DONE])
    (shown,) = p.story
    assert shown.startswith("x\n![picture](https://a/b.png)\n")
    assert "base64" not in shown
    p.loses("a picture in the answer", "sound in the answer")
