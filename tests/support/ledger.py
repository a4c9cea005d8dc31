"""The ledger's file as tests read it: what they open here is closed when the test is over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from claude_or.store.tables import read_ledger

_open: list[sqlite3.Connection] = []


def looked_into(path: Path) -> sqlite3.Connection | None:
    """The ledger for reading only, None when there is none yet. Raises as `read_ledger`."""
    connection = read_ledger(str(path))
    if connection is not None:
        _open.append(connection)
    return connection


def reading(path: Path) -> sqlite3.Connection:
    """The same of a ledger that must be there."""
    connection = looked_into(path)
    assert connection is not None, f"{path} is no ledger yet"
    return connection


def close_all() -> None:
    """Close what was opened here."""
    while _open:
        _open.pop().close()
