"""The commands about money, for the Typer application: `usage` and `budget`. Their work is in modules of those names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from claude_or.cli.result import CommandResult

MONEY = "Money"


class Answering(Protocol):
    """Has a command's result shown and leaves with its code."""

    def __call__(self, command: str, ask: Callable[[], CommandResult], *, as_json: bool) -> None:
        """Show the result of `ask`."""
        ...


def register(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    """Add the commands to the application."""
    _add_usage(app, command, answer)
    _add_budget(app, command, group, answer)

    @app.command(rich_help_panel=MONEY, options_metavar="[OPTIONS]", cls=command)
    def statusline() -> None:
        """Print the line below Claude Code's prompt; claude runs it by itself, with its state as JSON on stdin."""
        # `cli/main.py` runs it before this library is loaded. Here is its place in the help.

    del statusline


def _add_usage(app: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @app.command(rich_help_panel=MONEY, options_metavar="[OPTIONS]", cls=command)
    def usage(
        by: Annotated[
            str, typer.Option("--by", metavar="KIND", help="model, project, session, role, day or host.")
        ] = "model",
        since: Annotated[
            str, typer.Option("--since", metavar="WHEN", help="2026-11-01, 7d, 4w, today, week, month or all.")
        ] = "month",
        here: Annotated[bool, typer.Option("--here", metavar="", help="Only calls made in this folder.")] = False,
        offline: Annotated[
            bool, typer.Option("--offline", metavar="", help="Do not ask what is left of the key.")
        ] = False,
        as_csv: Annotated[bool, typer.Option("--csv", metavar="", help="Print every call as CSV.")] = False,
        as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")] = False,
    ) -> None:
        """Show what was paid, by the hosts' own bills, and what is left of the key.

        Reads the ledger that every session writes. `~` marks sums by the list of prices, `?` calls without any known cost.
        """
        import os
        import sys
        import time

        from claude_or.cli import usage as work
        from claude_or.store.entries import storable

        now = time.time()
        question = work.Question(by=by, since=since, project=storable(os.getcwd()) if here else None)
        if as_csv:
            sys.stdout.write(work.usage_csv(question, os.environ, now))
            return

        def ask() -> CommandResult:
            from claude_or.cli.left import key_left
            from claude_or.config.load import load

            settings = load(os.environ, os.getcwd()).settings
            return work.usage(
                question, os.environ, now, None if offline else lambda: key_left(os.environ, settings, now)
            )

        answer("usage", ask, as_json=as_json)

    del usage


def _add_budget(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    caps = typer.Typer(
        cls=group, invoke_without_command=True, options_metavar="[OPTIONS]", subcommand_metavar="[raise AMOUNT]"
    )
    app.add_typer(caps, name="budget", rich_help_panel=MONEY)

    @caps.callback()
    def budget(
        context: typer.Context,
        as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")] = False,
    ) -> None:
        """Show the spending caps of the running sessions, or raise one."""
        if context.invoked_subcommand is None:
            import os

            from claude_or.cli import budget as work

            answer("budget", lambda: work.show_caps(os.environ), as_json=as_json)

    @caps.command(name="raise", options_metavar="[OPTIONS]", cls=command)
    def raise_(
        amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="US dollars to add to the cap.")],
        cap: Annotated[
            str,
            typer.Option("--cap", metavar="CAP", help="session, day, project or month; else the only one there is."),
        ] = "",
        session: Annotated[
            int | None, typer.Option("--session", metavar="PID", help="Which session, where several run.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")] = False,
    ) -> None:
        """Raise a cap of a running session. The configuration stays as it is."""
        import os

        from claude_or.cli import budget as work

        answer("budget raise", lambda: work.raise_cap(amount, cap, session, os.environ), as_json=as_json)

    del budget, raise_
