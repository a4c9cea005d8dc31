"""Prose at a terminal's width: broken between words, indented as it began, addresses whole."""

from __future__ import annotations

import io

from claude_or.cli.folding import columns_of, folded

ADDRESS = "https://openrouter.ai/auth?code_challenge=abcdefghijklmnopqrstuvwxyz0123456789"


def test_what_goes_on_is_indented_as_the_words_it_goes_on_from() -> None:
    text = "claude-or: something is wrong with a file that has a long name\n  → Do this, and then that, and all is well again."
    assert folded(text, 40).split("\n") == [
        "claude-or: something is wrong with a",
        "file that has a long name",
        "  → Do this, and then that, and all is",
        "    well again.",
    ]


def test_an_address_stays_in_one_piece_where_it_stands() -> None:
    assert folded(f"Open this page:\n\n  {ADDRESS}\n", 60) == f"Open this page:\n\n  {ADDRESS}\n"


def test_without_a_terminal_or_in_a_tiny_one_nothing_is_folded() -> None:
    long = "word " * 40
    assert folded(long, None) == folded(long, 20) == long
    assert columns_of(io.StringIO()) is None
