"""One checked entry to what is started for it: variables put in, environment built from nothing, interpreter chosen.

A server gets a few variables that any program needs, those its entry inherits by name, and those its entry writes. Our key and what
belongs to Claude Code reach it only when the entry itself writes `${…}` for it, and that is told.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from claude_or.config.folders import cache_folder, home_folder
from claude_or.config.mcp import McpEntry
from claude_or.config.variables import VariableProblem, interpolate
from claude_or.mcp.interpreters import Started, started
from claude_or.mcp.launch import McpHealth, McpLaunch

INHERITED: Final = ("HOME", "PATH", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR", "TZ")
"""What every server gets, with `LC_*`."""
_LOOKED_AT: Final = (
    "NVM_DIR",
    "FNM_DIR",
    "VOLTA_HOME",
    "MISE_DATA_DIR",
    "NODENV_ROOT",
    "ASDF_DATA_DIR",
    "XDG_CACHE_HOME",
)
_KEY_VARIABLE: Final = "OPENROUTER_API_KEY"
_SECRET_LENGTH: Final = 6
"""A shorter value is no secret, and masking it would spoil every text that holds it."""


class EntryProblem(Exception):
    """An entry that cannot be resolved here and now. `key` is where."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What an entry became: a `launch` to supervise, an entry `passed` to the client, or neither, for the reason in `problem`."""

    name: str
    launch: McpLaunch | None = None
    passed: dict[str, Any] | None = None
    secrets: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    """Names of the variables whose values were put in or inherited: what an approval shows."""
    depends: tuple[str, ...] = ()
    """Names of all variables that the answer depends on."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interpreter: str = ""
    problem: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """The last of its command lines, or its address."""
        if self.launch is not None:
            return self.launch.commands[-1]
        passed = self.passed or {}
        return (passed["command"], *passed["args"]) if "command" in passed else (str(passed.get("url", "")),)


def may_inherit(name: str) -> bool:
    """Whether a variable may be inherited by name. Source of the prefixes: Claude Code's documentation of its variables."""
    return name != _KEY_VARIABLE and not name.startswith(("ANTHROPIC_", "CLAUDE_", "CLAUDECODE"))


def resolve(name: str, entry: McpEntry, environ: Mapping[str, str], cwd: str, *, foreign: bool = False) -> Resolved:
    """What is started for an enabled entry. Raises `EntryProblem`.

    Looking for Node.js runs what is found, and this happens before an approval: for a `foreign` entry, which the user did not
    write, only what the user's own environment leads to is looked at.
    """
    values = _Values(environ)
    if entry.is_remote:
        passed: dict[str, Any] = {"type": entry.type, "url": values.put("url", entry.url or "")}
        if entry.headers:
            passed["headers"] = {key: values.put(f"headers.{key}", text) for key, text in entry.headers.items()}
        return values.resolved(name, passed=passed)
    command = _command(entry, values)
    declared = {key: values.put(f"environment.{key}", _text(value)) for key, value in entry.environment.items()}
    if entry.supervise is False:
        passed = {"type": "stdio", "command": command[0], "args": list(command[1:]), "env": declared}
        return values.resolved(name, passed=passed)
    env = _environment(entry, declared, values)
    # Looking for interpreters takes the version managers' folders into account, the server itself does not get them.
    looking = {key: environ[key] for key in (*INHERITED, *_LOOKED_AT) if key in environ} | ({} if foreign else env)
    start = started(command, entry.python_version, entry.node_version, looking)
    if start.problem:
        return values.resolved(name, problem=start.problem)
    if start.path:
        env["PATH"] = f"{start.path}:{env.get('PATH', os.defpath)}"
    launch = _launch(name, entry, start, env, _cwd(entry, start, values, cwd), values)
    return values.resolved(name, launch=launch, notes=start.notes, interpreter=start.interpreter)


