"""A version outside the tested range is remarked on, one inside is not."""

from __future__ import annotations

import pytest

from claude_or.session import versions
from claude_or.session.versions import remark_on


@pytest.fixture(autouse=True)
def _range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "OLDEST", "2.1.90")
    monkeypatch.setattr(versions, "NEWEST", "2.1.330")


@pytest.mark.parametrize("version", ["2.1.90", "2.1.100", "2.1.330", "2.1.330-beta.1", "", "next", "2.x"])
def test_a_tested_or_unreadable_version_needs_no_remark(version: str) -> None:
    assert remark_on(version) == ""


@pytest.mark.parametrize(
    ("version", "word"),
    [("2.1.9", "older"), ("1.0.128", "older"), ("2.1.331", "newer"), ("2.2.0", "newer"), ("10.0.0", "newer")],
)
def test_any_other_is_said_to_be_older_or_newer(version: str, word: str) -> None:
    assert remark_on(version) == (
        f"Claude Code {version} is {word} than what claude-or was tested with (2.1.90 to 2.1.330)"
    )


def test_the_range_is_one() -> None:
    assert remark_on(versions.OLDEST) == remark_on(versions.NEWEST) == ""
