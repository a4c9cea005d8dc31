"""Whether the host's prompt cache works, and why it stopped when it did.

A conversation only grows at its end, so what was in the cache for one turn should be read from it in the next. When much less is
read than before, the last two requests are compared: the first thing that differs is the reason, unless the host changed its
supplier or too much time went by. The comparison costs milliseconds and is made only then.

Marks (`cache_control`) move with every turn and are not part of the prompt, so they are ignored.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from claude_or.routing.ask import Ask, Report

KEPT: Final = 6
"""Conversations whose last request is kept."""
MOST_BYTES: Final = 8_000_000
"""Longest request that is kept."""
RECENT: Final = 5
"""Turns that the shown rate is taken over."""
LEAST_READ: Final = 2_000
"""Tokens: less than that in the cache is not worth a word."""
DROP: Final = 0.5
TTL_S: Final = 300.0
"""How long hosts keep a prompt at the least. Source: OpenRouter's and Anthropic's documentation of prompt caching."""

Conversation = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Turn:
    at: float
    read: int
    provider: str
    raw: bytes


@dataclass(slots=True)
class CacheWatch:
    """Watches the calls of one session. `drops` counts, `reason` is why the last one happened, for people."""

    drops: int = 0
    reason: str = ""
    _turns: OrderedDict[Conversation, _Turn] = field(default_factory=OrderedDict[Conversation, _Turn])
    _rates: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def rate(self) -> float | None:
        """Part of the last turns' prompts that came from the cache, 0 to 1; None before the second turn."""
        prompt = sum(prompt for prompt, _ in self._rates)
        return sum(read for _, read in self._rates) / prompt if prompt and len(self._rates) > 1 else None

    def see(self, ask: Ask, slug: str, report: Report, now: float) -> str:
        """Take in an answered call, `now` in seconds that never jump; why its cache was missed, empty when it was not."""
        usage = report.usage
        if usage is None or ask.plan.role == "background":
            return ""  # a question of its own, such as what is in a picture, is no turn of the conversation
        conversation = (ask.session_id, ask.agent_id, slug)
        prompt = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        if not ask.agent_id and ask.plan.role not in {"small", "haiku"}:
            self._rates.append((prompt, usage.cache_read_input_tokens))
        raw = ask.raw if len(ask.raw) <= MOST_BYTES else b""
        turn = _Turn(now, usage.cache_read_input_tokens, report.provider, raw)
        before = self._turns.pop(conversation, None)
        self._turns[conversation] = turn
        while len(self._turns) > KEPT:
            self._turns.popitem(last=False)
        if before is None or before.read < LEAST_READ or turn.read >= before.read * DROP:
            return ""
        why = _why(before, turn)
        self.drops += 1
        self.reason = why
        return why


def _why(before: _Turn, after: _Turn) -> str:
    changed = difference(before.raw, after.raw)
    if changed:
        return f"the prompt changed: {changed}"
    if before.provider and after.provider and before.provider != after.provider:
        return f"the host changed its supplier: {before.provider} → {after.provider}"
    if after.at - before.at > TTL_S:
        return f"{(after.at - before.at) / 60:.0f} minutes since the last turn"
    return "the host did not say why"


def difference(before: bytes, after: bytes) -> str:
    """The first part of the prompt that differs, in the words of the API; empty when `after` only continues `before`.

    Both are bodies of Messages requests.
    """
    try:
        old, new = msgspec.json.decode(before), msgspec.json.decode(after)
    except (msgspec.DecodeError, RecursionError):
        return ""
    if old.get("model") != new.get("model"):
        return "model"
    for name in ("tools", "system"):
        found = _first(name, old.get(name) or [], new.get(name) or [], grows=False)
        if found:
            return found
    return _first("messages", old.get("messages") or [], new.get("messages") or [], grows=True)


def _first(name: str, old: Any, new: Any, *, grows: bool) -> str:
    if not isinstance(old, list) or not isinstance(new, list):
        return "" if _unmarked(old) == _unmarked(new) else name
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if _unmarked(one) != _unmarked(other):
            return f"{name}.{place}{_label(one, other)}"
    if len(new) < len(old):
        return f"{name}.{len(new)}{_label(old[len(new)], None)} is gone"
    if len(new) > len(old) and not grows:
        return f"{name}.{len(old)}{_label(None, new[len(old)])} is new"
    return ""


def _label(one: Any, other: Any) -> str:
    """The name of a tool, where that says more than its number."""
    names = [part["name"] for part in (one, other) if isinstance(part, dict) and isinstance(part.get("name"), str)]
    return f" ({' → '.join(dict.fromkeys(names))})" if names else ""


def _unmarked(value: Any) -> Any:
    """Without cache marks, and a text alone the same as a list of one text block: the client writes both."""
    if isinstance(value, dict):
        found = {key: _unmarked(part) for key, part in value.items() if key != "cache_control"}
        if isinstance(found.get("content"), str):
            found["content"] = [{"type": "text", "text": found["content"]}]
        return found
    if isinstance(value, list):
        return [_unmarked(part) for part in value]
    return value
