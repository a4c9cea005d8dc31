"""`claude-or doctor` on this terminal: the list while it looks, the details that were asked for, the offer to clean up."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace

from claude_or.cli.doctor import Surroundings, doctor, own_names
from claude_or.cli.doctor_live import live_list
from claude_or.cli.doctor_machine import Screen, clear_away
from claude_or.cli.result import CommandResult, Finding
from claude_or.config.load import Overrides, load
from claude_or.errors import ClaudeOrError
from claude_or.session.claude import find_claude


def examined(overrides: Overrides, *, verbose: bool, clean: bool, interactive: bool) -> CommandResult:
    """All checks. `verbose` keeps the details of what is well, `clean` takes leftovers away, `interactive` may ask about them."""
    screen = _screen()
    cleaned = _cleaned(overrides) if clean else []
    drawn = live_list() if interactive and screen and os.environ.get("TERM", "dumb") != "dumb" else nullcontext()
    with drawn as watch:
        around = Surroundings(os.environ, os.getcwd(), overrides, time.time(), find_claude, screen)
        result = doctor(replace(around, watch=watch) if watch else around)
    if interactive and not clean and screen and sys.stdin.isatty() and _may_clean(result):
        cleaned = _cleaned(overrides)
        result = replace(result, findings=tuple(one for one in result.findings if one.check != "leftovers"))
    findings = (*result.findings, *cleaned)
    if not verbose:
        findings = tuple(replace(one, detail="") if one.level in {"ok", "note"} else one for one in findings)
    return replace(result, findings=findings)


def _screen() -> Screen | None:
    try:
        if not sys.stdout.isatty():
            return None
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return size.columns, size.lines


def _may_clean(result: CommandResult) -> bool:
    left = [one for one in result.findings if one.check == "leftovers" and one.level != "ok"]
    if not left:
        return False
    import typer

    for one in left:
        typer.echo(f"{one.text}\n{one.detail}".rstrip())
    return typer.confirm("Take it away?", default=False)


def _cleaned(overrides: Overrides) -> list[Finding]:
    cwd = os.getcwd()
    try:
        names = own_names(load(os.environ, cwd, overrides))
    except ClaudeOrError:
        names = frozenset[str]()
    return clear_away(os.environ, cwd, names)
