"""The ledger's file: how it is opened, brought up to date, and set aside when it is broken.

One sqlite file for all sessions of a user, in WAL mode, so that several may write and `usage` may read at the same time.
Money stands in whole trillionths of a dollar: sqlite adds integers exactly, and no price is finer.
"""

from __future__ import annotations

import os
import sqlite3
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

FILE: Final = "ledger.sqlite"
BUSY_MS: Final = 5_000
"""How long a write waits for another session's."""
PICO: Final = Decimal(10) ** 12

MIGRATIONS: Final = (
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        session TEXT NOT NULL,
        conversation TEXT NOT NULL,
        project TEXT NOT NULL,
        request TEXT NOT NULL,
        role TEXT NOT NULL,
        asked TEXT NOT NULL,
        host TEXT NOT NULL,
        slug TEXT NOT NULL,
        served TEXT NOT NULL,
        provider TEXT NOT NULL,
        path TEXT NOT NULL,
        input INTEGER NOT NULL,
        read INTEGER NOT NULL,
        written INTEGER NOT NULL,
        output INTEGER NOT NULL,
        thinking INTEGER NOT NULL,
        cost INTEGER,
        basis TEXT NOT NULL,
        first_ms INTEGER,
        ms INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        failure TEXT NOT NULL,
        generation TEXT NOT NULL
    );
    CREATE INDEX calls_by_time ON calls (at);
    CREATE INDEX calls_by_session ON calls (session);
    CREATE INDEX calls_by_request ON calls (request);
    CREATE INDEX calls_without_cost ON calls (generation) WHERE cost IS NULL AND generation <> '';
    """,
    """
    DROP INDEX calls_by_time;
    CREATE INDEX calls_by_time ON calls (at, session, cost);
    CREATE INDEX calls_by_project ON calls (project, at, session, cost);
    CREATE TABLE holds (
        id TEXT PRIMARY KEY,
        session TEXT NOT NULL,
        project TEXT NOT NULL,
        pid INTEGER NOT NULL,
        at INTEGER NOT NULL,
        amount INTEGER NOT NULL
    );
    """,
)
"""Scripts in order; the file's `user_version` says how many have run. A script that was released is never changed."""


class TooNew(Exception):
    """The file was written by a later version. Caught by whoever keeps the ledger, who goes on without it."""


class Broken(Exception):
    """The file is no ledger, or a damaged one. Caught by whoever keeps the ledger, who sets it aside."""


def open_ledger(path: str) -> sqlite3.Connection:
    """The ledger, made or brought up to date. Raises `TooNew`, `Broken`, `OSError` and `sqlite3.OperationalError` (locked,
    disk full, read-only)."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if not os.path.exists(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Survives the end of the process at any point; a power cut may take the last moments, never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        _migrate(connection)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Broken(str(error)) from None
    except TooNew:
        connection.close()
        raise
    return connection


def read_ledger(path: str) -> sqlite3.Connection | None:
    """The ledger for reading only; None when there is none yet. Raises `TooNew`, `Broken`, `sqlite3.OperationalError`."""
    if not os.path.exists(path):
        return None
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=BUSY_MS / 1000)
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise TooNew(path)
        if version:
            connection.execute("SELECT id FROM calls LIMIT 1")
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Broken(str(error)) from None
    except TooNew:
        connection.close()
        raise
    if not version:
        connection.close()
        return None
    return connection


def set_aside(path: str, now: float) -> str:
    """Give a broken file another name, with what belongs to it; returns the name. Raises `OSError`."""
    aside = f"{path}.broken-{int(now)}"
    os.replace(path, aside)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.replace(path + suffix, aside + suffix)
    return aside


def to_pico(dollars: Decimal) -> int:
    """US dollars as whole trillionths, rounded half to even."""
    return int((dollars * PICO).to_integral_value(ROUND_HALF_EVEN))


def to_dollars(pico: int) -> Decimal:
    """The inverse of `to_pico`."""
    return (Decimal(pico) / PICO).normalize() + Decimal(0)


def _migrate(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise TooNew
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another session may have been faster.
        for number in range(_version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
