"""Money, as a user meets it: caps that end a script with their own code, a raise from another terminal, usage afterwards."""

from __future__ import annotations

import json
import signal
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from claude_or.store.sums import total
from tests.fakes.replies import Reply, Text, Tokens
from tests.stories.conftest import World, until
from tests.support.ledger import looked_into, reading

DIME = Reply([Text("ten cents")], usage=Tokens(prompt=50, completion=20, cost=Decimal("0.1")))


@pytest.fixture
def paid(world: World) -> World:
    """A world in which each answer costs ten cents, and whose models are known already."""
    world.host.script(lambda _ask, _n: DIME)
    return world


def ledger(world: World) -> sqlite3.Connection:
    return reading(world.home / ".local/share/claude-or/ledger.sqlite")


async def command(world: World, *args: str) -> tuple[int, str, str]:
    done = await world.run(args=args)
    return done.code, done.out, done.err


async def test_every_call_of_every_session_is_in_the_ledger(paid: World):
    await paid.run(["ask"], ["stream"])
    await paid.run(["ask"])

    found = total(ledger(paid))
    assert (found.calls, found.cost) == (3, Decimal("0.3"))
    assert found.cost == paid.host.invoice()
    code, out, _ = await command(paid, "usage", "--json")
    data = json.loads(out)["data"]
    assert (code, data["total"]["cost_usd"], data["rows"][0]["name"]) == (0, "0.3", "z-ai/glm-5.3")
    code, out, _ = await command(paid, "usage")
    assert "$0.30" in out
    assert "left" in out, "what is left of the key"


async def test_a_spent_cap_ends_a_script_with_its_own_code(paid: World):
    await paid.run(["ask"])  # the listing with the prices is there from now on
    figures = paid.folder / "figures.json"
    done = await paid.run(["ask"], ["ask"], args=("--budget", "0.1", "--summary-json", str(figures), "-p", "hi"))

    assert done.code == 76
    assert "$0.10 of $0.10 session cap" in done.err
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert (told["exit_code"], told["calls_refused_by_caps"], told["total"]["cost_usd"]) == (76, 1, "0.1")
    assert len(paid.host.asks) == 2


async def test_a_cap_can_be_raised_from_another_terminal(paid: World):
    await paid.run(["ask"])
    running = await paid.start(["ask"], ["wait", "GO"], ["ask"], args=("--budget", "0.1", "-p", "hi"))
    await until(lambda: len(paid.host.asks) == 2, "the first question was not asked")
    code, out, _ = await command(paid, "budget", "--json")
    (session,) = json.loads(out)["data"]
    assert (code, session["caps_usd"]["session"]["limit"]) == (0, "0.1")

    code, out, _ = await command(paid, "budget", "raise", "5")
    assert (code, "now $5.10" in out) == (0, True)
    running.let_go()
    done = await running.done()
    assert (done.code, done.out) == (0, "ten cents\nten cents\n")


async def test_the_only_cap_needs_no_name(paid: World):
    folder = paid.home / ".config/claude-or"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("budget: {day: 0.5}\n", encoding="utf-8")
    running = await paid.start(["ask"], ["wait", "GO"], args=("-p", "hi"))
    await until(lambda: len(paid.host.asks) == 1, "the question was not asked")
    code, out, _ = await command(paid, "budget", "raise", "1")
    assert (code, "The day cap" in out, "now $1.50" in out) == (0, True, True)
    running.let_go()
    assert (await running.done()).code == 0


async def test_raising_what_does_not_run_or_is_no_amount_is_told(paid: World):
    for arguments, code in (
        (("budget", "raise", "5"), 1),
        (("budget", "raise", "much"), 64),
        (("budget", "raise", "5", "--cap", "year"), 64),
    ):
        found, _, err = await command(paid, *arguments)
        assert found == code
        assert "→" in err
        assert "Traceback" not in err


async def test_a_wrong_amount_is_told_before_claude_starts(paid: World):
    done = await paid.run(["ask"], args=("--budget", "lots", "-p", "hi"))
    assert done.code == 64
    assert "US dollars" in done.err
    assert not paid.host.asks


async def test_a_kill_leaves_a_ledger_that_is_whole(paid: World):
    running = await paid.start(["ask"], ["ask"], ["ask"], ["wait", "GO"])
    path = Path(paid.home / ".local/share/claude-or/ledger.sqlite")

    def rows() -> int:
        connection = looked_into(path)
        return total(connection).calls if connection else 0

    await until(lambda: rows() == 3, "the calls were not written while the session ran")
    running.signal(signal.SIGKILL)
    running.let_go()
    await running.done()

    connection = ledger(paid)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert total(connection).cost == paid.host.invoice()


async def test_a_broken_ledger_costs_a_line_not_the_session(paid: World):
    folder = paid.home / ".local/share/claude-or"
    folder.mkdir(parents=True)
    (folder / "ledger.sqlite").write_bytes(b"no ledger " * 500)
    done = await paid.run(["ask"])

    assert (done.code, done.out) == (0, "ten cents\n")
    assert "the ledger was damaged" in done.err
    assert total(ledger(paid)).calls == 1
