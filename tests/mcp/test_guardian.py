"""The guardian ends what is left when claude-or was killed, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from claude_or.session.claude import spawn_guardian
from claude_or.session.runfolder import start_time

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
WILLING = "import time; print('up', flush=True); time.sleep(60)"

Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started() -> Generator[Started]:
    """Processes of a test, ended with it."""
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def sleeper(
    started: Started, program: str = WILLING, *, session: bool = False, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that is up and sleeps."""
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=session, env=env)
    started.append(process)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


def piped(started: Started, program: str = WILLING) -> tuple[subprocess.Popen[bytes], int]:
    """A process that is up, and the inode of a pipe that nobody but it holds: whoever does is ended by its guardian."""
    ends = os.pipe()
    inode = os.fstat(ends[0]).st_ino
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdin=ends[0], stdout=subprocess.PIPE, start_new_session=True)
    for end in ends:
        os.close(end)
    started.append(process)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process, inode


def guard(lines: list[str]) -> None:
    """Let a guardian live through these lines until its pipe closes, as when claude-or dies."""
    pid, pipe = spawn_guardian()
    os.write(pipe, "".join(f"{line}\n" for line in lines).encode())
    os.close(pipe)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_process_on_the_list_ends_with_claude_or(started: Started) -> None:
    process = sleeper(started)

    guard([f"+pid {process.pid} {start_time(process.pid)}"])

    assert process.wait(5) == -signal.SIGTERM


def test_a_process_that_ignores_the_request_is_forced(started: Started) -> None:
    process = sleeper(started, STUBBORN)

    guard([f"+pid {process.pid} {start_time(process.pid)}"])

    assert process.wait(5) == -signal.SIGKILL


def test_a_group_ends_with_everybody_in_it(started: Started, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    program = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']); "
        f"open({str(note)!r}, 'w').write(str(child.pid)); print('up', flush=True); time.sleep(60)"
    )
    process = sleeper(started, program, session=True)
    grandchild = int(note.read_text())

    guard([f"+pgid {process.pid} {start_time(process.pid)}"])

    process.wait(5)
    deadline = time.monotonic() + 20
    while start_time(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{grandchild}/cmdline") or not Path(f"/proc/{grandchild}/cmdline").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at other processes through /proc")
@pytest.mark.parametrize("program", [WILLING, STUBBORN])
def test_who_was_born_before_its_number_could_be_told_is_known_by_its_pipe(started: Started, program: str) -> None:
    process, inode = piped(started, program)

    guard([f"+pipe {inode}"])

    assert process.wait(5) in {-signal.SIGTERM, -signal.SIGKILL}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at other processes through /proc")
def test_a_newborn_is_known_by_the_proxy_that_it_was_told(started: Started) -> None:
    process = subprocess.Popen(
        ["sleep", "60"], env={"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, stdout=subprocess.PIPE
    )
    started.append(process)

    guard(["+port 11"])
    assert process.poll() is None
    guard(["+port 1"])

    assert process.wait(5) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="looks at other processes through /proc")
@pytest.mark.parametrize("program", [WILLING, STUBBORN])
def test_who_left_its_servers_group_is_known_by_the_servers_mark(started: Started, program: str) -> None:
    stray = sleeper(started, program, session=True, env={"CLAUDE_OR_SERVER": "12"})
    other = sleeper(started, program, session=True, env={"CLAUDE_OR_SERVER": "123"})

    guard(["+mark 12", "+pipe 1", "+pgid 999999999 1", "-pgid 999999999"])

    assert stray.wait(5) in {-signal.SIGTERM, -signal.SIGKILL}
    assert other.poll() is None


def test_what_a_newborn_is_known_by_is_forgotten_once_its_number_is_told(started: Started) -> None:
    process, inode = piped(started)

    guard([f"+pipe {inode}", "+pid 999999999 1"])

    assert process.poll() is None


def test_what_was_taken_off_the_list_is_left_alone(started: Started) -> None:
    process = sleeper(started)

    guard([f"+pid {process.pid} {start_time(process.pid)}", f"-pid {process.pid}"])

    assert process.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell start times")
def test_a_number_that_now_belongs_to_another_process_is_left_alone(started: Started) -> None:
    process = sleeper(started)

    guard([f"+pid {process.pid} 1"])

    assert process.poll() is None


def test_lines_that_mean_nothing_are_passed_over(started: Started) -> None:
    process = sleeper(started)

    guard(["", "nonsense", "+pid", "+pid x", f"+pid {process.pid} {start_time(process.pid)}", "-pid 1"])

    assert process.wait(5) == -signal.SIGTERM
