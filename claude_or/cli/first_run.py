"""The first run without a key, on a terminal: a key, two models, a configuration, and then the session that was asked for.

Three questions when all goes well, each with an answer that Enter gives; a wrong answer is asked for again. Nothing is kept before
the host has seen the key.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from claude_or.cli.login import Person, Way, get_key, person, tried
from claude_or.cli.models import newest, price_text
from claude_or.cli.settings import user_text, write_new
from claude_or.config.folders import cache_folder, short
from claude_or.config.key import Key
from claude_or.config.load import Overrides, load, user_file
from claude_or.config.schema import Settings
from claude_or.errors import EXIT_KEY, ClaudeOrError
from claude_or.routing.catalog import Catalog
from claude_or.routing.names import DEFAULT_SLUGS
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
USUAL_SMALL: Final = DEFAULT_SLUGS["haiku"]
OFFERED: Final = 4
LISTING_S: Final = 5.0

WELCOME: Final = """\
Welcome to claude-or: Claude Code on any model of OpenRouter.
It needs a key of yours, once. (No account yet? `claude-or demo` works without.)
"""
WAYS: Final[Mapping[str, Way]] = {"1": "browser", "2": "key"}
LEAVE: Final = frozenset({"3", "q", "quit", "exit"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One pair that is offered; `small` is empty where the default stays."""

    big: str
    small: str


def guide(environ: Mapping[str, str], cwd: str, who: Person | None = None) -> None:
    """Lead through the first run. Raises `ClaudeOrError` when it is left; nothing was written then that is not said."""
    who = who or person()
    now = time.time()
    settings = load(environ, cwd, Overrides()).settings
    who.say(WELCOME)
    try:
        key = _key(environ, settings, who, now)
    except KeyboardInterrupt:
        who.say("\nLeft. Nothing was kept; `claude-or` asks again.")
        raise
    place = store_key(environ, key.value)
    who.say(f"  {key.masked} is kept in {place}.\n")
    path, _ = user_file(environ, cwd)
    if not os.path.exists(path):
        try:
            _configure(environ, settings.openrouter.base_url, key, path, who, now)
        except KeyboardInterrupt:
            who.say(
                "\nLeft. The key is kept; `claude-or init` writes a configuration, or start on the defaults: `claude-or`."
            )
            raise
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


def _key(environ: Mapping[str, str], settings: Settings, who: Person, now: float) -> Key:
    """A key that the host did not refuse. Raises `ClaudeOrError` when nobody wants to give one."""
    while True:
        who.say("  1  log in with the browser\n  2  paste a key that you have\n  3  leave")
        answer = who.ask("Which? [1] ").strip().lower() or "1"
        if answer in LEAVE:
            raise ClaudeOrError(
                "no key, no session",
                hint="Come back with `claude-or` or `claude-or login`, or set OPENROUTER_API_KEY; `claude-or demo` needs no key.",
                exit_code=EXIT_KEY,
            )
        if answer not in WAYS:
            who.say(f"  {answer!r} is none of these.\n")
            continue
        try:
            key = get_key(WAYS[answer], environ, settings, who)
            findings = tried(key, settings, now)
        except ClaudeOrError as error:
            who.say(f"  {error.message}\n  → {error.hint}\n")
            continue
        for finding in findings:
            who.say(f"  {finding.text}")
        return key


def choices(catalog: Catalog) -> list[Choice]:
    """The pairs that this host lists."""
    return [
        Choice(big, small if catalog.get(small) else "") for big, small in SUGGESTED if catalog.get(big) is not None
    ][:OFFERED]


def menu(offered: list[Choice], catalog: Catalog) -> str:
    """The pairs with their prices: two lines each, narrow enough for any window."""
    lines: list[tuple[str, str]] = []
    for number, choice in enumerate(offered, 1):
        lines += [(f"  {number}  ", choice.big), ("     ", choice.small or USUAL_SMALL)]
    prices = [_price(slug, catalog) for _, slug in lines]
    width, wide = (max(map(len, column), default=0) for column in ([slug for _, slug in lines], prices))
    return "\n".join(
        f"{start}{slug:<{width}}  {price:>{wide}}".rstrip() for (start, slug), price in zip(lines, prices, strict=True)
    )


def _configure(environ: Mapping[str, str], base_url: str, key: Key, path: str, who: Person, now: float) -> None:
    """Let models be chosen, and write the commented file; without a list of models it names none."""
    import asyncio

    big = small = ""
    try:
        catalog = asyncio.run(newest(base_url, key.value, cache_folder(environ), now, LISTING_S))
    except Unreachable as error:
        who.say(f"There is no list of models to choose from ({error}). Claude's own models are the default.")
    else:
        big, small = _chosen(catalog, who)
    try:
        write_new(path, user_text(big, small), environ)
    except ClaudeOrError as error:  # a home that cannot be written is no reason to start no session
        who.say(f"  {error.message}; this time the defaults answer.\n")
    else:
        who.say(f"  {short(path, environ)} is written; `claude-or config edit` changes it.\n")


def _chosen(catalog: Catalog, who: Person) -> tuple[str, str]:
    """Big and small as somebody wants them, out of the list; small is empty where the default stays."""
    offered = choices(catalog)
    who.say(
        "Which models? The first of each pair does the work, the second the small jobs (summaries, titles).\n"
        "Prices are dollars for a million tokens, in / out.\n"
    )
    who.say(menu(offered, catalog))
    who.say("     or type a name, or two: BIG SMALL")
    while True:
        answer = who.ask("Which? [1] ").strip() or "1"
        if answer.isdigit() and 1 <= int(answer) <= len(offered):
            picked = offered[int(answer) - 1]
            return picked.big, picked.small
        named = answer.split()
        trouble = next((why for slug in named[:2] if (why := _unfit(slug, catalog))), "")
        if not trouble and len(named) <= 2:
            return named[0], named[1] if len(named) == 2 else ""
        who.say(f"  {trouble or 'Two names at most.'}")


def _unfit(slug: str, catalog: Catalog) -> str:
    """Why a model cannot be taken; empty when it can."""
    info = catalog.get(slug)
    if info is None:
        near = ", ".join(catalog.nearest(slug))
        return f"{slug} is not in the list." + (f" Did you mean {near}?" if near else "")
    return "" if info.tools else f"{slug} takes no tools; Claude Code cannot work with it."


def _price(slug: str, catalog: Catalog) -> str:
    info = catalog.get(slug)
    if info is None:
        return ""
    rates = info.price.rates_for(0)
    return f"{price_text(rates.prompt)} / {price_text(rates.completion)}" if rates.prompt is not None else ""
