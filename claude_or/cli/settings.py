"""`claude-or init` and `claude-or config`: writing a first configuration, and seeing what is in force and why."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from claude_or.cli.models import brief
from claude_or.cli.result import Column, CommandResult, Finding, Table
from claude_or.config.folders import cache_folder, config_folder, data_folder, short, state_folder
from claude_or.config.load import PROJECT_FILE, Overrides, load, user_file
from claude_or.config.schema import Fallbacks, Preferences, Settings
from claude_or.errors import EXIT_CONFIG, EXIT_USAGE, ClaudeOrError
from claude_or.log import Redaction

SCHEMA_URL = "https://raw.githubusercontent.com/claude-or/claude-or/main/docs/schema/config.schema.json"

USER_TEXT = """\
# yaml-language-server: $schema={schema}
# claude-or's configuration. Every line that is commented out shows a default or an example.
# `claude-or config show` tells what is in force and where it came from; docs/reference/settings.md explains each key.

models:
  {big_line}
  {small_line}
  # opus: ~anthropic/claude-opus-latest     # single tiers, when they should differ
  # subagent: z-ai/glm-5.3-flash

# aliases:                    # names of your own, also listed in /model
#   gpt: openai/gpt-6.1-sol

# profiles:                   # sets of models: claude-or --profile cheap
#   cheap: {{big: z-ai/glm-5.3-flash, small: z-ai/glm-5.3-flash}}      # fallbacks and preferences may stand there, too

# budget:                     # caps in US dollars
#   session: 5
#   day: 20

# openrouter:
#   key_command: pass show openrouter      # instead of `claude-or login` or OPENROUTER_API_KEY

# client:
#   auto_mode: "off"          # local: Claude Code's own check on your model
#   status_line: true

# log_level: info
# log: {{content: true}}        # prompts and answers go to the log, too
"""

PROJECT_TEXT = """\
# yaml-language-server: $schema={schema}
# claude-or in this project. It may choose models and lower caps; it may not redirect your key.

# models:
#   big: z-ai/glm-5.3
#   small: z-ai/glm-5.3-flash

# budget:
#   session: 2
"""


def user_text(big: str = "", small: str = "") -> str:
    """The text of a first `config.yaml`, with these models when they are named."""
    return USER_TEXT.format(
        schema=SCHEMA_URL,
        big_line=f"big: {_quoted(big)}"
        if big
        else "# big: z-ai/glm-5.3                     # main conversation, opus, sonnet, subagents",
        small_line=f"small: {_quoted(small)}"
        if small
        else "# small: z-ai/glm-5.3-flash             # haiku: summaries, titles, web pages",
    )


def init(
    environ: Mapping[str, str],
    cwd: str,
    *,
    project: bool,
    force: bool,
    may_replace: Callable[[str], bool] = lambda _path: False,
) -> CommandResult:
    """Write a commented configuration. Raises `ClaudeOrError` when there is one already that may not be replaced."""
    path = os.path.join(cwd, PROJECT_FILE) if project else user_file(environ, cwd)[0]
    force = force or (os.path.lexists(path) and may_replace(short(path, environ)))
    text = PROJECT_TEXT.format(schema=SCHEMA_URL) if project else user_text()
    write_new(path, text, environ, force=force)
    said = f"{short(path, environ)} is written; nothing in it is in force until you take away a `#`."
    return CommandResult("init", {"path": path}, findings=(Finding("ok", "init", said),))


def write_new(path: str, text: str, environ: Mapping[str, str], *, force: bool = False) -> None:
    """Write a file that must not be there yet, unless forced. Raises `ClaudeOrError`."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ClaudeOrError(
            f"{short(path, environ)} exists already, and is left as it is",
            hint="Edit it with `claude-or config edit`, or replace it with `claude-or init --force`.",
            exit_code=EXIT_CONFIG,
        ) from None
    except OSError as error:
        raise ClaudeOrError(
            f"{short(path, environ)} cannot be written: {error.strerror}",
            hint="Name another place with CLAUDE_OR_CONFIG.",
            exit_code=EXIT_CONFIG,
        ) from None


