"""Sudden ends and sudden jumps: killed with -9 at any moment, stopped and continued, a clock that is set."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes.replies import pause, text
from tests.stories.conftest import World, is_alive, until
from tests.stories.test_secrets import family
from tests.support.mcp import configure, started

ROOT = Path(__file__).parents[2]
HELLO = "Hello from the host.\n"


async def killed(world: World, servers: Path, after: float | None) -> None:
    """Kill a session with -9 so many seconds after its start, or once everything is up; nobody may be left after 2 s."""
    running = await world.start(["wait", "GO"])
    if after is None:
        await running.until_told()
        await until(lambda: started(servers), "no server was started")
    else:
        await asyncio.sleep(after)
    others = family(running.process.pid)[1:]
    running.signal(signal.SIGKILL)
    await running.process.wait()
    await until(lambda: not any(map(is_alive, others)), f"of {others} somebody is left", limit=2.5)
    await until(lambda: not any(map(is_alive, started(servers))), "a server is left", limit=2.5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.slow)])
async def test_killed_at_any_moment_nobody_is_left_and_the_next_start_works(world: World, times: int) -> None:
    servers = world.folder / "servers"
    deaf = ("--tell", str(servers), "--ignore-eof", "--ignore-term", "--fork", str(world.folder / "forked"), "--stray")
    configure(world.home, one=deaf, two=("--tell", str(servers)))
    chance = random.Random(7)
    for n in range(times):
        await killed(world, servers, None if n % 3 == 0 else chance.uniform(0.02, 1.0))
        if (world.folder / "forked").exists():
            forked = int((world.folder / "forked").read_text())
            await until(lambda pid=forked: not is_alive(pid), "a server's child is left", limit=2.5)
    configure(world.home)
    assert (await world.run(["ask"])).out == HELLO
    assert world.run_folders == []


async def test_stopped_in_the_middle_of_an_answer_and_continued_it_goes_on(world: World) -> None:
    world.host.script([[text("Half, "), pause(1.0), text("whole.")], [text("And again.")]])
    running = await world.start(["stream"], ["stream"])
    await world.host.asked(1)
    running.signal(signal.SIGSTOP)
    await asyncio.sleep(2.5)
    running.signal(signal.SIGCONT)
    done = await running.done()
    assert (done.code, done.out) == (0, "Half, whole.\nAnd again.\n")
    assert len(world.host.asks) == 2


@pytest.mark.parametrize("jump", [3600, -3600])
async def test_when_the_clock_is_set_in_the_middle_of_an_answer_it_goes_on(world: World, jump: int) -> None:
    mark, patched = world.folder / "jumped", world.folder / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(
        "import os, time\nreal = time.time\n"
        f"time.time = lambda: real() + ({jump} if os.path.exists({str(mark)!r}) else 0)\n",
        encoding="utf-8",
    )
    world.host.script([[text("Half, "), pause(0.5), text("whole.")], [text("And again.")]])
    running = await world.start(["stream"], ["stream"], PYTHONPATH=os.pathsep.join([str(patched), str(ROOT)]))
    await world.host.asked(1)
    mark.touch()
    done = await running.done()
    assert (done.code, done.out) == (0, "Half, whole.\nAnd again.\n"), done.err
    assert len(world.host.asks) == 2
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_guardian_that_hangs_does_not_keep_the_session(world: World) -> None:
    running = await world.start(["wait", "GO"])
    await running.until_told()
    (guardian,) = [
        pid for pid in family(running.process.pid) if b"guardian.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(guardian, signal.SIGSTOP)
    try:
        running.let_go()
        assert (await running.done()).code == 0
        assert is_alive(guardian)
        assert world.run_folders == []
    finally:
        os.kill(guardian, signal.SIGKILL)


async def test_without_a_handle_on_the_child_its_end_is_seen_all_the_same(world: World) -> None:
    """As on macOS, on old kernels and in some sandboxes."""
    patched = world.folder / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(
        "import os\ndef pidfd_open(pid, flags=0):\n    raise OSError(38, 'Function not implemented')\n"
        "os.pidfd_open = pidfd_open\n",
        encoding="utf-8",
    )
    done = await world.run(["stream"], ["exit", 7], PYTHONPATH=os.pathsep.join([str(patched), str(ROOT)]))
    assert (done.code, done.out) == (7, HELLO), done.err
