"""What was said, in the log: what is new, joined, bounded, and passed on untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from claude_or import log
from claude_or.reply.overheard import ENTRY_MOST, Heard, Overheard, bounded, new_messages
from claude_or.routing.ask import Burst, ReplyFailed
from claude_or.wire.events import BlockStart, InputJsonDelta, TextBlock, TextDelta, ToolUseBlock, encode
from tests.reply.script import START, Script, answer, ask, burst, delta, failed

KEY = "sk-or-v1-0123456789abcdef"


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """The log's entries, there when the test reads them."""
    path = tmp_path / "logs" / "a.jsonl"

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            return iter([msgspec.json.decode(line) for line in path.read_bytes().splitlines()])

    log.close()
    log.forget()
    log.configure(str(path))
    yield Lines()
    log.close()
    log.forget()
    log.release_stdlib()


async def played(script: Script) -> list[Burst]:
    """What comes through."""
    async with aclosing(Overheard(inner=script).reply(ask())) as bursts:
        return [found async for found in bursts]


async def test_bursts_pass_as_they_are_and_both_sides_are_logged(lines: list[dict[str, Any]]) -> None:
    whole = answer("Hel", "lo")
    assert [found is wanted for found, wanted in zip(await played(Script(whole)), whole, strict=True)] == [True] * 4

    told = {line["event"]: line["content"] for line in lines}
    assert told == {"asked": [{"role": "user", "content": "hi"}], "answered": [{"type": "text", "text": "Hello"}]}


async def test_an_answer_that_broke_off_is_logged_as_far_as_it_came(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(ReplyFailed):
        await played(Script([burst(*START), delta("as far as"), failed()]))

    assert [line["content"] for line in lines][-1] == [{"type": "text", "text": "as far as"}]


async def test_a_secret_in_pieces_is_masked(lines: list[dict[str, Any]]) -> None:
    await played(Script(answer("see ", KEY[:9], KEY[9:14], KEY[14:], ".")))

    assert [line["content"] for line in lines][-1] == [{"type": "text", "text": f"see {log.MASK}."}]


async def test_a_secret_at_the_cut_leaves_no_half(lines: list[dict[str, Any]]) -> None:
    await played(Script(answer("x" * 7_990, KEY, "y" * 100)))

    assert all("sk-or" not in msgspec.json.encode(line).decode() for line in lines)


def test_arguments_of_a_tool_are_read_and_halves_stay_text() -> None:
    heard = Heard()
    for at, text in enumerate(('{"a": 1}', '{"a": ')):
        heard.add([encode(BlockStart(at, ToolUseBlock(id=f"t{at}", name="Read"))), encode(InputJsonDelta(at, text))])
    assert [block["input"] for block in heard.blocks()] == [{"a": 1}, '{"a": ']


def test_frames_that_are_none_are_passed_over() -> None:
    heard = Heard()
    heard.add([encode(TextDelta(7, "of no block")), encode(BlockStart(0, TextBlock())), encode(TextDelta(0, "fine"))])
    assert heard.blocks() == [{"type": "text", "text": "fine"}]


@pytest.mark.parametrize(
    ("roles", "new"), [("u", 1), ("uau", 1), ("uauu", 2), ("ua", 1), ("us", 2)], ids=lambda value: str(value)
)
def test_only_what_stands_behind_the_last_answer_is_new(roles: str, new: int) -> None:
    names = {"u": "user", "a": "assistant", "s": "system"}
    messages = [{"role": names[role], "content": str(at)} for at, role in enumerate(roles)]
    assert new_messages(messages) == messages[-new:]


def test_an_entry_is_bounded_and_what_is_opaque_is_counted() -> None:
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * 5_000}}
    assert bounded([picture])[0]["source"]["data"] == "(5000 characters)"
    many = [{"type": "text", "text": "x" * 6_000}] * 1_000
    assert len(msgspec.json.encode(bounded(many))) < ENTRY_MOST * 1.1
    assert len(msgspec.json.encode(bounded([{}] * 1_000_000))) < ENTRY_MOST * 1.1
