"""What was paid is written down, exactly, by several sessions at once, and no broken file keeps a session from working."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.store.entries import Entry, Late
from claude_or.store.ledger import DAY_MS, Ledger
from claude_or.store.sums import grouped, rows, total, unsettled
from claude_or.store.tables import FILE, MIGRATIONS, Broken, TooNew, open_ledger, read_ledger, to_dollars, to_pico
from tests.support.ledger import looked_into, reading

NOW = 1_800_000_000_000


def entry(**more: Any) -> Entry:
    base: dict[str, Any] = {
        "at": NOW,
        "session": "s1",
        "project": "/p",
        "request": "",
        "role": "main",
        "asked": "opus",
        "host": "openrouter",
        "slug": "z-ai/glm",
        "served": "z-ai/glm-1",
        "path": "chat",
        "outcome": "answered",
        "basis": "host",
        "cost": Decimal("0.25"),
    }
    return Entry(**{**base, **more})


def written(path: Path, *entries: Entry | Late, **options: Any) -> list[str]:
    said: list[str] = []
    ledger = Ledger(str(path), trouble=said.append, wall=lambda: NOW / 1000, **options)
    ledger.start()
    for one in entries:
        ledger.add(one)
    assert ledger.close(10)
    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / FILE


def test_a_row_holds_every_figure_of_its_call(path: Path):
    whole = entry(
        conversation="c",
        request="r",
        provider="Prov",
        input=1,
        read=2,
        written=3,
        output=4,
        thinking=5,
        cost=Decimal("0.000000123456"),
        first_ms=6,
        ms=7,
        generation="gen-1",
    )
    written(path, whole)
    cursor = rows(reading(path))
    names = [column[0] for column in cursor.description]
    (row,) = (dict(zip(names, values, strict=True)) for values in cursor)
    assert to_dollars(row.pop("cost")) == whole.cost
    assert row.pop("id") == 1
    assert row == {name: getattr(whole, name) for name in whole.__struct_fields__ if name != "cost"}


def test_only_the_user_can_read_it(path: Path):
    written(path, entry())
    for name in os.listdir(path.parent):
        assert stat.S_IMODE(os.stat(path.parent / name).st_mode) & 0o077 == 0, name
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700


def test_sums_are_exact_and_say_what_is_unknown(path: Path):
    written(
        path,
        *[entry(cost=Decimal("0.1")) for _ in range(10)],
        entry(cost=None, basis="unknown", outcome="cancelled"),
        entry(cost=None, basis="unknown", outcome="failed", served=""),
        entry(cost=Decimal("0.000000000001"), basis="listing"),
    )
    found = total(reading(path))
    assert found.cost == Decimal("1.000000000001")
    assert (found.calls, found.unknown, found.failed, found.cancelled, found.listed) == (13, 1, 1, 1, 1)


@given(st.lists(st.decimals(0, 1000, places=12), max_size=30))
def test_the_sum_is_the_sum_of_its_parts(costs: list[Decimal]):
    assert sum(map(to_pico, costs)) == to_pico(sum(costs, Decimal(0)))
    assert all(to_dollars(to_pico(cost)) == cost for cost in costs)


def test_sums_can_be_taken_by_time_project_session_and_kind(path: Path):
    written(
        path,
        entry(at=NOW - 5, cost=Decimal(1), session="a", project="/x", slug="m/1", role="main"),
        entry(at=NOW, cost=Decimal(2), session="a", project="/y", slug="m/2", role="small"),
        entry(at=NOW + 5, cost=Decimal(4), session="b", project="/x", slug="m/1", role="main"),
    )
    connection = reading(path)
    assert total(connection, since=NOW).cost == 6
    assert total(connection, until=NOW).cost == 1
    assert total(connection, project="/x").cost == 5
    assert total(connection, session="a").cost == 3
    assert total(connection, besides="a").cost == 4
    assert [(one.name, one.cost) for one in grouped(connection, "model")] == [("m/1", 5), ("m/2", 2)]
    assert [one.name for one in grouped(connection, "project")] == ["/x", "/y"]
    assert [one.name for one in grouped(connection, "role")] == ["main", "small"]
    assert len(grouped(connection, "day")) == 1


def test_an_attempt_that_another_followed_counts_as_retried(path: Path):
    failed = entry(request="r1", outcome="failed", cost=None, basis="unknown", served="")
    written(path, failed, failed, entry(request="r1"), entry(request="r2", outcome="failed"))
    found = total(reading(path))
    assert (found.calls, found.retried, found.failed) == (4, 2, 1)


def test_a_figure_that_comes_late_completes_its_row_once(path: Path):
    open_one = entry(cost=None, basis="unknown", outcome="cancelled", generation="gen-9", input=1)
    written(path, open_one, entry(generation="gen-8"))
    assert unsettled(reading(path), since=0) == ["gen-9"]
    late = Late(generation="gen-9", cost=Decimal("0.5"), input=700)
    written(path, late, Late(generation="gen-9", cost=Decimal(9)), Late(generation="gen-8", cost=Decimal(9)))
    found = total(reading(path))
    assert (found.cost, found.input, found.unknown) == (Decimal("0.75"), 700, 0)
    assert unsettled(reading(path), since=0) == []


def test_old_rows_are_forgotten_when_a_time_is_set(path: Path):
    written(path, entry(at=NOW - 11 * DAY_MS), entry(at=NOW - 9 * DAY_MS))
    written(path, keep_days=None)
    assert total(reading(path)).calls == 2
    written(path, keep_days=10)
    assert total(reading(path)).calls == 1


def test_several_sessions_write_at_once_and_nothing_is_lost(path: Path):
    ledgers = [Ledger(str(path)) for _ in range(6)]

    def pour(ledger: Ledger, number: int) -> None:
        for _ in range(100):
            ledger.add(entry(session=f"s{number}", cost=Decimal("0.01")))

    for ledger in ledgers:
        ledger.start()
    pours = [threading.Thread(target=pour, args=(ledger, number)) for number, ledger in enumerate(ledgers)]
    for thread in pours:
        thread.start()
    for thread in pours:
        thread.join()
    assert all(ledger.close(30) for ledger in ledgers)
    found = total(reading(path))
    assert (found.calls, found.cost) == (600, 6)


@pytest.mark.parametrize("content", [b"not a database at all, but words" * 40, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_broken_file_is_set_aside_and_a_new_one_begun(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    said = written(path, entry())
    assert total(reading(path)).calls == 1
    aside = [name for name in os.listdir(path.parent) if ".broken-" in name]
    assert len(aside) == 1
    assert (path.parent / aside[0]).read_bytes() == content
    assert len(said) == 1
    assert aside[0] in said[0]


def test_a_file_that_breaks_during_the_session_is_set_aside_and_the_row_kept(path: Path):
    written(path, *[entry() for _ in range(50)])
    said: list[str] = []
    ledger = Ledger(str(path), trouble=said.append)
    ledger.start()
    ledger.add(entry())
    done = threading.Event()
    ledger.then(done.set)
    assert done.wait(10)
    for name in (FILE, FILE + "-wal"):
        file = path.parent / name
        if file.exists():
            file.write_bytes(b"\x55" * max(file.stat().st_size, 8192))
    ledger.add(entry(session="after"))
    ledger.add(entry(session="after"))
    assert ledger.close(10)
    try:
        connection = looked_into(path)
    except (Broken, sqlite3.DatabaseError):
        connection = None  # sqlite noticed nothing: its pages were in memory; the next session sets it aside
    if connection is None:
        written(path, entry(session="next"))
        assert any(".broken-" in name for name in os.listdir(path.parent))
        assert total(reading(path), session="next").calls == 1
    else:
        assert total(connection, session="after").calls == 2


def test_a_file_of_a_later_version_is_left_alone(path: Path):
    written(path, entry())
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    said = written(path, entry())
    assert len(said) == 1
    assert "later version" in said[0]
    assert path.read_bytes() == before
    with pytest.raises(TooNew):
        read_ledger(str(path))


@pytest.mark.parametrize(
    "odd",
    [
        {"project": "/caf\udce9", "served": "\ud800"},
        {"input": 10**30, "output": -5},
        {"cost": Decimal(10) ** 9},
        {"cost": Decimal("NaN")},
        {"served": ["no", "text"]},
    ],
    ids=["text", "tokens", "fortune", "nan", "kind"],
)
def test_a_row_that_no_file_can_hold_costs_nothing_but_itself(path: Path, odd: dict[str, Any]):
    said = written(path, entry(), entry(**odd), entry())
    connection = reading(path)
    found = total(connection)
    assert not any(".broken-" in name for name in os.listdir(path.parent))
    assert found.cost >= Decimal("0.5")
    assert found.calls == (2 if "served" in odd and "project" not in odd else 3)
    assert found.unknown == ("cost" in odd)
    assert bool(said) == (found.calls == 2)
    assert max(found.input, found.output, -min(found.input, found.output)) <= 10**12


def test_a_file_of_the_first_version_is_brought_up_to_date_and_keeps_its_rows(path: Path):
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.executescript(MIGRATIONS[0])
    old.execute("PRAGMA user_version = 1")
    names = [row[1] for row in old.execute("PRAGMA table_info(calls)")]
    plain = {"cost": 250_000_000_000, "at": NOW, "outcome": "answered", "basis": "host"}
    values = [plain.get(name, 1 if name == "id" else 0 if name in {"input", "ms"} else "") for name in names]
    old.execute(f"INSERT INTO calls VALUES ({', '.join('?' * len(names))})", values)
    old.commit()
    old.close()
    assert total(reading(path)).calls == 1, "also before anybody wrote"
    assert written(path, entry()) == []
    assert total(reading(path)).cost == Decimal("0.5")


def test_what_cannot_be_written_now_is_written_when_it_can_be(path: Path):
    written(path)
    blocker = open_ledger(str(path))
    blocker.execute("PRAGMA busy_timeout = 0")
    ledger = Ledger(str(path))
    blocker.execute("BEGIN IMMEDIATE")
    ledger.start()
    ledger.add(entry())
    blocker.execute("COMMIT")
    ledger.add(entry())
    assert ledger.close(20)
    blocker.close()
    assert total(reading(path)).calls == 2


def test_a_folder_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("")
    said = written(file / FILE, entry())
    assert said
    assert "cannot be written" in said[0]


def test_reading_what_is_not_there_gives_nothing(path: Path):
    assert read_ledger(str(path)) is None
    path.parent.mkdir()
    path.write_bytes(b"")
    assert read_ledger(str(path)) is None
    path.write_bytes(b"words" * 500)
    with pytest.raises(Broken):
        read_ledger(str(path))


_VICTIM = """
import sys, time
from decimal import Decimal
from claude_or.store.ledger import Ledger
from tests.store.test_ledger import entry
ledger = Ledger(sys.argv[1])
ledger.start()
n = 0
while True:
    n += 1
    ledger.add(entry(request=f"r{n}", cost=Decimal("0.001")))
    print(n, flush=True)
    time.sleep(0.002)
"""


def test_a_kill_loses_no_more_than_the_rows_of_the_last_moment(path: Path):
    victim = subprocess.Popen([sys.executable, "-c", _VICTIM, str(path)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    told = 0
    for line in victim.stdout:
        told = int(line)
        if told >= 150:
            break
    victim.send_signal(signal.SIGKILL)
    rest = victim.stdout.read().split()
    victim.wait()
    victim.stdout.close()
    told = int(rest[-1]) if rest else told
    found = total(reading(path))
    assert told - 100 <= found.calls <= told + 1
    assert found.cost == found.calls * Decimal("0.001")
    # The rows are the first ones, without a gap, and the file is whole.
    connection = reading(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT max(id), count(*) FROM calls").fetchone() == (found.calls, found.calls)
