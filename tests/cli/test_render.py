"""What people and programs get to see of a result."""

from __future__ import annotations

import io
import json
import re

import pytest

from claude_or.cli.render import show
from claude_or.cli.result import Column, CommandResult, Finding, Table, counted, exit_code_of

RESULT = CommandResult(
    "look",
    data={"n": 1},
    tables=(
        Table(
            "Things",
            (Column("name"), Column("count", is_number=True), Column("about", is_prose=True)),
            (
                ("a/very-long-name-that-stays-whole", "1", "several words of prose"),
                ("b", "22", "[bold]no markup[/bold]"),
            ),
        ),
    ),
    findings=(Finding("error", "key", "it is wrong", "more\nlines", "do this"), Finding("ok", "host", "fine")),
    summary="1 error.",
    exit_code=1,
)


class Terminal(io.StringIO):
    """A terminal as far as rich asks."""

    def isatty(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "utf-8"


def shown(result: CommandResult = RESULT, out: io.StringIO | None = None, *, as_json: bool = False) -> str:
    out = out or io.StringIO()
    assert show(result, as_json=as_json, out=out) == result.exit_code
    return out.getvalue()


def test_json_is_versioned_and_whole() -> None:
    assert json.loads(shown(as_json=True)) == {
        "version": 1,
        "command": "look",
        "data": {"n": 1},
        "findings": [
            {"level": "error", "check": "key", "text": "it is wrong", "detail": "more\nlines", "fix": "do this"},
            {"level": "ok", "check": "host", "text": "fine", "detail": "", "fix": ""},
        ],
        "exit_code": 1,
    }


def test_a_pipe_gets_plain_lines_that_are_neither_cut_nor_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = shown().split("\n")
    assert "a/very-long-name-that-stays-whole      1  several words of prose" in lines
    assert any(line.endswith("[bold]no markup[/bold]") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_terminal_gets_what_fits_its_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(out=Terminal()))
    assert "a/very-long-name-that-stays-whole" in text
    assert max(len(line) for line in text.split("\n")) <= width


def test_a_name_is_folded_rather_than_cut_when_nothing_else_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown(out=Terminal())).split("\n")
    name = "".join(line.split(" ")[0] for line in lines[3 : lines.index("")])
    assert name.startswith("a/very-long-name-that-stays-whole")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int, table: Table) -> list[str]:
    for name, value in (("COLUMNS", str(width)), ("NO_COLOR", "1"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    text = shown(CommandResult("look", tables=(table,)), Terminal())
    return re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(120, ""), (43, ""), (42, "left out here: c;"), (36, "left out here: c;"), (35, "left out here: c, b;")],
)
def test_columns_that_are_least_missed_make_room_for_names(
    monkeypatch: pytest.MonkeyPatch, width: int, left_out: str
) -> None:
    columns = (Column("name"), Column("b", True, minor=1), Column("c", True, minor=2), Column("in", True))
    table = Table("Things", columns, (("a/name-that-stays-whole", "12345", "12345", "1.00"),))

    lines = on_a_terminal(monkeypatch, width, table)

    assert any("a/name-that-stays-whole" in line and line.endswith(" 1.00") for line in lines), lines
    assert ("left out" in "\n".join(lines)) == bool(left_out)
    assert left_out in " ".join(lines)
    assert max(len(line.rstrip()) for line in lines) <= width


def test_a_path_gives_way_before_a_name_does(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("Things", (Column("key"), Column("from", is_path=True)), (("a.rather.long.key", "/a/long/path" * 4),))

    lines = on_a_terminal(monkeypatch, 40, table)

    assert any(line.startswith("a.rather.long.key  /a/") for line in lines), lines
    assert max(map(len, lines)) <= 40


def test_colours_follow_the_terminal_and_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[31m" in shown(out=Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in shown(out=Terminal())


def test_an_ascii_terminal_gets_ascii_signs() -> None:
    class Old(io.StringIO):
        encoding = "ascii"  # pyright: ignore[reportAssignmentType]

    lines = shown(out=Old()).split("\n")
    assert any(line.startswith("x  key") for line in lines)
    assert "".join(line for line in lines if "key" in line or "->" in line).isascii()


def test_only_errors_make_an_exit_code() -> None:
    ok, warn, error = (Finding(level, "x", "y") for level in ("ok", "warn", "error"))
    assert [exit_code_of(findings) for findings in ((), (ok, warn), (warn, error))] == [0, 0, 1]
    assert [counted(findings) for findings in ((ok,), (warn, warn), (error, warn))] == [
        "No problems.",
        "2 warnings.",
        "1 error, 1 warning.",
    ]
