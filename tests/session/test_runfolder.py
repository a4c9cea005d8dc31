"""The folder of one session."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from claude_or.session.runfolder import OWNER, RunFolder, base_folder, start_time, sweep


def test_only_the_owner_can_read_what_is_in_it(tmp_path: Path) -> None:
    folder = RunFolder.create(str(tmp_path / "base"))
    path = folder.write("settings.json", "secret")

    assert stat.S_IMODE(os.stat(folder.path).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_base_folder_open_to_others_is_closed_first(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir(mode=0o755)

    RunFolder.create(str(base))

    assert stat.S_IMODE(base.stat().st_mode) == 0o700


def test_it_is_gone_after_removal_and_removing_twice_is_fine(tmp_path: Path) -> None:
    folder = RunFolder.create(str(tmp_path))
    folder.write("a", "b")

    folder.remove()
    folder.remove()

    assert list(tmp_path.iterdir()) == []


def test_folders_of_the_dead_are_swept_and_those_of_the_living_kept(tmp_path: Path) -> None:
    alive = RunFolder.create(str(tmp_path))
    dead = RunFolder.create(str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    dead.write(OWNER, f"{gone.pid} 1\n")

    assert sweep(str(tmp_path)) == [dead.path]
    assert os.listdir(tmp_path) == [os.path.basename(alive.path)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell start times")
def test_a_number_used_again_by_another_process_does_not_keep_a_folder(tmp_path: Path) -> None:
    folder = RunFolder.create(str(tmp_path))
    folder.write(OWNER, f"{os.getpid()} 1\n")

    assert sweep(str(tmp_path)) == [folder.path]


def test_a_process_has_one_start_time_while_it_lives() -> None:
    assert start_time(os.getpid()) == start_time(os.getpid()) != ""


def test_the_login_sessions_runtime_folder_is_used_where_there_is_one(tmp_path: Path) -> None:
    assert base_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"{tmp_path}/claude-or"
    assert base_folder({"TMPDIR": "/var/tmp/"}) == f"/var/tmp/claude-or-{os.getuid()}"
    assert base_folder({"XDG_RUNTIME_DIR": "relative"}) == f"/tmp/claude-or-{os.getuid()}"
