"""A canary in every place where a secret may be; afterwards every byte that anybody can read is searched for them.

Planted: the key of the host, the host's own error that quotes it, a prompt and an answer. Found in the child: the token of the
session. Searched: stdout, stderr, every file that was written, command lines and environments of all our processes.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, error, reset, text
from tests.stories.conftest import World, until

KEY = "sk-or-v1-canary-9f3b6c1d77aa4e0c8b5d2f61e4a7c9d0"
BARE_KEY = "canary-without-a-known-form-5d2f61e4a7c9d0"
ANSWER = "canary-of-an-answer-77aa4e0c"
ROOT = str(Path(__file__).parents[2])


def hits(secret: str, data: bytes) -> list[str]:
    """The forms in which a secret stands in some bytes: as it is, half of it, quoted, in hex."""
    forms = {
        "whole": secret.encode(),
        "half": secret.encode()[len(secret) // 2 :],
        "quoted": quote(secret, safe="").encode(),
        "hex": secret.encode().hex().encode(),
    }
    return [name for name, form in forms.items() if form in data]


def family(root: int) -> list[int]:
    """A process and everything below it."""
    found = [root]
    for pid in found:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
    return found


def written(world: World) -> dict[Path, bytes]:
    """Every file that a session left, or holds, except what the test itself wrote."""
    places = (world.home, world.project, world.runtime)
    return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}


def logs(world: World) -> list[Path]:
    """Log files and crash reports."""
    return [path for path in (world.home / ".local" / "state" / "claude-or").rglob("*") if path.is_file()]


def echoing(key: str) -> list[Scripted]:
    """What a careless host says, and what a careful one says."""
    detail = {"message": f"bad credential Bearer {key}", "metadata": {"raw": f'{{"authorization": "Bearer {key}"}}'}}
    return [error(502, f"upstream refused key {key}", metadata=detail), [text("half"), reset()], text(ANSWER)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("key", [KEY, BARE_KEY], ids=["known form", "unknown form"])
async def test_at_debug_level_no_secret_is_anywhere_but_where_it_belongs(world: World, key: str) -> None:
    replies = echoing(key)

    def brain(_ask: Ask, n: int) -> Scripted:
        return replies[n % len(replies)]

    world.host.script(brain)
    running = await world.start(
        ["stream"],
        ["stream"],
        ["tell", str(world.folder / "mid")],
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=key,
    )
    told = await running.until_told()
    token = told["environment"]["ANTHROPIC_AUTH_TOKEN"]
    await until((world.folder / "mid").exists, "the turns did not end")

    processes = family(running.process.pid)
    assert told["pid"] in processes
    assert len(processes) >= 2
    for pid in processes:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert hits(key, command) == hits(token, command) == []
        if pid != running.process.pid:
            # The parent was started with the key in its environment, by the test.
            assert hits(key, Path(f"/proc/{pid}/environ").read_bytes()) == [], pid
    listing = subprocess.run(["ps", "-ef", "ww"], capture_output=True, check=True).stdout
    assert hits(key, listing) == hits(token, listing) == []

    running.let_go()
    done = await running.done()
    assert done.code == 0
    assert len(world.host.asks) >= 3
    for data in (done.out.encode(), done.err.encode(), *written(world).values()):
        assert hits(key, data) == hits(token, data) == []
    assert logs(world)
    for path in logs(world):
        assert ANSWER.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_while_a_session_runs_its_token_is_in_files_of_the_users_alone(world: World) -> None:
    running = await world.start(["wait", "GO"])
    told = await running.until_told()
    token = told["environment"]["ANTHROPIC_AUTH_TOKEN"].encode()
    holders = [path for path, data in written(world).items() if token in data]
    for path in holders:
        assert path.is_relative_to(world.runtime), path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    running.let_go()
    await running.done()


@pytest.mark.parametrize("key", [KEY, BARE_KEY], ids=["known form", "unknown form"])
@pytest.mark.parametrize("debug", ["", "1"], ids=["report", "on the terminal"])
async def test_a_crash_that_quotes_the_key_tells_it_to_nobody(world: World, key: str, debug: str) -> None:
    broken = world.folder / "broken"
    broken.mkdir()
    crash = "import os\nraise RuntimeError('a bug near ' + os.environ['OPENROUTER_API_KEY'])\n"
    (broken / "aiohttp.py").write_text(crash, encoding="utf-8")
    running = await world.start(
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=key,
        PYTHONPATH=f"{broken}:{ROOT}",
        CLAUDE_OR_DEBUG=debug,
    )
    done = await running.done()
    assert done.code not in {0, None}
    everything = [done.out.encode(), done.err.encode(), *written(world).values()]
    assert any(b"a bug near" in data for data in everything), "the crash left no trace"
    for data in everything:
        assert hits(key, data) == []
    for path in logs(world):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if not debug:
        assert "Traceback" not in done.err


async def test_doctor_and_dry_run_show_that_there_is_a_key_and_not_which(world: World) -> None:
    for args in (("doctor",), ("--dry-run",), ("models",), ("doctor", "--json")):
        done = await world.run(args=args, OPENROUTER_API_KEY=KEY)
        assert done.out + done.err
        assert hits(KEY, (done.out + done.err).encode()) == []
    for data in written(world).values():
        assert hits(KEY, data) == []
    assert os.environ.get("OPENROUTER_API_KEY", "") != KEY
