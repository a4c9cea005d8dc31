"""Writing the ledger: one row per call upstream, by one thread, so that no request ever waits for a disk.

    add(entry) → queue → writer thread → one transaction for what has gathered

A row is in the file some milliseconds after its call ended; a process that is killed in between loses these rows and no others.
What cannot be written now (disk full, locked for long) is kept and tried again with the next row. A file that is broken is
set aside under another name, and a new one is begun.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from claude_or.log import get_log
from claude_or.store.entries import Entry, Late, storable
from claude_or.store.holds import Release, release
from claude_or.store.tables import Broken, TooNew, open_ledger, set_aside, to_pico

MOST_KEPT: Final = 10_000
"""Rows that wait in memory for a disk that cannot take them."""
CLOSE_S: Final = 2.0
DAY_MS: Final = 86_400_000
MOST_TOKENS: Final = 10**12
MOST_DOLLARS: Final = Decimal(1_000_000)
"""No call costs more or holds more than these: a figure beyond is a host's mistake, and the file could not add such."""

Row = Entry | Late | Release

_log = get_log("ledger")

_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(Entry))
_INSERT: Final = f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - names of ours
_RETRIED: Final = "UPDATE calls SET outcome = 'retried' WHERE request = ? AND outcome = 'failed'"
_SETTLE: Final = """
    UPDATE calls SET cost = ?, basis = 'host', provider = CASE WHEN ? = '' THEN provider ELSE ? END,
        input = coalesce(?, input), read = coalesce(?, read), output = coalesce(?, output)
    WHERE generation = ? AND cost IS NULL
"""


class Ledger:
    """The ledger of one session. `start` it, `add` to it from any thread, `close` it.

    `keep_days` is how long rows are kept, None for ever. `trouble` is told, once per kind, what a person should know.
    """

    def __init__(
        self,
        path: str,
        *,
        keep_days: int | None = None,
        trouble: Callable[[str], None] = lambda _words: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._keep_days = keep_days
        self._trouble = trouble
        self._wall = wall
        self._told: set[str] = set()
        self._queue: queue.SimpleQueue[Row | Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._writable = True

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def add(self, row: Row) -> None:
        """Have a row written soon. Never waits."""
        self._queue.put(row)

    def then(self, work: Callable[[], None]) -> None:
        """Have something done by the writer's thread after all rows before it were written. It must not raise."""
        self._queue.put(work)

    def close(self, bound: float = CLOSE_S) -> bool:
        """Write what is left and end the writer; False when it did not end in `bound` seconds."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(bound)
        return not self._thread.is_alive()

    # The writer's thread

    def _run(self) -> None:
        waiting: list[Row] = []
        self._open()
        self._forget_old()
        over = False
        while not over:
            works: list[Callable[[], None]] = []
            for item in self._gathered():
                if item is None:
                    over = True
                elif isinstance(item, (Entry, Late, Release)):
                    waiting.append(item)
                else:
                    works.append(item)
            if waiting and self._write(waiting):
                waiting.clear()
            del waiting[:-MOST_KEPT]
            for work in works:
                work()
        if waiting:
            self._tell("unwritten", f"{len(waiting)} calls could not be written to {self.path}")
        if self._connection is not None:
            self._connection.close()

    def _gathered(self) -> list[Row | Callable[[], None] | None]:
        items = [self._queue.get()]
        while True:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                return items

    def _open(self) -> None:
        for _ in range(2):
            try:
                self._connection = open_ledger(self.path)
            except TooNew:
                self._writable = False
                self._tell("too new", f"{self.path} is of a later version of claude-or; this session is not recorded")
            except Broken as broken:
                try:
                    aside = set_aside(self.path, self._wall())
                except OSError as error:
                    self._tell("broken", f"{self.path} is damaged ({broken}) and cannot be set aside: {error.strerror}")
                    return
                self._tell(
                    "broken", f"the ledger was damaged ({broken}); it is kept as {aside} and a new one was begun"
                )
                continue
            except (sqlite3.OperationalError, OSError) as error:
                self._tell("unopened", f"the ledger {self.path} cannot be written: {error}")
            return

    def _write(self, rows: Sequence[Row]) -> bool:
        """Write rows in one transaction; whether they need not be kept any longer."""
        if not self._writable:
            return True
        if self._connection is None:
            self._open()
            if self._connection is None:
                return not self._writable
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for row in rows:
                self._put_or_tell(self._connection, row)
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._tell("unwritten", f"the ledger {self.path} cannot be written now: {error}")
            self._undo()
            return False
        except sqlite3.DatabaseError as error:
            _log.error("ledger damaged", reason=str(error))
            self._connection.close()
            self._connection = None
            try:
                aside = set_aside(self.path, self._wall())
                self._tell("broken", f"the ledger was damaged ({error}); it is kept as {aside} and a new one was begun")
            except OSError:
                pass
            return False
        return True

    def _undo(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None

    def _put_or_tell(self, connection: sqlite3.Connection, row: Row) -> None:
        """Put a row; one that no file can hold costs itself, not those around it, and is no sign of a damaged file."""
        try:
            _put(connection, row)
        except (sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.IntegrityError, TypeError, ValueError) as bug:
            _log.error("exception at a row of the ledger", exception=bug)
            self._tell("unfit", "a call could not be entered in the ledger; the log has the details")

    def _forget_old(self) -> None:
        if self._connection is None or self._keep_days is None:
            return
        try:
            self._connection.execute(
                "DELETE FROM calls WHERE at < ?", (int(self._wall() * 1000) - self._keep_days * DAY_MS,)
            )
        except sqlite3.Error as error:
            _log.warning("old rows not removed", reason=str(error))

    def _tell(self, kind: str, words: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("ledger trouble", reason=words)
            self._trouble(words)


def _put(connection: sqlite3.Connection, row: Row) -> None:
    match row:
        case Release():
            release(connection, row)
        case Late():
            cost = _pico(row.cost)
            if cost is not None:
                provider = storable(row.provider)
                figures = (_tokens(row.input), _tokens(row.read), _tokens(row.output))
                connection.execute(_SETTLE, (cost, provider, provider, *figures, storable(row.generation)))
        case Entry():
            if row.request:
                connection.execute(_RETRIED, (storable(row.request),))
            if row.cost is not None and _pico(row.cost) is None:
                row = msgspec.structs.replace(row, cost=None, basis="unknown")
            connection.execute(_INSERT, [_plain(name, getattr(row, name)) for name in _COLUMNS])


def _plain(name: str, value: object) -> object:
    match value:
        case str():
            return storable(value)
        case Decimal():
            return _pico(value)
        case int() if name not in {"at", "ms", "first_ms"}:
            return _tokens(value)
        case _:
            return value


def _tokens(number: int | None) -> int | None:
    return None if number is None else max(0, min(number, MOST_TOKENS))


def _pico(cost: Decimal) -> int | None:
    """As the file holds it; None for what is no cost of a call."""
    if not cost.is_finite() or abs(cost) > MOST_DOLLARS:
        _log.warning("a host told a cost that cannot be", cost=str(cost)[:40])
        return None
    return to_pico(cost)
