"""The commands about models, for the Typer application: `models` and what stands below it. Their work is in `models`, `market` and `one_model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from claude_or.errors import EXIT_USAGE, ClaudeOrError

if TYPE_CHECKING:
    from decimal import Decimal

    from claude_or.cli.app_money import Answering

CHECKS = "Look"

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for programs.")]
Big = Annotated[str | None, typer.Option("--big", metavar="MODEL", help="Model for everything but small jobs.")]
Small = Annotated[str | None, typer.Option("--small", metavar="MODEL", help="Model for small jobs.")]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="A set of models from the configuration.")
]
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Read this instead of your config.yaml.")]


def register(app: typer.Typer, command: type[TyperCommand], group: type[TyperGroup], answer: Answering) -> None:
    """Add the commands to the application."""
    group_app = typer.Typer(
        cls=group,
        invoke_without_command=True,
        options_metavar="[OPTIONS]",
        subcommand_metavar="[search | show | refresh]",
    )
    app.add_typer(group_app, name="models", rich_help_panel=CHECKS)
    _add_mappings(group_app, answer)
    _add_search(group_app, command, answer)
    _add_show(group_app, command, answer)


def _add_mappings(app: typer.Typer, answer: Answering) -> None:
    @app.callback()
    def models(
        context: typer.Context,
        big: Big = None,
        small: Small = None,
        profile: Profile = None,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        """Show which model has which role, who said so, its window and its price; look for others.

        Works without network from the list of models kept last time.
        """
        if context.invoked_subcommand is not None:
            return
        import os
        import time

        from claude_or.cli import models as work
        from claude_or.config.load import Overrides

        overrides = Overrides(big=big, small=small, profile=profile, config=config)
        answer("models", lambda: work.models(os.environ, os.getcwd(), overrides, time.time()), as_json=as_json)

    del models


def _add_search(app: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @app.command(options_metavar="[OPTIONS]", cls=command)
    def search(
        text: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Words of the model's name.")] = None,
        max_price: Annotated[
            str | None, typer.Option("--max-price", metavar="DOLLARS", help="At most, per million input tokens.")
        ] = None,
        context: Annotated[
            str | None, typer.Option("--context", metavar="TOKENS", help="At least this window, as in 200K or 1M.")
        ] = None,
        images: Annotated[bool, typer.Option("--images", metavar="", help="Only those that read pictures.")] = False,
        reasoning: Annotated[bool, typer.Option("--reasoning", metavar="", help="Only those that think.")] = False,
        free: Annotated[bool, typer.Option("--free", metavar="", help="Only those without a price.")] = False,
        everything: Annotated[bool, typer.Option("--all", metavar="", help="Also those without tools.")] = False,
        sort: Annotated[
            str, typer.Option("--sort", metavar="ORDER", help="match, price, output-price, context, newest or name.")
        ] = "match",
        limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many are shown.")] = 30,
        as_json: AsJson = False,
    ) -> None:
        """Look for models. Those without tools are left out: Claude Code cannot work with them.

        Ends with code 1 when none fits.
        """
        import os
        import time

        from claude_or.cli import market as work

        asked = work.Search(
            text=" ".join(text or ()),
            max_price=None if max_price is None else dollars(max_price),
            min_context=None if context is None else tokens(context),
            images=images,
            reasoning=reasoning,
            free=free,
            without_tools=everything,
            sort=sort,
            limit=limit,
        )
        answer("models search", lambda: work.search(asked, os.environ, os.getcwd(), time.time()), as_json=as_json)

    del search


def _add_show(app: typer.Typer, command: type[TyperCommand], answer: Answering) -> None:
    @app.command(options_metavar="[OPTIONS]", cls=command)
    def show(
        model: Annotated[
            str, typer.Argument(metavar="MODEL", help="As in z-ai/glm-5.3; a role, an alias or host:model.")
        ],
        as_json: AsJson = False,
    ) -> None:
        """Show one model: limits, prices, parameters, and who serves it."""
        import os
        import time

        from claude_or.cli import one_model as work

        answer("models show", lambda: work.show(model, os.environ, os.getcwd(), time.time()), as_json=as_json)

    @app.command(options_metavar="[OPTIONS]", cls=command)
    def refresh(as_json: AsJson = False) -> None:
        """Fetch the list of models now. It is otherwise fetched once a day."""
        import os
        import time

        from claude_or.cli import market as work

        answer("models refresh", lambda: work.refresh(os.environ, os.getcwd(), time.time()), as_json=as_json)

    del show, refresh


def dollars(text: str) -> Decimal:
    """`2`, `0.5` or `$2`. Raises `ClaudeOrError`."""
    from decimal import Decimal, InvalidOperation

    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ClaudeOrError(f"{text!r} is no price", hint="Write US dollars, as in 2 or 0.5.", exit_code=EXIT_USAGE)
    return amount


def tokens(text: str) -> int:
    """`200000`, `200K` or `1M`. Raises `ClaudeOrError`."""
    front, factor = text.strip().upper(), 1
    if front[-1:] in {"K", "M"}:
        front, factor = front[:-1], 1000 if front[-1] == "K" else 1_000_000
    try:
        return int(float(front) * factor)
    except (ValueError, OverflowError):
        raise ClaudeOrError(
            f"{text!r} is no number of tokens", hint="Write it as in 200000, 200K or 1M.", exit_code=EXIT_USAGE
        ) from None
