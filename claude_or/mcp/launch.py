"""What is started for one MCP server: the complete command, environment and limits, with nothing left to resolve.

The relay and the supervision know only this type; everything about YAML, interpreters, variables and trust happened before.
Plain data without imports, so that the launch path before the spawn may load it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class McpHealth:
    """How a running server's life is checked. Times in seconds."""

    ping: bool = True
    interval: float = 30.0
    timeout: float = 10.0
    failures: int = 3
    url: str = ""
    """An HTTP address that is asked each `interval` and only reported, unless `restart_on_unhealthy`."""
    restart_on_unhealthy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class McpLaunch:
    """One supervised stdio server. Times in seconds."""

    name: str
    """`[A-Za-z0-9_-]{1,48}`; the client calls its tools `mcp__<name>__*`."""
    commands: tuple[tuple[str, ...], ...]
    """Command lines in the order in which they are tried: a later one only when an earlier one exits before it answered
    `initialize` (an offline start first, then the one that may download)."""
    env: dict[str, str]
    """The whole environment of the server."""
    cwd: str
    secrets: tuple[str, ...] = ()
    """Values that were put in from variables: never to be logged or shown."""
    restart: bool = True
    max_restarts: int = 5
    restart_window: float = 60.0
    start_timeout: float = 25.0
    call_keepalive: float = 15.0
    health: McpHealth = field(default_factory=McpHealth)
    allow: tuple[str, ...] | None = None
    """Names of the only tools that the client may see and call; None: all. Patterns as in `fnmatch`."""
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSetup:
    """All servers of one launch. What is not `lasting` is found anew at each launch and never stored."""

    launches: tuple[McpLaunch, ...] = ()
    passed: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Name → entry for the client's own MCP configuration: remote servers, and those that the client shall start itself."""
    warnings: tuple[str, ...] = ()
    """What the user is told on stderr before the session, one line each."""
    files: tuple[str, ...] = ()
    """Every file that was looked at, absent ones too: as long as none of them changes, the answer is the same."""
    variables: tuple[str, ...] = ()
    """Names of the variables that the answer depends on."""
    secrets: tuple[str, ...] = ()
    """Values in `passed` that must not be stored or shown."""
    lasting: bool = True
    """False when the next launch must ask again (an approval that was not given), or when a variable holds a secret."""


def setup_to_plain(setup: McpSetup) -> dict[str, Any]:
    """What the launch itself needs, fit for `marshal`: `launches`, `passed` and `warnings`."""
    return {
        "launches": [launch_to_plain(launch) for launch in setup.launches],
        "passed": setup.passed,
        "warnings": list(setup.warnings),
    }


def launch_to_plain(launch: McpLaunch) -> dict[str, Any]:
    """As dictionaries, tuples, strings and numbers only, fit for `marshal`."""
    return asdict(launch)


def launch_from_plain(plain: dict[str, Any]) -> McpLaunch:
    """The inverse of `launch_to_plain`. Raises `TypeError` when the form is of another version."""
    fields = dict(plain)
    fields["health"] = McpHealth(**plain["health"])
    return McpLaunch(**fields)
