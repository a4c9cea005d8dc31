"""What a session does with the list of models: none to be had, a damaged one, models that are about to go away."""

from __future__ import annotations

import time

from tests.fakes.listing import Listed
from tests.fakes.replies import error
from tests.stories.conftest import World


def log_of(world: World) -> str:
    return "".join(path.read_text() for path in (world.home / ".local/state/claude-or/logs").glob("*.jsonl"))


async def test_with_a_damaged_list_the_facts_in_the_wheel_serve_and_summary_and_log_say_so(world: World) -> None:
    world.host.others["/models"] = world.host.others["/models/user"] = error(503, "resting")
    kept = world.home / ".cache/claude-or/models.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b'{"format":1,"fetched_at"')
    running = await world.start(["ask"])
    told = await running.until_told()
    done = await running.done()
    assert done.code == 0, done.err
    assert "no list of models, windows by facts of 2026-" in done.err
    assert "assumed" not in done.err
    assert told["environment"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "1048576"
    assert '"facts_of":"2026-' in log_of(world).replace(": ", ":")


async def test_models_in_use_that_go_away_soon_are_named_in_summary_log_and_figures(world: World) -> None:
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86_400))
    late = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 90 * 86_400))

    def ending(model: Listed) -> Listed:
        days = {"z-ai/glm-5.3": soon, "z-ai/glm-5.3-flash": late}
        return {**model, "expiration_date": days.get(model["id"])}

    world.host.models = [ending(model) for model in world.host.models]
    for _ in ("fetched", "cached"):
        done = await world.run(["ask"])
        line = f"z-ai/glm-5.3 (main, opus, sonnet, fable, subagent) goes away on {soon}: choose its successor in time"
        assert f"claude-or: {line}" in done.err
        assert late not in done.err
    assert log_of(world).count("model goes away") == 2
