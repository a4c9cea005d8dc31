"""What a command found out. Commands return this and print nothing; `cli/render.py` shows it to people or to programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from claude_or.errors import EXIT_FAILURE, EXIT_OK, ClaudeOrError

Level = Literal["ok", "note", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing somebody should know: `check` is the subject, `text` what was found, `fix` the next step.

    `detail` holds further lines. None of them may hold a secret.
    """

    level: Level
    check: str
    text: str
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. Numbers stand right; prose may be broken between words, and a path anywhere, where a name may not.

    On a terminal that is too narrow for all of them, those with the highest `minor` are left out first; 0 always stays.
    """

    title: str
    is_number: bool = False
    is_prose: bool = False
    is_path: bool = False
    minor: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people. Every row has one cell per column."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The outcome of one command. `data` is what programs read, in JSON's types; `tables` and `summary` are for people."""

    command: str
    data: Any = None
    tables: tuple[Table, ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: str = ""
    exit_code: int = EXIT_OK


def exit_code_of(findings: tuple[Finding, ...]) -> int:
    """1 when there is an error among them, else 0: a warning is no reason to stop a script."""
    return EXIT_FAILURE if any(finding.level == "error" for finding in findings) else EXIT_OK


def counted(findings: tuple[Finding, ...]) -> str:
    """`1 error, 2 warnings`, or `No problems.`"""
    names: dict[Level, str] = {"error": "error", "warn": "warning"}
    counts = {name: sum(finding.level == level for finding in findings) for level, name in names.items()}
    parts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    return ", ".join(parts) + "." if parts else "No problems."


def failure_result(command: str, error: ClaudeOrError) -> CommandResult:
    """The result of a command that could not run, in the same form as every other."""
    finding = Finding("error", command, error.message, "\n".join(error.detail), error.hint)
    return CommandResult(command, findings=(finding,), exit_code=error.exit_code)
