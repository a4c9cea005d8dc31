"""A server's command line for the Python or Node.js version that its entry asks for.

Python goes by uv, which finds an interpreter or fetches one; each start is tried offline first, which is twice as fast once everything
is there. Node.js goes by a matching `node` on PATH or in a version manager's folder, else by npx, whose `node` package brings the
binary. Looking costs files and, for PATH, one `node --version`; nothing is downloaded here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Command = tuple[str, ...]
LOOK_LIMIT_S: Final = 5.0
UV_HINT: Final = "install uv (https://docs.astral.sh/uv) or that Python"
NODE_HINT: Final = "install Node.js, which brings npx"
_NODE_FOLDERS: Final = (
    ("MISE_DATA_DIR", ".local/share/mise", "installs/node", "bin"),
    ("FNM_DIR", ".local/share/fnm", "node-versions", "installation/bin"),
    ("FNM_DIR", "Library/Application Support/fnm", "node-versions", "installation/bin"),
    ("VOLTA_HOME", ".volta", "tools/image/node", "bin"),
    ("NVM_DIR", ".nvm", "versions/node", "bin"),
    ("NODENV_ROOT", ".nodenv", "versions", "bin"),
    ("ASDF_DATA_DIR", ".asdf", "installs/nodejs", "bin"),
)
"""Variable of the version manager, its folder below the home, versions inside, programs inside a version."""


@dataclass(frozen=True, slots=True)
class Started:
    """How a server is started: `commands` as in `McpLaunch`; `path` is a folder to put in front of its PATH.

    `neutral` means that it must not run in a project: npx would prefer the project's own packages. `problem` says why it cannot be
    started at all, with what mends it.
    """

    commands: tuple[Command, ...] = ()
    path: str = ""
    neutral: bool = False
    interpreter: str = ""
    problem: str = ""
    notes: tuple[str, ...] = field(default=())


def started(command: Command, python: str | None, node: str | None, environ: Mapping[str, str]) -> Started:
    """How to start a command line on these versions; either may be None, then the command decides. `environ` is the server's."""
    if python is not None:
        return _on_python(command, python, environ)
    if node is not None:
        return _on_node(command, node.removeprefix("v"), environ)
    if _name(command) == "uvx":
        return Started(_offline_first(command, 1))
    if _name(command) == "uv" and command[1:3] == ("tool", "run"):
        return Started(_offline_first(command, 3))
    if _name(command) == "npx":
        return Started(_prefer_offline(command), neutral=True)
    return Started((command,))


def python_question(command: Sequence[str]) -> tuple[str, ...]:
    """The command that tells which interpreter a command line made here runs on; empty when it names none."""
    if "--python" not in command or _name(command) not in {"uv", "uvx"}:
        return ()
    uv = command[0].removesuffix("x") if _name(command) == "uvx" else command[0]
    return (uv, "python", "find", "--no-project", command[command.index("--python") + 1])


def _on_python(command: Command, version: str, environ: Mapping[str, str]) -> Started:
    name, path = _name(command), environ.get("PATH", os.defpath)
    chosen = ("--python", version.removeprefix("v"))
    if name == "uvx" or (name == "uv" and command[1:3] == ("tool", "run")):
        at = 1 if name == "uvx" else 3
        if shutil.which(command[0], path=path) is None:
            return Started(problem=f"uv was not found; {UV_HINT}")
        return Started(_offline_first(_with(command, at, *(() if "--python" in command else chosen)), at))
    is_python = name in {"python", "python3"} or (name.startswith("python3.") and name[8:].isdigit())
    if not is_python and not command[0].endswith(".py"):
        return Started((command,), notes=(f"python_version has no part in how {name} is started",))
    rest = command[1:] if is_python else command
    uv = shutil.which("uv", path=path)
    if uv is not None:
        run = (uv, "run", "--no-project", *chosen, "--", "python", *rest)
        return Started(_offline_first(run, 2))
    wanted = ".".join(version.removeprefix("v").split(".")[:2])
    own = shutil.which(f"python{wanted}", path=path)
    if own is not None:
        return Started(((own, *rest),), interpreter=own)
    return Started(problem=f"neither uv nor python{wanted} was found; {UV_HINT}")


def _on_node(command: Command, version: str, environ: Mapping[str, str]) -> Started:
    name = _name(command)
    folder = _node_folder(version, environ)
    if folder:
        own = os.path.join(folder, name)
        found = (own, *command[1:]) if "/" not in command[0] and os.access(own, os.X_OK) else command
        commands = _prefer_offline(found) if name == "npx" else (found,)
        return Started(commands, path=folder, neutral=name == "npx", interpreter=os.path.join(folder, "node"))
    npx = shutil.which("npx", path=environ.get("PATH", os.defpath))
    if npx is None:
        return Started(problem=f"neither Node.js {version} nor npx was found; {NODE_HINT}")
    if command[0].endswith((".js", ".mjs", ".cjs")):
        command = ("node", *command)
    # Inside, `npx` and every `#!/usr/bin/env node` find the version that stands first on PATH.
    wrapped = (npx, "-y", "-p", f"node@{version}", "--", *command)
    return Started(_prefer_offline(wrapped), neutral=True)


def _node_folder(version: str, environ: Mapping[str, str]) -> str:
    """The folder of a matching `node`; empty when there is none."""
    on_path = shutil.which("node", path=environ.get("PATH", os.defpath))
    if on_path is not None and _matches(_node_version(on_path, environ), version):
        return os.path.dirname(on_path)
    fitting = [
        (_numbers(found), folder) for found, folder in _installed(environ) if _matches(found.removeprefix("v"), version)
    ]
    return max(fitting)[1] if fitting else ""


def _installed(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Versions that version managers have, with the folder of each one's programs."""
    home = environ.get("HOME", "")
    for variable, below_home, versions, programs in _NODE_FOLDERS:
        base = os.path.join(environ.get(variable) or os.path.join(home, below_home), versions)
        try:
            names = os.listdir(base)
        except OSError:
            continue
        for name in names:
            folder = os.path.join(base, name, programs)
            if os.access(os.path.join(folder, "node"), os.X_OK):
                yield name, folder


def _node_version(program: str, environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=LOOK_LIMIT_S, check=False, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().removeprefix("v")


def _matches(found: str, wanted: str) -> bool:
    """Whether a version is the wanted one, or one of the wanted line: `22` takes 22.3.1."""
    return bool(found) and _numbers(found)[: wanted.count(".") + 1] == _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.removeprefix("v").split("."))


def _offline_first(command: Command, at: int) -> tuple[Command, ...]:
    own_mind = {"--offline", "--refresh", "--no-cache", "-n", "-U", "--upgrade"} & set(command)
    return (command,) if own_mind else (_with(command, at, "--offline"), command)


def _prefer_offline(command: Command) -> tuple[Command, ...]:
    own_mind = {"--offline", "--prefer-offline", "--prefer-online"} & set(command)
    return (command,) if own_mind else (_with(command, 1, "--prefer-offline"),)


def _with(command: Command, at: int, *more: str) -> Command:
    return (*command[:at], *more, *command[at:])


def _name(command: Sequence[str]) -> str:
    return os.path.basename(command[0])
