"""What sessions hold for calls in flight: nobody takes the same room twice, and nothing stays held for who is gone."""

from __future__ import annotations

import os
import subprocess
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from claude_or.store.entries import Entry
from claude_or.store.holds import OLDEST_MS, Hold, Release, Room, claim, release
from claude_or.store.ledger import Ledger
from claude_or.store.tables import FILE, open_ledger

NOW = 1_800_000_000_000
ONE = Decimal(1)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / FILE)


def hold(session: str, amount: Decimal = ONE, *, project: str = "/p", pid: int = 0, at: int = NOW) -> Hold:
    id_ = os.urandom(8).hex()
    return Hold(id=id_, session=session, project=project, pid=pid or os.getpid(), at=at, amount=amount)


def take(path: str, one: Hold, cap: str, *, alone: Decimal = Decimal(0), scope: str = "day") -> Room:
    return claim(path, one, left={scope: Decimal(cap) - one.amount}, starts={}, alone=alone)


def test_sessions_that_claim_at_once_take_no_more_than_there_is(path: str):
    begin = threading.Barrier(12)
    taken: list[bool] = []

    def session(name: str) -> None:
        begin.wait(30)
        taken.append(take(path, hold(name), "5").taken)

    threads = [threading.Thread(target=session, args=(f"s{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == [False] * 7 + [True] * 5


def test_what_others_spent_and_hold_is_told_exactly(path: str):
    ledger = Ledger(path)
    ledger.start()
    base = {"at": NOW, "role": "main", "asked": "a", "host": "h", "slug": "m", "path": "chat", "outcome": "answered"}
    for session, project in (("a", "/p"), ("b", "/q"), ("c", "/p")):
        ledger.add(Entry(session=session, project=project, cost=Decimal("0.123456789012"), **base))  # pyright: ignore[reportArgumentType]
    assert ledger.close(20)
    assert take(path, hold("a", Decimal("0.5"), project="/p"), "9").taken
    assert take(path, hold("b", Decimal("0.25"), project="/q"), "9").taken
    left = {"day": Decimal(9), "project": Decimal(9), "month": Decimal(9)}
    room = claim(path, hold("c"), left=left, starts={"day": NOW, "month": NOW + 1})
    assert room.spent == {"day": Decimal("0.246913578024"), "project": Decimal("0.123456789012"), "month": 0}
    assert room.held == {"day": Decimal("0.75"), "project": Decimal("0.5"), "month": Decimal("0.75")}


def test_what_may_be_missing_alone_may_not_beside_others(path: str):
    assert not take(path, hold("a", ONE * 3), "2").taken
    mine = hold("a", ONE * 3)
    assert take(path, mine, "2", alone=ONE).taken
    assert not take(path, hold("b", ONE * 3), "5", alone=ONE).taken
    connection = open_ledger(path)
    release(connection, Release(session="a", id=mine.id))
    connection.close()
    assert take(path, hold("b", ONE * 3), "2", alone=ONE).taken


def test_a_killed_session_and_an_old_row_hold_nothing(path: str):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert take(path, hold("killed", pid=gone.pid), "9").taken
    assert take(path, hold("old", at=NOW - OLDEST_MS - 1), "9").taken
    assert take(path, hold("lives"), "9").taken
    assert take(path, hold("me"), "9").held == {"day": ONE}


def test_a_session_that_is_over_holds_nothing(path: str):
    for _ in range(3):
        assert take(path, hold("a"), "9").taken
    assert take(path, hold("b"), "9").held == {"day": ONE * 3}
    ledger = Ledger(path)
    ledger.start()
    ledger.add(Release(session="a"))
    assert ledger.close(20)
    assert take(path, hold("c"), "9").held == {"day": ONE}
