"""Everything a launch needs to know before `claude` runs, from a cache as long as nothing changed.

A hit reads one small `marshal` file and imports nothing; a miss loads and checks the whole configuration first, so that a mistake is
told before the terminal is handed over. The cache's key is everything the answer depends on: our version, the options, the
working folder, the variables, and each file that was looked at, absent ones too.
"""

from __future__ import annotations

import marshal
import os
import time
import zlib

from claude_or import __version__

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from claude_or.config.load import Loaded
    from claude_or.config.schema import Settings
    from claude_or.mcp.launch import McpSetup
    from claude_or.routing.catalog import Catalog
    from claude_or.upstream.windows import Kept

VARIABLES = (
    "BIG_MODEL",
    "SMALL_MODEL",
    "OPENROUTER_BASE_URL",
    "LOG_LEVEL",
    "CLAUDE_OR_LOG_CONTENT",
    "CLAUDE_OR_CONFIG",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
)
PREFIX = "launch-"
FORMAT = 15
KEPT_S = 60 * 24 * 3600.0
"""Seconds until a plan is old: there is one for each folder and choice of options that a session ever started with."""
LISTING_LIMIT = 2.0
"""Seconds that a launch waits for the listing when a window is not known."""


class LaunchPlan:
    """Plain values, fit for `marshal`.

    `facts` (see `session/facts.py`), `settings_text` the prepared settings file, `variables` the pinned environment,
    `without` our key sources, `settings` the plain form of the settings, `warnings` for the log, `listing` whether the
    listing of models was known, `mcp` the plain form of `McpSetup` (None: to be found anew at each launch), `keys` which variable
    holds the key of each host that some role asks, `files` every place where a configuration was looked for (see `seen`).
    """

    __slots__ = (
        "facts",
        "files",
        "keys",
        "listing",
        "mcp",
        "settings",
        "settings_text",
        "variables",
        "warnings",
        "without",
    )

    def __init__(self, plain: dict[str, Any]) -> None:
        self.facts: dict[str, Any] = plain["facts"]
        self.settings_text: str = plain["settings_text"]
        self.variables: dict[str, str] = plain["variables"]
        self.without: tuple[str, ...] = plain["without"]
        self.settings: dict[str, Any] = plain["settings"]
        self.warnings: list[str] = plain["warnings"]
        self.listing: bool = plain["listing"]
        self.mcp: dict[str, Any] | None = plain["mcp"]
        self.keys: dict[str, str] = plain["keys"]
        self.files: list[tuple[str, int, int]] = plain["files"]

    def plain(self) -> dict[str, Any]:
        """The inverse of the constructor."""
        return {name: getattr(self, name) for name in self.__slots__}


def launch_plan(
    environ: Mapping[str, str],
    cwd: str,
    ours: Mapping[str, str],
    cache_folder: str,
    *,
    printing: bool = False,
    with_servers: bool = True,
    may_ask: bool = True,
) -> LaunchPlan:
    """The plan of this launch. Raises `ClaudeOrError` for a mistake in the configuration.

    `printing` is print mode, `with_servers` whether MCP servers are looked for, `may_ask` whether the user may be asked about them.
    """
    key = (
        FORMAT,
        __version__,
        cwd,
        sorted(ours.items()),
        (printing, with_servers),
        [(name, environ.get(name, "")) for name in VARIABLES],
    )
    path = f"{cache_folder}/{PREFIX}{zlib.crc32(repr(key).encode()):08x}"
    found = _read(path, key, environ)
    if found is not None:
        plan = LaunchPlan(found)
        if plan.mcp is None and with_servers:
            plan.mcp = _servers(environ, cwd, ours, may_ask)[0]
        return plan
    plan, files = _computed(environ, cwd, ours, cache_folder, printing=printing)
    if not with_servers:
        _write(path, key, plan.plain(), files, [])
        return plan
    mcp, setup = _servers(environ, cwd, ours, may_ask)
    files += [(place, *seen(place)) for place in setup.files]
    # A secret never goes to the disk, neither where it was put in nor as what the answer depends on. Such a launch costs the
    # reading of its files each time.
    plan.mcp = mcp if setup.lasting else None
    _write(path, key, plan.plain(), files, [(name, environ.get(name)) for name in setup.variables if setup.lasting])
    plan.mcp = mcp
    return plan


def _servers(
    environ: Mapping[str, str], cwd: str, ours: Mapping[str, str], may_ask: bool
) -> tuple[dict[str, Any], McpSetup]:
    """The MCP servers, in plain form and as they were found."""
    from claude_or.mcp.launch import setup_to_plain
    from claude_or.mcp.setup import find_setup
    from claude_or.session.approval import asking

    setup = find_setup(environ, cwd, ours, asking() if may_ask else None)
    return setup_to_plain(setup), setup


