"""Ids as the Messages API writes them."""

from __future__ import annotations

import secrets
from typing import Protocol


class NewId(Protocol):
    """Makes an id that was never made before, such as `msg_…`."""

    def __call__(self, prefix: str) -> str: ...


def random_id(prefix: str) -> str:
    """The prefix and 24 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(12)}"
