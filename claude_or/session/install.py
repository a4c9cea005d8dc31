"""Claude Code in claude-or's own data folder: planned, fetched, checked, and put in place in one step.

    plan = plan_install(os.environ)            # what would be fetched, from where, how large: shown before anything happens
    path = install(plan, progress)             # .../claude-or/claude-code/<version>/claude, with its sha256 beside it

Nothing global is touched. The npm platform package comes first when npm is there, else the wheel of `claude-agent-sdk` by uv or
pip. Everything happens in a `.partial-*` folder beside the target, which stays after a failure: an archive that had arrived in
full is not fetched again, and pip (from 25.1) continues a broken one itself; npm and uv begin a broken file anew. The binary
is hashed while it is unpacked, asked for its version, and only then renamed into place.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from claude_or.config.folders import data_folder
from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError
from claude_or.session import packages
from claude_or.session.archives import has_integrity, in_record, sha256_of, unpack
from claude_or.session.packages import Clients, Source

Stage = Literal["download", "unpack"]
Progress = Callable[[Stage, int, int | None], None]
"""Stage, bytes so far, bytes in all (None when nobody has told)."""

ABOUT = 400_000_000
"""Bytes on disk to announce where the index does not tell."""
_VERSION = re.compile(r"\d+(\.\d+)*(-[\w.]+)?")
"""What may become the name of a folder."""


@dataclass(frozen=True, kw_only=True)
class InstallPlan:
    """What `install` will do. `version` is empty when only the package itself can tell it.

    `size` is in bytes once unpacked, `exact` whether the index told it. `integrity` is the registry's own hash (`sha512-…`) of
    the archive, empty for wheels: there the client checks the index's hash, and we the one in the wheel's RECORD.
    """

    source: Source
    package: str
    spec: str
    version: str
    size: int
    exact: bool
    client: tuple[str, ...]
    environ: Mapping[str, str]
    integrity: str = ""

    @property
    def folder(self) -> str:
        """Where the version's folder will stand."""
        return versions_folder(self.environ)

    def __str__(self) -> str:
        about = "" if self.exact else "about "
        version = f" {self.version}" if self.version else ""
        return f"Claude Code{version} from {self.package} by {self.source}, {about}{self.size / 1e6:.0f} MB in {self.folder}"


def versions_folder(environ: Mapping[str, str]) -> str:
    """Where installed versions live, one folder each."""
    return os.path.join(data_folder(environ), "claude-code")


def installed(environ: Mapping[str, str], version: str | None = None) -> str | None:
    """The path of an installed binary: of this version, else the newest. Its content is not looked at."""
    root = versions_folder(environ)
    try:
        names = [version] if version else sorted(os.listdir(root), key=_order, reverse=True)
    except OSError:
        return None
    for name in names:
        path = os.path.join(root, name, "claude")
        if not name.startswith(".") and os.access(path, os.X_OK) and os.path.exists(path + ".sha256"):
            return path
    return None


def _order(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.split("."))


def intact(path: str) -> bool:
    """Whether an installed binary still has the hash that was written beside it. Reads all of it (about half a second)."""
    try:
        with open(path + ".sha256", encoding="ascii") as beside:
            expected = beside.read().split()[0]
    except (OSError, IndexError):
        return False
    return sha256_of(path) == expected


