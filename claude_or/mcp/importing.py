"""Claude Code's and Claude Desktop's JSON of MCP servers, as our YAML.

Both hold `mcpServers`: name → `command`, `args`, `env`, or `type`, `url`, `headers`; Claude Code's own file has more of them below
`projects`. Values that look like secrets do not come along: `${NAME}` stands in their place, and the names are told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from claude_or.config.mcp_check import NAME, VARIABLE

_SECRET_NAME: Final = re.compile(r"(?i)(key|token|secret|passw|credential|authorization|cookie)")
_SECRET_VALUE: Final = re.compile(
    r"^(sk-|ghp_|gho_|github_pat_|xox[abp]-|glpat-|AKIA|eyJ)\S{8,}|^\S*[A-Za-z0-9_-]{40,}$"
)
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Imported:
    """`text` is the YAML, `names` the servers in it, `variables` what must be set now, `notes` what was changed or left out."""

    text: str
    names: tuple[str, ...]
    variables: tuple[str, ...]
    notes: tuple[str, ...]


def import_servers(told: Any, cwd: str, origin: str) -> Imported:
    """Turn decoded JSON into YAML. Raises `ValueError` when it names no servers."""
    given = _servers_in(told, cwd)
    if not given:
        raise ValueError("it names no MCP servers (no `mcpServers` with entries)")
    taken: dict[str, dict[str, Any]] = {}
    variables: list[str] = []
    notes: list[str] = []
    for name, entry in given.items():
        fitting = name if NAME.fullmatch(name) else (re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:48] or "server")
        if fitting != name:
            notes.append(f"{name!r} is called {fitting} now: a name has letters, digits, hyphens and underscores")
        made = _entry(fitting, entry, variables, notes)
        if made is None or fitting in taken:
            notes.append(
                f"{name!r} was left out: it has neither a command nor an http or sse address, or its name is taken"
            )
            continue
        taken[fitting] = made
    return Imported(_yaml(taken, origin, variables), tuple(taken), tuple(dict.fromkeys(variables)), tuple(notes))


def _servers_in(told: Any, cwd: str) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        return {}
    found: dict[str, Any] = {}
    places = [told, (told.get("projects") or {}).get(cwd) if isinstance(told.get("projects"), Mapping) else None]
    for place in places:
        servers = place.get("mcpServers") if isinstance(place, Mapping) else None
        if isinstance(servers, Mapping):
            found.update(servers)
    return found


def _entry(name: str, given: Any, variables: list[str], notes: list[str]) -> dict[str, Any] | None:
    if not isinstance(given, Mapping):
        return None
    if isinstance(given.get("url"), str):
        kind = {"sse": "sse", "http": "http", "streamable-http": "http", "": "http"}.get(str(given.get("type") or ""))
        if kind is None:
            return None
        entry: dict[str, Any] = {"type": kind, "url": _escaped(given["url"])}
        if headers := _texts(given.get("headers")):
            entry["headers"] = {key: _kept(name, key, text, variables) for key, text in headers.items()}
        return _finished(name, entry, given, ("type", "url", "headers"), notes)
    command = given.get("command")
    if not isinstance(command, str) or not command:
        return None
    args = _arguments(name, [str(part) for part in given.get("args") or ()], variables)
    entry = {"type": _kind(command), "command": [_escaped(command), *args]}
    env = {key: text for key, text in _texts(given.get("env")).items() if VARIABLE.fullmatch(key)}
    if env:
        entry["environment"] = {key: _kept(name, key, text, variables) for key, text in env.items()}
    return _finished(name, entry, given, ("type", "command", "args", "env"), notes)


def _finished(
    name: str, entry: dict[str, Any], given: Mapping[str, Any], taken: tuple[str, ...], notes: list[str]
) -> dict[str, Any]:
    """The entry with what both kinds may have; what has no place here is told."""
    if given.get("disabled") is True:
        entry["enabled"] = False
    if isinstance(folder := given.get("cwd"), str) and "command" in entry:
        entry["cwd"] = _escaped(folder)
        taken = (*taken, "cwd")
    if lost := [str(key) for key in given if key not in (*taken, "disabled")]:
        notes.append(f"{name}: {', '.join(lost)} did not come along; it means nothing here")
    return entry


def _arguments(server: str, args: list[str], variables: list[str]) -> list[str]:
    """The arguments; a variable stands for the value of an option that is named like a secret, and for what looks like one."""
    kept: list[str] = []
    for before, part in zip(["", *args], args, strict=False):
        option, sign, value = part.partition("=") if part.startswith("-") else ("", "", part)
        name = (option if sign else before if before.startswith("-") and "=" not in before else "").lstrip("-")
        if not value or value.startswith(("/", "http", "@", "-")) or (part.startswith("-") and not sign):
            kept.append(_escaped(part))
        else:
            kept.append(f"{_escaped(option)}{sign}{_kept(server, name or 'argument', value, variables)}")
    return kept


def _kind(command: str) -> str:
    program = command.rpartition("/")[2]
    if program in {"uvx", "uv", "pipx"} or program.startswith("python"):
        return "python"
    return "node" if program in {"npx", "node", "bunx", "bun"} else "command"


def _texts(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}


def _kept(server: str, key: str, text: str, variables: list[str]) -> str:
    """A value as it is, or the variable that takes its place."""
    if _REFERENCE.search(text):
        return text  # Claude Code's references are written like ours
    scheme, space, rest = text.partition(" ")
    has_scheme = bool(space) and scheme.lower() in {"bearer", "basic", "token"}
    secret = rest if has_scheme else text
    if not secret or not (_SECRET_NAME.search(key) or _SECRET_VALUE.match(secret)):
        return _escaped(text)
    variable = key if VARIABLE.fullmatch(key) and key.isupper() else f"{server}_{key}"
    variable = re.sub(r"\W+", "_", variable).upper()
    variable = variable if VARIABLE.fullmatch(variable) else f"MCP_{variable}"
    variables.append(variable)
    return f"{scheme} ${{{variable}}}" if has_scheme else f"${{{variable}}}"


def _escaped(text: str) -> str:
    """A `$` of theirs would be a reference of ours, except where it is one for them, too."""
    return text if _REFERENCE.search(text) else text.replace("$", "$$")


def _yaml(servers: Mapping[str, Any], origin: str, variables: list[str]) -> str:
    import yaml

    head = [f"# MCP servers, imported from {origin}."]
    if variables:
        head.append(f"# Set before use: {', '.join(dict.fromkeys(variables))}")
    body = yaml.safe_dump({"version": 1, "servers": dict(servers)}, sort_keys=False, allow_unicode=True, width=120)
    return "\n".join(head) + "\n" + body
