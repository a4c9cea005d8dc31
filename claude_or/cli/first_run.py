"""The first run without a key, on a terminal: a key, two models, a configuration, and then the session that was asked for.

Four questions at most, each with an answer that Enter gives. Nothing is written before the key was tried.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from claude_or.cli.login import Person, get_key, person, tried
from claude_or.cli.models import newest
from claude_or.cli.settings import user_text, write_new
from claude_or.config.folders import cache_folder, short
from claude_or.config.key import Key
from claude_or.config.load import Overrides, load, user_file
from claude_or.errors import EXIT_KEY, ClaudeOrError
from claude_or.routing.catalog import Catalog, ModelInfo
from claude_or.session.keys import store_key
from claude_or.upstream.catalogue import Unreachable

SUGGESTED: Final[tuple[tuple[str, str], ...]] = (
    ("~anthropic/claude-sonnet-latest", "~anthropic/claude-haiku-latest"),
    ("z-ai/glm-5.3", "z-ai/glm-5.3-flash"),
    ("openai/gpt-6.1-sol", "openai/gpt-6-luna"),
    ("qwen/qwen3.8-max-0902", "qwen/qwen3.8-flash"),
    ("minimax/minimax-m3", "deepseek/deepseek-v4.1-flash-1017"),
    ("x-ai/grok-4.7", "x-ai/grok-build-0.1"),
)
"""Pairs of big and small that are offered where the host lists them; a small one that it lacks is left to the default."""
OFFERED: Final = 4
LISTING_S: Final = 5.0
EXAMPLE_TOKENS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """One pair that is offered."""

    big: str
    small: str
    words: str


def guide(environ: Mapping[str, str], cwd: str, who: Person | None = None) -> None:
    """Lead through the first run. Raises `ClaudeOrError` when it is left; nothing was written then that is not said."""
    who = who or person()
    now = time.time()
    settings = load(environ, cwd, Overrides()).settings
    who.say(
        "Welcome to claude-or. Claude Code will run on any model of OpenRouter; for that it needs a key of yours.\n"
    )
    who.say("  1  log in with the browser\n  2  paste a key that you have\n  3  leave")
    answer = who.ask("Which? [1] ").strip() or "1"
    if answer not in {"1", "2"}:
        raise ClaudeOrError(
            "no key, no session",
            hint="Try `claude-or demo` without one; `claude-or login` or OPENROUTER_API_KEY when you have one.",
            exit_code=EXIT_KEY,
        )
    key = get_key("key" if answer == "2" else "browser", environ, settings, who)
    for finding in tried(key, settings, now):
        who.say(f"  {finding.text}")
    place = store_key(environ, key.value)
    who.say(f"  {key.masked} is kept in {place}.\n")
    path, _ = user_file(environ, cwd)
    if not os.path.exists(path):
        _choose_models(environ, settings.openrouter.base_url, key, path, who, now)
    who.say("Starting Claude Code …")


def wanted(kind: str, *, printing: bool) -> bool:
    """Whether somebody is there to be guided: a session on a terminal, not a script."""
    return kind == "session" and not printing and sys.stdin.isatty() and sys.stderr.isatty() and sys.stdout.isatty()


def needed(ours: Mapping[str, str], environ: Mapping[str, str], cwd: str) -> bool:
    """Whether a key is what is missing: no command of the user's own gives one. A broken configuration is told later."""
    try:
        settings = load(environ, cwd, Overrides(profile=ours.get("--profile"), config=ours.get("--config"))).settings
    except ClaudeOrError:
        return False
    return settings.openrouter.key_command is None


def choices(catalog: Catalog) -> list[Choice]:
    """The pairs that this host lists, with their prices for a million tokens in and out."""
    found: list[Choice] = []
    for big, small in SUGGESTED:
        one, other = catalog.get(big), catalog.get(small)
        if one is not None:
            words = _named(big, one) + (f"; small: {_named(small, other)}" if other else "")
            found.append(Choice(big, small if other else "", words))
    return found[:OFFERED]


def _choose_models(environ: Mapping[str, str], base_url: str, key: Key, path: str, who: Person, now: float) -> None:
    import asyncio

    try:
        catalog = asyncio.run(newest(base_url, key.value, cache_folder(environ), now, LISTING_S))
    except Unreachable as error:
        who.say(
            f"The list of models could not be had ({error}); the defaults are Claude's own, by way of OpenRouter.\n"
        )
        return
    offered = choices(catalog)
    who.say("Which models? Dollars are for a million tokens in / out.")
    for number, choice in enumerate(offered, 1):
        who.say(f"  {number}  {choice.words}")
    who.say("     or type the name of another big model, such as z-ai/glm-5.3")
    while True:
        answer = who.ask("Which? [1] ").strip() or "1"
        if answer.isdigit() and 1 <= int(answer) <= len(offered):
            big, small = offered[int(answer) - 1].big, offered[int(answer) - 1].small
            break
        if catalog.get(answer) is not None:
            big, small = answer, ""
            break
        near = ", ".join(catalog.nearest(answer))
        who.say(f"  No such model here.{f' Did you mean {near}?' if near else ''}")
    write_new(path, user_text(big, small), environ)
    who.say(f"  {short(path, environ)} is written; `claude-or config edit` changes it.\n")


def _named(slug: str, model: ModelInfo) -> str:
    rates = model.price.rates_for(0)
    if rates.prompt is None or rates.completion is None:
        return slug
    return f"{slug} (${rates.prompt * EXAMPLE_TOKENS:.2f} / ${rates.completion * EXAMPLE_TOKENS:.2f})"
