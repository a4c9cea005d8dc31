"""What the machine may do to a session: no room, no home, nothing that can be written, a terminal that goes away.

A session does without what it does not need (log, caches) and says in one line what it cannot do without.
"""

from __future__ import annotations

import ast
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stories.conftest import LIMIT, World, is_alive, until
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]
HELLO = "Hello from the host.\n"


def full_disk(kilobytes: int) -> tuple[str, ...]:
    """No file of the session's may grow beyond this, which is how a full disk looks to a writer. Halves of files are left.

    Not of Python's compiled files, though: the interpreter would trip over them in later tests.
    """
    return ("sh", "-c", f'ulimit -f {kilobytes * 2}; export PYTHONDONTWRITEBYTECODE=1; exec "$@"', "sh")


async def test_on_a_disk_with_little_room_the_session_goes_on(world: World) -> None:
    for _ in range(2):
        # The second start finds what the first one could not write whole.
        done = await world.run(["ask"], ["stream"], under=full_disk(16))
        assert (done.code, done.out) == (0, HELLO * 2), done.err
        assert "Traceback" not in done.err
    assert world.run_folders == []
    assert (await world.run(["ask"])).out == HELLO


async def test_on_a_full_disk_one_line_says_so(world: World) -> None:
    done = await world.run(under=full_disk(0), FAKE_CLAUDE='[["ask"]]')
    if done.code != 0:
        assert done.err.startswith("claude-or: ")
        assert len(done.err.splitlines()) <= 3
    else:
        assert done.out == HELLO
    assert "Traceback" not in done.err
    assert world.run_folders == []


NOTHING: dict[str, Any] = {}
HOMES = {
    "not a folder": "/dev/null/home",
    "cannot be made": "/proc/no-such-home" if sys.platform == "linux" else "/dev/no-such-home",
    "not set": "",
}


@pytest.mark.parametrize("how", HOMES)
async def test_without_a_home_that_can_be_written_the_session_goes_on(world: World, how: str, tmp_path: Path) -> None:
    # Without HOME the password database is asked; what it names must not be the tester's own.
    folders: dict[str, Any] = {
        f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "STATE", "CONFIG", "DATA")
    }
    done = await world.run(["ask"], HOME=HOMES[how], **(folders if how == "not set" else NOTHING))
    assert (done.code, done.out) == (0, HELLO), done.err
    assert "Traceback" not in done.err
    assert world.run_folders == []


async def test_a_home_that_may_only_be_read_is_no_hindrance(world: World) -> None:
    if os.geteuid() == 0:
        # Nothing is read-only for root, but this refuses even him.
        home = "/sys" if sys.platform == "linux" else "/dev/null"
    else:
        world.home.chmod(stat.S_IRUSR | stat.S_IXUSR)
        home = str(world.home)
    done = await world.run(["ask"], ["stream"], HOME=home)
    world.home.chmod(stat.S_IRWXU)
    assert (done.code, done.out) == (0, HELLO * 2), done.err
    assert "Traceback" not in done.err


async def test_nowhere_to_put_the_sessions_own_files_is_told_in_one_line(world: World) -> None:
    done = await world.run(["ask"], XDG_RUNTIME_DIR="/dev/null/run", TMPDIR="/dev/null/tmp", HOME="/dev/null/home")
    if done.code == 0:
        assert done.out == HELLO
    else:
        assert done.err.startswith("claude-or: ")
        assert "→" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("deaf", [False, True])
async def test_when_the_terminal_is_closed_nothing_goes_on_behind_it(world: World, deaf: bool) -> None:
    told, ready = world.folder / "told", world.folder / "ready"
    steps = [["tell", str(told)], ["ignore", 1] if deaf else ["say", "up"], ["tell", str(ready)], ["wait", "/no/such"]]
    argv = [sys.executable, "-m", "claude_or.cli.main"]
    environ = {**world.environ(FAKE_CLAUDE=json.dumps(steps), PYTHONPATH=str(ROOT)), "TERM": "xterm"}
    async with Terminal(argv, env=environ, cwd=world.project) as terminal:
        await until(ready.exists, "the child did not come up")
        child = json.loads(told.read_text(encoding="utf-8"))["pid"]
        terminal.close_window()
        code = await terminal.exit_code(LIMIT)
    assert code == (137 if deaf else 129)
    assert not is_alive(child)
    assert world.run_folders == []


