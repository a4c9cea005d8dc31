"""The list that a person watches while `claude-or doctor` looks: a line per check, each settled when its check has ended.

Only on a terminal that can redraw; it is gone when the findings are printed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from claude_or.cli.render import SIGNS, STYLES, is_ascii
from claude_or.cli.result import Finding, Level

if TYPE_CHECKING:
    from claude_or.cli.doctor import Watch

_ORDER: tuple[Level, ...] = ("error", "warn", "note", "ok")


@contextmanager
def live_list() -> Generator[Watch]:
    """A `Watch` that draws on the terminal as long as the context lasts."""
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    ended: dict[str, Level | None] = {}
    spinner = Spinner("line")
    console = Console(highlight=False)
    plain = is_ascii(console)

    def drawn() -> Table:
        grid = Table.grid(padding=(0, 1))
        for name, level in ended.items():
            sign = spinner if level is None else Text(SIGNS[level][plain], style=STYLES[level])
            grid.add_row(sign, Text(name, style="dim" if level is None else ""))
        return grid

    with Live(get_renderable=drawn, console=console, transient=True, refresh_per_second=10):

        def watch(name: str, findings: Sequence[Finding] | None) -> None:
            if findings is None:
                ended.setdefault(name, None)
            else:
                levels: list[Level] = ["ok", *(finding.level for finding in findings)]
                ended[name] = min(levels, key=_ORDER.index)

        yield watch
