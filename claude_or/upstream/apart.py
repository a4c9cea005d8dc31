"""Runs work on content from anywhere in a process of its own, which knows no secret and is ended when it takes too long.

A file may hold a bomb, and a pattern may never come to an end while it holds up everything else in its process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Final

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


async def run_apart(module: str, given: bytes, seconds: float) -> bytes:
    """What a module of ours, run as a program, writes when it is given this. Raises `TimeoutError`, and `OSError` where it cannot start."""
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # and another folder: nothing in the user's project may pass for a module
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ,
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(given)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
    return said
