"""How an answer ends: finish reasons into stop reasons, usage into figures, and the failures that only the end shows."""

from __future__ import annotations

from typing import Final

import msgspec

from claude_or.wire.anthropic import Failure
from claude_or.wire.events import MessageDelta, StopReason, Usage
from claude_or.wire.openai import ChunkUsage


def _broken(message: str) -> Failure:
    return Failure(kind="api", status=502, type="api_error", message=message, should_retry=True)


EMPTY: Final = _broken("the model's answer was empty")
NAMELESS_CALL: Final = _broken("the model called a tool without naming it")
MALFORMED_CALL: Final = _broken("the model sent tool arguments that are no JSON object")

_LENGTH: Final = frozenset({"length", "max_tokens"})
_FULL: Final = frozenset({"model_length", "model_context_window_exceeded"})
"""The window is full: Mistral's and Zhipu's words."""
_REFUSED: Final = frozenset({"content_filter", "refusal", "sensitive", "safety", "recitation", "prohibited_content"})
BROKEN_OFF: Final = frozenset({"error", "insufficient_system_resource", "network_error", "abort"})
"""What hosts say when they stopped for a reason of their own: OpenRouter, DeepSeek, Zhipu, vLLM and SGLang, in this order."""

_CHARACTERS_PER_TOKEN: Final = 4


class Ending:
    """What the stream has told about its end so far.

    `refusal` is the host's explanation, `usage` its last figures as it gave them.
    """

    __slots__ = ("_input_estimate", "_native", "_reason", "_stops", "_window", "refusal", "told", "usage")

    def __init__(self, stop_sequences: tuple[str, ...], context_window: int | None, input_estimate: int) -> None:
        self.refusal = ""
        self.told = False
        self.usage: ChunkUsage | None = None
        self._reason = ""
        self._native = ""
        self._stops = stop_sequences
        self._window = context_window
        self._input_estimate = max(input_estimate, 0)

    def tell(self, finish_reason: str, native: str) -> None:
        """The host named a reason; when it names several, the last one counts."""
        self.told = True
        self._reason = finish_reason.lower()
        self._native = native or self._native

    def stop_at(self, sequence: str) -> None:
        """The text was cut here, at a stop sequence."""
        self.tell("stop", "stop_sequence")
        self._stops = (sequence,)

    @property
    def cuts_calls(self) -> bool:
        """Whether the reason explains a call that is not whole: the limit, or a filter, fell inside it."""
        return self._reason in _LENGTH or self._reason in _FULL or self._reason in _REFUSED

    @property
    def needs_content(self) -> bool:
        """Whether an answer with nothing in it would be a failure."""
        return not self.cuts_calls and not self.refusal and self._native != "stop_sequence"

    def delta(self, usage: Usage | None, *, tools: int, characters: int) -> MessageDelta:
        """The event that ends a message of that many tool calls and written characters."""
        reason = self._stop_reason(tools)
        return MessageDelta(
            reason,
            self._figures(usage, characters),
            stop_sequence=self._stops[0] if reason == "stop_sequence" else None,
            refusal=(self.refusal or None) if reason == "refusal" else None,
        )

    def _stop_reason(self, tools: int) -> StopReason:
        if self.refusal or self._reason in _REFUSED:
            return "refusal"
        if self._reason in _FULL:
            return "model_context_window_exceeded"
        if self._reason in _LENGTH:
            return "model_context_window_exceeded" if self._window_is_full() else "max_tokens"
        if tools:
            return "tool_use"
        if self._native == "stop_sequence" and len(self._stops) == 1:
            return "stop_sequence"
        return "end_turn"

    def _window_is_full(self) -> bool:
        usage = self.usage
        if self._window is None or usage is None:
            return False
        return (usage.prompt_tokens or 0) + (usage.completion_tokens or 0) >= self._window

    def _figures(self, usage: Usage | None, characters: int) -> Usage:
        """The host's figures; what it left out is estimated, since a client takes 0 for the truth."""
        usage = usage or Usage()
        estimates: dict[str, int] = {}
        if not (usage.input_tokens or usage.cache_read_input_tokens or usage.cache_creation_input_tokens):
            estimates["input_tokens"] = self._input_estimate
        if not usage.output_tokens:
            estimates["output_tokens"] = -(-characters // _CHARACTERS_PER_TOKEN)
        return msgspec.structs.replace(usage, **estimates) if estimates else usage