STAMPS = {
    "cli/app_models.py": 4,
    "cli/app_money.py": 1,
    "cli/app_setup.py": 1,
    "cli/doctor_screen.py": 1,
    "cli/first_run.py": 1,
    "log.py": 1,
    "session/books.py": 1,
    "session/gateway.py": 1,
    "session/plan.py": 2,
    "session/runfolder.py": 1,
    "store/descriptions.py": 1,
    "store/ledger.py": 1,
    "upstream/chat.py": 1,
    "upstream/native.py": 1,
}
"""Who may look at the calendar, and how often: for time stamps, days and months, for the age of files and for dates in `Retry-After`."""


def test_a_clock_that_jumps_moves_no_timeout() -> None:
    found: dict[str, int] = {}
    for path in sorted((ROOT / "claude_or").rglob("*.py")):
        calendar = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and node.attr in {"time", "time_ns", "now", "utcnow", "today"}
            if isinstance(node.value, ast.Name) and node.value.id in {"time", "datetime", "date"}
        ]
        if calendar:
            found[path.relative_to(ROOT / "claude_or").as_posix()] = len(calendar)
    assert found == STAMPS


def without(*streams: str) -> tuple[str, ...]:
    """Start with these standard streams closed, as `claude-or >&-` does."""
    return ("sh", "-c", f'exec "$@" {" ".join(streams)}', "sh")


@pytest.mark.parametrize("closed", [("<&-",), (">&-",), ("2>&-",), ("<&-", ">&-", "2>&-")], ids=str)
async def test_a_standard_stream_that_is_closed_is_no_hindrance(world: World, closed: tuple[str, ...]) -> None:
    told = world.folder / "mid"
    done = await world.run(["stream"], ["tell", str(told)], under=without(*closed))
    assert done.code == 0, done.err
    assert done.out == ("" if ">&-" in closed else HELLO)
    assert "Traceback" not in done.err
    assert world.run_folders == []
    assert len(world.host.asks) == 1
    assert not list((world.home / ".local" / "state" / "claude-or" / "logs").glob("crash*"))


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("models",), ("doctor",), ("--dry-run",)], ids=str)
async def test_our_commands_bear_a_closed_output(world: World, args: tuple[str, ...]) -> None:
    done = await world.run(args=args, under=without(">&-"))
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    assert done.code in {0, 1}


async def test_a_reader_that_leaves_ends_the_session_as_it_ends_claude(world: World) -> None:
    """`claude-or -p … | head -1`."""
    reader = ("sh", "-c", '"$@" | head -c 6', "sh")
    done = await world.run(["stream"], ["stream"], ["say", "more"], ["say", "and more"], under=reader)
    assert done.out == HELLO[:6]
    assert "internal error" not in done.err
    await until(lambda: world.run_folders == [], "the session did not end")


@pytest.mark.parametrize("args", [("-p", "hi"), ("doctor",), ("config", "show"), ("--dry-run",)], ids=str)
async def test_a_folder_that_was_removed_under_the_user_is_told(world: World, args: tuple[str, ...]) -> None:
    gone = world.folder / "gone"
    done = await world.run(
        args=args,
        under=("sh", "-c", f'mkdir {gone} && cd {gone} && rmdir {gone} && exec "$@"', "sh"),
        PYTHONPATH=str(ROOT),
    )
    assert done.code == 64
    assert done.err.startswith("claude-or: the folder you are in does not exist any more\n")
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("descriptors", [14, 20, 40])
async def test_with_few_descriptors_a_session_goes_on_and_the_client_is_told_what_is_missing(
    world: World, descriptors: int
) -> None:
    under = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh")
    done = await world.run(["stream"], ["stream"], under=under)
    assert (done.code, done.out) == (0, HELLO * 2), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["with spaces", "ümläut ✨", b"not \xff\xfe text".decode("utf-8", "surrogateescape")])
async def test_a_home_of_any_name_is_good(world: World, name: str) -> None:
    home = world.folder / name
    home.mkdir()
    done = await world.run(["ask"], ["stream"], HOME=str(home), XDG_RUNTIME_DIR=str(home), LC_ALL="C")
    assert (done.code, done.out) == (0, HELLO * 2), done.err
    assert "Traceback" not in done.err
    doctor = await world.run(args=("doctor",), HOME=str(home), XDG_RUNTIME_DIR=str(home), LC_ALL="C")
    assert "internal error" not in doctor.err
