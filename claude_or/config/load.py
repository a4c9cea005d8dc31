"""Settings from everywhere: defaults < user's file < project's file < environment < profile < flags.

Each value keeps its origin. One rule beyond "the later layer wins": whoever says `big` or `small` speaks for every role that
follows it, so a `--big` on the command line beats `models.opus` in a file. All mistakes are gathered and told at once.
The only module of this layer that touches the disk; yaml and pydantic are imported only when there is a file to read.
"""

from __future__ import annotations

import os
import os.path
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from claude_or.config.folders import config_folder, home_folder, short
from claude_or.config.origin import DEFAULT, Layer, Origin
from claude_or.config.ready import READY, host_named
from claude_or.config.schema import Profile, Settings, from_plain, to_plain
from claude_or.errors import EXIT_CONFIG, EXIT_USAGE, ClaudeOrError

USER_FILE = "config.yaml"
PROJECT_FILE = ".claude-or.yaml"
CONFIG_VARIABLE = "CLAUDE_OR_CONFIG"
MAX_BYTES = 262_144

VARIABLES: dict[str, tuple[str, str]] = {
    "BIG_MODEL": ("models", "big"),
    "SMALL_MODEL": ("models", "small"),
    "OPENROUTER_BASE_URL": ("openrouter", "base_url"),
    "LOG_LEVEL": ("", "log_level"),
    "CLAUDE_OR_LOG_CONTENT": ("log", "content"),
}
"""Environment variable → section and key. An empty variable counts as not set."""

SWITCHED = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
"""What a variable says that is a switch."""

