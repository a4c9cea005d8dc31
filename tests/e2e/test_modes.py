"""How much a model thinks and who decides what runs: the client's switches as the host meets them."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from tests.e2e.test_interactive import ready
from tests.fakes.listing import GLM, GPT, SMALL
from tests.fakes.openrouter import Answer, Ask, script
from tests.fakes.replies import text, tool_call
from tests.support.lab import STREAM, Lab
from tests.support.terminal import DOWN, ENTER


def thought(ask: Ask) -> Any:
    """What the host was told about thinking."""
    return ask.body.get("reasoning")


@pytest.mark.parametrize("level", ["low", pytest.param("high", marks=pytest.mark.slow)])
async def test_the_effort_that_was_asked_for_reaches_a_model_that_can(lab: Lab, level: str) -> None:
    done = await lab.ask("say hello", "--effort", level)

    assert (done.code, done.result["result"]) == (0, "hello"), done.stderr
    assert thought(lab.host.asks[0])["effort"] == level


async def test_effort_is_harmless_for_a_model_that_cannot_think(lab: Lab) -> None:
    lab.extra["BIG_MODEL"] = SMALL

    done = await lab.ask("say hello", "--effort", "high")

    assert (done.code, done.result["result"]) == (0, "hello"), done.stderr
    assert thought(lab.host.asks[0]) is None
    assert len(lab.host.asks) == 1


@pytest.mark.parametrize(("slug", "wanted"), [(GLM, {"enabled": False}), (GPT, {"effort": "low"})])
async def test_thinking_that_is_switched_off_is_off_or_least_where_a_model_must(
    lab: Lab, slug: str, wanted: dict[str, Any]
) -> None:
    lab.extra |= {"BIG_MODEL": slug, "MAX_THINKING_TOKENS": "0"}

    done = await lab.ask("say hello")

    assert (done.code, done.result["result"]) == (0, "hello"), done.stderr
    assert thought(lab.host.asks[0]) == wanted
    assert len(lab.host.asks) == 1


@pytest.mark.parametrize(("verdict", "runs"), [("<block>no", True), ("<block>yes", False)], ids=["allowed", "refused"])
async def test_with_the_local_check_a_mapped_model_says_what_runs(lab: Lab, verdict: str, runs: bool) -> None:
    lab.write(lab.home / ".config" / "claude-or" / "config.yaml", {"client": {"auto_mode": "local"}})
    checks: list[Ask] = []
    command = f"{sys.executable} -c \"open('proof.txt', 'w').close()\""
    main = script(tool_call("Bash", {"command": command, "description": "x"}), text("Told."))

    def brain(ask: Ask, n: int) -> Answer:
        if ask.tools:
            return main(ask, n)
        checks.append(ask)
        return text(verdict)

    lab.host.script(brain)

    done = await lab.run("-p", *STREAM, "--permission-mode", "auto", "make a file")

    assert (done.code, done.result["result"]) == (0, "Told."), done.stdout[-2000:]
    assert checks
    assert (lab.project / "proof.txt").exists() is runs
    assert bool(done.tool_results[0].get("is_error")) is not runs
    assert "permission" in str(done.tool_results[0]["content"]).lower() or runs
    assert {check.model for check in checks} == {GLM}
    assert checks[0].body["stop"] == ["</block>"]


async def test_effort_and_model_are_changed_in_mid_session(lab: Lab) -> None:
    lab.write(lab.home / ".config" / "claude-or" / "config.yaml", {"aliases": {"sol": GPT}})
    lab.host.script(lambda ask, _n: text(f"Here is {ask.model}."))
    async with lab.terminal(columns=160) as terminal:
        await ready(terminal)
        await terminal.type_line("/effort low")
        await terminal.wait_for("Set effort level to low")
        await ready(terminal)
        await terminal.type_line("who is there?")
        await terminal.wait_for(f"● Here is {GLM}.")
        assert thought(lab.host.asks[-1])["effort"] == "low"
        await ready(terminal)
        await terminal.type_line("/model")
        shown = await terminal.wait_for("Select model")
        rows = [" ".join(line.split()) for line in shown.splitlines() if re.match(r"[ ❯]+\d\. ", line)]
        assert [re.sub("^❯ ", "", row) for row in rows] == [
            "1. Default (recommended) Use the default model (currently glm-5.3)",
            f"2. glm-5.3 ✔ main, opus, sonnet, fable · {GLM}, 202k window, $0.60 in and $2.20 out per million",
            f"3. qwen4-coder-flash haiku · {SMALL}, 262k window, $1 in and $4 out per million",
            f"4. gpt-6.1-sol sol · {GPT}, 1.05M window, $1.25 in and $10 out per million",
        ]
        for row in (3, 4):
            terminal.send(DOWN)
            await terminal.wait_for(f"❯ {row}.")
        terminal.send("s")
        await terminal.wait_for("Switch model?")
        terminal.send(ENTER)
        await terminal.wait_until_gone("Switch model?")
        await ready(terminal)
        await terminal.type_line("and now?")
        await terminal.wait_for(f"● Here is {GPT}.")
