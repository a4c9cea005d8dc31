"""Where Claude Code's binary can be had, and how the package clients of this machine are asked for it.

Two packages hold the same file: the platform package on npm, and the wheel of `claude-agent-sdk`, which bundles it. The
clients (npm, uv, pip) are run as the user set them up, so their own index, mirror, proxy and credentials hold; no registry is
named here. They run in our partial folder, so that no project's configuration redirects them, with their caches in it, so that
bytes can be counted while they arrive and what is complete need not come twice.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError

Source = Literal["npm", "uv", "pip"]

NPM_PACKAGE = "@anthropic-ai/claude-code-"
NPM_MEMBER = "package/claude"
WHEEL_PACKAGE = "claude-agent-sdk"
WHEEL_MEMBER = "claude_agent_sdk/_bundled/claude"

KNOWN_WHEELS = {"2.1.330": "0.2.187"}
"""Which release of the wheel bundles which Claude Code, for versions this program was tested with. No index tells this."""

PLATFORMS = {
    ("linux", "x86_64", "glibc"): "linux-x64",
    ("linux", "aarch64", "glibc"): "linux-arm64",
    ("linux", "x86_64", "musl"): "linux-x64-musl",
    ("linux", "aarch64", "musl"): "linux-arm64-musl",
    ("darwin", "x86_64", ""): "darwin-x64",
    ("darwin", "arm64", ""): "darwin-arm64",
}
"""System, machine and C library → the ending of the npm package's name. Source: `optionalDependencies` of the main package."""

POLL = 0.2
"""Seconds between two looks at how much has arrived."""

_NAMES = {"amd64": "x86_64", "x64": "x86_64"}

_FAILURES: tuple[tuple[str, str, str], ...] = (
    (
        r"ENOSPC|no space left|disk quota",
        "The disk is full",
        "Free some space (Claude Code takes about 400 MB, and as much again while it is unpacked), then run it again.",
    ),
    (
        r"EINTEGRITY|hash(es)? (mismatch|do not match)|do not match the hashes|sha\d+.*(mismatch|did not match)",
        "What was downloaded has the wrong checksum",
        "Run it again; if it stays, the mirror or proxy that your package client uses changes files.",
    ),
    (
        (
            r"ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|connection refused|name resolution"
            r"|dns error|unreachable|timed out|failed to fetch|error sending request|max retries|could not connect"
        ),
        "The package index cannot be reached",
        "Check the network and the client's proxy settings, or name a Claude Code of your own in CLAUDE_OR_CLAUDE.",
    ),
    (
        (
            r"ECONNRESET|ERR_STREAM_PREMATURE|premature close|aborted|incompleteread|unexpected eof|end of file"
            r"|connection broken|error decoding response body|content-length|EOF"
        ),
        "The download broke off",
        "Run it again: what has arrived in full is kept.",
    ),
    (
        (
            r"E404|ETARGET|no matching version|not found in the package registry|no matching distribution|no solution found"
            r"|no versions of"
        ),
        "The package index does not have it",
        "Look at the version you asked for, and at the index your package client is set up to use.",
    ),
)
"""What the clients print, read in this order: wording, what happened, what to do."""


class Clients(msgspec.Struct, frozen=True):
    """The package clients of this machine; an absent one is empty."""

    npm: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()


def clients(environ: Mapping[str, str]) -> Clients:
    """Look for npm, uv and pip. `uv run` tells where its own uv is; pip may be a module of this interpreter."""
    path = environ.get("PATH")

    def found(name: str) -> tuple[str, ...]:
        where = shutil.which(name, path=path)
        return (where,) if where else ()

    uv = environ.get("UV", "")
    own_uv = (uv,) if uv and os.access(uv, os.X_OK) else ()
    own_pip = (sys.executable, "-P", "-m", "pip") if importlib.util.find_spec("pip") else ()
    return Clients(npm=found("npm"), uv=own_uv or found("uv"), pip=own_pip or found("pip3") or found("pip"))


