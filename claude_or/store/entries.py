"""What the ledger is told. Light: a session's first moments make entries before sqlite is loaded."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

Basis = Literal["host", "listing", "unknown"]
"""Who says what a call cost: the host's bill, its list of prices, nobody."""
Outcome = Literal["answered", "failed", "cancelled", "retried"]


def storable(text: str) -> str:
    """The text as a file can hold it: a folder's name may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One call upstream. `at` is when it ended (ms since 1970); tokens as the Messages API counts them, `read` and `written`
    (cache) not part of `input`; `cost` in US dollars, None while nobody told it."""

    at: int
    session: str
    conversation: str = ""
    project: str
    request: str = ""
    role: str
    asked: str
    host: str
    slug: str
    served: str = ""
    provider: str = ""
    path: str
    input: int = 0
    read: int = 0
    written: int = 0
    output: int = 0
    thinking: int = 0
    cost: Decimal | None = None
    basis: Basis = "unknown"
    first_ms: int | None = None
    ms: int = 0
    outcome: Outcome
    failure: str = ""
    generation: str = ""


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """What became known of a call after its row was written. `generation` names the row."""

    generation: str
    cost: Decimal
    provider: str = ""
    input: int | None = None
    read: int | None = None
    output: int | None = None
