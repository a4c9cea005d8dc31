"""What calls in flight have set aside under caps that several sessions share: rows of the ledger's file beside the calls.

Looking whether there is room and taking it is one transaction, so two sessions cannot take the same room. A row goes when its call
was entered, with its session, or, where the session was killed, as soon as somebody looks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from claude_or.store.sums import cost_besides
from claude_or.store.tables import open_ledger, to_dollars, to_pico

LOCKED_MS: Final = 2_000
"""How long a claim waits for another session's transaction: a request waits with it."""
OLDEST_MS: Final = 3_600_000
"""After an hour a row no longer counts, whatever became of its call."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` dollars set aside at `at` (ms since 1970) for one call of a session, which runs in the process `pid`."""

    id: str
    session: str
    project: str
    pid: int
    at: int
    amount: Decimal


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The call is over: its row goes. Without an id, all of the session's."""

    session: str
    id: str = ""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What other sessions spent and hold, in dollars by scope, and whether the claim was `taken`."""

    spent: Mapping[str, Decimal]
    held: Mapping[str, Decimal]
    taken: bool


def claim(
    path: str,
    hold: Hold,
    *,
    left: Mapping[str, Decimal],
    starts: Mapping[str, int],
    alone: Decimal = Decimal(0),
) -> Room:
    """Write `hold` down if what others spent and hold fits into what is `left` in every scope, with it already taken off.

    `alone` is what may be missing where no other session holds anything. `starts` says since when (ms since 1970) a scope counts; `project` counts this project's calls alone.
    Raises `sqlite3.Error`, `tables.Broken`, `tables.TooNew` and `OSError`.
    """
    connection = open_ledger(path)
    try:
        connection.execute(f"PRAGMA busy_timeout = {LOCKED_MS}")
        connection.execute("BEGIN IMMEDIATE")
        _forget_dead(connection, hold.at)
        spent = {scope: _spent(connection, scope, hold, starts.get(scope, 0)) for scope in left}
        held = {scope: _held(connection, scope, hold) for scope in left}
        taken = all(spent[scope] + held[scope] <= left[scope] + (0 if held[scope] else alone) for scope in left)
        if taken:
            connection.execute(
                "INSERT INTO holds (id, session, project, pid, at, amount) VALUES (?, ?, ?, ?, ?, ?)",
                (hold.id, hold.session, hold.project, hold.pid, hold.at, to_pico(hold.amount)),
            )
        connection.execute("COMMIT")
    finally:
        connection.close()  # what is not committed is undone
    return Room(spent=spent, held=held, taken=taken)


def release(connection: sqlite3.Connection, row: Release) -> None:
    """Take rows away. Raises `sqlite3.Error`."""
    where, value = ("id", row.id) if row.id else ("session", row.session)
    connection.execute(f"DELETE FROM holds WHERE {where} = ?", (value,))  # noqa: S608 - names of ours


def _spent(connection: sqlite3.Connection, scope: str, hold: Hold, since: int) -> Decimal:
    project = hold.project if scope == "project" else None
    return cost_besides(connection, hold.session, since=since, project=project)


def _held(connection: sqlite3.Connection, scope: str, hold: Hold) -> Decimal:
    query = "SELECT coalesce(sum(amount), 0) FROM holds WHERE session <> ?"
    values = [hold.session]
    if scope == "project":
        query += " AND project = ?"
        values.append(hold.project)
    return to_dollars(connection.execute(query, values).fetchone()[0])


def _forget_dead(connection: sqlite3.Connection, now: int) -> None:
    connection.execute("DELETE FROM holds WHERE at < ?", (now - OLDEST_MS,))
    pids: Iterable[tuple[int]] = connection.execute("SELECT DISTINCT pid FROM holds").fetchall()
    connection.executemany("DELETE FROM holds WHERE pid = ?", [(pid,) for (pid,) in pids if not _lives(pid)])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
