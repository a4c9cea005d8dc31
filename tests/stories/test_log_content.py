"""Prompts and answers are in the log of a session that asked for it, and in no other."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, text, tool_call
from tests.stories.conftest import KEY, World

PROMPT = "canary-of-a-prompt-5d2f61e4"
ANSWER = "canary-of-an-answer-9f3b6c1d"
NOTICE = "are written to its log"


def script(world: World) -> None:
    """Each answer holds its canary and quotes the key."""

    def brain(_ask: Ask, _n: int) -> Scripted:
        return text(f"{ANSWER} {KEY}")

    world.host.script(brain)


def files(world: World) -> dict[Path, bytes]:
    """Everything below our folder of state."""
    folder = world.home / ".local/state/claude-or"
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(world: World, name: str, said: str) -> None:
    path = world.project / name if name.startswith(".") else world.home / ".config/claude-or" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said, encoding="utf-8")


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("variable", ["", "0"])
async def test_unasked_no_word_of_a_prompt_or_an_answer_is_kept(world: World, level: str, variable: str) -> None:
    script(world)
    done = await world.run(
        ["stream"],
        ["ask"],
        args=("--log-level", level, "-p", "hi"),
        FAKE_CLAUDE_PROMPT=PROMPT,
        CLAUDE_OR_LOG_CONTENT=variable,
    )

    assert (done.code, ANSWER in done.out, NOTICE in done.err) == (0, True, False)
    assert b"request over" in b"".join(files(world).values())
    for data in files(world).values():
        assert PROMPT.encode() not in data
        assert ANSWER.encode() not in data


@pytest.mark.parametrize("way", ["flag", "variable", "file"])
async def test_asked_for_they_are_there_masked_and_for_the_user_alone(world: World, way: str) -> None:
    script(world)
    if way == "file":
        write(world, "config.yaml", "log: {content: true}\n")
    done = await world.run(
        ["stream"],
        ["ask"],
        args=("--quiet", *(("--log-content",) if way == "flag" else ()), "-p", "hi"),
        FAKE_CLAUDE_PROMPT=f"{PROMPT} {KEY}",
        CLAUDE_OR_LOG_CONTENT="1" if way == "variable" else "",
    )

    assert (done.code, NOTICE in done.err) == (0, True)
    (path,) = [path for path, data in files(world).items() if PROMPT.encode() in data]
    data = path.read_bytes()
    assert data.count(PROMPT.encode()) == data.count(ANSWER.encode()) == 2
    assert KEY.encode() not in data
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)

    shown = await world.run(args=("logs",))
    assert f"\n    user: {PROMPT} [masked]\n" in shown.out
    assert f"\n    {ANSWER} [masked]\n" in shown.out


async def test_a_level_that_leaves_them_out_is_told(world: World) -> None:
    done = await world.run(["ask"], args=("--log-content", "--log-level", "error", "-p", "hi"))

    assert "log.content has no effect: log_level error" in done.err


async def test_a_projects_file_cannot_switch_it_on(world: World) -> None:
    write(world, ".claude-or.yaml", "log: {content: true}\n")
    done = await world.run(["ask"])

    assert done.code == 78
    assert "log.content: a project's file may not set this: it would write down what you say" in done.err


async def test_what_is_no_switch_is_told(world: World) -> None:
    done = await world.run(["ask"], CLAUDE_OR_LOG_CONTENT="perhaps")

    assert done.code == 78
    assert "CLAUDE_OR_LOG_CONTENT: expected 1 or 0, got 'perhaps'" in done.err


async def test_the_log_tells_which_tools_were_called_and_not_with_what(world: World) -> None:
    def brain(_ask: Ask, _n: int) -> Scripted:
        return [text("I look."), tool_call("Read", {"file_path": ANSWER}), tool_call("Bash", {"command": ANSWER})]

    world.host.script(brain)
    done = await world.run(["stream"], ["ask"])

    assert done.code == 0, done.err
    (lines,) = files(world).values()
    entries = [json.loads(line) for line in lines.splitlines()]
    over = [entry for entry in entries if entry["event"] == "request over"]
    assert [entry["calls"] for entry in over] == [["Read", "Bash"], ["Read", "Bash"]]
    assert all(entry["request_id"] and entry["seconds"] >= 0 for entry in over)
    assert ANSWER.encode() not in lines
