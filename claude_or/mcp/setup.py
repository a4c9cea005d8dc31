"""Which MCP servers a launch has: the user's `mcp_servers.yaml`, read, checked and turned into what is started.

A server's environment is made from nothing: the few variables that a program needs, and what its entry names.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from claude_or.config.document import read_document
from claude_or.config.folders import config_folder, short
from claude_or.errors import EXIT_CONFIG, ClaudeOrError
from claude_or.mcp.launch import McpLaunch, McpSetup

FILE: Final = "mcp_servers.yaml"
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,48}")
INHERITED: Final = ("HOME", "PATH", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR", "TZ")
REMOTE: Final = frozenset({"http", "sse"})
LOCAL: Final = frozenset({"command", "python", "node"})
KEYS: Final = frozenset({
    "type",
    "command",
    "args",
    "environment",
    "cwd",
    "start_timeout",
    "supervise",
    "url",
    "headers",
})


def find_setup(environ: Mapping[str, str], cwd: str, ours: Mapping[str, str]) -> McpSetup:
    """The servers of a launch in `cwd` with our options `ours`. Raises `ClaudeOrError` for a mistake in a file."""
    del ours
    path = os.path.join(config_folder(environ), FILE)
    try:
        with open(path, encoding="utf-8") as file:
            document = read_document(file.read())
    except FileNotFoundError:
        return McpSetup(files=(path,))
    except (OSError, ValueError) as error:
        raise _mistake(short(path, environ), f"cannot be read: {error}") from None
    if document.problems:
        raise _mistake(short(path, environ), document.problems[0].text)
    launches: list[McpLaunch] = []
    passed: dict[str, dict[str, Any]] = {}
    for name, entry in (document.values.get("servers") or {}).items():
        where = f"{short(path, environ)}: servers.{name}"
        _check(where, name, entry)
        if entry["type"] in REMOTE:
            passed[name] = entry
            continue
        command = _command(entry)
        if entry.get("supervise", True):
            launches.append(_launch(name, entry, command, environ, cwd))
        else:
            env = entry.get("environment", {})
            passed[name] = {"type": "stdio", "command": command[0], "args": list(command[1:]), "env": env}
    return McpSetup(launches=tuple(launches), passed=passed, files=(path,), variables=INHERITED)


def _check(where: str, name: str, entry: Any) -> None:
    """Raises `ClaudeOrError` for what cannot be meant."""
    if not NAME.fullmatch(name):
        raise _mistake(where, "a name has up to 48 letters, digits, hyphens and underscores")
    if not isinstance(entry, dict) or entry.get("type") not in REMOTE | LOCAL:
        raise _mistake(where, f"type must be one of {', '.join(sorted(REMOTE | LOCAL))}")
    unknown = sorted(entry.keys() - KEYS)
    if unknown:
        raise _mistake(where, f"unknown key {unknown[0]}")
    if "url" not in entry if entry["type"] in REMOTE else not entry.get("command"):
        raise _mistake(where, "url is missing" if entry["type"] in REMOTE else "command is missing")


def _command(entry: Mapping[str, Any]) -> tuple[str, ...]:
    given = entry["command"]
    parts = shlex.split(given) if isinstance(given, str) else given
    return tuple(str(part) for part in [*parts, *entry.get("args", [])])


def _launch(
    name: str, entry: Mapping[str, Any], command: tuple[str, ...], environ: Mapping[str, str], cwd: str
) -> McpLaunch:
    env = {variable: environ[variable] for variable in INHERITED if variable in environ}
    env |= {str(variable): str(value) for variable, value in entry.get("environment", {}).items()}
    return McpLaunch(
        name=name,
        commands=(command,),
        env=env,
        cwd=os.path.join(cwd, entry.get("cwd", "")),
        start_timeout=float(entry.get("start_timeout", 25.0)),
    )


def _mistake(where: str, what: str) -> ClaudeOrError:
    return ClaudeOrError(f"{where}: {what}", hint="Correct the file, or remove the entry.", exit_code=EXIT_CONFIG)
