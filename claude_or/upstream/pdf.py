"""Reads a PDF in a process of its own, which knows no secret and is ended when it takes too long."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import os
import sys
from typing import Final

SECONDS: Final = 60.0
MOST_BYTES: Final = 64 * 1024 * 1024
TOO_LONG: Final = "[The PDF cannot be read: it took too long.]"
BROKEN: Final = "[The PDF cannot be read.]"
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


async def pdf_text(data: str, seconds: float = SECONDS) -> str:
    """The text of a PDF given in base64; a remark in brackets where it cannot be read. Never raises but on cancellation."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return BROKEN
    if len(raw) > MOST_BYTES:
        return f"[The PDF cannot be read: it has more than {MOST_BYTES // 1024 // 1024} MB.]"
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "claude_or.upstream.pdf_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
    except OSError:
        return BROKEN
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(raw)
    except TimeoutError:
        return TOO_LONG
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
    return said.decode("utf-8", "replace") or BROKEN
