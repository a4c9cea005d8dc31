"""A session on a terminal: what is shown, what keys do, and that the terminal is left as it was found."""

from __future__ import annotations

import re

from tests.fakes.listing import GLM
from tests.support.lab import Lab
from tests.support.terminal import CTRL_C, CTRL_Z, ENTER, Terminal

PROMPT = re.compile(r"^❯", re.MULTILINE)
IDLE = re.compile(r"^❯\s*$", re.MULTILINE)


async def ready(terminal: Terminal) -> None:
    """Wait for the client's empty prompt."""
    await terminal.wait_for(IDLE, timeout=90)


async def test_an_answer_is_shown_a_command_runs_after_approval_and_exit_leaves_a_clean_terminal(lab: Lab) -> None:
    async with lab.terminal() as terminal:
        before = terminal.modes()
        await ready(terminal)
        await terminal.type_line("say good morning")
        await terminal.wait_for("● good morning")
        await terminal.type_line("run touch proof.txt && echo it-ran")
        asked = await terminal.wait_for("Do you want to proceed?")
        assert "touch proof.txt" in asked
        assert not (lab.project / "proof.txt").exists()
        await terminal.press_until(ENTER, lambda now: "Do you want to proceed?" not in now)
        shown = await terminal.wait_for("Finished. The last tool said: it-ran")
        assert "Auto mode is unavailable" not in shown
        assert (lab.project / "proof.txt").exists()
        await ready(terminal)
        await terminal.type_line("/exit")
        assert await terminal.exit_code() == 0
        assert terminal.modes() == before
        assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l")
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
        left = await terminal.wait_for("claude-or: ")
    assert "❯" not in left
    assert "good morning" not in left
    assert GLM in left


async def test_ctrl_c_clears_the_line_and_twice_more_leaves(lab: Lab) -> None:
    async with lab.terminal() as terminal:
        before = terminal.modes()
        await ready(terminal)
        terminal.send("never sent")
        await terminal.wait_for("❯ never sent")
        terminal.send(CTRL_C)
        await terminal.wait_until_gone("never sent")
        await terminal.type_line("say still here")
        await terminal.wait_for("● still here")
        await ready(terminal)
        terminal.send(CTRL_C)
        await terminal.wait_for("Press Ctrl-C again")
        terminal.send(CTRL_C)
        assert await terminal.exit_code() == 0
        assert terminal.modes() == before
    assert all("never sent" not in str(ask.messages) for ask in lab.host.asks)


async def test_ctrl_z_gives_the_shell_back_and_fg_resumes_the_session(lab: Lab) -> None:
    async with lab.shell() as terminal:
        await terminal.wait_for("shell>")
        terminal.send("claude-or", ENTER)
        await ready(terminal)
        terminal.send(CTRL_Z)
        await terminal.wait_for("Stopped")
        terminal.send("echo back-in-$((40 + 2))", ENTER)
        await terminal.wait_for("back-in-42")
        terminal.send("fg", ENTER)
        await ready(terminal)
        await terminal.type_line("say resumed well")
        await terminal.wait_for("● resumed well")
        await ready(terminal)
        await terminal.type_line("/exit")
        await terminal.wait_for(lambda now: now.rstrip().endswith("shell>"))
        terminal.send("echo code-$?", ENTER)
        await terminal.wait_for("code-0")


async def test_a_resized_window_is_redrawn(lab: Lab) -> None:
    async with lab.terminal(columns=100) as terminal:
        await ready(terminal)
        await terminal.wait_for("─" * 100)
        terminal.resize(70, 30)
        await terminal.wait_for(lambda now: "─" * 70 in now and "─" * 71 not in now)
        await terminal.type_line("say narrow")
        await terminal.wait_for("● narrow")


async def test_the_demo_greets_without_any_dialog_and_shows_tools_at_work(lab: Lab) -> None:
    lab.extra |= {"OPENROUTER_API_KEY": "", "HOME": str(lab.root / "fresh")}
    (lab.root / "fresh").mkdir()
    async with lab.terminal("demo") as terminal:
        greeting = await terminal.wait_for(IDLE, timeout=90)
        assert "a scripted model" in greeting
        await terminal.type_line("Take the tour")
        shown = await terminal.wait_for("The program printed: Hello from claude-or", timeout=90)
        assert "Do you want to proceed?" not in shown
        await ready(terminal)
        await terminal.type_line("/exit")
        assert await terminal.exit_code() == 0
    assert lab.host.log == []
