"""Models chosen in the session: what `/model` lists, where the next turn goes, and what is left in the user's home."""

from __future__ import annotations

import re

from tests.e2e.test_interactive import ready
from tests.fakes.listing import FREE, GLM, GPT, SMALL
from tests.support.lab import Lab
from tests.support.terminal import ENTER, Terminal

FAVOURITES = f"""
models:
  main: {GLM}
aliases:
  clever: {GPT}
  free: "{FREE}"
"""


async def choose(terminal: Terminal, name: str, said: str) -> None:
    """`/model NAME`, agreed to where the client asks, until it says so."""
    await terminal.type_line(f"/model {name}")
    shown = await terminal.wait_for(lambda now: "Switch model?" in now or said in now)
    if "Switch model?" in shown:
        await terminal.press_until(ENTER, lambda now: "Switch model?" not in now)
        await terminal.wait_for(said)
    await ready(terminal)


async def test_the_picker_lists_favourites_with_windows_and_prices_and_a_pick_is_for_this_session(lab: Lab) -> None:
    lab.configure(FAVOURITES)
    settings = lab.home / ".claude" / "settings.json"
    lab.write(settings, {"model": "opus", "theme": "dark"})
    async with lab.terminal(columns=140) as terminal:
        await ready(terminal)
        await terminal.type_line("/model")
        shown = await terminal.wait_for("Enter to save")
        rows = dict(re.findall(r"^ *❯? +\d\. (\S+).*? · (.*)$", shown, re.MULTILINE))
        assert rows["glm-5.3"].startswith(f"{GLM}, 202k window, $0.60 in and $2.20 out per million")
        assert rows["gpt-6.1-sol"].startswith(f"{GPT}, 1.05M window, $1.25 in and $10 out per million")
        assert rows["tiny-chat-8b:free"].startswith(f"{FREE}, 32k window, free, less than this session's 202k")
        assert rows["qwen4-coder-flash"].startswith(f"{SMALL}, 262k window, $1 in and $4 out per million")
        number = re.search(r"(\d)\. gpt-6.1-sol", shown)
        assert number
        terminal.send(number[1])
        await terminal.wait_for("Set model to gpt-6.1-sol")
        assert GPT in settings.read_text()
        await ready(terminal)
        await terminal.type_line("say it is another")
        await terminal.wait_for("%  of".replace("  ", " "))
        await ready(terminal)
        await terminal.type_line("/exit")
        assert await terminal.exit_code() == 0
    assert [ask.model for ask in lab.host.asks if ask.body.get("tools")] == [GPT]
    # Plain claude starts with what its user had chosen for it.
    assert '"opus"' in settings.read_text()
    assert '"dark"' in settings.read_text()
    assert GPT not in settings.read_text()


async def test_the_clients_own_words_for_models_are_no_trap(lab: Lab) -> None:
    words = {
        "opus": ("Set model to", GLM),
        "haiku": ("Set model to qwen4-coder-flash", SMALL),
        "opusplan": ("Set model to Opus in plan mode", GLM),
        "default": ("(default)", GLM),
        "sonnet[1m]": ("1M context is turned off here", GLM),
    }
    async with lab.terminal(columns=120, rows=60) as terminal:
        await ready(terminal)
        for word, (said, slug) in words.items():
            await choose(terminal, word, said)
            before = len(lab.host.asks)
            await terminal.type_line("say on we go")
            await lab.host.asked(before + 1)
            await ready(terminal)
            assert [ask.model for ask in lab.host.asks[before:]] == [slug], word
        await terminal.type_line("/context")
        shown = await terminal.wait_for("Auto-compact window")
        assert re.search(r"/202.8k tokens", shown)