def plan_install(environ: Mapping[str, str], version: str | None = None) -> InstallPlan:
    """What would be installed on this machine. Asks npm's registry when npm is there; fetches nothing.

    Raises `ClaudeOrError`: no package client, unsupported platform, version not found, index not reached.
    """
    if version is not None and not _VERSION.fullmatch(version):
        raise ClaudeOrError(
            f"{version!r} is no version of Claude Code.",
            hint="Write it as in 2.1.330, or leave it out for the newest.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    name = packages.platform_name()
    have = packages.clients(environ)
    refused: ClaudeOrError | None = None
    if have.npm:
        package = packages.NPM_PACKAGE + name
        try:
            release = packages.npm_release(have.npm, environ, package, version)
        except ClaudeOrError as error:
            refused = error  # the other index may be reachable
        else:
            return InstallPlan(
                source="npm",
                package=package,
                spec=f"{package}@{release.version}",
                version=release.version,
                size=release.unpacked or ABOUT,
                exact=release.unpacked is not None,
                client=have.npm,
                environ=environ,
                integrity=release.integrity,
            )
    plan = _wheel_plan(have, environ, version)
    if plan:
        return plan
    if refused:
        raise refused
    if have.uv or have.pip:
        raise ClaudeOrError(
            f"Claude Code {version} is not to be had without npm.",
            hint=f"Install npm, or leave the version out, or ask for {' or '.join(packages.KNOWN_WHEELS)}.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    raise ClaudeOrError(
        "Claude Code cannot be fetched: neither npm nor uv nor pip was found.",
        hint="Install one of them, or install Claude Code yourself and name it in CLAUDE_OR_CLAUDE.",
        exit_code=EXIT_CLAUDE_MISSING,
    )


def _wheel_plan(have: Clients, environ: Mapping[str, str], version: str | None) -> InstallPlan | None:
    release = packages.KNOWN_WHEELS.get(version) if version else None
    if not (have.uv or have.pip) or (version and not release):
        return None
    return InstallPlan(
        source="uv" if have.uv else "pip",
        package=packages.WHEEL_PACKAGE,
        spec=f"{packages.WHEEL_PACKAGE}=={release}" if release else packages.WHEEL_PACKAGE,
        version=version or "",
        size=ABOUT,
        exact=False,
        client=have.uv or have.pip,
        environ=environ,
    )


def install(plan: InstallPlan, progress: Progress, *, free_bytes: Callable[[str], int] | None = None) -> str:
    """Carry out a plan and return the binary's path; at once when that version is there already.

    `free_bytes` tells how much room a folder has. Two installs of one user wait for each other. Raises `ClaudeOrError`.
    """
    try:
        os.makedirs(plan.folder, exist_ok=True)
        with open(os.path.join(plan.folder, ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if plan.version and (there := installed(plan.environ, plan.version)):
                return there
            _make_room(plan, free_bytes)
            return _install(plan, progress)
    except OSError as error:
        raise _os_failure(error, plan.folder) from error


def _make_room(plan: InstallPlan, free_bytes: Callable[[str], int] | None) -> None:
    free = free_bytes(plan.folder) if free_bytes else shutil.disk_usage(plan.folder).free
    needed = plan.size * 2  # archive and client's cache are each about a third of the binary, and lie beside it
    if free < needed:
        raise ClaudeOrError(
            f"Not enough room in {plan.folder}: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free.",
            hint="Free some space, or set XDG_DATA_HOME to a folder on a larger disk.",
            exit_code=EXIT_CLAUDE_MISSING,
        )


def _install(plan: InstallPlan, progress: Progress) -> str:
    partial = os.path.join(plan.folder, f".partial-{plan.source}-{plan.version or 'newest'}")
    ready = os.path.join(partial, "ready")
    shutil.rmtree(ready, ignore_errors=True)
    os.makedirs(ready)
    binary = os.path.join(ready, "claude")
    digest = (
        _from_npm(plan, partial, binary, progress)
        if plan.source == "npm"
        else _from_wheel(plan, partial, binary, progress)
    )
    os.chmod(binary, 0o755)  # noqa: S103 - a program others may run
    version = _version_of(binary, partial)
    if plan.version and version != plan.version:
        raise _broken(f"What was fetched is Claude Code {version}, not {plan.version}.", partial)
    with open(binary + ".sha256", "w", encoding="ascii") as beside:
        beside.write(f"{digest}  claude\n")
    target = os.path.join(plan.folder, version)
    shutil.rmtree(target, ignore_errors=True)  # what `installed` did not accept, or the same once more
    os.rename(ready, target)
    shutil.rmtree(partial, ignore_errors=True)
    return os.path.join(target, "claude")


def _from_npm(plan: InstallPlan, partial: str, binary: str, progress: Progress) -> str:
    archive = _archive(partial, ".tgz")
    if archive is None or not has_integrity(archive, plan.integrity):
        _fetch(plan, partial, progress)
        archive = _archive(partial, ".tgz")
    if archive is None or not has_integrity(archive, plan.integrity):
        raise _broken("What was downloaded has the wrong checksum.", partial)
    try:
        with tarfile.open(archive, "r|gz") as tar:  # as a stream: to look a member up would unpack everything twice
            for member in tar:
                content = tar.extractfile(member) if member.name == packages.NPM_MEMBER else None
                if content is not None:
                    return unpack(content, binary, member.size, progress)
            raise KeyError(packages.NPM_MEMBER)
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise _broken(f"The package does not hold Claude Code ({error}).", partial) from error


def _from_wheel(plan: InstallPlan, partial: str, binary: str, progress: Progress) -> str:
    shutil.rmtree(os.path.join(partial, "tree"), ignore_errors=True)
    archive = _archive(partial, ".whl")
    if archive is None or not zipfile.is_zipfile(archive):
        _fetch(plan, partial, progress)
        archive = _archive(partial, ".whl")
    try:
        if archive is None:
            tree = os.path.join(partial, "tree")
            record = _read(next(_records(tree)))
            path = os.path.join(tree, *packages.WHEEL_MEMBER.split("/"))
            size = os.path.getsize(path)
            digest = sha256_of(path, lambda done: progress("unpack", done, size))
            os.rename(path, binary)
        else:
            with zipfile.ZipFile(archive) as wheel:
                record = wheel.read(next(n for n in wheel.namelist() if n.endswith(".dist-info/RECORD"))).decode()
                member = wheel.getinfo(packages.WHEEL_MEMBER)
                with wheel.open(member) as content:
                    digest = unpack(content, binary, member.file_size, progress)
    except (KeyError, StopIteration, FileNotFoundError, zipfile.BadZipFile) as error:
        raise _broken(f"The package does not hold Claude Code ({error}).", partial) from error
    if not in_record(record, packages.WHEEL_MEMBER, digest):
        raise _broken("What was downloaded has the wrong checksum.", partial)
    return digest


def _fetch(plan: InstallPlan, partial: str, progress: Progress) -> None:
    command, extra = packages.fetch_command(plan.source, plan.client, plan.spec, partial)
    before = packages.folder_size(partial)

    def arrived(size: int) -> None:
        progress("download", max(size - before, 0), None)

    arrived(before)
    packages.run_client(command, {**plan.environ, **extra}, partial, arrived, plan.source)


def _archive(partial: str, ending: str) -> str | None:
    found = [name for name in os.listdir(partial) if name.endswith(ending)]
    return os.path.join(partial, found[0]) if found else None


def _records(tree: str) -> Iterator[str]:
    for name in os.listdir(tree):
        if name.endswith(".dist-info"):
            yield os.path.join(tree, name, "RECORD")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _version_of(binary: str, partial: str) -> str:
    """What the binary says its version is: also the proof that it runs on this system."""
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _broken(f"What was fetched does not run on this system ({error}).", partial) from error
    version = said.stdout.split()
    if said.returncode != 0 or not version or not _VERSION.fullmatch(version[0]):
        raise _broken("What was fetched does not run on this system.", partial)
    return version[0]


def _broken(message: str, partial: str) -> ClaudeOrError:
    """What arrived is of no use: throw it away, so that the next run does not build on it."""
    shutil.rmtree(partial, ignore_errors=True)
    return ClaudeOrError(
        message,
        hint="Run it again; if it stays so, install Claude Code yourself and name it in CLAUDE_OR_CLAUDE.",
        exit_code=EXIT_CLAUDE_MISSING,
    )


def _os_failure(error: OSError, folder: str) -> ClaudeOrError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ClaudeOrError(
            f"The disk is full: {folder}",
            hint="Free some space and run it again, or set XDG_DATA_HOME to a folder on a larger disk.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    return ClaudeOrError(
        f"Claude Code could not be installed: {error.strerror or error} ({error.filename or folder})",
        hint="Check the folder's permissions, or set XDG_DATA_HOME to a folder you can write to.",
        exit_code=EXIT_CLAUDE_MISSING,
    )