def platform_name(system: str | None = None, machine: str | None = None, libc: str | None = None) -> str:
    """The platform as the npm packages spell it. Raises `ClaudeOrError` where Claude Code has no package for us."""
    system = system or sys.platform
    machine = (machine or platform.machine()).lower()
    if libc is None:
        libc = ("glibc" if platform.libc_ver()[0] == "glibc" else "musl") if system == "linux" else ""
    name = PLATFORMS.get((system, _NAMES.get(machine, machine), libc))
    if name is None and system == "linux":
        name = PLATFORMS.get((system, {"arm64": "aarch64"}.get(machine, machine), libc))
    if name is None:
        raise ClaudeOrError(
            f"There is no Claude Code for this system ({system} on {machine}).",
            hint="It exists for Linux and macOS on x86-64 and ARM64; on Windows run claude-or inside WSL.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    return name


def failure(words: str, source: str) -> ClaudeOrError:
    """What a client printed, as an error with a next step."""
    said = [line.strip() for line in words.splitlines() if line.strip() and "npm warn" not in line]
    detail = tuple(f"{source}: {line}"[:200] for line in said[-3:])
    for pattern, message, hint in _FAILURES:
        if re.search(pattern, words, re.IGNORECASE):
            return ClaudeOrError(message + ".", hint=hint, exit_code=EXIT_CLAUDE_MISSING, detail=detail)
    return ClaudeOrError(
        f"{source} could not fetch Claude Code.",
        hint="Install Claude Code yourself and put it on PATH, or name it in CLAUDE_OR_CLAUDE.",
        exit_code=EXIT_CLAUDE_MISSING,
        detail=detail,
    )


class Release(msgspec.Struct, frozen=True):
    """What the npm registry says about one release; `unpacked` is in bytes where it is told."""

    version: str
    integrity: str
    unpacked: int | None = None


def npm_release(npm: tuple[str, ...], environ: Mapping[str, str], package: str, version: str | None) -> Release:
    """Ask npm for a release, the newest when no version is named. Raises `ClaudeOrError`."""
    spec = f"{package}@{version}" if version else package
    # npm reads the configuration of the project it is started in; a stranger's must not choose the registry.
    done = subprocess.run(
        [*npm, "view", spec, "--json", "name", "version", "dist"],
        env=dict(environ),
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told: Any = None
    try:
        told = msgspec.json.decode(done.stdout) if done.stdout.strip() else None
    except msgspec.DecodeError:
        pass
    if done.returncode != 0 or not isinstance(told, dict) or "version" not in told:
        raise failure(done.stdout + done.stderr or "E404", "npm")
    dist = told.get("dist")
    dist = dist if isinstance(dist, dict) else {}
    unpacked = dist.get("unpackedSize")
    return Release(
        version=str(told["version"]),
        integrity=str(dist.get("integrity") or ""),
        unpacked=unpacked if isinstance(unpacked, int) else None,
    )


def fetch_command(source: Source, using: tuple[str, ...], spec: str, folder: str) -> tuple[list[str], dict[str, str]]:
    """The command that brings a package into `folder`, and what it adds to the environment.

    npm and pip leave an archive there, uv the unpacked `tree`.
    """
    cache = os.path.join(folder, "cache")
    scratch = os.path.join(folder, "scratch")
    match source:
        case "npm":
            return [
                *using,
                "pack",
                spec,
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--cache",
                cache,
                "--pack-destination",
                folder,
            ], {}
        case "uv":
            tree = os.path.join(folder, "tree")
            options = [
                "--no-deps",
                "--only-binary",
                ":all:",
                "--reinstall",
                "--cache-dir",
                cache,
                "--link-mode",
                "copy",
            ]
            return [*using, "pip", "install", spec, "--target", tree, "--python", sys.executable, *options], {}
        case "pip":
            options = [
                "--no-deps",
                "--only-binary",
                ":all:",
                "--no-input",
                "--progress-bar",
                "off",
                "--cache-dir",
                cache,
            ]
            return [*using, "download", spec, "--dest", folder, *options], {"TMPDIR": scratch}


def run_client(
    command: list[str], environ: Mapping[str, str], folder: str, arrived: Callable[[int], None], source: Source
) -> None:
    """Run a client to its end in `folder`, telling every `POLL` seconds how many bytes are there. Raises `ClaudeOrError`.

    On any other way out (Ctrl-C) the client is ended and the folder stays, to be continued from.
    """
    os.makedirs(os.path.join(folder, "scratch"), exist_ok=True)
    with tempfile.TemporaryFile() as said:
        client = subprocess.Popen(
            command, env=dict(environ), cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            while True:
                try:
                    code = client.wait(timeout=POLL)
                    break
                except subprocess.TimeoutExpired:
                    arrived(folder_size(folder))
        finally:
            if client.poll() is None:
                client.terminate()
                client.wait()
        if code != 0:
            said.seek(0)
            raise failure(said.read().decode(errors="replace"), source)


def folder_size(folder: str) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count as nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except FileNotFoundError:
                continue
    return total
