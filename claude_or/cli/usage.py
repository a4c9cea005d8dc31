"""`claude-or usage`: what was paid, from the ledger; and, where there is a key, what is left of it.

Reads one sqlite file and, unless told not to, asks the host one question. No HTTP library is loaded for that.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from claude_or.cli.result import Column, CommandResult, Finding, Table
from claude_or.config.folders import data_folder, short
from claude_or.errors import EXIT_FAILURE, EXIT_USAGE, ClaudeOrError
from claude_or.store.sums import By, Sum, grouped, rows, total
from claude_or.store.tables import FILE, Broken, TooNew, read_ledger, to_dollars

KINDS: Final[tuple[By, ...]] = ("model", "project", "session", "role", "day", "host")
BAR: Final = 24
AGES: Final = {"d": 1, "w": 7, "m": 30, "y": 365}

Left = Callable[[], "list[Finding]"]
"""What is left of the key, as findings; asks the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody wants to know. `since` empty: this month."""

    by: str = "model"
    since: str = ""
    project: str | None = None


def usage(question: Question, environ: Mapping[str, str], now: float, left: Left | None = None) -> CommandResult:
    """Sums of today, this week and this month, and of the time asked for by model, project, session, role, day or host.

    Raises `ClaudeOrError` for a question that cannot be read and a ledger that cannot be.
    """
    by = _kind(question.by)
    since, named = since_of(question.since, now)
    findings = tuple(left()) if left else ()
    with _ledger(environ) as connection:
        if connection is None:
            return CommandResult("usage", {"periods": {}, "by": by, "rows": []}, findings=findings, summary=_NOTHING)
        periods = {name: total(connection, since=start, project=question.project) for name, start in _periods(now)}
        parts = grouped(connection, by, since=since, project=question.project)
        whole = total(connection, since=since, project=question.project)
    tables = (_periods_table(periods), *((_parts_table(by, named, parts, environ),) if parts else ()))
    data = {
        "periods": {name: _figures(found) for name, found in periods.items()},
        "by": by,
        "since": since,
        "rows": [{"name": found.name, **_figures(found)} for found in parts],
        "total": _figures(whole),
    }
    return CommandResult("usage", data, tables, findings, _last_line(whole, named))


def usage_csv(question: Question, environ: Mapping[str, str], now: float) -> str:
    """Every call of the time asked for, as CSV with a head line; cost in US dollars. Raises `ClaudeOrError`."""
    since, _ = since_of(question.since, now)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    with _ledger(environ) as connection:
        if connection is None:
            return ""
        cursor = rows(connection, since=since)
        names = [column[0] for column in cursor.description]
        cost = names.index("cost")
        project = names.index("project")
        writer.writerow(names)
        for row in cursor:
            if question.project is None or row[project] == question.project:
                plain = list(row)
                plain[cost] = "" if row[cost] is None else format(to_dollars(row[cost]), "f")
                writer.writerow(plain)
    return text.getvalue()


def since_of(text: str, now: float) -> tuple[int, str]:
    """The beginning that is meant, in ms since 1970, and how to say it: `2026-11-01`, `7d`, `4w`, `today`, `month`, `all`.

    Raises `ClaudeOrError`.
    """
    today = datetime.fromtimestamp(now).astimezone().date()
    said = text.strip().lower()
    if said in {"", "month"}:
        return _ms(today.replace(day=1)), "this month"
    if said == "today":
        return _ms(today), "today"
    if said == "week":
        return _ms(today - timedelta(days=today.weekday())), "this week"
    if said == "all":
        return 0, "since the first call"
    try:
        if said.isascii() and said[:-1].isdigit() and said[-1] in AGES and len(said) < 6:
            return _ms(today - timedelta(days=int(said[:-1]) * AGES[said[-1]])), f"last {said}"
        return _ms(date.fromisoformat(said)), f"since {said}"
    except (ValueError, OverflowError):
        raise ClaudeOrError(
            f"--since {text}: no time that could be read",
            hint="Write a date (2026-11-01), an age (7d, 4w, 3m) or one of today, week, month, all.",
            exit_code=EXIT_USAGE,
        ) from None


_NOTHING: Final = "Nothing was paid yet: the ledger begins with the first session."


def _kind(by: str) -> By:
    if by not in KINDS:
        raise ClaudeOrError(f"--by {by}: unknown", hint=f"One of {', '.join(KINDS)}.", exit_code=EXIT_USAGE)
    return by


@contextmanager
def _ledger(environ: Mapping[str, str]) -> Generator[sqlite3.Connection | None]:
    """The ledger for reading, None when there is none. Raises `ClaudeOrError`, also for damage that shows while it is read."""
    path = f"{data_folder(environ)}/{FILE}"
    try:
        connection = read_ledger(path)
        with closing(connection) if connection else nullcontext():
            yield connection
    except (Broken, sqlite3.Error) as error:
        raise ClaudeOrError(
            f"the ledger {short(path, environ)} cannot be read: {error}",
            hint="The next session sets a damaged one aside and begins anew.",
            exit_code=EXIT_FAILURE,
        ) from None
    except TooNew:
        raise ClaudeOrError(
            f"the ledger {short(path, environ)} is of a later version of claude-or",
            hint="Update claude-or, or set CLAUDE_OR's data folder elsewhere with XDG_DATA_HOME.",
            exit_code=EXIT_FAILURE,
        ) from None


def _periods(now: float) -> list[tuple[str, int]]:
    return [(name, since_of(name, now)[0]) for name in ("today", "week", "month", "all")]


def _ms(day: date) -> int:
    return int(time.mktime(day.timetuple()) * 1000)


def _periods_table(periods: Mapping[str, Sum]) -> Table:
    columns = (
        Column(""),
        Column("cost", True),
        Column("calls", True),
        Column("in", True),
        Column("cached", True),
        Column("out", True),
    )
    cells = tuple((name, *_cells(found)) for name, found in periods.items())
    return Table("Usage", columns, cells)


def _parts_table(by: By, named: str, parts: list[Sum], environ: Mapping[str, str]) -> Table:
    most = max((found.cost for found in parts), default=Decimal(0))
    columns = (
        Column(by, is_path=by == "project"),
        Column("cost", True),
        Column("calls", True),
        Column("in", True),
        Column("cached", True, minor=1),
        Column("out", True),
        Column("", minor=2),
    )
    cells = tuple(
        (short(found.name, environ) if by == "project" else found.name or "-", *_cells(found), _bar(found.cost, most))
        for found in parts
    )
    return Table(f"By {by}, {named}", columns, cells)


def _cells(found: Sum) -> tuple[str, ...]:
    share = found.cached_share
    prompt = found.input + found.read + found.written
    return (
        cost_text(found),
        f"{found.calls}",
        tokens(prompt),
        "-" if share is None else f"{share * 100:.0f} %",
        tokens(found.output),
    )


def cost_text(found: Sum) -> str:
    """`$1.20`; `~` in front when a list of prices was used, `+ 2?` behind for calls without any price."""
    places = 4 if 0 < found.cost < Decimal("0.1") else 2
    return f"{'~' if found.listed else ''}${found.cost:.{places}f}" + (f" + {found.unknown}?" if found.unknown else "")


def tokens(number: int) -> str:
    """`950`, `12k`, `3.4M`."""
    if number < 10_000:
        return str(number)
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def _bar(cost: Decimal, most: Decimal) -> str:
    return "█" * max(int(BAR * cost / most), 1) if most and cost else ""


def _last_line(whole: Sum, named: str) -> str:
    if not whole.calls:
        return f"No calls {named}."
    parts = [f"{whole.calls} call{'s' * (whole.calls != 1)} {named}, {cost_text(whole)}"]
    for count, word in ((whole.failed, "failed"), (whole.retried, "repeated"), (whole.cancelled, "cancelled")):
        if count:
            parts.append(f"{count} {word}")
    if whole.unknown:
        parts.append(f"{whole.unknown} without a known cost")
    return ", ".join(parts) + "."


def _figures(found: Sum) -> dict[str, Any]:
    """For programs: tokens as the Messages API counts them, cost as text, since a float would not keep it exact."""
    return {
        "calls": found.calls,
        "failed": found.failed,
        "retried": found.retried,
        "cancelled": found.cancelled,
        "input_tokens": found.input,
        "cache_read_tokens": found.read,
        "cache_write_tokens": found.written,
        "output_tokens": found.output,
        "thinking_tokens": found.thinking,
        "cost_usd": format(found.cost, "f"),
        "calls_of_unknown_cost": found.unknown,
        "calls_priced_by_listing": found.listed,
    }
