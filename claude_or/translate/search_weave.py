"""Several answers of a model that searches, told as the one message of the API.

The model calls the function, we search, and it goes on in another answer. Outside there is one message: it begins once, its indexes
count on, the call of the search is a `server_tool_use` whose arguments stream as they come, its result follows when the
answer that called it has ended, and usage is the sum of all answers. Calls of the client's tools that come behind a search
wait for its result, since the API has it before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from claude_or.translate.web_search import result_events
from claude_or.wire.events import BlockStart, MessageStop, ServerToolUseBlock, encode, fold, frame_of
from claude_or.wire.sse import Frame

_PLAIN: Final = frozenset({"text", "thinking", "redacted_thinking"})
"""Blocks that may stand between a search and its result: they belong to the turn of the call, and behind the result they
would be the beginning of the next answer."""


class SearchCall(msgspec.Struct):
    """One call of the search; `written` are its arguments as the model wrote them."""

    id: str
    written: str = ""

    @property
    def query(self) -> str:
        """What to search for; empty when the model did not say it."""
        try:
            given = msgspec.json.decode(self.written)
        except (msgspec.DecodeError, RecursionError):
            return ""
        query = given.get("query") if isinstance(given, dict) else None
        return query.strip() if isinstance(query, str) else ""


class SearchWeave:
    """One outgoing message. Feed it the frames of one answer after the other; `next_answer` stands between them.

    `name` is the tool's, `new_id` makes ids of calls. `calls` are those of the answer being read, `client_calls` says whether
    it called a tool of the client's, `ended` that it came to its end, `failed` that an error ended it. `searches` counts
    those that found something or nothing, for the usage.
    """

    def __init__(self, name: str, new_id: Callable[[], str]) -> None:
        self.calls: list[SearchCall] = []
        self.client_calls = False
        self.ended = False
        self.failed = False
        self.started = False
        self.searches = 0
        self._name = name
        self._new_id = new_id
        self._index = 0
        """The next index of the outgoing message."""
        self._open: SearchCall | None = None
        self._waits = False
        """Whether the open block waits for a result that has to stand before it."""
        self._held: list[Frame] = []
        self._ending: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._sent: list[Frame] = []

    @property
    def stop_reason(self) -> str:
        """Why the answer that was read ended."""
        return str(self._ending.get("delta", {}).get("stop_reason"))

    @property
    def content(self) -> list[dict[str, Any]]:
        """The blocks that were sent so far."""
        return fold([*self._sent, encode(MessageStop())])["content"]

    def feed(self, frames: Sequence[Frame]) -> list[Frame]:
        """What goes out for these frames."""
        out: list[Frame] = []
        for frame in frames:
            out += self._one(frame)
        return self._kept(out)

    def _one(self, frame: Frame) -> list[Frame]:
        match frame.event:
            case "message_start":
                first, self.started = not self.started, True
                return [frame] if first else []
            case "content_block_start":
                return self._begin(frame)
            case "content_block_delta" | "content_block_stop":
                return self._go_on(frame)
            case "message_delta":
                self._ending = msgspec.json.decode(frame.data)
                self._usage = sum_of_usages(self._usage, self._ending.get("usage") or {})
                return []
            case "message_stop":
                self.ended = True
                return []
            case "error":
                self.failed = True
                return [frame]
            case _:
                return [frame]

    def _begin(self, frame: Frame) -> list[Frame]:
        event: dict[str, Any] = msgspec.json.decode(frame.data)
        block: dict[str, Any] = event["content_block"]
        self._open, self._waits = None, False
        if block["type"] == "tool_use":
            if block.get("name") == self._name:
                self._open = SearchCall(self._new_id())
                self.calls.append(self._open)
                self._index += 1
                return [encode(BlockStart(self._index - 1, ServerToolUseBlock(self._open.id, self._name)))]
            self.client_calls = True
        if self.calls and block["type"] not in _PLAIN:
            self._waits = True
            self._held.append(frame)
            return []
        self._index += 1
        return [_at(event, self._index - 1, frame)]

    def _go_on(self, frame: Frame) -> list[Frame]:
        if self._waits:
            self._held.append(frame)
            return []
        event: dict[str, Any] = msgspec.json.decode(frame.data)
        if self._open is not None and frame.event == "content_block_delta":
            self._open.written += event["delta"].get("partial_json", "")
        return [_at(event, self._index - 1, frame)]

    def result(self, block: dict[str, Any]) -> list[Frame]:
        """The frames of a search's result."""
        self._index += 1
        return self._kept([encode(event) for event in result_events(self._index - 1, block)])

    def next_answer(self) -> list[Frame]:
        """The answer that was read is over and all its searches have results: what waited for them."""
        held, self._held, self.calls, self.ended = self._held, [], [], False
        self._waits = False
        out: list[Frame] = []
        for frame in held:
            self._index += frame.event == "content_block_start"
            out.append(_at(msgspec.json.decode(frame.data), self._index - 1, frame))
        return self._kept(out)

    def end(self, stop_reason: str | None = None) -> list[Frame]:
        """The end of the message, by the reason of the last answer or by another."""
        usage = dict(self._usage)
        if self.searches:
            told = usage.get("server_tool_use") or {"web_fetch_requests": 0}
            usage["server_tool_use"] = {**told, "web_search_requests": self.searches}
        delta = dict(self._ending.get("delta") or {})
        if stop_reason is not None:
            delta["stop_reason"] = stop_reason
        return [frame_of({**self._ending, "delta": delta, "usage": usage}), encode(MessageStop())]

    def _kept(self, frames: list[Frame]) -> list[Frame]:
        self._sent += frames
        return frames


def _at(event: dict[str, Any], index: int, frame: Frame) -> Frame:
    """The frame with its block at another place; unchanged where it stands there already."""
    return frame if event.get("index") == index else frame_of({**event, "index": index})


def _is_figure(value: Any) -> bool:
    # A host's usage has switches among its figures, and for Python they are numbers.
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def sum_of_usages(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Two usages as one: figures added, also those below."""
    out = dict(known)
    for name, value in more.items():
        before = out.get(name)
        if isinstance(value, dict):
            out[name] = sum_of_usages(before if isinstance(before, dict) else {}, value)
        elif _is_figure(value) and _is_figure(before):
            # Money in decimals: two prices added as floats are a price nobody asked for.
            both = Decimal(str(before)) + Decimal(str(value))
            out[name] = int(both) if isinstance(value, int) and isinstance(before, int) else both
        else:
            out[name] = value
    return out
