"""How the estimate of a request's tokens learns from what a host counted. Pure; one `Calibration` per model that served.

Two things are learnt. *Weights*, one per class of characters, by recursive least squares: a tokenizer that splits digits or
Chinese more finely than expected shows it with the first request that brings many of them. *The conversation*: its last request
with the host's figure for it. The next request of a conversation repeats that one and adds to it, so only what was added is
estimated, and an error there is small against the whole. What is told leans upwards by a margin, because a prompt that is longer
than told hurts more than one that is shorter.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from claude_or.translate.tokens import Measure
from claude_or.wire.anthropic import MessagesRequest

_SMALLEST_LESSON: Final = 200
"""Tokens below which a request says nothing."""
_LOWEST: Final = 0.4
_HIGHEST: Final = 3.0
"""Ratios outside are a host's odd accounting."""
_MARGIN: Final = 0.01
_MARGIN_OF_ADDED: Final = 0.03
_MOST_CONVERSATIONS: Final = 64
_SAME_SIZE: Final = 0.8
"""A request below this share of the conversation's last one has lost a part (tools, system), so it is not the same any more."""

_CLASSES: Final = 9
_DOUBT: Final = (0.15, 0.35, 0.35, 0.25, 0.5, 0.35, 0.5, 0.5, 0.1)
"""How far the weight of each class may be off before anything is known, as a share of it."""
_DRIFT: Final = 0.01
"""What the doubt grows by from one request to the next: text of one class is not all alike."""
_NOISE: Final = 0.01
_NOISE_TOKENS: Final = 20.0

_encode = msgspec.json.Encoder(decimal_format="number").encode

Matrix = tuple[tuple[float, ...], ...]


def _doubt_at_first() -> Matrix:
    return tuple(tuple(_DOUBT[i] ** 2 if i == j else 0.0 for j in range(_CLASSES)) for i in range(_CLASSES))


class Anchor(msgspec.Struct, frozen=True):
    """A conversation's last request: how many messages, its measure, and what the host counted."""

    messages: int
    measure: Measure
    actual: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one model. `weights` by class, `doubt` their covariance, `anchors` by conversation, the latest last."""

    weights: Measure = (1.0,) * _CLASSES
    doubt: Matrix = _doubt_at_first()
    observations: int = 0
    anchors: dict[int, Anchor] = {}

    def tokens(self, found: Measure, conversation: int = 0, messages: int = 0) -> int:
        """The tokens of a request of this measure. Never below 1."""
        if not self.observations:
            return max(1, round(sum(found)))
        anchor = self._anchor(found, conversation, messages)
        if anchor is None:
            return max(1, round(_dot(self.weights, found) * (1 + _MARGIN)))
        added = _dot(self.weights, _less(found, anchor.measure))
        return max(1, round(anchor.actual + added * (1 + _MARGIN_OF_ADDED * (added > 0))))

    def observe(self, found: Measure, actual: int, conversation: int = 0, messages: int = 0) -> Calibration:
        """What is known after the host counted `actual` tokens for a request of this measure.

        Tiny requests say nothing, and a ratio outside 0.4 to 3 is a host's odd accounting; both are left aside.
        """
        estimated = sum(found)
        if min(estimated, actual) < _SMALLEST_LESSON or not _LOWEST <= actual / estimated <= _HIGHEST:
            return self
        anchor = self._anchor(found, conversation, messages)
        if anchor is None:
            weights, doubt = self._learnt(found, actual)
        else:
            weights, doubt = self._learnt(_less(found, anchor.measure), actual - anchor.actual)
        anchors = {key: kept for key, kept in self.anchors.items() if key != conversation}
        anchors[conversation] = Anchor(messages, found, actual)
        if len(anchors) > _MOST_CONVERSATIONS:
            del anchors[next(iter(anchors))]
        return Calibration(weights=weights, doubt=doubt, observations=self.observations + 1, anchors=anchors)

    def _anchor(self, found: Measure, conversation: int, messages: int) -> Anchor | None:
        anchor = self.anchors.get(conversation)
        if anchor is None or messages < anchor.messages or sum(found) < sum(anchor.measure) * _SAME_SIZE:
            return None
        return anchor

    def _learnt(self, found: Measure, actual: float) -> tuple[Measure, Matrix]:
        """One step of recursive least squares."""
        size = sum(abs(tokens) for tokens in found)
        if size < _SMALLEST_LESSON or not _LOWEST <= actual / size <= _HIGHEST:
            return self.weights, self.doubt
        doubt = [
            [value + (_DRIFT**2 if i == j else 0.0) for j, value in enumerate(row)] for i, row in enumerate(self.doubt)
        ]
        spread = [_dot(row, found) for row in doubt]
        noise = (_NOISE * size + _NOISE_TOKENS) ** 2
        gain = [value / (_dot(spread, found) + noise) for value in spread]
        missed = actual - _dot(self.weights, found)
        weights = tuple(
            min(max(weight + step * missed, _LOWEST), _HIGHEST) for weight, step in zip(self.weights, gain, strict=True)
        )
        return weights, tuple(
            tuple(value - step * across for value, across in zip(row, spread, strict=True))
            for row, step in zip(doubt, gain, strict=True)
        )


def _dot(left: list[float] | Measure, right: Measure) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _less(found: Measure, earlier: Measure) -> Measure:
    return tuple(a - b for a, b in zip(found, earlier, strict=True))


def conversation_of(request: MessagesRequest) -> int:
    """A number for the conversation that a request belongs to: its system prompt and how its messages begin.

    Marks of the cache do not count: they move on with each turn, away from the first message.
    """
    first = [_unmarked(message.get("content")) for message in request.messages[:1]]
    return zlib.crc32(_encode((_unmarked(request.system), first)))


def _unmarked(content: Any) -> Any:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return content
    return [
        {name: value for name, value in block.items() if name != "cache_control"} if isinstance(block, dict) else block
        for block in content
    ]
