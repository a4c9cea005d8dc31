"""What is wrong in a file of MCP servers, in sentences with the key and the fix; and the JSON schema that editors check it with.

The types live in `config/mcp.py`. What types cannot say follows below: which keys belong to which kind of server, names, ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from claude_or.config.check import nearest_hint
from claude_or.config.document import Path, Problem
from claude_or.config.mcp import REMOTE, McpDefaults, McpEntry, McpFile, McpProbe, McpTools

NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")
VERSION = re.compile(r"v?\d+(\.\d+){0,2}")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
RANGES: dict[str, tuple[float, float]] = {
    "max_restarts": (0, 1000),
    "restart_window": (1, 86_400),
    "start_timeout": (1, 600),
    "call_keepalive": (1, 50),
    "interval": (1, 3600),
    "timeout": (0.1, 600),
    "failures": (1, 100),
}
ONLY_LOCAL = ("command", "args", "python_version", "node_version", "environment", "inherit", "cwd", "health", "tools")
ONLY_REMOTE = ("url", "headers")
ONLY_SUPERVISED = ("python_version", "node_version", "inherit", "cwd", "health", "health_check")
ELSEWHERE = {"env": "environment", "stdio": "command", "streamable-http": "http", "disabled": "enabled"}
"""What other programs' files of MCP servers call it, and what it is called here."""
_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "list_type": "a list",
    "dict_type": "`name: value` lines below it",
    "dataclass_type": "`key: value` lines below it",
}
_BELOW: dict[str, type] = {"health": McpProbe, "tools": McpTools}


def file_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Every mistake in a file's values; each key once. Loads pydantic."""
    return list(_type_problems(values)) or list(_rule_problems(values))


def editor_schema() -> dict[str, Any]:
    """The JSON schema of the file."""
    schema = _adapter().json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "MCP servers of claude-or"
    schema["properties"]["servers"]["propertyNames"] = {"pattern": f"^{NAME.pattern}$"}
    entry = schema["$defs"]["McpEntry"]["properties"]
    for key in ("python_version", "node_version"):
        entry[key]["anyOf"][0]["pattern"] = f"^{VERSION.pattern}$"
    return schema


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(McpFile)


