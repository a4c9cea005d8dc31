"""The commands of our own, as a Typer application, and the help that introduces them.

A function here reads its options, asks a module of this package for a `CommandResult` and has it shown. Whatever is heavy is
imported inside the functions, so that `--help` loads Typer alone. Starting `claude` is not here: `cli/main.py` decides on the
raw arguments whether they are a session's, and comes here only for a command or for help.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from claude_or import __version__
from claude_or.cli import app_mcp, app_models, app_money, app_setup
from claude_or.errors import EXIT_USAGE, ClaudeOrError

if TYPE_CHECKING:
    from claude_or.cli.result import CommandResult
    from claude_or.config.load import Overrides

EXIT_INTERRUPTED = 130
_UsageError: Any = typer.BadParameter.__mro__[1]
"""Every command line that cannot be read. Typer keeps the class in a private module, or takes it from Click, by version."""

SESSION = "Options of a session (they stand before claude's own)"
CHECKS = "Look"
RUN = "Run"
CHOICE = "Choice of models"
OUTPUT = "Output"

HELP = (
    "Start Claude Code on any OpenRouter model.\n\n"
    "[bold]claude-or[/bold] takes the place of [bold]claude[/bold]: whatever follows our own options goes to it untouched. "
    "The proxy between them lives exactly as long as the session."
)

_EXAMPLES = (
    ("claude-or", "a session on the default models"),
    ("claude-or --big z-ai/glm-5.3", "… on a model of your choice"),
    ('claude-or -p "Explain this repository"', "one answer, for a script"),
    ("claude-or --resume", "go on where you stopped"),
    ("claude-or -- mcp list", "one of claude's own commands"),
    ("claude-or models", "which model has which role and price"),
    ("claude-or models search coder", "look for others"),
    ("claude-or doctor", "is everything in order?"),
)
EXAMPLES = "[bold]Examples[/bold]\n" + "\n".join(f"{line:<39} [dim]{what}[/dim]" for line, what in _EXAMPLES)

Big = Annotated[
    str | None,
    typer.Option("--big", metavar="MODEL", help="Model for everything but small jobs.", rich_help_panel=CHOICE),
]
Small = Annotated[
    str | None, typer.Option("--small", metavar="MODEL", help="Model for small jobs.", rich_help_panel=CHOICE)
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="A set of models from the configuration.", rich_help_panel=CHOICE),
]
Config = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Read this instead of your config.yaml.", rich_help_panel=CHOICE),
]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.", rich_help_panel=OUTPUT)]


def _without_type(option: Any) -> Any:
    """Typer lists its own `--help` with a `<bool>` that no other switch here shows."""
    if option is not None:
        option.metavar = ""
    return option


class _Command(TyperCommand):
    def get_help_option(self, ctx: Any) -> Any:
        return _without_type(super().get_help_option(ctx))


class _Group(TyperGroup):
    def get_help_option(self, ctx: Any) -> Any:
        return _without_type(super().get_help_option(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from claude_or.cli.typos import no_such_command

            raise no_such_command(args[0], self.commands, ctx.command_path)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Group,
    name="claude-or",
    help=HELP,
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    add_completion=False,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND | CLAUDE'S ARGUMENTS]...",
    options_metavar="[OUR OPTIONS]",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _session_option(name: str, help_text: str, metavar: str = "") -> typer.models.OptionInfo:
    return typer.Option(name, help=help_text, metavar=metavar, rich_help_panel=SESSION)


@app.callback()
def root(
    context: typer.Context,
    big: Annotated[
        str | None, _session_option("--big", "Model for the main conversation, opus, sonnet and subagents.", "MODEL")
    ] = None,
    small: Annotated[
        str | None, _session_option("--small", "Model for haiku: summaries, titles, web pages.", "MODEL")
    ] = None,
    profile: Annotated[
        str | None, _session_option("--profile", "A set of models from the configuration.", "NAME")
    ] = None,
    config: Annotated[str | None, _session_option("--config", "Read this instead of your config.yaml.", "FILE")] = None,
    budget: Annotated[str | None, _session_option("--budget", "Most that this session may spend.", "DOLLARS")] = None,
    mcp: Annotated[
        list[str] | None, _session_option("--mcp", "MCP servers from this file, too; may stand several times.", "FILE")
    ] = None,
    trust_mcp: Annotated[bool, _session_option("--trust-mcp", "Start the project's MCP servers unasked.")] = False,
    log_level: Annotated[
        str | None,
        _session_option("--log-level", "How much goes to the log file: debug, info, warning, error.", "LEVEL"),
    ] = None,
    log_content: Annotated[
        bool, _session_option("--log-content", "Prompts and answers go to the log file, too.")
    ] = False,
    dry_run: Annotated[bool, _session_option("--dry-run", "Show what claude would be started with, and stop.")] = False,
    quiet: Annotated[bool, _session_option("--quiet", "No summary line at the end.")] = False,
    install_claude: Annotated[
        bool, _session_option("--install-claude", "Install Claude Code when it is missing.")
    ] = False,
    summary_json: Annotated[
        str | None, _session_option("--summary-json", "Write the session's figures to this file.", "FILE")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", "-V", metavar="", help="Show our version and claude's.")
    ] = False,
) -> None:
    """Show the help: a session never comes here."""
    del (
        big,
        small,
        profile,
        config,
        budget,
        mcp,
        trust_mcp,
        log_level,
        log_content,
        dry_run,
        quiet,
        install_claude,
        summary_json,
    )
    if version:
        typer.echo(f"claude-or {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(rich_help_panel=CHECKS, options_metavar="[OPTIONS]", cls=_Command)
def doctor(
    big: Big = None,
    small: Small = None,
    profile: Profile = None,
    config: Config = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", metavar="", help="Tell the details of what is well, too.")
    ] = False,
    clean: Annotated[
        bool, typer.Option("--clean", metavar="", help="Take away what crashed sessions left, without asking.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything a session needs: Claude Code, key, host, configuration, models, servers, machine.

    Ends with code 1 when something is wrong, 0 when all is well or only worth a warning. Never shows the key.
    """
    from claude_or.cli.doctor_screen import examined

    def ask() -> CommandResult:
        return examined(
            _overrides(big, small, profile, config), verbose=verbose or as_json, clean=clean, interactive=not as_json
        )

    _answer("doctor", ask, as_json=as_json)


