"""The only place that prints: a `CommandResult` as tables for people or as JSON for programs.

On a terminal, tables fit its width; in a pipe nothing is cut or wrapped, so that every finding is one line for `grep`. Colours
follow rich's rules (NO_COLOR, TERM, terminal or not). The JSON form is versioned: fields are added, never changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import IO, TYPE_CHECKING, Any

from claude_or.cli.result import CommandResult, Finding, Level, Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

JSON_VERSION = 1
_PIPE_WIDTH = 10_000
_GAP = 2
PATH_LEAST = 16
"""Columns that a path keeps where there is not enough room for it."""
STYLES: dict[Level, str] = {"ok": "green", "note": "cyan", "warn": "yellow", "error": "red"}
SIGNS: dict[Level, tuple[str, str]] = {"ok": ("✓", "ok"), "note": ("·", "-"), "warn": ("!", "!"), "error": ("✗", "x")}


def show(result: CommandResult, *, as_json: bool, out: IO[str] | None = None) -> int:
    """Print the result to `out` (stdout) and return its exit code."""
    stream = _stream(out, sys.stdout)
    if as_json:
        stream.write(_as_json(result) + "\n")
    else:
        console = _console(stream)
        with console.capture() as captured:
            for part in _parts(result, console.width, ascii_only=is_ascii(console)):
                console.print(part)
        # rich fills every row up to its column's width; in a file or a pipe those blanks are noise.
        text = captured.get().strip("\n")
        stream.write("\n".join(line.rstrip() for line in text.split("\n")) + "\n")
    stream.flush()
    return result.exit_code


def _parts(result: CommandResult, width: int, *, ascii_only: bool) -> Iterator[RenderableType]:
    """Tables, findings and the last line, with a blank line between."""
    for table in result.tables:
        fitting, left_out = _without_minor(table, width)
        yield _table(fitting, width)
        if left_out:
            named = [title for title in left_out if title]
            if named:
                yield _note(f"left out here: {', '.join(named)}; a wider window has room for it")
        yield ""
    if result.findings:
        yield _findings(result.findings, ascii_only=ascii_only)
        yield ""
    if result.summary:
        yield result.summary


def _stream(named: IO[str] | None, standard: IO[str] | None) -> IO[str]:
    # Python leaves None where the shell closed the stream (`>&-`).
    return named or standard or StringIO()


def _as_json(result: CommandResult) -> str:
    import json
    from dataclasses import asdict

    whole: dict[str, Any] = {
        "version": JSON_VERSION,
        "command": result.command,
        "data": result.data,
        "findings": [asdict(finding) for finding in result.findings],
        "exit_code": result.exit_code,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _console(out: IO[str]) -> Console:
    from rich.console import Console

    console = Console(file=out, highlight=False, emoji=False, markup=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def is_ascii(console: Console) -> bool:
    """Whether signs beyond ASCII may not be shown there."""
    return not console.encoding.lower().startswith("utf")


def _table(table: Table, width: int) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable

    shown = RichTable(
        box=box.SIMPLE_HEAD,
        title=table.title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_edge=False,
    )
    whole = _fits_without_folding(table, width)
    for column in table.columns:
        shown.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=column.is_number or (whole and not column.is_prose and not column.is_path),
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*row)
    return shown


def _note(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text, style="dim")


def _without_minor(table: Table, width: int) -> tuple[Table, list[str]]:
    """The table without the columns that are least missed, until it fits or only the others are left; and their titles."""
    left_out: list[str] = []
    minor = sorted((column for column in table.columns if column.minor), key=lambda column: -column.minor)
    for column in minor:
        if _fits_without_folding(table, width):
            break
        at = table.columns.index(column)
        table = replace(
            table,
            columns=table.columns[:at] + table.columns[at + 1 :],
            rows=tuple(row[:at] + row[at + 1 :] for row in table.rows),
        )
        left_out.append(column.title)
    return table, left_out


def _fits_without_folding(table: Table, width: int) -> bool:
    """Whether names can stay in one piece when prose alone gives way, down to its longest word, and paths to a part."""
    needed = 0
    for column, *cells in zip(table.columns, *table.rows, strict=True):
        pieces = [
            len(piece)
            for text in (column.title, *cells)
            for piece in (text.split() if column.is_prose else text.split("\n"))
        ]
        widest = max(pieces, default=0)
        needed += (min(widest, PATH_LEAST) if column.is_path else widest) + _GAP
    return needed - _GAP <= width


def _findings(findings: tuple[Finding, ...], *, ascii_only: bool) -> RenderableType:
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        text = Text(finding.text)
        if finding.detail:
            text.append("\n" + finding.detail, style="dim")
        if finding.fix:
            text.append("\n" + ("-> " if ascii_only else "→ ") + finding.fix, style="cyan")
        grid.add_row(Text(SIGNS[finding.level][ascii_only], style=STYLES[finding.level]), finding.check, text)
    return grid
