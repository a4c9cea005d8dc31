"""Writes a message block by block so that it cannot become illegal.

Whoever decides what comes next says `text`, `think`, `open_tool`, `arguments`; here it is seen to that the message has begun,
that the block that was open is closed first, that a thinking block ends in its signature, and that indexes count up from 0.
"""

from __future__ import annotations

from typing import Literal

from claude_or.translate.reasoning import ReasoningCarry
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import (
    Block,
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    SignatureDelta,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
)

OpenBlock = Literal["", "text", "thinking", "tool"]


class BlockWriter:
    """The message as written so far. `take` hands over the events since the last call.

    `start` is the first event, sent when the first block is; `open` says what kind of block is open.
    """

    __slots__ = (
        "_carry",
        "_events",
        "_index",
        "_plain",
        "_show",
        "_start",
        "_thought",
        "characters",
        "open",
        "started",
        "tools",
    )

    def __init__(self, start: MessageStart, carry: ReasoningCarry, *, show_thinking: bool) -> None:
        self.open: OpenBlock = ""
        self.started = False
        self.tools = 0
        """How many tool calls were opened."""
        self.characters = 0
        """How many characters were written, for an estimate where the host gives no usage."""
        self._start = start
        self._carry = carry
        self._show = show_thinking
        self._events: list[Event] = []
        self._index = -1
        self._thought: list[str] = []
        """Texts of the open thinking block; `_plain` are those of them that came without details."""
        self._plain: list[str] = []

    @property
    def blocks(self) -> int:
        """How many blocks were begun."""
        return self._index + 1

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    def text(self, text: str) -> None:
        """Text the user sees."""
        if self.open != "text":
            if self.open != "thinking" and self._carry.pending and not self.tools:
                self.carry_alone()
            self._begin(TextBlock(), "text")
        self.characters += len(text)
        self._events.append(TextDelta(self._index, text))

    def think(self, text: str, *, plain: bool) -> None:
        """Readable reasoning; `plain` when the host sent it as text alone, without details."""
        if self.open != "thinking":
            self._begin(ThinkingBlock(), "thinking")
        self.characters += len(text)
        self._thought.append(text)
        if plain:
            self._plain.append(text)
        if self._show:
            self._events.append(ThinkingDelta(self._index, text))

    def open_tool(self, tool_id: str, name: str) -> None:
        """A tool call begins."""
        carry = self._carry
        if self.open != "thinking" and not self.tools and (carry.pending or carry.empty_array):
            self.carry_alone()
        self._begin(ToolUseBlock(tool_id, name), "tool")
        self.tools += 1

    def arguments(self, partial_json: str) -> None:
        """Arguments of the open tool call."""
        self.characters += len(partial_json)
        self._events.append(InputJsonDelta(self._index, partial_json))

    def carry_alone(self) -> None:
        """A thinking block without text, for reasoning that cannot be shown but must come back."""
        self._begin(ThinkingBlock(), "thinking")
        self.close()

    def close(self) -> None:
        """End the block that is open, if one is."""
        if self.open == "thinking":
            thought = "".join(self._thought)
            signature = self._carry.seal(thought if self._show else "", "".join(self._plain))
            self._thought.clear()
            self._plain.clear()
            self._events.append(SignatureDelta(self._index, signature))
        self._stop()

    def _stop(self) -> None:
        if self.open:
            self._events.append(BlockStop(self._index))
            self.open = ""

    def end(self, ending: MessageDelta) -> None:
        """The answer is whole."""
        self._start_message()
        self.close()
        self._events += (ending, MessageStop())

    def fail(self, failure: Failure) -> None:
        """The answer failed. Says nothing when nothing was sent: a real status is still possible then."""
        if self.started:
            self._stop()
            self._events.append(StreamError(failure))

    def _begin(self, block: Block, kind: OpenBlock) -> None:
        self._start_message()
        self.close()
        self._index += 1
        self.open = kind
        self._events.append(BlockStart(self._index, block))

    def _start_message(self) -> None:
        if not self.started:
            self.started = True
            self._events.append(self._start)


def start_of(message_id: str, model: str, input_estimate: int) -> MessageStart:
    """The first event: the true figures come with the last one, until then the client gets an estimate."""
    return MessageStart(message_id, model, Usage(input_tokens=max(input_estimate, 0)))