@app.command(rich_help_panel=CHECKS, options_metavar="[OPTIONS]", cls=_Command)
def explain(
    request: Annotated[
        str, typer.Argument(metavar="REQUEST.json", help="A saved Messages request; `-` is the standard input.")
    ],
    big: Big = None,
    small: Small = None,
    profile: Profile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what a saved Messages request becomes: its route and why, the request upstream, and what is lost.

    Asks nobody and reads no key. Ends with code 1 when the request would be refused.
    """

    def ask() -> CommandResult:
        import os

        from claude_or.cli import explain as command

        return command.explain(request, os.environ, os.getcwd(), _overrides(big, small, profile, config))

    _answer("explain", ask, as_json=as_json)


@app.command(rich_help_panel=RUN, options_metavar="[OPTIONS]", cls=_Command)
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    big: Big = None,
    small: Small = None,
    profile: Profile = None,
    config: Config = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
    ] = None,
    log_content: Annotated[
        bool, typer.Option("--log-content", metavar="", help="Prompts and answers go to the log file, too.")
    ] = False,
) -> None:
    """Run the proxy alone until it is ended, for a claude that you start yourself.

    Its clients need the token in CLAUDE_OR_TOKEN; without that variable one is made and printed.
    """
    import os

    from claude_or.session.flow import serve_forever

    content = "1" if log_content else None
    said = {"--big": big, "--small": small, "--profile": profile, "--config": config, "--log-level": log_level}
    said["--log-content"] = content
    ours = {option: value for option, value in said.items() if value is not None}
    raise typer.Exit(serve_forever(port, ours, dict(os.environ)))


@app.command(name="demo", rich_help_panel=RUN, options_metavar="[OUR OPTIONS] [CLAUDE'S ARGUMENTS]", cls=_Command)
def demo() -> None:
    """Try it without a key: the real Claude Code on a scripted model, in a scratch folder.

    Nothing of yours is touched and nothing leaves the machine, except that Claude Code is downloaded when it is missing.
    """
    # A session: `cli/main.py` starts it before this library is loaded. Here is its place in the help.


@app.command(name="install-claude", rich_help_panel=RUN, options_metavar="[OPTIONS]", cls=_Command)
def install_claude(
    version: Annotated[
        str | None, typer.Option("--version", metavar="X.Y.Z", help="This version instead of the newest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download Claude Code into claude-or's own data folder; nothing global is touched."""

    def ask() -> CommandResult:
        import os

        from claude_or.cli import install as command

        return command.install_claude(os.environ, version)

    _answer("install-claude", ask, as_json=as_json)


def _overrides(big: str | None, small: str | None, profile: str | None, config: str | None) -> Overrides:
    from claude_or.config.load import Overrides

    return Overrides(big=big, small=small, profile=profile, config=config)


def _answer(command: str, ask: Callable[[], CommandResult], *, as_json: bool) -> None:
    """Have a command's result shown and leave with its code. For programs, a failure has the same form as a result."""
    from claude_or.cli.render import show
    from claude_or.cli.result import failure_result

    try:
        result = ask()
    except ClaudeOrError as error:
        if not as_json:
            raise
        result = failure_result(command, error)
    raise typer.Exit(show(result, as_json=as_json))


app_models.register(app, _Command, _Group, _answer)
app_money.register(app, _Command, _Group, _answer)
app_setup.register(app, _Command, _Group, _answer)
app_mcp.register(app, _Command, _Group, _answer)


def run(arguments: list[str]) -> int:
    """Run one command, or show help, and return the exit code. Raises `ClaudeOrError` for the boundary in `cli/main.py`."""
    try:
        code = app(arguments, prog_name="claude-or", standalone_mode=False)
    except typer.Abort:  # Ctrl-C, or the end of input at a question
        raise KeyboardInterrupt from None
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # by its name, as Typer does: older versions do not have it
            error.show()
            return EXIT_USAGE
        raise _in_our_words(error) from None
    if code == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C, by version
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _in_our_words(error: Any) -> ClaudeOrError:
    """A command line that cannot be read, as an error of ours; an unknown option with the nearest one that exists."""
    from claude_or.cli.typos import nearest

    context = error.ctx
    message = str(error.format_message())
    unknown = getattr(error, "option_name", None)
    if unknown and hasattr(error, "possibilities"):
        options = [name for option in context.command.params for name in option.opts if name.startswith("--")]
        near = nearest(unknown, [*options, "--help"])
        message = f"No such option {unknown!r}." + (f" Did you mean {near!r}?" if near else "")
    whose = context.command_path if context is not None else "claude-or"
    return ClaudeOrError(message, hint=f"`{whose} --help` shows what it takes.", exit_code=EXIT_USAGE)
