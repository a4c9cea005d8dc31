"""What a session spends: counted in memory, written to the ledger, held under the caps, told to the status line.

    a call ends → Charge → tally, cache watch, ledger entry → status file
                         └ no bill yet → asked for some seconds later → ledger, tally and caps are corrected

Nothing here makes a request wait: rows go to the ledger's own thread, and sqlite is loaded some time after the start. Only a cap
over several sessions has the file looked at before each call, in a thread (`others.py`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from claude_or.log import get_log
from claude_or.reply.budget import SCOPES, Budget, Scope
from claude_or.reply.cache_watch import CacheWatch
from claude_or.reply.meter import Charge, Tally
from claude_or.routing.names import written
from claude_or.session.others import Others
from claude_or.store.entries import Entry, Late, storable
from claude_or.upstream.generation import bill_of
from claude_or.wire.events import Usage

if TYPE_CHECKING:
    from claude_or.config.schema import Settings
    from claude_or.store.holds import Release
    from claude_or.store.ledger import Ledger
    from claude_or.upstream.catalogue import Get

LEDGER_AFTER: Final = 1.0
"""Seconds until sqlite is loaded: the first moments belong to the first request."""
BILL_AFTER: Final = (3.0, 10.0, 30.0)
"""Seconds to wait before each time a late bill is asked for."""
OLD_BILLS_AFTER: Final = 20.0
OLDEST_BILL_MS: Final = 7 * 86_400_000

_log = get_log("books")


class Books:
    """The books of one session. `session` and `project` name it in the ledger; `status_path` empty: nobody reads a status.

    `get` asks the host, None without one. `ledger_path` empty: nothing is kept (the demo). `troubles` adds to the status line what else a person should see.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        ledger_path: str,
        session: str,
        project: str,
        status_path: str = "",
        get: Get | None = None,
        troubles: Callable[[], Sequence[str]] = lambda: (),
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally()
        self.watch = CacheWatch()
        self.warnings: list[str] = []
        self.session = session
        self._project = storable(project)
        self._ledger_path = ledger_path
        self._keep_days = settings.ledger.keep_days
        self._status_path = status_path
        self._get = get
        self._troubles = troubles
        self._wall = wall
        self._clock = clock
        self._ledger: Ledger | None = None
        self._early: list[Entry | Late | Release] = []
        self.bill_after: Sequence[float] = BILL_AFTER
        self._bills: set[asyncio.Task[None]] = set()
        self._served = ""
        self._missed = ""
        self._telling = False
        self._others = Others(
            ledger_path, session=session, project=self._project, wall=wall, tell=self._warn_once, release=self._release
        )
        self.budget = self._budget(settings)

    def _budget(self, settings: Settings) -> Budget:
        said = settings.budget
        caps: dict[Scope, Decimal] = {
            scope: Decimal(str(limit)) for scope in SCOPES if (limit := getattr(said, scope)) is not None
        }
        return Budget(
            caps=caps,
            claim=self._others.claim,
            release=self._release,
            clock=self._clock,
            day=lambda: time.localtime(self._wall())[:3],
            warn=self._warn,
            unknown_price=said.unknown_price,
        )

    # What calls bring

    def charge(self, charge: Charge) -> None:
        """Enter one call. Never waits, never raises."""
        self.tally.add(charge)
        self._served = charge.report.model or self._served or charge.route.slug
        self._see_fallback(charge)
        if charge.outcome == "answered" and charge.ask is not None:
            why = self.watch.see(charge.ask, charge.route.slug, charge.report, self._clock())
            if why:
                _log.warning("cache missed", slug=charge.route.slug, reason=why)
        entry = self._entry(charge)
        _log.info(
            "call",
            slug=entry.slug,
            served=entry.served,
            provider=entry.provider,
            outcome=entry.outcome,
            cost=None if entry.cost is None else str(entry.cost),
            basis=entry.basis,
            input=entry.input,
            read=entry.read,
            output=entry.output,
            first_ms=entry.first_ms,
            ms=entry.ms,
            generation=entry.generation,
            **_of_the_host(charge.report.usage),
        )
        self._write(entry)
        if entry.cost is None and entry.generation and charge.is_billed and entry.host == "openrouter":
            self._ask_for_bill(entry.generation, entry.slug)

    def _see_fallback(self, charge: Charge) -> None:
        """Remember whether the last answer came from the model that was wanted."""
        if charge.outcome == "answered" and charge.ask is not None:
            wanted, route = charge.ask.plan.routes[0], charge.route
            same = (route.provider, route.slug) == (wanted.provider, wanted.slug)
            self._missed = "" if same else written(wanted.slug, wanted.provider)

    def _entry(self, charge: Charge) -> Entry:
        report, usage, ask = charge.report, charge.report.usage, charge.ask
        return Entry(
            at=int(self._wall() * 1000),
            session=self.session,
            conversation=ask.session_id if ask else "",
            project=self._project,
            request=charge.request_id,
            role=charge.role,
            asked=ask.plan.asked if ask else "",
            host=charge.route.provider,
            slug=charge.route.slug,
            served=report.model,
            provider=report.provider,
            path=charge.route.path,
            input=usage.input_tokens if usage else 0,
            read=usage.cache_read_input_tokens if usage else 0,
            written=usage.cache_creation_input_tokens if usage else 0,
            output=usage.output_tokens if usage else 0,
            thinking=usage.thinking_tokens if usage else 0,
            cost=charge.cost,
            basis="unknown" if charge.cost is None else "listing" if charge.priced else "host",
            first_ms=None if charge.first_s is None else round(charge.first_s * 1000),
            ms=round(charge.seconds * 1000),
            outcome=charge.outcome,
            failure=charge.failure or "",
            generation=report.generation_id,
        )

    # Bills that come late

    def _ask_for_bill(self, generation: str, slug: str) -> None:
        if self._get is None:
            return
        task = asyncio.get_running_loop().create_task(self._wait_for_bill(generation, slug))
        self._bills.add(task)
        task.add_done_callback(self._bills.discard)

    async def _wait_for_bill(self, generation: str, slug: str) -> None:
        for delay in self.bill_after:
            await asyncio.sleep(delay)
            late = await self._bill(generation)
            if late is not None:
                self.tally.settle(slug, late.cost)
                self.budget.correct(generation, late.cost)
                return
        _log.info("no bill", generation=generation)

    async def _bill(self, generation: str) -> Late | None:
        bill = await bill_of(self._get, generation) if self._get else None
        if bill is None:
            return None
        late = Late(
            generation=generation,
            cost=bill.cost,
            provider=bill.provider,
            input=bill.input,
            read=bill.read,
            output=bill.output,
        )
        _log.info("bill came late", generation=generation, cost=str(late.cost))
        self._write(late)
        return late

    async def settle_old_bills(self, after: float = OLD_BILLS_AFTER) -> None:
        """Ask, `after` some seconds, for the bills that earlier sessions did not live to see."""
        await asyncio.sleep(after)
        if self._ledger is None and self._ledger_path:
            self._start()
        for generation in await asyncio.to_thread(self._unsettled):
            await self._bill(generation)

    # The ledger

    async def open(self) -> None:
        """Open the ledger, a moment after the start."""
        if not self._ledger_path:
            return
        await asyncio.sleep(LEDGER_AFTER)
        await asyncio.to_thread(__import__, "claude_or.store.ledger")
        self._start()

    def close(self) -> None:
        """Write what is left, within the ledger's bound. A session that was over at once opens it here."""
        for task in self._bills:
            task.cancel()
        if self._others.claimed:
            self._release("")
        if self._ledger is None and self._early and self._ledger_path:
            self._start()
        if self._ledger is not None and not self._ledger.close():
            self.warnings.append("the ledger did not take the last calls in time")

    def _start(self) -> None:
        from claude_or.store.ledger import Ledger  # loads sqlite

        ledger = Ledger(self._ledger_path, keep_days=self._keep_days, trouble=self.warnings.append, wall=self._wall)
        ledger.start()
        for row in self._early:
            ledger.add(row)
        self._early.clear()
        self._ledger = ledger
        self._tell()

    def _write(self, row: Entry | Late | Release) -> None:
        if self._ledger is not None:
            self._ledger.add(row)
        elif self._ledger_path:
            self._early.append(row)
        self._tell()

    def _release(self, hold: str) -> None:
        """Give back what was taken as `hold`; empty: all."""
        from claude_or.store.holds import Release

        self._write(Release(session=self.session, id=hold))

    def _unsettled(self) -> list[str]:
        import sqlite3

        from claude_or.store.sums import unsettled
        from claude_or.store.tables import Broken, TooNew, read_ledger

        try:
            connection = read_ledger(self._ledger_path)
            if connection is None:
                return []
            try:
                return unsettled(connection, since=int(self._wall() * 1000) - OLDEST_BILL_MS)
            finally:
                connection.close()
        except (sqlite3.Error, Broken, TooNew):
            return []

    # What people see

    def told(self) -> dict[str, Any]:
        """For `/control/status`."""
        return {
            "session": self.session,
            "budget": self.budget.told(),
            "cache": {"rate": self.watch.rate, "drops": self.watch.drops, "reason": self.watch.reason},
            "warnings": list(self.warnings),
        }

    def _tell(self) -> None:
        """Have the status file written after the rows that are waiting."""
        if not self._status_path or self._telling:
            return
        if self._ledger is not None:
            self._telling = True
            self._ledger.then(self._write_status)
        elif not self._ledger_path:
            self._write_status()

    def _write_status(self) -> None:
        """In the ledger's thread: a small file, replaced whole, so that the status line never reads half of one."""
        self._telling = False
        total = self.tally.total
        today = self._others.spent(("day",)).get("day", Decimal(0))
        status = {
            "model": self._served,
            "fallback_for": self._missed,
            "cost": format(total.cost, "f"),
            "unknown": total.unknown,
            "listed": bool(total.priced),
            "day": format(today + self.budget.own("day"), "f"),
            "cache": self.watch.rate,
            "cache_reason": self.watch.reason,
            "caps": self.budget.told(),
            "troubles": list(self._troubles()),
        }
        half = f"{self._status_path}.new"
        with suppress(OSError):
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "wb") as file:
                file.write(msgspec.json.encode(status))
            os.replace(half, self._status_path)

    def _warn(self, words: str) -> None:
        self.warnings.append(words)
        self._tell()

    def _warn_once(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)
            _log.warning("books", reason=words)


def _of_the_host(usage: Usage | None) -> dict[str, int]:
    """How often the host searched and fetched by itself, where it did: its bill holds that as well."""
    if usage is None:
        return {}
    counts = {"searches": usage.web_search_requests, "fetches": usage.web_fetch_requests}
    return {name: count for name, count in counts.items() if count}
