"""What may stand in `mcp_servers.yaml`, as plain frozen dataclasses, and the one way from a file's values to them.

`config/mcp_check.py` validates against these same classes and makes the editors' JSON schema of them, so their docstrings are what an
editor shows. The older plain form (`type`, `command`, `python_version`, `node_version`, `environment`, `health_check`) is a subset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "use_attribute_docstrings": True}

REMOTE = ("http", "sse")
Kind = Literal["python", "node", "command", "http", "sse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpProbe:
    """How a running server's life is checked. Times in seconds."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    ping: bool = True
    """Ask the server itself while nothing else runs."""
    interval: float = 30.0
    timeout: float = 10.0
    failures: int = 3
    """Missed pings in a row after which it is started anew."""
    url: str | None = None
    """An address of its own that is asked each `interval` and reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTools:
    """Which tools the client may see and call, by names or patterns such as `read_*`. `deny` wins."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    allow: list[str] | None = None
    deny: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class McpDefaults:
    """Values for every server of the file that does not say otherwise."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    inherit: list[str] | None = None
    supervise: bool | None = None
    restart: Literal["on-failure", "never"] | None = None
    max_restarts: int | None = None
    restart_window: float | None = None
    start_timeout: float | None = None
    call_keepalive: float | None = None
    on_unhealthy: Literal["report", "restart"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpEntry:
    """One server. Its name becomes `mcp__NAME__*` for the client's tools."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    type: Kind = "command"
    """`python`, `node` and `command` are started here; `http` and `sse` are reached at `url`."""
    command: str | list[str] | None = None
    """The command line, as text or as a list. No shell reads it."""
    args: list[str | int] = field(default_factory=list[str | int])
    """Further arguments."""
    python_version: str | None = None
    """The Python it runs on, in quotes: an unquoted 3.10 would be the number 3.1."""
    node_version: str | None = None
    """The Node.js it runs on, in quotes."""
    environment: dict[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])
    """Variables of the server: `${NAME}`, `${NAME:-default}` and `$NAME` take the value of a variable of yours."""
    inherit: list[str] | None = None
    """Names of further variables that it gets as they are, such as HTTPS_PROXY."""
    cwd: str | None = None
    """The folder it runs in; by itself the session's, for npx an empty one."""
    url: str | None = None
    """The address of a remote server."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """What is sent with each request to a remote server."""
    enabled: bool = True
    supervise: bool | None = None
    """false: the client starts it itself, with everything the client's own environment holds."""
    restart: Literal["on-failure", "never"] | None = None
    max_restarts: int | None = None
    """How often it is started anew within `restart_window` seconds before it is given up."""
    restart_window: float | None = None
    start_timeout: float | None = None
    """Seconds until it must have answered."""
    call_keepalive: float | None = None
    """Seconds between signs of life to the client while a call is silent."""
    health_check: str | None = None
    """Short for `health: {url: …}`."""
    health: McpProbe | None = None
    on_unhealthy: Literal["report", "restart"] | None = None
    """What follows when `health_check` fails."""
    tools: McpTools | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is reached at an address."""
        return self.type in REMOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class McpFile:
    """A file of MCP servers."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    version: Literal[1] = 1
    defaults: McpDefaults = field(default_factory=McpDefaults)
    servers: dict[str, McpEntry] = field(default_factory=dict[str, McpEntry])


def file_of(values: Mapping[str, Any]) -> McpFile:
    """The file's values, which were checked before, with the file's `defaults` put into each entry."""
    told = McpDefaults(**(values.get("defaults") or {}))
    filled = {name: getattr(told, name) for name in McpDefaults.__slots__ if getattr(told, name) is not None}
    servers = {name: _entry(filled, given) for name, given in (values.get("servers") or {}).items()}
    return McpFile(defaults=told, servers=servers)


def _entry(filled: Mapping[str, Any], given: Mapping[str, Any]) -> McpEntry:
    entry = McpEntry(**{**filled, **{key: value for key, value in given.items() if value is not None}})
    return replace(
        entry,
        health=McpProbe(**given["health"]) if given.get("health") else None,
        tools=McpTools(**given["tools"]) if given.get("tools") else None,
    )