@dataclass(slots=True)
class _Values:
    """Variables as they are put in, and what came of it."""

    environ: Mapping[str, str]
    used: dict[str, str | None] = field(default_factory=dict[str, str | None])
    warnings: list[str] = field(default_factory=list[str])

    def put(self, key: str, text: str) -> str:
        """A scalar with its variables put in."""
        try:
            return interpolate(text, self.environ, self.used)
        except VariableProblem as problem:
            raise EntryProblem(key, str(problem)) from None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that nobody should read in a log."""
        return tuple(
            value
            for name, value in self.used.items()
            if value and len(value) >= _SECRET_LENGTH and name not in INHERITED and not name.startswith("LC_")
        )

    def resolved(self, name: str, **more: Any) -> Resolved:
        """The result, with what was noted on the way."""
        warnings = list(self.warnings)
        warnings += [
            f"MCP server {name} gets {variable}, because its entry asks for it"
            for variable in self.used
            if not may_inherit(variable)
        ]
        depends = dict.fromkeys([
            *INHERITED,
            *_LOOKED_AT,
            *(key for key in self.environ if key.startswith("LC_")),
            *self.used,
        ])
        return Resolved(
            name=name,
            secrets=self.secrets,
            used=tuple(self.used),
            depends=tuple(depends),
            warnings=tuple(warnings),
            **more,
        )


def _command(entry: McpEntry, values: _Values) -> tuple[str, ...]:
    """The parts of the command line; a variable's value stays one part, whatever it holds."""
    given = entry.command or ""
    parts = shlex.split(given) if isinstance(given, str) else given
    command = tuple(values.put("command", part) for part in parts)
    if not command or not command[0]:
        raise EntryProblem("command", "the command line is empty")
    home = home_folder(values.environ)
    program = home + command[0][1:] if command[0].startswith("~/") else command[0]
    return (program, *command[1:], *(values.put("args", str(part)) for part in entry.args))


def _environment(entry: McpEntry, declared: Mapping[str, str], values: _Values) -> dict[str, str]:
    environ = values.environ
    env = {key: environ[key] for key in environ if key in INHERITED or key.startswith("LC_")}
    for key in entry.inherit or ():
        if not may_inherit(key):
            raise EntryProblem(
                "inherit", f"{key} is never inherited; write `environment: {{{key}: ${{{key}}}}}` if it must be"
            )
        values.used[key] = environ.get(key)
        if key in environ:
            env[key] = environ[key]
    return env | dict(declared)


def _cwd(entry: McpEntry, start: Started, values: _Values, cwd: str) -> str:
    environ = values.environ
    if entry.cwd:
        said = values.put("cwd", entry.cwd)
        named = home_folder(environ) + said[1:] if said == "~" or said.startswith("~/") else said
        return os.path.normpath(os.path.join(cwd, named))
    if not start.neutral:
        return cwd
    folder = os.path.join(cache_folder(environ), "mcp", "empty")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return cwd
    return folder


def _launch(name: str, entry: McpEntry, start: Started, env: dict[str, str], cwd: str, values: _Values) -> McpLaunch:
    limits = {
        key: value
        for key in ("max_restarts", "restart_window", "start_timeout", "call_keepalive")
        if (value := getattr(entry, key)) is not None
    }
    return McpLaunch(
        name=name,
        commands=start.commands,
        env=env,
        cwd=cwd,
        secrets=values.secrets,
        restart=entry.restart != "never",
        health=_health(entry, values),
        allow=None if entry.tools is None or entry.tools.allow is None else tuple(entry.tools.allow),
        deny=() if entry.tools is None else tuple(entry.tools.deny),
        **limits,
    )


def _health(entry: McpEntry, values: _Values) -> McpHealth:
    on_unhealthy = entry.on_unhealthy == "restart"
    probe = entry.health
    if probe is None:
        return McpHealth(url=values.put("health_check", entry.health_check or ""), restart_on_unhealthy=on_unhealthy)
    return McpHealth(
        ping=probe.ping,
        interval=float(probe.interval),
        timeout=float(probe.timeout),
        failures=probe.failures,
        url=values.put("health.url", probe.url or entry.health_check or ""),
        restart_on_unhealthy=on_unhealthy,
    )


def _text(value: str | int | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
