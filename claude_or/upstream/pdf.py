"""Reads a PDF in a process of its own (`apart.py`)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from claude_or.upstream.apart import run_apart

SECONDS: Final = 60.0
MOST_BYTES: Final = 64 * 1024 * 1024
TOO_LONG: Final = "[The PDF cannot be read: it took too long.]"
BROKEN: Final = "[The PDF cannot be read.]"


async def pdf_text(data: str, seconds: float = SECONDS) -> str:
    """The text of a PDF given in base64; a remark in brackets where it cannot be read. Never raises but on cancellation."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return BROKEN
    if len(raw) > MOST_BYTES:
        return f"[The PDF cannot be read: it has more than {MOST_BYTES // 1024 // 1024} MB.]"
    try:
        said = await run_apart("claude_or.upstream.pdf_worker", raw, seconds)
    except TimeoutError:
        return TOO_LONG
    except OSError:
        return BROKEN
    return said.decode("utf-8", "replace") or BROKEN
