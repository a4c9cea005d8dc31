"""The commands about MCP servers, for the Typer application. Their work is in `cli/mcp.py` and `cli/mcp_running.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from claude_or.cli.app_money import Answering

if TYPE_CHECKING:
    from claude_or.cli.mcp import Place

MCP = "MCP servers"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The server's name.")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")]
Files = Annotated[
    list[str] | None,
    typer.Option("--mcp", metavar="FILE", help="Servers from this file, too; may stand several times."),
]
Session = Annotated[int | None, typer.Option("--session", metavar="PID", help="Only in this session.")]


def register(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    """Add `mcp` and its commands to the application."""
    servers = typer.Typer(cls=group, no_args_is_help=True, options_metavar="[OPTIONS]", subcommand_metavar="COMMAND")
    app.add_typer(
        servers, name="mcp", rich_help_panel=MCP, help="The MCP servers of the files and of the running sessions."
    )
    _add_looking(servers, command, answer)
    _add_running(servers, command, answer)
    _add_changing(servers, command, answer)


def _add_looking(servers: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @servers.command(name="list", options_metavar="[OPTIONS]", cls=command)
    def list_(files: Files = None, as_json: AsJson = False) -> None:
        """Show which servers the files name, and which of them a session would start."""
        from claude_or.cli import mcp as work

        answer("mcp list", lambda: work.list_servers(_place(files)), as_json=as_json)

    @servers.command(name="test", options_metavar="[OPTIONS]", cls=command)
    def test(name: Name, files: Files = None, as_json: AsJson = False) -> None:
        """Start a server in a process of its own, ask for its tools, and end it."""
        from claude_or.cli import mcp as work

        answer("mcp test", lambda: work.try_server(name, _place(files)), as_json=as_json)

    @servers.command(name="warm", options_metavar="[OPTIONS]", cls=command)
    def warm(
        names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.")] = None,
        files: Files = None,
        as_json: AsJson = False,
    ) -> None:
        """Download ahead what the servers need, by starting each one once."""
        from claude_or.cli import mcp as work

        answer("mcp warm", lambda: work.warm(tuple(names or ()), _place(files)), as_json=as_json)

    del list_, test, warm


def _add_running(servers: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @servers.command(name="status", options_metavar="[OPTIONS]", cls=command)
    def status(as_json: AsJson = False) -> None:
        """Show how the servers of the running sessions stand."""
        import os

        from claude_or.cli import mcp_running as work

        answer("mcp status", lambda: work.status(os.environ), as_json=as_json)

    @servers.command(name="restart", options_metavar="[OPTIONS]", cls=command)
    def restart(name: Name, session: Session = None, as_json: AsJson = False) -> None:
        """Start a server of the running sessions anew."""
        import os

        from claude_or.cli import mcp_running as work

        answer("mcp restart", lambda: work.restart(name, session, os.environ), as_json=as_json)

    @servers.command(name="logs", options_metavar="[OPTIONS]", cls=command)
    def logs(
        name: Name,
        follow: Annotated[bool, typer.Option("-f", "--follow", metavar="", help="Go on as lines are added.")] = False,
        lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 50,
        as_json: AsJson = False,
    ) -> None:
        """Show what a server said on stderr, and on stdout where it was no message."""
        import os
        import sys
        import time

        from claude_or.cli import mcp_running as work

        if not follow or as_json:
            answer("mcp logs", lambda: work.logs(name, os.environ, lines), as_json=as_json)
            return
        path = work.log_file(name, os.environ)
        for line in work.logs(name, os.environ, lines).data["lines"]:
            sys.stdout.write(f"{line}\n")

        def write(text: str) -> None:
            sys.stdout.write(text)
            sys.stdout.flush()

        write("")
        work.follow(path, write, lambda: time.sleep(0.2))

    del status, restart, logs


def _add_changing(servers: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @servers.command(name="trust", options_metavar="[OPTIONS]", cls=command)
    def trust(
        yes: Annotated[bool, typer.Option("--yes", metavar="", help="Approve without asking.")] = False,
        forget: Annotated[bool, typer.Option("--forget", metavar="", help="Take approvals back.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show what this project's files would start, and approve it until they change."""
        import sys

        from claude_or.cli import mcp as work

        def asked(text: str) -> bool:
            sys.stderr.write(f"{text}\n")
            return yes or typer.confirm("Approve them until the file changes?", default=False, err=True)

        can_ask = yes or (sys.stdin.isatty() and sys.stderr.isatty())
        answer(
            "mcp trust", lambda: work.trust(_place(None), asked if can_ask else None, forget=forget), as_json=as_json
        )

    @servers.command(name="import", options_metavar="[OPTIONS]", cls=command)
    def import_(
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="~/.claude.json, .mcp.json or Claude Desktop's file.")
        ],
        to: Annotated[str | None, typer.Option("--to", metavar="FILE", help="Write here; `-` only shows it.")] = None,
        force: Annotated[bool, typer.Option("--force", metavar="", help="Overwrite what is there.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Take over the servers of Claude Code or Claude Desktop; secrets become variables."""
        from claude_or.cli import mcp as work

        answer("mcp import", lambda: work.import_file(file, _place(None), force=force, to=to), as_json=as_json)

    del trust, import_


def _place(files: list[str] | None) -> Place:
    import os

    from claude_or.cli.mcp import Place

    return Place(os.environ, os.getcwd(), tuple(files or ()))
