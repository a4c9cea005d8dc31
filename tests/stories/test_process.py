"""The life of the process: what it starts, what it passes on, what it leaves behind."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.stories.conftest import KEY, World, is_alive, until


async def test_a_turn_goes_through_and_stdout_is_the_childs_alone(world: World) -> None:
    done = await world.run(["ask"])

    assert (done.code, done.out) == (0, "Hello from the host.\n")
    assert "z-ai/glm-5.3 · 1 call" in done.err
    assert len(done.err.splitlines()) == 1
    assert world.host.asks[0].body["model"] == "z-ai/glm-5.3"


async def test_a_streamed_turn_goes_through(world: World) -> None:
    assert (await world.run(["stream"])).out == "Hello from the host.\n"


async def test_a_second_start_uses_what_the_first_one_learned(world: World) -> None:
    first = await world.run(["ask"])
    second = await world.run(["ask"])

    assert (first.out, second.out) == ("Hello from the host.\n",) * 2
    cache = world.home / ".cache" / "claude-or"
    assert any(path.name.startswith("launch-") for path in cache.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in cache.iterdir()} == {0o600}


@pytest.mark.parametrize("code", [0, 1, 3, 42])
async def test_the_exit_code_is_the_childs(world: World, code: int) -> None:
    assert (await world.run(["exit", code])).code == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
async def test_a_child_killed_by_a_signal_is_told_as_a_shell_does(world: World, number: signal.Signals) -> None:
    assert (await world.run(["die", int(number)])).code == 128 + number


async def test_the_child_never_sees_the_key(world: World) -> None:
    running = await world.start(["ask"])
    told = await running.until_told()
    done = await running.done()

    assert KEY not in str(told)
    assert KEY not in done.out + done.err
    assert world.host.asks[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_child_keeps_the_users_exceptions_from_a_proxy(world: World) -> None:
    settings = world.home / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"env": {"NO_PROXY": "git.example", "no_proxy": 7}}', encoding="utf-8")

    running = await world.start(["ask"], NO_PROXY="intra.example")
    told = await running.until_told()
    assert (await running.done()).code == 0
    expected = "intra.example,git.example,127.0.0.1,localhost,::1"
    assert told["environment"]["NO_PROXY"] == told["settings"]["env"]["no_proxy"] == expected


async def test_the_childs_token_is_of_this_session_only(world: World) -> None:
    tokens: list[str] = []
    for _ in range(2):
        running = await world.start()
        tokens.append((await running.until_told())["environment"]["ANTHROPIC_AUTH_TOKEN"])
        await running.done()

    assert len(set(tokens)) == 2
    assert min(map(len, tokens)) >= 32


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_to_end_is_passed_on(world: World, number: signal.Signals, code: int) -> None:
    running = await world.start(["wait", "GO"])
    child = (await running.until_told())["pid"]
    running.signal(number)
    done = await running.done()

    assert done.code == code
    assert not is_alive(child)
    assert world.run_folders == []


async def test_an_interrupt_is_the_childs_business(world: World) -> None:
    running = await world.start(["wait", "GO"], ["ask"])
    await running.until_told()
    running.signal(signal.SIGINT)
    running.let_go()
    done = await running.done()

    assert (done.code, done.out) == (0, "Hello from the host.\n")


async def test_a_second_signal_kills_a_child_that_does_not_listen(world: World) -> None:
    running = await world.start(["ignore", int(signal.SIGTERM)], ["tell", str(world.folder / "deaf")], ["wait", "GO"])
    child = (await running.until_told())["pid"]
    await until((world.folder / "deaf").exists, "the child did not get so far")
    running.signal(signal.SIGTERM)
    await asyncio.sleep(0.1)
    assert is_alive(child)
    running.signal(signal.SIGTERM)
    done = await running.done()

    assert done.code == 128 + signal.SIGKILL
    assert not is_alive(child)


async def test_a_child_that_does_not_listen_is_killed_in_the_end(world: World) -> None:
    running = await world.start(["ignore", int(signal.SIGTERM)], ["tell", str(world.folder / "deaf")], ["wait", "GO"])
    child = (await running.until_told())["pid"]
    await until((world.folder / "deaf").exists, "the child did not get so far")
    running.signal(signal.SIGTERM)
    done = await running.done()

    assert done.code == 128 + signal.SIGKILL
    assert not is_alive(child)


async def test_killing_the_child_ends_the_session(world: World) -> None:
    running = await world.start(["wait", "GO"])
    os.kill((await running.until_told())["pid"], signal.SIGKILL)
    done = await running.done()

    assert done.code == 137
    assert world.run_folders == []


async def test_killing_claude_or_leaves_no_child(world: World) -> None:
    running = await world.start(["wait", "GO"])
    child = (await running.until_told())["pid"]
    running.signal(signal.SIGKILL)
    await running.process.wait()

    await until(lambda: not is_alive(child), "the child outlived claude-or", limit=4.0)


async def test_the_next_start_sweeps_what_a_killed_one_left(world: World) -> None:
    running = await world.start(["wait", "GO"])
    await running.until_told()
    running.signal(signal.SIGKILL)
    await running.process.wait()
    assert len(world.run_folders) == 1

    await world.run()

    assert world.run_folders == []


async def test_nothing_is_left_after_a_session(world: World) -> None:
    running = await world.start(["ask"])
    told = await running.until_told()
    await running.done()

    assert not is_alive(told["pid"])
    assert world.run_folders == []
    assert not Path(told["settings_path"]).exists()
    port = urlsplit(told["environment"]["ANTHROPIC_BASE_URL"]).port
    with socket.socket() as visitor:
        assert visitor.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


async def test_only_our_own_folders_appear_in_the_home(world: World) -> None:
    await world.run(["ask"])

    found = {str(path.relative_to(world.home)) for path in world.home.rglob("*") if path.is_file()}
    ours = (".cache/claude-or/", ".local/state/claude-or/logs/", ".local/share/claude-or/ledger.sqlite")
    assert all(path.startswith(ours) for path in found), found


async def test_a_proxy_that_cannot_come_up_ends_the_child_and_says_why(world: World) -> None:
    broken = world.folder / "broken"
    broken.mkdir()
    (broken / "aiohttp.py").write_text("raise OSError('no space left on device')\n", encoding="utf-8")
    running = await world.start(["wait", "GO"], PYTHONPATH=f"{broken}:{Path(__file__).parents[2]}")
    done = await running.done()

    assert done.code == 71
    assert "no space left on device" in done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("claude-or: ")
    if running.told_path.exists():
        assert not is_alive((await running.until_told())["pid"])
    assert world.run_folders == []


async def test_twenty_sessions_side_by_side_do_not_meet(world: World) -> None:
    started = [await world.start(["wait", "GO"], ["ask"]) for _ in range(20)]
    told = [await running.until_told() for running in started]
    for running in started:
        running.let_go()
    done = [await running.done() for running in started]

    assert {(end.code, end.out) for end in done} == {(0, "Hello from the host.\n")}
    assert len({child["environment"]["ANTHROPIC_BASE_URL"] for child in told}) == 20
    assert world.run_folders == []


async def test_a_session_inside_a_session_uses_the_outer_proxy(world: World) -> None:
    outer = await world.start(["wait", "GO"])
    told = await outer.until_told()
    inner = await world.start(
        ["ask"], OPENROUTER_API_KEY="", **{name: told["environment"][name] for name in SESSION_VARIABLES}
    )
    done = await inner.done()
    outer.let_go()
    await outer.done()

    assert (done.code, done.out) == (0, "Hello from the host.\n")


SESSION_VARIABLES = ("CLAUDE_OR_SESSION", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_MODEL")


async def test_a_session_inside_a_session_with_a_key_of_its_own_is_one_of_its_own(world: World) -> None:
    outer = await world.start(["wait", "GO"])
    told = await outer.until_told()
    inner = await world.start(["ask"], **{name: told["environment"][name] for name in SESSION_VARIABLES})
    inner_told = await inner.until_told()
    done = await inner.done()
    outer.let_go()
    await outer.done()

    assert (done.code, done.out) == (0, "Hello from the host.\n")
    assert inner_told["environment"]["ANTHROPIC_BASE_URL"] != told["environment"]["ANTHROPIC_BASE_URL"]


async def test_piped_input_and_output_are_the_childs(world: World) -> None:
    script = f"printf 'from stdin' | {sys.executable} -m claude_or.cli.main -p | tee {world.folder}/copy"
    environ = world.environ(FAKE_CLAUDE='[["echo stdin"], ["ask"]]', PYTHONPATH=str(Path(__file__).parents[2]))
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        script,
        cwd=world.project,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 90)

    assert out.decode() == (world.folder / "copy").read_text() == "from stdinHello from the host.\n"
