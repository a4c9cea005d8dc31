"""The commands that set claude-or up and look into it, for the Typer application: login, init, config, logs, completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from claude_or.cli.app_money import Answering
    from claude_or.cli.result import CommandResult

SETUP = "Set up"
LOOK = "Look"

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")]
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Read this instead of your config.yaml.")]


def register(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    """Add the commands to the application."""
    _add_login(app, command, answer)
    _add_config(app, command, group, answer)
    _add_logs(app, command)
    _add_completion(app, command)


def _add_login(app: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @app.command(rich_help_panel=SETUP, options_metavar="[OPTIONS]", cls=command)
    def login(
        paste: Annotated[
            bool, typer.Option("--paste", metavar="", help="Show a page and paste its code: for a remote machine.")
        ] = False,
        key: Annotated[
            bool, typer.Option("--key", metavar="", help="Paste a key that you made; it is not shown.")
        ] = False,
        in_file: Annotated[
            bool, typer.Option("--in-file", metavar="", help="Keep it in a file of yours, not in the keyring.")
        ] = False,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        """Get an OpenRouter key by way of the browser, try it, and keep it in the system's keyring."""

        def ask() -> CommandResult:
            import os
            import time

            from claude_or.cli import login as work
            from claude_or.config.load import Overrides, load

            settings = load(os.environ, os.getcwd(), Overrides(config=config)).settings
            way: work.Way = "key" if key else "paste" if paste else "browser"
            return work.login(way, os.environ, settings, work.person(), time.time(), in_file=in_file)

        answer("login", ask, as_json=as_json)

    @app.command(rich_help_panel=SETUP, options_metavar="[OPTIONS]", cls=command)
    def logout(as_json: AsJson = False) -> None:
        """Forget the key that `login` keeps."""

        def ask() -> CommandResult:
            import os

            from claude_or.cli import login as work

            return work.logout(os.environ)

        answer("logout", ask, as_json=as_json)

    del login, logout


def _add_config(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    @app.command(rich_help_panel=SETUP, options_metavar="[OPTIONS]", cls=command)
    def init(
        project: Annotated[
            bool, typer.Option("--project", metavar="", help="A .claude-or.yaml in this folder instead of yours.")
        ] = False,
        force: Annotated[bool, typer.Option("--force", metavar="", help="Replace what is there.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Write a commented configuration to begin with. Never replaces one unasked."""

        def ask() -> CommandResult:
            import os

            from claude_or.cli import settings as work

            return work.init(os.environ, os.getcwd(), project=project, force=force, may_replace=_may_replace)

        answer("init", ask, as_json=as_json)

    config = typer.Typer(cls=group, no_args_is_help=True, options_metavar="[OPTIONS]")
    app.add_typer(config, name="config", rich_help_panel=SETUP, help="See, check and edit the configuration.")

    @config.command(options_metavar="[OPTIONS]", cls=command)
    def show(
        everything: Annotated[bool, typer.Option("--all", metavar="", help="Defaults as well.")] = False,
        profile: Annotated[
            str | None, typer.Option("--profile", metavar="NAME", help="As they are in a session with this profile.")
        ] = None,
        file: Config = None,
        as_json: AsJson = False,
    ) -> None:
        """Show the values in force, and who said so."""
        answer("config show", lambda: _settings("show_config", file, profile, everything=everything), as_json=as_json)

    @config.command(options_metavar="[OPTIONS]", cls=command)
    def check(file: Config = None, as_json: AsJson = False) -> None:
        """Check every file for mistakes. Ends with code 78 when there is one."""
        answer("config check", lambda: _settings("check_config", file), as_json=as_json)

    @config.command(options_metavar="[OPTIONS]", cls=command)
    def path(file: Config = None, as_json: AsJson = False) -> None:
        """Show where configuration, ledger, logs and cache are."""
        answer("config path", lambda: _settings("show_paths", file), as_json=as_json)

    @config.command(options_metavar="[OPTIONS]", cls=command)
    def edit(file: Config = None, as_json: AsJson = False) -> None:
        """Open your configuration in $VISUAL or $EDITOR and check it afterwards."""
        answer("config edit", lambda: _settings("edit_config", file), as_json=as_json)

    @config.command(options_metavar="", cls=command)
    def schema() -> None:
        """Print the JSON schema of the configuration, for editors."""
        from claude_or.config.json_schema import schema_text

        typer.echo(schema_text(), nl=False)

    del init, show, check, path, edit, schema


def _may_replace(path: str) -> bool:
    """Whether somebody who can answer says so."""
    import sys

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"{path} exists already. Replace it?", default=False, err=True)


def _settings(what: str, file: str | None, profile: str | None = None, **more: bool) -> CommandResult:
    import os

    from claude_or.cli import settings as work
    from claude_or.config.load import Overrides

    return getattr(work, what)(os.environ, os.getcwd(), Overrides(config=file, profile=profile), **more)


def _add_logs(app: typer.Typer, command: type[TyperCommand]) -> None:
    @app.command(rich_help_panel=LOOK, options_metavar="[OPTIONS]", cls=command)
    def logs(
        follow: Annotated[bool, typer.Option("--follow", "-f", metavar="", help="Go on as it grows.")] = False,
        session: Annotated[
            str, typer.Option("--session", metavar="ID", help="The start of a log's name, or claude's session id.")
        ] = "",
        level: Annotated[
            str, typer.Option("--level", metavar="LEVEL", help="Least level: debug, info, warning or error.")
        ] = "info",
        request: Annotated[str, typer.Option("--request", metavar="ID", help="Only this request.")] = "",
        lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many.")] = None,
        as_json: Annotated[bool, typer.Option("--json", metavar="", help="The lines as they are.")] = False,
    ) -> None:
        """Show the log of the newest session, or of another. Prompts and answers are in it only where asked for."""
        import os
        import sys

        from claude_or.cli import logs as work

        wanted = work.Wanted(session=session, level=level, request=request, as_json=as_json, lines=lines)
        raise typer.Exit(work.show(wanted, os.environ, sys.stdout, follow=follow))

    del logs


def _add_completion(app: typer.Typer, command: type[TyperCommand]) -> None:
    @app.command(rich_help_panel=SETUP, options_metavar="", cls=command)
    def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
        """Print a completion script for your shell: `source <(claude-or completion bash)`."""
        from claude_or.cli.completion import script

        root = typer.main.get_command(app)
        typer.echo(script(shell, root), nl=False)  # pyright: ignore[reportArgumentType] - a group, by its commands

    del completion
