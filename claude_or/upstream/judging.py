"""Checks an answer against its schema in bounded time.

Patterns are matched by a library that lets nothing else run meanwhile and cannot be stopped, and some take longer than anybody
lives. So answers are checked against schemas with patterns in a process of its own (`apart.py`), all others in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from claude_or.translate.judge import has_patterns
from claude_or.translate.structured import NotFit, Wanted, fitting
from claude_or.upstream.apart import run_apart
from claude_or.wire.anthropic import BadRequest

SECONDS: Final = 20.0
"""Some tenths of a second are the usual time."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


async def fitting_in_time(message: Mapping[str, Any], wanted: Wanted, seconds: float = SECONDS) -> dict[str, Any]:
    """As `fitting`. Raises `NotFit`, and `BadRequest` also when it takes too long."""
    if not has_patterns([wanted.schema, *wanted.tools.values()]):
        return await asyncio.to_thread(fitting, message, wanted)
    given = _encode({"message": message, "schema": wanted.schema, "tools": wanted.tools})
    try:
        said = await run_apart("claude_or.upstream.judging_worker", given, seconds)
        verdict: dict[str, Any] = msgspec.json.decode(said)
    except TimeoutError:
        text = f"an answer could not be checked against the schema within {seconds:g} s; simplify its patterns"
        raise BadRequest(text) from None
    except (OSError, msgspec.DecodeError):
        raise BadRequest("an answer could not be checked against the patterns of the schema") from None
    match verdict:
        case {"refused": str(why)}:
            raise BadRequest(why)
        case {"trouble": str(trouble), "call": str(call), "plain": str(plain)}:
            raise NotFit(trouble, call, plain=plain)
        case _:
            return {**message, "content": verdict["content"]}