def _type_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    from pydantic import ValidationError
    from pydantic_core import to_json

    try:
        # By way of JSON, because strict validation of Python values takes dataclasses only as instances.
        _adapter().validate_json(to_json(_without_nothing(values)))
    except ValidationError as error:
        told: set[Path] = set()
        for found in error.errors(include_url=False):
            path = _path(values, found["loc"])
            if path not in told:  # a value that fits none of several types is found once for each
                told.add(path)
                yield Problem(_sentence(found["type"], path, found.get("ctx") or {}, found["input"]), path)


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without keys that have nothing below them, except a server itself."""
    kept = {key: value for key, value in values.items() if value is not None}
    if isinstance(kept.get("servers"), dict):
        kept["servers"] = {
            name: {key: value for key, value in entry.items() if value is not None}
            if isinstance(entry, dict)
            else entry
            for name, entry in kept["servers"].items()
        }
    return kept


def _path(values: Any, loc: tuple[Any, ...]) -> Path:
    """Where in the file a finding is: without the names of types, which pydantic puts behind a place with several."""
    path: list[str] = []
    for part in loc:
        if (isinstance(values, dict) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]
        else:
            break
        path.append(str(part))
    return tuple(path)


def _sentence(kind: str, path: Path, context: Mapping[str, Any], given: Any) -> str:
    key = path[-1] if path else ""
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        known = _known(path[:-1])
        named = ELSEWHERE.get(key, "")
        return "unknown key" + (f"; did you mean {named}?" if named in known else nearest_hint(key, known))
    if key in {"python_version", "node_version"} and isinstance(given, (int, float)):
        example = "3.10" if key == "python_version" else "22"
        return f'put the version in quotes, like "{example}": without them YAML reads a number, and 3.10 becomes 3.1'
    if path[2:3] == ("environment",) and isinstance(given, float):
        return f"put the value in quotes: YAML reads the number {given:g}, and trailing zeros are lost"
    if kind == "literal_error":
        expected = str(context.get("expected", "")).replace("'", "")
        other = ELSEWHERE.get(str(given), "") if key == "type" else ""
        return f"expected {expected}, got {given!r}" + (f"; did you mean {other}?" if other else "")
    if key == "command":
        return "expected a command line as text, or a list of its parts"
    expected = _EXPECTED.get(kind, "")
    shown = "what looks like a key" if str(given).startswith("sk-") else str(given)[:40]
    return f"expected {expected}, got {shown}" if expected else f"not understood ({kind})"


def _known(section: Path) -> list[str]:
    """The keys that may stand below a path of the file."""
    match section:
        case ():
            kind: type = McpFile
        case ("defaults",):
            kind = McpDefaults
        case ("servers", _):
            kind = McpEntry
        case ("servers", _, below) if below in _BELOW:
            kind = _BELOW[below]
        case _:
            return []
    return [one.name for one in fields(kind)]


def _rule_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _ranges(values.get("defaults") or {}, ("defaults",))
    for name, entry in (values.get("servers") or {}).items():
        here = ("servers", name)
        if not NAME.fullmatch(name):
            yield Problem("a server's name has 1 to 48 letters, digits, hyphens and underscores", here)
        yield from _ranges(entry, here)
        yield from _ranges(entry.get("health") or {}, (*here, "health"))
        yield from _kind_problems(entry, here)
        for key in ("python_version", "node_version"):
            if entry.get(key) and not VERSION.fullmatch(entry[key]):
                yield Problem(f'expected a version such as "3.12" or "22", got {entry[key]!r}', (*here, key))
        for key in ("environment", "inherit"):
            for variable in entry.get(key) or ():
                if not VARIABLE.fullmatch(variable):
                    yield Problem(f"{variable!r} is no name of a variable", (*here, key))
        if entry.get("health_check") and (entry.get("health") or {}).get("url"):
            yield Problem("`health_check` and `health: {url: …}` say the same; keep one", (*here, "health_check"))


def _ranges(values: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for key, (low, high) in RANGES.items():
        number = values.get(key)
        if number is not None and not low <= number <= high:
            yield Problem(f"expected a number from {low:g} to {high:g}, got {number:g}", (*path, key))


def _kind_problems(entry: Mapping[str, Any], here: Path) -> Iterator[Problem]:
    kind = entry.get("type", "command")
    is_remote = kind in REMOTE
    needed = "url" if is_remote else "command"
    if not entry.get(needed):
        yield Problem(f"a server of type {kind} needs `{needed}:`", here)
    for key in ONLY_LOCAL if is_remote else ONLY_REMOTE:
        if entry.get(key):
            yield Problem(f"this means nothing for a server of type {kind}; remove it", (*here, key))
    if is_remote and entry.get("supervise") is True:
        yield Problem("a remote server cannot be supervised; remove it", (*here, "supervise"))
    if is_remote and isinstance(entry.get("url"), str) and not entry["url"].startswith(("http://", "https://", "$")):
        yield Problem("expected an address that begins with https://", (*here, "url"))
    if not is_remote and isinstance(command := entry.get("command"), str):
        import shlex

        try:
            shlex.split(command)
        except ValueError as error:
            yield Problem(f"this command line cannot be split: {str(error).lower()}", (*here, "command"))
    for key, other in (("python_version", "node_version"), ("node_version", "python_version")):
        if entry.get(key) and entry.get(other) and kind == other.partition("_")[0]:
            yield Problem(f"this means nothing for a server of type {kind}; remove it", (*here, key))
    if entry.get("supervise") is False and not is_remote:
        yield from _unsupervised_problems(entry, here)


def _unsupervised_problems(entry: Mapping[str, Any], here: Path) -> Iterator[Problem]:
    if entry.get("tools"):
        yield Problem(
            "lists of tools need `supervise: true`; the client's own settings can deny tools", (*here, "tools")
        )
    for key in ONLY_SUPERVISED:
        if entry.get(key):
            yield Problem("this needs `supervise: true`: the client starts the server without it", (*here, key))
