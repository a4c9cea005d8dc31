"""What was asked and answered, in the log: only there where the user switched it on (`--log-content`, `log: {content: true}`).

The outermost wrapper, and in the chain only then: without it no code that could write a prompt runs. Of a request it writes what
is new, the messages behind the last answer, since every request carries the whole conversation again. The system prompt and the
tools are Claude Code's own and are left out. An entry is bounded; no text is cut here, because the log masks secrets first and
cuts afterwards: half a key must not survive at a cut.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, Replier
from claude_or.wire.sse import Frame

ENTRY_MOST: Final = 100_000
"""Characters of one entry; what goes beyond is counted instead."""
TEXT_COUNTS: Final = 8_000
"""The log cuts a longer text, so it counts for no more than this."""
HEARD_MOST: Final = 2_000_000
"""Characters of an answer that are kept until its end."""
OPAQUE: Final = frozenset({"signature", "data"})
"""Fields whose long texts mean nothing to a reader: signatures, pictures, documents."""

_log = get_log("content")


@dataclass(slots=True, kw_only=True)
class Overheard:
    """Passes everything on as it is, and logs what was said."""

    inner: Replier

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """What `inner` replies. Logged when the answer is over, whole or not."""
        _log.info("asked", content=bounded(new_messages(ask.request.messages)))
        heard = Heard()
        try:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    heard.add(burst.frames)
                    yield burst
        finally:
            _log.info("answered", content=bounded(heard.blocks()))


@dataclass(slots=True)
class Heard:
    """The blocks of an answer, from its frames; also of one that broke off."""

    _open: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    _texts: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    _size: int = 0

    def add(self, frames: Iterable[Frame]) -> None:
        """Note what these frames say. Never raises: what is not understood is no reason to lose an answer."""
        for frame in frames:
            if frame.event in {"content_block_start", "content_block_delta"} and self._size < HEARD_MOST:
                self._size += len(frame.data)
                try:
                    event: Any = msgspec.json.decode(frame.data)
                    self._note(event)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
                    continue

    def _note(self, event: dict[str, Any]) -> None:
        at = event["index"]
        if event["type"] == "content_block_start":
            self._open[at] = dict(event["content_block"])
            self._texts[at] = []
            return
        delta = event["delta"]
        text = delta.get("text") or delta.get("thinking") or delta.get("partial_json")
        if isinstance(text, str):
            self._texts[at].append(text)

    def blocks(self) -> list[dict[str, Any]]:
        """The blocks so far. Texts are joined first, so that a secret in pieces is one piece again."""
        found: list[dict[str, Any]] = []
        for at, block in self._open.items():
            text = "".join(self._texts[at])
            name = {"text": "text", "thinking": "thinking"}.get(str(block.get("type")), "input")
            found.append({**block, name: f"{block.get(name, '')}{text}"} if text and name != "input" else {**block})
            if text and name == "input":
                found[-1]["input"] = _arguments(text)
        return found


def _arguments(text: str) -> Any:
    """A tool's arguments; the text itself when they broke off."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def new_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What stands behind the last answer: everything before was logged with the requests before."""
    at = len(messages)
    while at and messages[at - 1].get("role") != "assistant":
        at -= 1
    return messages[at:] or messages[-1:]


def bounded(value: Any) -> Any:
    """The value with what is opaque, and what goes beyond `ENTRY_MOST`, told by its length."""
    return _bounded(value, [ENTRY_MOST])


def _bounded(value: Any, left: list[int]) -> Any:
    match value:
        case str():
            left[0] -= min(len(value), TEXT_COUNTS)
            return value if left[0] >= 0 else _counted(value)
        case dict():
            return {
                name: _counted(entry)
                if name in OPAQUE and isinstance(entry, str) and len(entry) > 100
                else _bounded(entry, left)
                for name, entry in value.items()
                if name != "cache_control"
            }
        case list():
            kept: list[Any] = []
            for number, entry in enumerate(value):
                if left[0] < 0:
                    return [*kept, f"({len(value) - number} more)"]
                left[0] -= 10  # so that a million empty entries are bounded, too
                kept.append(_bounded(entry, left))
            return kept
        case _:
            return value


def _counted(text: str) -> str:
    return f"({len(text)} characters)"
