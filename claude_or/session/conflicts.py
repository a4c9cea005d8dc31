"""Settings of Claude Code that want something else than this session: found, named by file and key, never changed.

The session's own `--settings` file outranks the user's, the project's and the local settings, so what stands there is only
overruled for as long as the session lasts. Managed settings outrank everything, also ours: they really can lead requests past the
proxy, or give them another key or model. Values are never told, because they may be secrets.
Source: how Claude Code 2.1.330 ranks its settings, measured.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from claude_or.config.folders import home_folder
from claude_or.session.environment import NEUTRALISED
from claude_or.session.excepted import NAMES as NO_PROXIES

Scope = Literal["user", "project", "local", "managed"]

MANAGED = "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"
"""Where an administrator's settings are."""

KEYS = ("apiKeyHelper", "model", "modelPicker")
"""Settings that a session sets itself."""
MANAGED_KEYS = ("availableModels", "forceLoginMethod", "forceLoginOrgUUID", "forceLoginGatewayUrl")
"""Settings that only an administrator's file can enforce against us."""
PINNED = frozenset({
    *NEUTRALISED,
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
    "CLAUDE_CODE_MAX_CONTEXT_TOKENS",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "CLAUDE_CODE_DISABLE_1M_CONTEXT",
    "CLAUDE_CODE_AUTO_COMPACT_WINDOW",
    "CLAUDE_CODE_AUTO_MODE_SERVER",
    "CLAUDE_CODE_ATTRIBUTION_HEADER",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "ENABLE_TOOL_SEARCH",
    "NO_PROXY",
    "no_proxy",
})
"""Variables that a session sets itself, beside those that begin like `PINNED_PREFIX`."""
PINNED_PREFIX = "ANTHROPIC_DEFAULT_"
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"})
"""Proxies are not overruled, since tools of the session may need them; loopback is excepted from them."""
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Conflict:
    """One key in one file. `key` is dotted (`env.ANTHROPIC_BASE_URL`); `wins` when it outranks the session."""

    scope: Scope
    path: str
    key: str
    wins: bool

    def __str__(self) -> str:
        if self.wins:
            return f"{self.key} in {self.path} ({self.scope}) outranks claude-or and may lead requests elsewhere"
        if self.key.removeprefix("env.") in PROXIES:
            return f"{self.key} in {self.path} ({self.scope}) does not concern claude-or's proxy: loopback is excepted"
        return f"{self.key} in {self.path} ({self.scope}) is overruled for the session"


def conflicts(environ: Mapping[str, str], cwd: str, *, managed: str = MANAGED) -> list[Conflict]:
    """All conflicts of a session that starts in `cwd`, those that win first. A file that cannot be read has none."""
    found = [
        conflict
        for scope, path in settings_files(environ, cwd, managed=managed)
        for conflict in conflicts_in(scope, path, _read(path))
    ]
    return sorted(found, key=lambda conflict: not conflict.wins)


def settings_files(environ: Mapping[str, str], cwd: str, *, managed: str = MANAGED) -> Iterator[tuple[Scope, str]]:
    """The files that Claude Code reads, whether they exist or not."""
    user = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home_folder(environ), ".claude")
    yield "user", os.path.join(user, "settings.json")
    yield "project", os.path.join(cwd, ".claude", "settings.json")
    yield "local", os.path.join(cwd, ".claude", "settings.local.json")
    yield "managed", os.path.join(managed, "managed-settings.json")
    parts = os.path.join(managed, "managed-settings.d")
    try:
        names = sorted(os.listdir(parts))
    except OSError:
        return
    for name in names:
        if name.endswith(".json"):
            yield "managed", os.path.join(parts, name)


def conflicts_in(scope: Scope, path: str, settings: Any) -> list[Conflict]:
    """The conflicts in one file's content. Pure."""
    if not isinstance(settings, dict):
        return []
    is_managed = scope == "managed"
    found = [(key, is_managed) for key in _present(settings, KEYS + (MANAGED_KEYS if is_managed else ()))]
    env = settings.get("env")
    for name in env if isinstance(env, dict) else ():
        if scope == "user" and name in NO_PROXIES:
            continue  # their exceptions are taken along
        if name in PINNED or name.startswith(PINNED_PREFIX):
            found.append((f"env.{name}", is_managed))
        elif name in PROXIES:
            found.append((f"env.{name}", False))
    return [Conflict(scope, path, key, wins) for key, wins in found]


def _present(settings: dict[str, Any], keys: Iterable[str]) -> Iterator[str]:
    return (key for key in keys if settings.get(key) not in (None, "", [], {}))


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