def show_config(environ: Mapping[str, str], cwd: str, overrides: Overrides, *, everything: bool) -> CommandResult:
    """The values in force with where each came from; defaults only when everything is wanted. Raises `ClaudeOrError`."""
    loaded = load(environ, cwd, overrides)
    said = [(key, _without_secrets(key, value), loaded.origin(key)) for key, value in leaves(loaded.settings)]
    shown = [row for row in said if everything or row[0] in loaded.origins]
    columns = (Column("key"), Column("value", is_path=True), Column("from", is_path=True))
    rows = tuple((key, _shown(value), brief(origin)) for key, value, origin in shown)
    data = {key: {"value": value, "origin": str(origin)} for key, value, origin in said}
    findings = tuple(Finding("warn", "config", warning) for warning in loaded.warnings)
    read = [short(seen.path, environ) for seen in loaded.files if seen.size >= 0]
    summary = f"Read: {', '.join(read) or 'no file'}."
    summary += "" if everything else " Everything else is default; `claude-or config show --all` lists it."
    return CommandResult("config show", data, (Table("In force", columns, rows),) if rows else (), findings, summary)


def check_config(environ: Mapping[str, str], cwd: str, overrides: Overrides) -> CommandResult:
    """Whether the configuration can be read. Raises `ClaudeOrError` with every mistake when it cannot."""
    loaded = load(environ, cwd, overrides)
    findings = [Finding("warn", "config", warning) for warning in loaded.warnings]
    read = [short(seen.path, environ) for seen in loaded.files if seen.size >= 0]
    findings.insert(0, Finding("ok", "config", f"{', '.join(read) or 'no file, all defaults'}: no mistakes"))
    return CommandResult("config check", {"files": read}, findings=tuple(findings))


def show_paths(environ: Mapping[str, str], cwd: str, overrides: Overrides) -> CommandResult:
    """Where everything is kept."""
    places = {
        "config": user_file(environ, cwd, overrides)[0],
        "config folder": config_folder(environ),
        "cache folder": cache_folder(environ),
        "data folder": data_folder(environ),
        "state folder": state_folder(environ),
        "logs": os.path.join(state_folder(environ), "logs"),
        "ledger": os.path.join(data_folder(environ), "ledger.sqlite"),
    }
    rows = tuple((name, path, "" if os.path.exists(path) else "not there yet") for name, path in places.items())
    return CommandResult(
        "config path", places, (Table("", (Column(""), Column("path", is_path=True), Column("")), rows),)
    )


def edit_config(environ: Mapping[str, str], cwd: str, overrides: Overrides) -> CommandResult:
    """Open the user's file in their editor, written first when it is missing; checked afterwards. Raises `ClaudeOrError`."""
    path, _ = user_file(environ, cwd, overrides)
    if not os.path.exists(path):
        write_new(path, user_text(), environ)
    editor = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), path], check=False, env=dict(environ)).returncode
    except (OSError, ValueError) as error:
        raise ClaudeOrError(
            f"the editor {editor!r} cannot be started: {error}",
            hint=f"Set EDITOR, or open {short(path, environ)} yourself.",
            exit_code=EXIT_USAGE,
        ) from None
    if code:
        raise ClaudeOrError(
            f"{editor} ended with code {code}", hint="The file is as it left it.", exit_code=EXIT_CONFIG
        )
    return check_config(environ, cwd, overrides)


def leaves(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every value with its dotted key, as `Loaded.origins` names them."""
    for part in fields(settings):
        value = getattr(settings, part.name)
        if is_dataclass(value) and not isinstance(value, type):
            for inner in fields(value):
                yield f"{part.name}.{inner.name}", _plain(getattr(value, inner.name))
        elif isinstance(value, dict) and value:
            for name, entry in value.items():
                if is_dataclass(entry) and not isinstance(entry, type):
                    yield from _said(entry, f"{part.name}.{name}")
                else:
                    yield f"{part.name}.{name}", _plain(entry)
        else:
            yield part.name, _plain(value)


def _said(entry: Any, key: str) -> Iterator[tuple[str, Any]]:
    """What an entry under a name of the user's says, section by section."""
    for inner in fields(entry):
        said = getattr(entry, inner.name)
        if isinstance(said, Fallbacks | Preferences):
            yield from _said(said, f"{key}.{inner.name}")
        elif said is not None:
            yield f"{key}.{inner.name}", _plain(said)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _without_secrets(key: str, value: Any) -> Any:
    """The value as it may be shown to anybody: a key does not belong there, but may have been written there all the same."""
    if key.endswith(".headers") and isinstance(value, dict):
        return dict.fromkeys(value, "…")
    return Redaction(()).value(value)


def _shown(value: Any) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(slug: str) -> str:
    return f'"{slug}"' if slug.startswith(("~", "@", "&", "*")) else slug
