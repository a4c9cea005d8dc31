"""Reading the ledger: sums over times, projects, sessions, models and roles, in exact money.

All functions take a connection of `tables.read_ledger` or `tables.open_ledger`; times are ms since 1970.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Final, Literal

import msgspec

from claude_or.store.tables import to_dollars

By = Literal["model", "project", "session", "role", "day", "host"]

_COLUMN: Final[dict[By, str]] = {
    "model": "slug",
    "project": "project",
    "session": "session",
    "role": "role",
    "day": "strftime('%Y-%m-%d', at / 1000, 'unixepoch', 'localtime')",
    "host": "host",
}
_SUMS: Final = """
    count(*), sum(outcome = 'failed'), sum(outcome = 'retried'), sum(outcome = 'cancelled'),
    coalesce(sum(input), 0), coalesce(sum(read), 0), coalesce(sum(written), 0), coalesce(sum(output), 0),
    coalesce(sum(thinking), 0), coalesce(sum(cost), 0),
    coalesce(sum(cost IS NULL AND (outcome NOT IN ('failed', 'retried') OR served <> '')), 0),
    coalesce(sum(basis = 'listing' AND cost <> 0), 0), min(at), max(at)
"""


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of some calls. `unknown`: calls that may have cost something that nobody told; `listed`: priced by the list."""

    name: str = ""
    calls: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    input: int = 0
    read: int = 0
    written: int = 0
    output: int = 0
    thinking: int = 0
    cost: Decimal = Decimal(0)
    unknown: int = 0
    listed: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def cached_share(self) -> float | None:
        """Part of the prompt that came from the cache, 0 to 1; None without a prompt."""
        prompt = self.input + self.read + self.written
        return self.read / prompt if prompt else None


def total(
    connection: sqlite3.Connection,
    *,
    since: int = 0,
    until: int | None = None,
    project: str | None = None,
    session: str | None = None,
    besides: str | None = None,
) -> Sum:
    """Everything in a time, of a project or a session, without the session `besides`."""
    where, values = _where(since, until, project, session, besides)
    row = connection.execute(f"SELECT '', {_SUMS} FROM calls {where}", values).fetchone()  # noqa: S608 - texts of ours
    return _sum(row)


def cost_besides(
    connection: sqlite3.Connection, session: str, *, since: int = 0, project: str | None = None
) -> Decimal:
    """What the other sessions paid; asked before each call under a cap that sessions share, so it adds nothing else."""
    where, values = _where(since, None, project, None, session)
    query = f"SELECT coalesce(sum(cost), 0) FROM calls {where}"  # noqa: S608 - texts of ours
    return to_dollars(connection.execute(query, values).fetchone()[0])


def grouped(
    connection: sqlite3.Connection, by: By, *, since: int = 0, until: int | None = None, project: str | None = None
) -> list[Sum]:
    """The same by some part, dearest first; by day in the order of time."""
    where, values = _where(since, until, project, None, None)
    order = "1" if by == "day" else "coalesce(sum(cost), 0) DESC, count(*) DESC, 1"
    query = f"SELECT {_COLUMN[by]}, {_SUMS} FROM calls {where} GROUP BY 1 ORDER BY {order}"  # noqa: S608 - texts of ours
    return [_sum(row) for row in connection.execute(query, values)]


def rows(connection: sqlite3.Connection, *, since: int = 0, until: int | None = None) -> sqlite3.Cursor:
    """Each call, oldest first; the cursor's description names the columns."""
    where, values = _where(since, until, None, None, None)
    return connection.execute(f"SELECT * FROM calls {where} ORDER BY id", values)  # noqa: S608 - texts of ours


def unsettled(connection: sqlite3.Connection, *, since: int, most: int = 50) -> list[str]:
    """Generation ids of calls whose cost nobody told yet, newest first."""
    found = connection.execute(
        "SELECT generation FROM calls WHERE cost IS NULL AND generation <> '' AND host = 'openrouter' AND at >= ?"
        " ORDER BY id DESC LIMIT ?",
        (since, most),
    )
    return [row[0] for row in found]


def _where(
    since: int, until: int | None, project: str | None, session: str | None, besides: str | None
) -> tuple[str, list[object]]:
    terms, values = ["at >= ?"], list[object]([since])
    for term, value in (
        ("at < ?", until),
        ("project = ?", project),
        ("session = ?", session),
        ("session <> ?", besides),
    ):
        if value is not None:
            terms.append(term)
            values.append(value)
    return "WHERE " + " AND ".join(terms), values


def _sum(row: tuple[object, ...]) -> Sum:
    name, calls, failed, retried, cancelled, given, read, written, output, thinking, cost, unknown, listed, *ends = row
    return Sum(
        name=str(name),
        **{
            key: int(value or 0)  # pyright: ignore[reportArgumentType]
            for key, value in {
                "calls": calls,
                "failed": failed,
                "retried": retried,
                "cancelled": cancelled,
                "input": given,
                "read": read,
                "written": written,
                "output": output,
                "thinking": thinking,
                "unknown": unknown,
                "listed": listed,
            }.items()
        },
        cost=to_dollars(int(cost)),  # pyright: ignore[reportArgumentType]
        first=ends[0],  # pyright: ignore[reportArgumentType]
        last=ends[1],  # pyright: ignore[reportArgumentType]
    )