FOLLOWERS: dict[str, tuple[str, ...]] = {
    "big": ("main", "opus", "sonnet", "fable", "subagent"),
    "small": ("haiku", "background"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line said. `config` is the path of `--config`."""

    big: str | None = None
    small: str | None = None
    profile: str | None = None
    log_level: str | None = None
    log_content: str | None = None
    config: str | None = None
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A place where a configuration was looked for. Absent: `mtime_ns` is 0 and `size` is -1."""

    path: str
    mtime_ns: int = 0
    size: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Checked settings. `origins` is keyed by dotted key (`models.big`) and lacks what is a default.

    `files` are all places looked at, absent ones too: the settings are the same while none of them changed.
    """

    settings: Settings
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    files: tuple[FileSeen, ...] = ()
    warnings: tuple[str, ...] = ()

    def origin(self, key: str) -> Origin:
        """Where the value of this dotted key came from."""
        return self.origins.get(key, DEFAULT)


def load(environ: Mapping[str, str], cwd: str, overrides: Overrides | None = None) -> Loaded:
    """Find, read, check and merge all sources.

    Raises `ClaudeOrError` (`EXIT_CONFIG`; `EXIT_USAGE` for a flag) naming file, line and key of the first mistake, with
    the others as detail.
    """
    overrides = overrides or Overrides()
    merge = _Merge()
    for path, layer, required in _places(environ, cwd, overrides):
        merge.add_file(path, layer, short(path, environ), required=required)
    merge.add_environment(environ)
    merge.stop_at_mistakes(EXIT_CONFIG)
    if overrides.profile is not None:
        merge.add_profile(overrides.profile)
    merge.stop_at_mistakes(EXIT_CONFIG)
    merge.add_flags(overrides)
    merge.stop_at_mistakes(EXIT_USAGE)
    merge.add_ready_hosts()
    settings = from_plain(merge.plain)
    merge.check_names(settings)
    merge.stop_at_mistakes(EXIT_CONFIG)
    return Loaded(
        settings=settings, origins=merge.origins, files=tuple(merge.files), warnings=tuple(_warnings(settings))
    )


def user_file(environ: Mapping[str, str], cwd: str, overrides: Overrides | None = None) -> tuple[str, bool]:
    """Path of the user's file, and whether somebody named it (then it must exist)."""
    named = (overrides.config if overrides else None) or environ.get(CONFIG_VARIABLE, "").strip()
    if not named:
        return os.path.join(config_folder(environ), USER_FILE), False
    if named == "~" or named.startswith("~/"):
        named = home_folder(environ) + named[1:]
    return os.path.normpath(os.path.join(cwd, named)), True


def project_places(environ: Mapping[str, str], cwd: str) -> list[str]:
    """Where a project's file may be, nearest first: from `cwd` up to the root of its git checkout, else to the home folder.

    Outside of both only `cwd` counts: in a shared folder such as /tmp anybody could leave a file for everybody below.
    """
    home = os.path.realpath(home_folder(environ))
    folder = os.path.realpath(cwd)
    folders: list[str] = []
    while True:
        folders.append(folder)
        if os.path.exists(os.path.join(folder, ".git")):
            break
        parent = os.path.dirname(folder)
        if folder == home or parent == folder:
            if folder != home:
                folders = folders[:1]
            break
        folder = parent
    return [os.path.join(folder, PROJECT_FILE) for folder in folders]


def _places(environ: Mapping[str, str], cwd: str, overrides: Overrides) -> Iterator[tuple[str, Layer, bool]]:
    path, named = user_file(environ, cwd, overrides)
    yield path, "user", named
    for place in project_places(environ, cwd):
        yield place, "project", False
        if os.path.lexists(place):
            return


class _Merge:
    """The settings so far, where each value came from, and what is wrong with the sources."""

    def __init__(self) -> None:
        self.plain: dict[str, Any] = to_plain(Settings())
        self.origins: dict[str, Origin] = {}
        self.files: list[FileSeen] = []
        self.mistakes: list[str] = []
        self.profile = ""

    def add_file(self, path: str, layer: Layer, shown: str, *, required: bool) -> None:
        """Read one file, check it, and merge it when it is right."""
        text, seen = self._read(path, shown, required=required)
        self.files.append(seen)
        if text is None:
            return
        from claude_or.config.check import rule_problems, type_problems, without_empty_sections
        from claude_or.config.document import read_document

        document = read_document(text)
        values = without_empty_sections(document.values)
        if layer == "project":
            values.pop("servers", None)  # MCP servers: `mcp/sources.py` reads them, with rules of their own
        problems = (
            list(document.problems) or type_problems(values) or rule_problems(values, is_project=layer == "project")
        )
        placed = [(problem.line or document.line_of(problem.path), problem) for problem in problems]
        for line, problem in sorted(placed, key=lambda pair: pair[0]):
            place = ":".join([shown, *(str(n) for n in (line, problem.column) if n)])
            self.mistakes.append(": ".join([place, *([".".join(problem.path)] if problem.path else []), problem.text]))
        if not problems:
            self._add(values, lambda path: Origin(layer, shown, document.line_of(path)))

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """Take the variables that are set."""
        for variable, (section, key) in VARIABLES.items():
            if value := environ.get(variable, "").strip():
                self._add_one(section, key, value, Origin("environment", variable))

    def add_profile(self, name: str) -> None:
        """Let the profile speak, as one layer above the environment: it was asked for just now."""
        profiles = self.plain["profiles"]
        if name not in profiles:
            from claude_or.config.check import nearest_hint

            self.mistakes.append(f"--profile: there is no profile {name!r}" + nearest_hint(name, profiles))
            return
        origins = dict(self.origins)

        def origin(path: tuple[str, ...]) -> Origin:
            below = path[1:] if path[0] == "models" else path
            written = origins.get(".".join(("profiles", name, *below)), DEFAULT)
            return Origin("profile", f"profile {name}, {written.where}", written.line)

        models, more = _models_and_more(profiles[name])
        self._add({"models": models, **more}, origin)

    def add_flags(self, overrides: Overrides) -> None:
        """Take the flags that were given; an empty one is a mistake, not an absence."""
        for flag, section, key, value in (
            ("--big", "models", "big", overrides.big),
            ("--small", "models", "small", overrides.small),
            ("--log-level", "", "log_level", overrides.log_level),
            ("--log-content", "log", "content", overrides.log_content),
            ("--budget", "budget", "session", overrides.budget),
        ):
            if value is not None:
                self._add_one(section, key, value.strip(), Origin("flag", flag))

    def add_ready_hosts(self) -> None:
        """A ready host that some model's name begins with is there without being listed below `providers:`."""
        for name in _written_names(self.plain):
            host = host_named(name)
            if host and host not in self.plain["providers"]:
                self._add_provider(host, {}, lambda _: DEFAULT)

    def check_names(self, settings: Settings) -> None:
        """Every configured model must lead somewhere; checked last, because an alias may come from any file."""
        from claude_or.config.check import name_problems

        if self.origins:
            for problem in name_problems(settings):
                key = ".".join(problem.path)
                origin = self.origins.get(key, DEFAULT)
                shown = f"{origin}: {key}" if origin.line else str(origin)
                self.mistakes.append(f"{shown}: {problem.text}")

    def stop_at_mistakes(self, exit_code: int) -> None:
        """Raise when something was wrong so far."""
        if self.mistakes:
            raise ClaudeOrError(
                self.mistakes[0],
                hint="Correct it there and try again; `claude-or doctor` checks the whole configuration.",
                exit_code=exit_code,
                detail=tuple(self.mistakes[1:]),
            )

    def _read(self, path: str, shown: str, *, required: bool) -> tuple[str | None, FileSeen]:
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                raw = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            if required:
                self.mistakes.append(f"{shown}: there is no such file")
            return None, FileSeen(path)
        except OSError as error:
            self.mistakes.append(f"{shown}: cannot be read: {error.strerror}")
            return None, FileSeen(path)
        seen = FileSeen(path, status.st_mtime_ns, status.st_size)
        if len(raw) > MAX_BYTES:
            self.mistakes.append(f"{shown}: larger than {MAX_BYTES // 1024} KB; this is no configuration")
            return None, seen
        try:
            return raw.decode("utf-8-sig"), seen
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.mistakes.append(f"{shown}:{line}: not UTF-8 text")
            return None, seen

    def _add_one(self, section: str, key: str, value: str, origin: Origin) -> None:
        """One value from the environment or a flag. Checked here: no pydantic for a few strings."""
        if section == "budget":
            dollars = dollars_of(value)
            if dollars is None:
                self.mistakes.append(f"{origin}: expected an amount in US dollars such as 2.50, got {value!r}")
            else:
                self._add({section: {key: dollars}}, lambda _: origin)
            return
        if section == "log":
            if value.lower() not in SWITCHED:
                self.mistakes.append(f"{origin}: expected 1 or 0, got {value!r}")
            else:
                self._add({section: {key: SWITCHED[value.lower()]}}, lambda _: origin)
            return
        if key == "log_level":
            from claude_or.config.check import LOG_LEVELS

            value = {"warn": "warning"}.get(value.lower(), value.lower())
            if value not in LOG_LEVELS:
                choices = ", ".join(LOG_LEVELS)
                self.mistakes.append(f"{origin}: expected one of {choices}, got {value!r}")
                return
        elif key == "base_url":
            from claude_or.config.check import address_problem

            if wrong := address_problem(value):
                self.mistakes.append(f"{origin}: {wrong}")
                return
        elif not value:
            self.mistakes.append(f"{origin}: expected the name of a model")
            return
        self._add({section: {key: value}} if section else {key: value}, lambda _: origin)

    def _add(self, values: Mapping[str, Any], origin: Any) -> None:
        """Merge checked values over what is there."""
        for section, value in values.items():
            if section == "models":
                self._add_models(self.plain["models"], value, ("models",), origin)
            elif section == "fallbacks":
                self._add_models(self.plain["fallbacks"], value, ("fallbacks",), origin)
            elif section == "profiles":
                for name, said in value.items():
                    self._add_profile(name, said, origin)
            elif section == "preferences_for":
                for name, said in value.items():
                    self.origins[f"{section}.{name}"] = origin((section, name))
                    self._add_values(self.plain[section].setdefault(name, {}), said, (section, name), origin)
            elif section == "providers":
                for name, said in value.items():
                    self._add_provider(name, said, origin)
            elif isinstance(value, dict):
                self._add_values(self.plain[section], value, (section,), origin)
            else:
                self._set(self.plain, section, value, (section,), origin)

    def _add_values(self, target: dict[str, Any], said: Mapping[str, Any], path: tuple[str, ...], origin: Any) -> None:
        for key, leaf in said.items():
            self._set(target, key, leaf, (*path, key), origin)

    def _add_provider(self, name: str, said: Mapping[str, Any], origin: Any) -> None:
        """A host over its ready entry; of its models each one is merged by itself."""
        path = ("providers", name)
        host = self.plain["providers"].setdefault(name, {"models": {}, **READY.get(name, {})})
        self._add_values(host, {key: leaf for key, leaf in said.items() if key != "models"}, path, origin)
        for model, facts in (said.get("models") or {}).items():
            self._add_values(host["models"].setdefault(model, {}), facts, (*path, "models", model), origin)

    def _add_profile(self, name: str, said: Mapping[str, Any], origin: Any) -> None:
        path = ("profiles", name)
        profile = self.plain["profiles"].setdefault(name, asdict(Profile()))
        models, more = _models_and_more(said)
        self._add_models(profile, models, path, origin)
        self._add_models(profile["fallbacks"], more["fallbacks"], (*path, "fallbacks"), origin)
        self._add_values(profile["preferences"], more["preferences"], (*path, "preferences"), origin)

    def _add_models(self, models: dict[str, Any], said: Mapping[str, Any], path: tuple[str, ...], origin: Any) -> None:
        for leader, followers in FOLLOWERS.items():
            if said.get(leader) is not None:
                for follower in followers:
                    models[follower] = None
                    self.origins.pop(".".join((*path, follower)), None)
        for role, slug in said.items():
            self._set(models, role, slug, (*path, role), origin)

    def _set(self, target: dict[str, Any], key: str, value: Any, path: tuple[str, ...], origin: Any) -> None:
        if value is None:  # a key without a value says nothing
            return
        if path[0] == "budget" and _raises(target.get(key), value) and origin(path).layer == "project":
            # The file came with somebody else's repository: it may spend less of the user's money, not more.
            return
        target[key] = value.rstrip("/") if key == "base_url" else value
        self.origins[".".join(path)] = origin(path)


def _models_and_more(profile: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A profile's models, and its other sections, which may be empty."""
    more = {section: profile.get(section) or {} for section in ("fallbacks", "preferences")}
    return {role: name for role, name in profile.items() if role not in more}, more


def _written_names(plain: Mapping[str, Any]) -> Iterator[str]:
    """Every model's name in the settings, as it was written."""
    for said in (plain, *plain["profiles"].values()):
        models = said["models"] if said is plain else _models_and_more(said)[0]
        yield from (name for name in models.values() if name)
        yield from (name for names in said["fallbacks"].values() for name in names or ())
    yield from plain["aliases"].values()


def dollars_of(text: str) -> float | None:
    """An amount as people write it (`5`, `2.50`, `$5`); None when it is none."""
    try:
        dollars = float(text.strip().removeprefix("$"))
    except ValueError:
        return None
    return dollars if 0 <= dollars <= 1_000_000 else None


def _raises(cap: Any, to: Any) -> bool:
    return isinstance(cap, (int, float)) and isinstance(to, (int, float)) and to > cap


def _warnings(settings: Settings) -> Iterator[str]:
    base = settings.openrouter.base_url
    if base.endswith("openrouter.ai/api"):
        yield f"the address {base} lacks the version; OpenRouter's API is at {base}/v1"
