"""The line with which the client tells its build to the API's own billing: it differs from build to build and spoils every cache."""

from __future__ import annotations

from typing import Final

_BEGINNING: Final = "x-anthropic-billing-header:"


def without_billing_line(text: str) -> str:
    """A system text without the line. It usually is a block of its own, of which nothing is left."""
    return text.partition("\n")[2].lstrip("\n") if text.startswith(_BEGINNING) else text
