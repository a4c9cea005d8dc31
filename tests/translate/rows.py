"""Every row of the Messages API that a proxy has to answer for, and the tie between rows and tests.

A row's id is the section of the mapping and the field, block, tool or status it is about. A test says which rows it shows with
`@shows(...)`; an unknown id fails at import, and `test_rows.py` fails when a row is shown by no test. Tests of other
packages are named in `ELSEWHERE`, by file and function, because they do not import this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Test = TypeVar("_Test", bound=Callable[..., Any])

FIELDS = {
    "field": (
        "model messages max_tokens system stream stop_sequences temperature top_p top_k tools tool_choice thinking "
        "output_config.effort output_config.format output_config.task_budget metadata service_tier speed inference_geo "
        "cache_control container diagnostics context_management compaction mcp_servers thread fallbacks "
        "fallback_credit_token headers unknown"
    ),
    "list": (
        "consecutive_roles system_in_the_middle tool_result_order call_without_result result_without_call prefill empty tool_ids"
    ),
    "block": (
        "text image document search_result tool_use tool_result thinking redacted_thinking server_tools container_upload "
        "compaction tool_changes cache_control unknown"
    ),
    "tool": "custom bash text_editor memory computer toolsets web_search other_server_tools unknown",
    "name": "long illegal",
    "schema": "all gemini strict top_level too_many",
    "deferred": "stripped placeholder offered_on_reference reference_text appended",
    "answer": "id model content stop_reason stop_sequence stop_details usage container",
    "finish": "stop tool_calls length content_filter error cut",
    "stream": "G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 G13 chunks tool_call_identity reasoning",
    "error": "400 overflow 401 402 403 404 408 413 429 500 503 other never_leaks body headers",
    "endpoint": "models model model_shape count_tokens root elsewhere wrong_method",
}

ROWS = frozenset(f"{section} {name}" for section, names in FIELDS.items() for name in names.split())

SHOWN: dict[str, list[str]] = {}
"""Row → tests that show it, filled as the test modules are imported."""

_STREAM = "translate/test_stream.py::"
_EVENTS = "wire/test_events.py::"
_DOOR = "proxy/test_app.py::test_what_is_not_there_says_so_in_the_apis_shape"
_GRAMMAR = "translate/test_stream_properties.py::test_the_grammar_holds_for_any_chunks_and_any_stop"

ELSEWHERE: dict[str, str] = {
    "endpoint root": "proxy/test_app.py::test_health_is_public_and_says_little",
    "endpoint elsewhere": _DOOR,
    "endpoint wrong_method": _DOOR,
    "answer id": _EVENTS + "test_a_whole_stream_folds_into_the_message_it_tells",
    "answer model": _EVENTS + "test_a_whole_stream_folds_into_the_message_it_tells",
    "answer content": _STREAM + "test_reasoning_text_and_calls_become_blocks_of_their_own",
    "answer stop_reason": _STREAM + "test_the_stop_reason",
    "answer stop_sequence": _STREAM + "test_a_stop_sequence_is_named_when_there_was_only_one",
    "answer stop_details": _STREAM + "test_a_refusal_is_text_with_its_own_reason",
    "answer usage": "wire/test_openai.py::test_usage",
    "answer container": _EVENTS + "test_an_event_is_written_as_the_api_writes_it",
    "finish stop": _STREAM + "test_the_stop_reason",
    "finish tool_calls": _STREAM + "test_the_stop_reason",
    "finish length": _STREAM + "test_a_full_window_is_told_apart_from_the_output_limit",
    "finish content_filter": _STREAM + "test_a_refusal_is_text_with_its_own_reason",
    "finish error": _STREAM + "test_a_finish_reason_error_without_an_error_object",
    "finish cut": _STREAM + "test_a_cut_answer_is_a_failure_and_closes_what_is_open",
    "stream G1": _EVENTS + "test_an_event_is_written_as_the_api_writes_it",
    "stream G2": _STREAM + "test_the_start_is_held_back_until_there_is_a_block",
    "stream G3": _GRAMMAR,
    "stream G4": _GRAMMAR,
    "stream G5": _EVENTS + "test_an_event_is_written_as_the_api_writes_it",
    "stream G6": _STREAM + "test_a_signature_alone_belongs_to_the_text_before_it",
    "stream G7": _STREAM + "test_a_call_of_any_shape",
    "stream G8": _STREAM + "test_usage_may_come_anywhere",
    "stream G9": _STREAM + "test_nothing_is_said_after_the_end",
    "stream G10": _STREAM + "test_an_error_inside_the_stream_ends_it",
    "stream G11": _EVENTS + "test_an_event_is_written_as_the_api_writes_it",
    "stream G12": _GRAMMAR,
    "stream G13": _STREAM + "test_links_follow_the_text_once_each",
    "stream chunks": "wire/test_openai.py::test_a_chunk_of_any_shape_is_read",
    "stream tool_call_identity": _STREAM + "test_a_call_of_any_shape",
    "stream reasoning": _STREAM + "test_details_and_plain_text_that_tell_the_same_are_shown_once",
}
"""Row → `path/from/tests.py::function` for rows that belong to other parts."""


def shows(*rows: str) -> Callable[[_Test], _Test]:
    """Mark a test as showing these rows."""
    unknown = set(rows) - ROWS
    assert not unknown, f"no such rows: {sorted(unknown)}"

    def mark(test: _Test) -> _Test:
        for row in rows:
            SHOWN.setdefault(row, []).append(f"{test.__module__}::{test.__name__}")
        return test

    return mark
