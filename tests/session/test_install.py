"""Claude Code is fetched by the machine's own package clients, checked, and put in place whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli.install import plan_tested
from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError
from claude_or.session import packages
from claude_or.session.claude import find_claude
from claude_or.session.install import InstallPlan, install, installed, intact, plan_install, versions_folder
from claude_or.session.packages import NPM_PACKAGE, failure, platform_name
from claude_or.session.versions import NEWEST
from tests.fakes.index import Fault, PackageIndex, binary

PIP = shutil.which("pip3") or shutil.which("pip")
SOURCES = [
    pytest.param(
        "npm", marks=pytest.mark.skipif(not shutil.which("npm"), reason="this machine has no npm to test with")
    ),
    pytest.param("uv", marks=pytest.mark.skipif(not shutil.which("uv"), reason="this machine has no uv to test with")),
    pytest.param("pip", marks=pytest.mark.skipif(not PIP, reason="this machine has no pip to test with")),
]


class Machine:
    """A throwaway home whose package clients know one index: ours."""

    def __init__(self, root: Path, index: PackageIndex) -> None:
        self.root = root
        self.index = index
        self.told: list[tuple[str, int, int | None]] = []
        self.source = ""
        self.path = ""

    def environ(self, source: str) -> dict[str, str]:
        """An environment that finds this one client and the programs it needs itself."""
        programs = self.root / f"bin-{source}"
        programs.mkdir(exist_ok=True)
        needed = {"npm": ["npm", "node", "sh", "env"], "uv": ["uv"], "pip": []}[source]
        for name in needed:
            where = shutil.which(name)
            assert where, name
            if not (programs / name).exists():
                (programs / name).symlink_to(where)
        if source == "pip":
            script = programs / "pip3"
            script.write_text(f'#!/bin/sh\nPATH="{os.environ["PATH"]}" exec "{PIP}" "$@"\n')
            script.chmod(0o755)
        return {
            "HOME": str(self.root),
            "PATH": str(programs),
            "npm_config_registry": self.index.url,
            "npm_config_fetch_retries": "0",
            "npm_config_userconfig": os.devnull,
            "UV_DEFAULT_INDEX": f"{self.index.url}/simple",
            "UV_NO_CONFIG": "1",
            "UV_HTTP_RETRIES": "0",
            "PIP_INDEX_URL": f"{self.index.url}/simple",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def plan(self, source: str, version: str | None = None) -> InstallPlan:
        plan = plan_install(self.environ(source), version)
        assert plan.source == source
        return plan

    def install(self, source: str) -> str:
        return install(self.plan(source), lambda *told: self.told.append(told))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with PackageIndex() as index:
        yield Machine(tmp_path, index)


@pytest.fixture(scope="module", params=SOURCES)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which one install has been carried out; `path` is what it returned."""
    with PackageIndex() as index:
        machine = Machine(tmp_path_factory.mktemp(request.param), index)
        machine.source = request.param
        machine.path = machine.install(request.param)
    return machine


