"""Getting Claude Code onto a machine that lacks it: said first, asked where somebody can answer, then fetched with a progress bar.

Everything it says goes to stderr, because the session that follows may own stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from claude_or.cli.result import CommandResult
from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError
from claude_or.session.install import InstallPlan, Stage, install, plan_install
from claude_or.session.versions import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

DOING: Mapping[Stage, str] = {"download": "downloading", "unpack": "unpacking"}


def install_claude(environ: Mapping[str, str], version: str | None) -> CommandResult:
    """`claude-or install-claude [--version X]`. Raises `ClaudeOrError` when it cannot be had."""
    plan = plan_install(environ, version)
    path = fetch(plan)
    return CommandResult("install-claude", data={"path": path}, summary=f"Installed {path}")


def offer(environ: Mapping[str, str], *, asked_for: bool) -> None:
    """Install Claude Code because it is missing: without asking when that was asked for, else after a yes on the terminal.

    Raises `ClaudeOrError` (`EXIT_CLAUDE_MISSING`) when nobody can answer or the answer is no.
    """
    if not asked_for and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ClaudeOrError(
            "Claude Code was not found on PATH or in its usual places",
            hint="Run `claude-or install-claude`, add --install-claude, or set CLAUDE_OR_CLAUDE to the path of the binary.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    plan = plan_tested(environ)
    if not asked_for:
        sys.stderr.write(f"Claude Code is not on this machine. {plan}.\nDownload it now? [Y/n] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"", "y", "yes"}:
            raise ClaudeOrError(
                "no Claude Code, no session",
                hint="Install it your own way, then start claude-or again; CLAUDE_OR_CLAUDE can name its path.",
                exit_code=EXIT_CLAUDE_MISSING,
            )
    fetch(plan)


def plan_tested(environ: Mapping[str, str]) -> InstallPlan:
    """The version that this claude-or was tried with last, where it can be had by npm; else the newest. Raises `ClaudeOrError`.

    A wheel that bundles a given version may be gone before that version is, and its index tells so only at the download.
    """
    try:
        plan = plan_install(environ, NEWEST)
    except ClaudeOrError:
        return plan_install(environ)
    return plan if plan.source == "npm" else plan_install(environ)


def fetch(plan: InstallPlan) -> str:
    """Carry a plan out, showing how far it is; the path of the binary."""
    sys.stderr.write(f"claude-or: fetching {plan}\n")
    sys.stderr.flush()
    if not sys.stderr.isatty():
        return install(plan, lambda _stage, _done, _whole: None)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        return install(plan, _shown_on(bars))


def _shown_on(bars: Bars) -> Callable[[Stage, int, int | None], None]:
    tasks: dict[Stage, TaskID] = {}

    def progress(stage: Stage, done: int, whole: int | None) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(DOING[stage], total=whole)
        bars.update(tasks[stage], completed=done, total=whole)

    return progress
