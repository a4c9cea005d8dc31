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

ELSEWHERE: dict[str, str] = {}
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