def test_the_binary_is_fetched_checked_and_put_in_place(done: Machine) -> None:
    environ = done.environ(done.source)
    assert done.path == f"{done.root}/.local/share/claude-or/claude-code/9.8.7/claude"
    assert Path(done.path).read_bytes() == binary("9.8.7")
    said = subprocess.run([done.path, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == "9.8.7 (Claude Code)\n"
    written = Path(done.path + ".sha256").read_text().split()
    assert written == [hashlib.sha256(binary("9.8.7")).hexdigest(), "claude"]
    assert installed(environ) == installed(environ, "9.8.7") == done.path
    assert find_claude({**environ, "PATH": "/nowhere"}) == done.path
    assert intact(done.path)


def test_progress_tells_what_happens_and_ends_complete(done: Machine) -> None:
    size = len(binary("9.8.7"))
    assert done.told[0] == ("download", 0, None)
    assert done.told[-1] == ("unpack", size, size)


def test_no_archive_and_no_cache_stays_behind(done: Machine) -> None:
    assert sorted(os.listdir(versions_folder(done.environ(done.source)))) == [".lock", "9.8.7"]
    large = [p for p in done.root.rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_size > 50_000]
    assert large == [Path(done.path)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("fault", "words"), [("wrong hash", "checksum"), ("cut", "broke off|checksum")])
def test_a_bad_download_is_refused_and_the_next_one_succeeds(
    machine: Machine, source: str, fault: Fault, words: str
) -> None:
    machine.index.fault = fault
    with pytest.raises(ClaudeOrError, match=words) as refused:
        machine.install(source)
    assert refused.value.exit_code == EXIT_CLAUDE_MISSING
    assert refused.value.hint
    assert installed(machine.environ(source)) is None
    machine.index.fault = ""
    if fault == "cut":
        assert machine.index.broken
        assert machine.install(source).endswith("/9.8.7/claude")


@pytest.mark.parametrize("source", SOURCES)
def test_a_package_without_the_binary_is_refused(machine: Machine, source: str) -> None:
    machine.index.fault = "empty package"
    with pytest.raises(ClaudeOrError, match="does not hold Claude Code"):
        machine.install(source)
    assert installed(machine.environ(source)) is None


@pytest.mark.parametrize("source", SOURCES[:1])
def test_a_binary_that_is_another_version_is_refused(machine: Machine, source: str) -> None:
    machine.index.fault = "other version"
    with pytest.raises(ClaudeOrError, match=r"is Claude Code 0\.0\.1, not 9\.8\.7"):
        machine.install(source)
    assert installed(machine.environ(source)) is None


@pytest.mark.parametrize("source", SOURCES[1:])
def test_a_wheel_whose_own_record_disagrees_is_refused(machine: Machine, source: str) -> None:
    machine.index.fault = "bad record"
    with pytest.raises(ClaudeOrError, match="checksum"):
        machine.install(source)
    assert installed(machine.environ(source)) is None


@pytest.mark.parametrize("source", SOURCES)
def test_an_index_that_is_not_there_is_told_as_such(machine: Machine, source: str) -> None:
    environ = machine.environ(source)
    dead = "http://127.0.0.1:9"
    environ |= {"npm_config_registry": dead, "UV_DEFAULT_INDEX": f"{dead}/simple", "PIP_INDEX_URL": f"{dead}/simple"}
    with pytest.raises(ClaudeOrError, match="cannot be reached") as refused:
        install(plan_install(environ), lambda *_: None)
    assert "proxy" in refused.value.hint


@pytest.mark.parametrize("source", SOURCES[:1])
def test_an_archive_that_had_arrived_is_not_fetched_again(machine: Machine, source: str) -> None:
    plan = machine.plan(source)

    def interrupt(stage: str, *_: object) -> None:
        if stage == "unpack":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(plan, interrupt)
    fetched = len(machine.index.fetched)
    install(plan, lambda *_: None)
    assert len(machine.index.fetched) == fetched


@pytest.mark.parametrize("source", SOURCES[:1])
def test_a_version_that_is_there_is_not_fetched_again(machine: Machine, source: str) -> None:
    first = machine.install(source)
    fetched = [path for path in machine.index.fetched if path.endswith(".tgz")]
    assert machine.install(source) == first
    assert [path for path in machine.index.fetched if path.endswith(".tgz")] == fetched


@pytest.mark.parametrize("source", SOURCES)
def test_too_little_room_is_told_before_anything_is_fetched(machine: Machine, source: str) -> None:
    plan = machine.plan(source)
    before = list(machine.index.fetched)
    with pytest.raises(ClaudeOrError, match="Not enough room") as refused:
        install(plan, lambda *_: None, free_bytes=lambda _folder: 100_000)
    assert "XDG_DATA_HOME" in refused.value.hint
    assert machine.index.fetched == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("source", SOURCES[2:])
def test_a_disk_that_fills_up_while_unpacking_is_told(
    machine: Machine, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Any = open

    def full(path: str, mode: str = "r", **options: Any) -> Any:
        return opened("/dev/full" if path.endswith("/ready/claude") else path, mode, **options)

    monkeypatch.setattr("claude_or.session.archives.open", full, raising=False)
    with pytest.raises(ClaudeOrError, match="disk is full"):
        machine.install(source)
    assert installed(machine.environ(source)) is None


def test_a_disk_that_fills_up_in_the_client_is_told() -> None:
    said = "npm error code ENOSPC\nnpm error nospc ENOSPC: no space left on device, write"
    assert "disk is full" in failure(said, "npm").message
    assert "disk is full" in failure("error: Failed to write: No space left on device (os error 28)", "uv").message


def test_what_a_client_says_otherwise_is_shown_not_guessed() -> None:
    told = failure("npm warn old\nnpm error code EWEIRD\nnpm error something odd", "npm")
    assert told.message == "npm could not fetch Claude Code."
    assert told.detail == ("npm: npm error code EWEIRD", "npm: npm error something odd")


@pytest.mark.parametrize("source", SOURCES[:1])
def test_the_size_and_the_place_are_known_before_anything_is_fetched(machine: Machine, source: str) -> None:
    plan = machine.plan(source)
    assert (plan.version, plan.size, plan.exact) == ("9.8.7", len(binary("9.8.7")), True)
    assert str(plan).startswith(f"Claude Code 9.8.7 from {NPM_PACKAGE}{platform_name()} by npm, 0 MB in ")
    assert not [path for path in machine.index.fetched if path.endswith(".tgz")]


@pytest.mark.parametrize("source", SOURCES[1:])
def test_without_npm_a_known_version_is_mapped_to_its_wheel_and_others_are_refused(
    machine: Machine, source: str
) -> None:
    version, release = next(iter(packages.KNOWN_WHEELS.items()))
    assert machine.plan(source, version).spec == f"claude-agent-sdk=={release}"
    assert not machine.plan(source).exact
    with pytest.raises(ClaudeOrError, match="without npm"):
        machine.plan(source, "1.2.3")


@pytest.mark.parametrize("source", SOURCES[:1])
def test_unless_a_version_is_named_the_one_that_was_tried_is_offered_where_it_can_be_had(
    machine: Machine, source: str
) -> None:
    assert plan_tested(machine.environ(source)).version == "9.8.7"
    machine.index.older = NEWEST
    plan = plan_tested(machine.environ(source))
    assert plan.version == NEWEST
    assert install(plan, lambda *_: None).endswith(f"/{NEWEST}/claude")


@pytest.mark.parametrize("source", SOURCES[1:])
def test_without_npm_the_newest_is_offered(machine: Machine, source: str) -> None:
    assert plan_tested(machine.environ(source)).version == ""


@pytest.mark.parametrize("source", SOURCES[:1])
def test_a_version_that_does_not_exist_is_told(machine: Machine, source: str) -> None:
    with pytest.raises(ClaudeOrError, match="does not have it"):
        machine.plan(source, "1.2.3")


def test_a_machine_without_any_client_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    with pytest.raises(ClaudeOrError, match="neither npm nor uv nor pip") as refused:
        plan_install({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert "CLAUDE_OR_CLAUDE" in refused.value.hint


@pytest.mark.parametrize("version", ["../../etc", "", "latest", "1.0/../.."])
def test_a_version_that_is_none_never_becomes_a_folder(tmp_path: Path, version: str) -> None:
    with pytest.raises(ClaudeOrError, match="no version"):
        plan_install({"HOME": str(tmp_path), "PATH": ""}, version)


@pytest.mark.parametrize(
    ("system", "machine_name", "libc", "name"),
    [
        ("linux", "x86_64", "glibc", "linux-x64"),
        ("linux", "AMD64", "glibc", "linux-x64"),
        ("linux", "aarch64", "glibc", "linux-arm64"),
        ("linux", "arm64", "musl", "linux-arm64-musl"),
        ("linux", "x86_64", "musl", "linux-x64-musl"),
        ("darwin", "arm64", None, "darwin-arm64"),
        ("darwin", "x86_64", None, "darwin-x64"),
    ],
)
def test_packages_are_named_after_the_platform(system: str, machine_name: str, libc: str | None, name: str) -> None:
    assert platform_name(system, machine_name, libc) == name


@pytest.mark.parametrize(("system", "machine_name"), [("win32", "AMD64"), ("linux", "riscv64"), ("freebsd14", "amd64")])
def test_other_platforms_are_refused_with_a_way_out(system: str, machine_name: str) -> None:
    with pytest.raises(ClaudeOrError, match="no Claude Code for this system") as refused:
        platform_name(system, machine_name, "glibc")
    assert "WSL" in refused.value.hint


def test_the_newest_version_is_found_by_number_and_partial_ones_are_not(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert installed(environ) is None
    for version in ("2.1.9", "2.1.330", "2.2.0", ".partial-npm-9.9.9"):
        folder = Path(versions_folder(environ), version)
        folder.mkdir(parents=True)
        (folder / "claude").write_bytes(b"#!/bin/sh\n")
        (folder / "claude").chmod(0o755)
        if version != "2.2.0":  # whose hash was never written
            (folder / "claude.sha256").write_text(hashlib.sha256(b"#!/bin/sh\n").hexdigest() + "  claude\n")
    assert installed(environ) == str(Path(versions_folder(environ), "2.1.330", "claude"))
    assert installed(environ, "2.2.0") is None
    path = installed(environ, "2.1.9")
    assert path is not None
    assert intact(path)
    Path(path).write_bytes(b"changed")
    assert not intact(path)


def test_the_interpreters_own_pip_is_used_when_it_has_one() -> None:
    have = packages.clients({"PATH": ""})
    assert have.pip in ((), (sys.executable, "-m", "pip"))
    assert (have.npm, have.uv) == ((), ())
