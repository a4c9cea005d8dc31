"""Answers are checked in bounded time, whatever the pattern."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from claude_or.translate.structured import NotFit, Wanted
from claude_or.upstream.judging import fitting_in_time
from claude_or.wire.anthropic import BadRequest

WORD = Wanted({"type": "object", "properties": {"word": {"type": "string", "pattern": "^(a+)+$"}}}, {})


def message(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}


async def test_an_answer_is_held_to_patterns() -> None:
    told = await fitting_in_time(message('Well: {"word": "aaa"}'), WORD)
    assert told == message('{"word": "aaa"}')
    with pytest.raises(NotFit, match=r"'b' does not match") as trouble:
        await fitting_in_time(message('{"word": "b"}'), WORD)
    assert "'b'" not in trouble.value.plain


async def test_arguments_of_strict_tools_are_held_to_them_too() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "count", "input": {"word": "b"}}
    with pytest.raises(NotFit) as trouble:
        await fitting_in_time({"content": [call]}, Wanted(None, {"count": WORD.schema or {}}))
    assert trouble.value.call == "toolu_1"


async def test_a_pattern_without_an_end_is_given_up_and_holds_up_nobody() -> None:
    ticks = 0

    async def others() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    going_on = asyncio.create_task(others())
    began = time.monotonic()
    with pytest.raises(BadRequest, match="within 3 s; simplify its patterns"):
        await fitting_in_time(message(f'{{"word": "{"a" * 60}!"}}'), WORD, seconds=3)
    going_on.cancel()
    assert time.monotonic() - began < 60
    assert ticks > 20
