"""What was paid, from the ledger, for people and for programs."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli.render import show
from claude_or.cli.result import Finding
from claude_or.cli.usage import Question, since_of, usage, usage_csv
from claude_or.errors import ClaudeOrError
from claude_or.store.entries import Entry
from claude_or.store.ledger import Ledger
from claude_or.store.tables import FILE

NOON = datetime(2026, 11, 18, 12, 0).timestamp()  # noqa: DTZ001 - local time is meant; a Wednesday
HOUR = 3600


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}


def pay(environ: dict[str, str], *calls: dict[str, Any]) -> None:
    ledger = Ledger(f"{environ['XDG_DATA_HOME']}/claude-or/{FILE}")
    ledger.start()
    for call in calls:
        base: dict[str, Any] = {
            "at": int(NOON * 1000),
            "session": "s",
            "project": "/p",
            "role": "main",
            "asked": "opus",
            "host": "openrouter",
            "slug": "z-ai/glm",
            "served": "z-ai/glm-1",
            "path": "chat",
            "outcome": "answered",
            "basis": "host",
            "cost": Decimal(1),
        }
        ledger.add(Entry(**{**base, **call}))
    assert ledger.close(10)


def ago(hours: float) -> int:
    return int((NOON - hours * HOUR) * 1000)


def shown(result: Any) -> str:
    out = io.StringIO()
    show(result, as_json=False, out=out)
    return out.getvalue()


def test_today_week_month_and_all_are_summed_by_local_days(environ: dict[str, str]):
    pay(environ, {"at": ago(1)}, {"at": ago(13)}, {"at": ago(5 * 24)}, {"at": ago(40 * 24)})
    periods = usage(Question(), environ, NOON).data["periods"]
    assert {name: found["calls"] for name, found in periods.items()} == {"today": 1, "week": 2, "month": 3, "all": 4}
    assert periods["all"]["cost_usd"] == "4"


def test_parts_come_dearest_first_with_bars_and_marks(environ: dict[str, str]):
    pay(
        environ,
        {"slug": "a/cheap", "cost": Decimal("0.5"), "basis": "listing"},
        {"slug": "b/dear", "cost": Decimal(2), "input": 100, "read": 900, "output": 20_000},
        {"slug": "c/who-knows", "cost": None, "basis": "unknown", "outcome": "cancelled"},
    )
    result = usage(Question(by="model"), environ, NOON)
    assert [row["name"] for row in result.data["rows"]] == ["b/dear", "a/cheap", "c/who-knows"]
    text = shown(result)
    rows = {line.split()[0]: line for line in text.splitlines() if "/" in line.split(" ")[0]}
    assert "$2.00" in rows["b/dear"]
    assert "90 %" in rows["b/dear"]
    assert "20k" in rows["b/dear"]
    assert rows["b/dear"].count("█") == 24
    assert rows["a/cheap"].count("█") == 6
    assert "~$0.50" in rows["a/cheap"]
    assert "$0.00 + 1?" in rows["c/who-knows"]
    assert "1 cancelled, 1 without a known cost" in text


@pytest.mark.parametrize("by", ["model", "project", "session", "role", "day", "host"])
def test_it_can_be_divided_by_anything_that_is_known(environ: dict[str, str], by: str):
    pay(environ, {}, {"project": "/q", "session": "t", "role": "small", "slug": "c/d", "at": ago(30), "host": "ollama"})
    assert len(usage(Question(by=by), environ, NOON).data["rows"]) == 2


def test_a_folder_can_be_asked_about_alone(environ: dict[str, str]):
    pay(environ, {}, {"project": "/q"})
    assert usage(Question(project="/q"), environ, NOON).data["total"]["calls"] == 1
    assert len(usage_csv(Question(project="/q"), environ, NOON).splitlines()) == 2


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-11-01", (11, 1)),
        ("7d", (11, 11)),
        ("1w", (11, 11)),
        ("today", (11, 18)),
        ("week", (11, 16)),
        ("month", (11, 1)),
    ],
)
def test_a_time_can_be_told_in_many_ways(said: str, day: tuple[int, int]):
    start = datetime.fromtimestamp(since_of(said, NOON)[0] / 1000)  # noqa: DTZ006 - local time is meant
    assert (start.month, start.day, start.hour) == (*day, 0)


@pytest.mark.parametrize(
    "question",
    [
        Question(by="colour"),
        *(Question(since=said) for said in ("yore", "99999d", "9999y", "²d", "-5d", "0001-01-01x", "d")),
    ],
)
def test_what_cannot_be_read_is_told_with_the_choices(environ: dict[str, str], question: Question):
    with pytest.raises(ClaudeOrError) as caught:
        usage(question, environ, NOON)
    assert caught.value.exit_code == 64
    assert caught.value.hint


def test_csv_holds_every_call_and_exact_costs(environ: dict[str, str]):
    pay(environ, {"cost": Decimal("0.000000000001")}, {"cost": None, "basis": "unknown"})
    found = list(csv.DictReader(io.StringIO(usage_csv(Question(), environ, NOON))))
    assert [row["cost"] for row in found] == ["0.000000000001", ""]
    assert found[0]["slug"] == "z-ai/glm"


def test_before_the_first_session_there_is_nothing_and_no_file_is_made(environ: dict[str, str], tmp_path: Path):
    result = usage(Question(), environ, NOON)
    assert result.exit_code == 0
    assert "Nothing was paid yet" in result.summary
    assert list(tmp_path.iterdir()) == []


def test_a_broken_ledger_is_told_with_what_happens_next(environ: dict[str, str], tmp_path: Path):
    (tmp_path / "claude-or").mkdir()
    (tmp_path / "claude-or" / FILE).write_bytes(b"words" * 1000)
    with pytest.raises(ClaudeOrError) as caught:
        usage(Question(), environ, NOON)
    assert "set" in caught.value.hint


def test_damage_in_the_middle_of_the_ledger_is_told_too(environ: dict[str, str], tmp_path: Path):
    pay(environ, *({"session": f"s{n}" * 20} for n in range(300)))
    path = tmp_path / "claude-or" / FILE
    whole = bytearray(path.read_bytes())
    for page in range(len(whole) // 8192 * 4096, len(whole) - 4096, 4096):
        whole[page : page + 200] = b"\x55" * 200
    path.write_bytes(whole)
    for ask in (usage, usage_csv):
        with pytest.raises(ClaudeOrError, match="cannot be read"):
            ask(Question(since="all"), environ, NOON)


def test_what_is_left_of_the_key_stands_below(environ: dict[str, str]):
    pay(environ, {})
    result = usage(Question(), environ, NOON, lambda: [Finding("ok", "key", "$31.27 of $50.00 left (monthly)")])
    assert "$31.27 of $50.00 left" in shown(result)
