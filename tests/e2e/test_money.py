"""Money with the real client: the cap's words on the screen, and the status line below the prompt."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from tests.fakes.openrouter import script
from tests.fakes.replies import Reply, Text, Tokens, tool_call
from tests.support.lab import Lab
from tests.support.terminal import ENTER

IDLE = re.compile(r"^❯\s*$", re.MULTILINE)


def answer(cost: str, said: str = "Done.", cached: int = 0) -> Reply:
    return Reply([Text(said)], usage=Tokens(prompt=20_000, completion=20, cached=cached, cost=Decimal(cost)))


async def test_a_spent_cap_is_told_by_the_client_in_our_words_and_ends_the_script_with_its_own_code(lab: Lab) -> None:
    lab.host.script(lambda _ask, _n: answer("0.6"))
    await lab.ask("learn the prices")
    asked = len(lab.host.asks)
    call = Reply(
        [tool_call("Bash", {"command": "echo on", "description": "go on"})],
        usage=Tokens(prompt=20_000, completion=20, cost=Decimal("0.6")),
    )
    lab.host.script(script(call, answer("0.6"), otherwise=answer("0.6")))
    done = await lab.run("--budget", "0.6", "-p", "go", "--output-format", "json", "--allowedTools", "Bash", stdin=None)
    told = json.loads(done.stdout)
    assert done.code == 76
    assert told["is_error"]
    assert "the cap of $0.6000 for this session is reached" in told["result"]
    assert "claude-or budget raise" in told["result"]
    assert len(lab.host.asks) == asked + 1


async def test_the_status_line_shows_model_cost_cache_and_cap_and_keeps_the_users_own(lab: Lab) -> None:
    own = lab.home / ".claude" / "settings.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    settings = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
    own.write_text(
        json.dumps({**settings, "statusLine": {"type": "command", "command": "echo my-own-line"}}), encoding="utf-8"
    )
    lab.host.script(lambda _ask, _n: answer("0.25", cached=15_000))
    async with lab.terminal("--budget", "1") as terminal:
        await terminal.wait_for(IDLE, timeout=90)
        for turn in range(3):
            await terminal.type_line(f"turn {turn}")
            await terminal.wait_for(f"${(turn + 1) * 0.25:.2f}")
        shown = await terminal.wait_for("75 % of $1.00 session cap")
        assert "my-own-line" in shown
        line = next(row for row in shown.splitlines() if "session cap" in row)
        assert re.search(r"glm-5\.3\S* · \$0\.75 .*· \d+ % of \d+k · cache 75 %", line), line
        terminal.send("/exit", ENTER)
        await terminal.exit_code()
