"""Prose for people on a terminal: broken between words at its width, with the indentation it began with, in signs that it has.

What goes into a file or a pipe stays as it is, a line for each thing said, so that `grep` finds it whole.
"""

from __future__ import annotations

import codecs
import os
from io import TextIOWrapper
from typing import IO, Final

LEAST = 40
"""Columns below which nothing is folded: there is nothing left to gain."""


ASCII: Final = {"→": "->", "…": "...", "·": "-", "×": "x", "✓": "v", "✗": "x", "─": "-", "│": "|", "█": "#", "–": "-"}
_HANDLER: Final = "claude-or"


def write_plainly(stream: IO[str]) -> None:
    """Let a stream write what its encoding lacks in ASCII, or as `?`."""
    if isinstance(stream, TextIOWrapper):
        codecs.register_error(_HANDLER, _plainly)
        stream.reconfigure(errors=_HANDLER)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end


def folded(text: str, columns: int | None) -> str:
    """The text in lines of at most so many columns, None for no limit. Addresses and other long words stay in one piece.

    A line that goes on is indented as far as its first word that is no sign (`→`, `1`) stands.
    """
    if columns is None or columns < LEAST:
        return text
    import textwrap

    lines: list[str] = []
    for line in text.split("\n"):
        if max(map(len, line.split(" "))) >= columns:
            lines.append(line)  # an address: the terminal breaks it, and knows that it is one
            continue
        bare = line.lstrip()
        indent = len(line) - len(bare)
        sign, _, rest = bare.partition(" ")
        if rest and len(sign) == 1:
            indent += len(bare) - len(rest.lstrip())
        lines += textwrap.wrap(
            line,
            columns,
            subsequent_indent=" " * indent,
            drop_whitespace=True,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines)


def columns_of(stream: IO[str]) -> int | None:
    """How wide the terminal behind a stream is; None when there is none."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or 80) if stream.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None
