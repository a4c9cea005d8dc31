"""The other sessions of the user, as the ledger's file shows them: what they spent, and what they hold for calls in flight.

A file that cannot be used counts as nothing, and that is told: a cap is then kept by this session alone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from claude_or.reply.budget import Elsewhere, Scope, Spent, nobody_else


class Others:
    """Beside one session, in a project whose name the file can hold. `tell` says what a person should know, `release` gives a claim back.

    Everything but `claim` is for a thread: it reads a file, and loads sqlite for that.
    """

    def __init__(
        self,
        ledger_path: str,
        *,
        session: str,
        project: str,
        wall: Callable[[], float],
        tell: Callable[[str], None],
        release: Callable[[str], None],
    ) -> None:
        self.claimed = False
        """Whether the file may hold something for this session."""
        self._path = ledger_path
        self._session = session
        self._project = project
        self._wall = wall
        self._tell = tell
        self._release = release

    async def claim(self, amount: Decimal, left: Spent, alone: Decimal) -> Elsewhere:
        """The budget's `Claim`. A cap of this session alone needs no file."""
        shared: dict[Scope, Decimal] = {scope: rest for scope, rest in left.items() if scope != "session"}
        if not shared or not self._path:
            return nobody_else(left, alone)
        self.claimed = True
        taking = asyncio.ensure_future(asyncio.to_thread(self._take, amount, shared, alone))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:  # the thread goes on, and what it takes would be held for nobody
            taking.add_done_callback(self._give_back)
            raise

    def _give_back(self, taking: asyncio.Future[Elsewhere]) -> None:
        if not taking.cancelled() and (hold := taking.result().hold):
            self._release(hold)

    def _take(self, amount: Decimal, left: Mapping[Scope, Decimal], alone: Decimal) -> Elsewhere:
        import sqlite3

        from claude_or.store.holds import Hold, claim
        from claude_or.store.tables import Broken, TooNew

        hold = Hold(
            id=os.urandom(8).hex(),
            session=self._session,
            project=self._project,
            pid=os.getpid(),
            at=int(self._wall() * 1000),
            amount=amount,
        )
        try:
            room = claim(
                self._path,
                hold,
                left={str(scope): rest for scope, rest in left.items()},
                starts={str(scope): at for scope, at in self._starts().items()},
                alone=alone,
            )
        except (sqlite3.Error, OSError, Broken, TooNew) as error:
            why = "it is of a later version" if isinstance(error, TooNew) else str(error)
            self._tell(f"the ledger could not be used, so caps count this session alone: {why}")
            return nobody_else(left, alone)
        spent: dict[Scope, Decimal] = {scope: room.spent[scope] for scope in left}
        held: dict[Scope, Decimal] = {scope: room.held[scope] for scope in left}
        return Elsewhere(spent=spent, held=held, taken=room.taken, hold=hold.id if room.taken else "")

    def spent(self, scopes: Sequence[Scope]) -> Spent:
        """What they have spent."""
        import sqlite3

        from claude_or.store.sums import cost_besides
        from claude_or.store.tables import Broken, TooNew, read_ledger

        starts = self._starts()
        try:
            connection = read_ledger(self._path) if self._path else None
            if connection is None:
                return {}
            try:
                return {
                    scope: cost_besides(
                        connection,
                        self._session,
                        since=starts.get(scope, 0),
                        project=self._project if scope == "project" else None,
                    )
                    for scope in scopes
                    if scope != "session"
                }
            finally:
                connection.close()
        except TooNew:
            return {}  # told by who writes it
        except (sqlite3.Error, Broken) as error:
            self._tell(f"the ledger could not be read, so what other sessions spent is not shown: {error}")
            return {}

    def _starts(self) -> dict[Scope, int]:
        """When the local day and month began, in ms since 1970."""
        year, month, day, *_ = time.localtime(self._wall())
        begin: Callable[[int], int] = lambda of: int(time.mktime((year, month, of, 0, 0, 0, 0, 0, -1)) * 1000)  # noqa: E731
        return {"day": begin(day), "month": begin(1)}
