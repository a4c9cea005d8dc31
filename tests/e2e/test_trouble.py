"""What a user of the real client sees, and when, while the host is in lasting trouble. Long, hence mostly marked slow."""

from __future__ import annotations

import asyncio
import os
import re
import time

import pytest

from claude_or.errors import EXIT_PROXY
from tests.fakes.record import Ask
from tests.fakes.replies import Reply, error, pause, text
from tests.support.lab import ROOT, Lab
from tests.support.terminal import ENTER, ESCAPE

IDLE = re.compile(r"^❯\s*$", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("status", "delay", "calls", "seconds"),
    [(500, 0.0, 12, 60), (529, 0.0, 12, 60), (429, 0.0, 14, 150), (502, 7.0, 12, 90), (502, 15.0, 12, 150)],
)
async def test_lasting_trouble_is_told_in_the_hosts_words_soon(
    lab: Lab, status: int, delay: float, calls: int, seconds: float
) -> None:
    lab.host.script(lambda _ask, _n: error(status, "The hosts own words", head_delay=delay))
    done = await lab.ask("hello", timeout=220)
    print(f"{status} after {delay} s: {len(lab.host.asks)} calls, {done.seconds:.0f} s: {done.result['result'][:300]}")
    assert done.code == 1
    assert "The hosts own words" in done.result["result"]
    assert len(lab.host.asks) <= calls
    assert done.seconds <= seconds


MUTE: dict[str, Reply] = {
    "before the head": Reply([text("Late, but whole.")], head_delay=400.0),
    "before the first word": Reply([pause(400.0), text("Late, but whole.")], greeting=False),
    "in the middle": Reply([text("Late, but "), pause(90.0), text("whole.")]),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_host_that_is_mute_for_minutes_is_waited_for_with_one_call(lab: Lab) -> None:
    def brain(ask: Ask, _n: int) -> Reply:
        said = str(ask.body["messages"])
        return next(reply for place, reply in MUTE.items() if f"mute {place}" in said)

    lab.host.script(brain)
    ended = await asyncio.gather(*(lab.ask(f"mute {place}", timeout=550) for place in MUTE))
    for place, done in zip(MUTE, ended, strict=True):
        print(f"mute {place}: {done.seconds:.0f} s, {done.result['result']!r}")
        assert (done.code, done.result["result"]) == (0, "Late, but whole.")
        assert not [event for event in done.events if event.get("subtype") == "api_retry"]
    assert len(lab.host.asks) == len(MUTE)
    assert all(ask.gone is None for ask in lab.host.asks)


@pytest.mark.parametrize("phase", ["waiting", "streaming"])
async def test_escape_ends_the_call_at_the_host_and_the_next_turn_works(lab: Lab, phase: str) -> None:
    # The client shows whole paragraphs.
    long = Reply([text("Once upon a time.\n\nThere was "), pause(60.0), text("never told")])
    reply = long if phase == "streaming" else Reply([text("never told")], head_delay=60.0)
    lab.host.script(lambda _ask, n: reply if n == 0 else text("Yes, still here."))
    async with lab.terminal() as terminal:
        await terminal.wait_for(IDLE, timeout=90)
        await terminal.type_line("tell me a story")
        call = await lab.host.asked(1)
        if phase == "streaming":
            await terminal.wait_for("Once upon a time")
        else:
            await terminal.wait_for("esc to interrupt")
        pressed = time.monotonic()
        terminal.send(ESCAPE)
        await asyncio.wait_for(call.over.wait(), 20)
        assert call.gone is not None
        print(f"escape while {phase}: the host's connection closed after {(call.gone - pressed) * 1000:.0f} ms")
        assert call.gone - pressed < 1.0
        if phase == "streaming":
            await terminal.wait_for("Interrupted")
            await terminal.type_line("still there?")
        else:
            # Before the first word the client gives the prompt back, to be changed or sent again.
            await terminal.wait_until_gone("esc to interrupt")
            terminal.send(ENTER)
        await terminal.wait_for("Yes, still here.")
    assert len(lab.host.asks) == 2


BREAK = """
import os
import claude_or.proxy.app as app
real = app.answer_messages
turns = 0

async def answer_messages(request, house, request_id):
    global turns
    turns += 1
    if turns == 2:
        raise {error}("injected")
    return await real(request, house, request_id)

app.answer_messages = answer_messages
"""


def broken(lab: Lab, error: str) -> None:
    """Let the second request of a session raise this in the proxy."""
    folder = lab.root / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BREAK.format(error=error), encoding="utf-8")
    lab.extra["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])


async def test_an_exception_in_one_request_is_not_noticed(lab: Lab) -> None:
    broken(lab, "ZeroDivisionError")
    async with lab.terminal() as terminal:
        await terminal.wait_for(IDLE, timeout=90)
        await terminal.type_line("say one")
        await terminal.wait_for("● one")
        await terminal.type_line("say two")
        await terminal.wait_for("● two")


async def test_a_proxy_that_cannot_go_on_ends_the_session_and_says_why(lab: Lab) -> None:
    broken(lab, "MemoryError")
    async with lab.terminal() as terminal:
        before = terminal.modes()
        await terminal.wait_for(IDLE, timeout=90)
        await terminal.type_line("say one")
        await terminal.wait_for("● one")
        await terminal.type_line("say two")
        code = await terminal.exit_code(20)
        shown = await terminal.wait_for("claude-or: ")
        print(shown)
        assert code == EXIT_PROXY
        assert terminal.modes() == before
    assert "Traceback" not in shown