def _read(path: str, key: tuple[Any, ...], environ: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            stored = marshal.loads(file.read())  # noqa: S302 - our own file, owner checked
        if stored["key"] != key or any(seen(place) != (mtime, size) for place, mtime, size in stored["files"]):
            return None
        if any(environ.get(name) != value for name, value in stored["variables"]):
            return None
        return stored["plan"]
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        return None


def _write(
    path: str,
    key: tuple[Any, ...],
    plan: dict[str, Any],
    files: list[tuple[str, int, int]],
    variables: list[tuple[str, str | None]],
) -> None:
    """Leave the plan for the next launch; a folder that cannot be written only means a slower one."""
    data = marshal.dumps({"key": key, "files": files, "variables": variables, "plan": plan})
    half = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(half, path)
        _remove_old(os.path.dirname(path), time.time() - KEPT_S)
    except OSError:
        pass


def _remove_old(folder: str, before: float) -> None:
    """Remove plans that were written before that moment. Raises `OSError`."""
    with os.scandir(folder) as entries:
        old = [entry.path for entry in entries if entry.name.startswith(PREFIX) and entry.stat().st_mtime < before]
    for path in old:
        os.unlink(path)


def seen(path: str) -> tuple[int, int]:
    """Modification time in nanoseconds and size; `(0, -1)` for a file that is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, -1)
    return (status.st_mtime_ns, status.st_size)


def _computed(
    environ: Mapping[str, str], cwd: str, ours: Mapping[str, str], cache_folder: str, *, printing: bool
) -> tuple[LaunchPlan, list[tuple[str, int, int]]]:
    """Load and check everything. The heavy imports of a launch that found no cache."""
    import msgspec

    from claude_or.config.key import key_variables, keys_for
    from claude_or.config.schema import to_plain
    from claude_or.routing.names import hosts_in_use
    from claude_or.session.environment import pinned, settings_of
    from claude_or.session.facts import facts_of
    from claude_or.upstream.windows import FILE, kept_of, limits_of, prices_of, read_windows

    def facts_by(known: Mapping[str, Kept]) -> dict[str, Any]:
        return facts_of(
            loaded.settings,
            lambda slug: limits_of(known, slug),
            lambda slug: prices_of(known, slug),
            printing=printing,
        )

    loaded = loaded_as(environ, cwd, ours)
    windows_file = f"{cache_folder}/{FILE}"
    base_url = loaded.settings.openrouter.base_url
    windows = read_windows(windows_file, base_url)
    facts = facts_by(windows)
    # Only OpenRouter's listing is asked; windows of the user's own hosts stand in the configuration or nowhere.
    unlisted = [name for name in facts["assumed"] if name.partition(":")[0] not in loaded.settings.providers]
    if unlisted and _fetch_listing(environ, loaded.settings, cache_folder):
        windows = read_windows(windows_file, base_url)
        facts = facts_by(windows)
    if unlisted and not windows and (old := _bundled()):
        guessed, facts = facts["assumed"], facts_by(kept_of(old.models))
        facts["bundled"] = old.day if len(facts["assumed"]) < len(guessed) else ""
    plan = LaunchPlan({
        "facts": facts,
        "settings_text": msgspec.json.encode(settings_of(facts)).decode(),
        "variables": pinned(facts),
        "without": key_variables(loaded.settings),
        "settings": to_plain(loaded.settings),
        "warnings": list(loaded.warnings),
        "listing": bool(windows),
        "mcp": None,
        "keys": keys_for(hosts_in_use(loaded.settings), loaded.settings),
        "files": [(file.path, file.mtime_ns, file.size) for file in loaded.files],
    })
    files = list(plan.files)
    files.append((windows_file, *seen(windows_file)))
    return plan, files


def _bundled() -> Catalog | None:
    from claude_or.upstream.catalogue import bundled

    return bundled()


def loaded_as(environ: Mapping[str, str], cwd: str, ours: Mapping[str, str]) -> Loaded:
    """The configuration as a launch with these options reads it. Raises `ClaudeOrError`."""
    from claude_or.config.load import Overrides, load

    return load(
        environ,
        cwd,
        Overrides(
            big=ours.get("--big"),
            small=ours.get("--small"),
            profile=ours.get("--profile"),
            log_level=ours.get("--log-level"),
            log_content=ours.get("--log-content"),
            config=ours.get("--config"),
            budget=ours.get("--budget"),
        ),
    )


def _fetch_listing(environ: Mapping[str, str], settings: Settings, cache_folder: str) -> bool:
    """Ask the host for its models, once and briefly: a wrong window cannot be corrected later in the session."""
    import asyncio

    from claude_or.errors import ClaudeOrError
    from claude_or.session.keys import key_of
    from claude_or.upstream.catalogue import Unreachable, refresh

    base_url = settings.openrouter.base_url
    try:
        key = key_of(environ, settings).value
    except ClaudeOrError:
        return False  # the launch says so by itself

    async def fetch() -> None:
        from claude_or.upstream.probe import probing

        async with asyncio.timeout(LISTING_LIMIT), probing(base_url, key, timeout_s=LISTING_LIMIT) as get:
            await refresh(get, cache_folder, base_url, time.time(), with_key=True)

    try:
        asyncio.run(fetch())
    except (Unreachable, OSError):  # a time-out is an `OSError`, and so is a disk that cannot give us a library
        return False
    return True
