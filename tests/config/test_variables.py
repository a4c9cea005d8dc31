"""Variables in one scalar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.config.variables import VariableProblem, interpolate

ENVIRON = {"A": "one", "EMPTY": "", "SLY": "${A} $A"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("${A}", "one"),
        ("$A/x:$A", "one/x:one"),
        ("x${A}y", "xoney"),
        ("${NOT_SET:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY}", ""),
        ("${NOT_SET:-}", ""),
        ("$$A", "$A"),
        ("$$${A}", "$one"),
        ("^end$ $5 $", "^end$ $5 $"),
        ("${SLY}", "${A} $A"),
    ],
)
def test_references_are_replaced_once(text: str, becomes: str) -> None:
    assert interpolate(text, ENVIRON, {}) == becomes


@pytest.mark.parametrize(
    "text", ["${NOT_SET}", "$NOT_SET", "${", "${A", "${1}", "${A:x}", "${NOT_SET:-${A}}", "${A:-${A}}"]
)
def test_what_cannot_be_followed_is_told(text: str) -> None:
    with pytest.raises(VariableProblem):
        interpolate(text, ENVIRON, {})


def test_what_was_used_is_known() -> None:
    used: dict[str, str | None] = {}
    interpolate("$A ${NOT_SET:-x}", ENVIRON, used)
    assert used == {"A": "one", "NOT_SET": None}


@given(st.text())
def test_a_value_is_never_read_again(value: str) -> None:
    assert interpolate("<$A>", {"A": value}, {}) == f"<{value}>"
