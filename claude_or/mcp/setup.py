"""Which MCP servers a launch has: all files together, each entry resolved, and nothing of a project's without the user's approval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from claude_or.errors import EXIT_CONFIG, ClaudeOrError
from claude_or.mcp.launch import McpLaunch, McpSetup
from claude_or.mcp.resolve import EntryProblem, Resolved, resolve
from claude_or.mcp.sources import PATH_VARIABLE, Source, named_files, read_sources
from claude_or.mcp.trust import approve, is_approved, mark_of, trust_file

TRUST_OPTION: Final = "--trust-mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The enabled servers of one file. `mark` is what an approval of it would remember; `mistakes` are missing variables and the like."""

    source: Source
    servers: tuple[Resolved, ...]
    mistakes: tuple[str, ...]
    mark: str
    trusted: bool


Asking = Callable[[Group], bool]
"""Shows the user what a file would start, and returns the answer."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What all files say. `disabled` are names of entries with `enabled: false`."""

    groups: tuple[Group, ...]
    looked_at: tuple[str, ...]
    disabled: tuple[tuple[str, Source], ...] = ()

    def effective(self) -> dict[str, tuple[Resolved, Group]]:
        """The servers by name, the last file's where several name one; approved or not."""
        return {server.name: (server, group) for group in self.groups for server in group.servers}


def survey(environ: Mapping[str, str], cwd: str, named: tuple[str, ...] = ()) -> Survey:
    """Read all files and resolve each enabled entry. Raises `ClaudeOrError` for a mistake in a file."""
    sources = read_sources(environ, cwd, named)
    groups: list[Group] = []
    disabled: list[tuple[str, Source]] = []
    for source in sources.found:
        servers: list[Resolved] = []
        mistakes: list[str] = []
        for name, entry in source.file.servers.items():
            if not entry.enabled:
                disabled.append((name, source))
                continue
            try:
                servers.append(resolve(name, entry, environ, cwd, foreign=source.foreign))
            except EntryProblem as problem:
                mistakes.append(f"{source.place(('servers', name, *problem.key.split('.')))}: {problem}")
        mark = mark_of(source.path, source.content, [server.argv for server in servers])
        trusted = not source.foreign or (not mistakes and is_approved(environ, source.path, mark))
        groups.append(
            Group(source=source, servers=tuple(servers), mistakes=tuple(mistakes), mark=mark, trusted=trusted)
        )
    return Survey(tuple(groups), sources.looked_at, tuple(disabled))


def find_setup(environ: Mapping[str, str], cwd: str, ours: Mapping[str, str], ask: Asking | None = None) -> McpSetup:
    """The servers of a launch in `cwd` with our options `ours`. Raises `ClaudeOrError` for a mistake in a file.

    `ask` is asked for what is not approved; without it, it is left out with a warning.
    """
    found = survey(environ, cwd, named_files(ours))
    _stop_at_mistakes(found)
    picked = _Picked()
    # Also one that is left out was looked at with its variables.
    lasting = not any(server.secrets for group in found.groups for server in group.servers)
    for group in found.groups:
        if group.trusted or (not group.mistakes and _approved_now(group, environ, ours, ask)):
            picked.take(group)
            continue
        lasting = False
        picked.warnings.append(_left_out(group))
    depends = [PATH_VARIABLE, *(name for group in found.groups for server in group.servers for name in server.depends)]
    return McpSetup(
        launches=tuple(picked.launches.values()),
        passed=picked.passed,
        warnings=tuple(picked.warnings),
        files=(*found.looked_at, trust_file(environ)),
        variables=tuple(dict.fromkeys(depends)),
        secrets=tuple(picked.secrets),
        lasting=lasting,
    )


class _Picked:
    """The servers so far: a later file takes a name over."""

    def __init__(self) -> None:
        self.launches: dict[str, McpLaunch] = {}
        self.passed: dict[str, dict[str, Any]] = {}
        self.secrets: list[str] = []
        self.warnings: list[str] = []
        self._from: dict[str, str] = {}

    def take(self, group: Group) -> None:
        """The servers of one file."""
        for server in group.servers:
            if server.name in self._from:
                self.warnings.append(
                    f"MCP server {server.name} of {group.source.shown} takes the place of the one in {self._from[server.name]}"
                )
            self._from[server.name] = group.source.shown
            self.launches.pop(server.name, None)
            self.passed.pop(server.name, None)
            self.warnings.extend(server.warnings)
            if server.problem:
                self.warnings.append(f"MCP server {server.name} is left out: {server.problem}")
            elif server.launch is not None:
                self.launches[server.name] = server.launch
            elif server.passed is not None:
                self.passed[server.name] = server.passed
                self.secrets.extend(server.secrets)


def _approved_now(group: Group, environ: Mapping[str, str], ours: Mapping[str, str], ask: Asking | None) -> bool:
    if TRUST_OPTION in ours:
        return True
    if ask is None or not ask(group):
        return False
    try:
        approve(environ, group.source.path, group.mark)
    except OSError:
        pass  # it holds for this session; the next one asks again
    return True


def _left_out(group: Group) -> str:
    names = ", ".join(group.source.file.servers)
    if group.mistakes:
        return f"MCP servers of this project are left out ({names}): {group.mistakes[0]}"
    return (
        f"MCP servers of this project are left out ({names}): {group.source.shown} is not approved; "
        "`claude-or mcp trust` shows it and asks"
    )


def _stop_at_mistakes(found: Survey) -> None:
    """A missing variable stops the launch where the user wrote the file; a cloned project's must not."""
    mistakes = [mistake for group in found.groups if not group.source.foreign for mistake in group.mistakes]
    if mistakes:
        raise ClaudeOrError(
            mistakes[0],
            hint="Set the variable, or give the entry `enabled: false`.",
            exit_code=EXIT_CONFIG,
            detail=tuple(mistakes[1:]),
        )
