"""Thinking, in both directions of a request: how much of it is asked for, and what earlier answers thought.

*How much.* The API asks by budget, by "adaptive" with an effort, or not at all; a model is steered by effort or by budget,
may be unable to think, or unable not to. Budget and effort are never sent together. No `thinking` at all means "off", as in
the API; it is how Claude Code's switch arrives.

*What was thought.* Signatures of ours are opened (see `reasoning.py`) and the host gets back what it sent. Anything else came
from another provider or family and is left out: it would be refused, and it must never be shown as text.
"""

from __future__ import annotations

from typing import Any, Final

from claude_or.translate.losses import Losses
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.reasoning import Carried, assemble, open_signature
from claude_or.wire.anthropic import EFFORT_LEVELS, BadRequest, MessagesRequest

_LEVELS: Final = ("none", "minimal", *EFFORT_LEVELS)
"""All efforts of hosts, lowest first."""
_OFF: Final = frozenset({"disabled", "between_tools"})
"""`between_tools` is off, too: the API only shows what the model says between its calls as thinking then."""
_LEAST_BUDGET: Final = 1024
_MOST_BUDGET: Final = 128_000
_EFFORT_OF_BUDGET: Final = ((4096, "low"), (16_384, "medium"))


def show_thinking(request: MessagesRequest) -> bool:
    """Whether thinking text is shown; with `display: omitted` a block still comes, empty but for its signature."""
    return request.thinking is None or request.thinking.get("display") != "omitted"


def effort_asked(request: MessagesRequest) -> str | None:
    """The effort that holds now: the newest one that a system message set, else the request's. Raises `BadRequest`."""
    for i in range(len(request.messages) - 1, -1, -1):
        config = request.messages[i].get("output_config")
        if isinstance(config, dict) and config.get("effort") is not None:
            return _level(config["effort"], f"messages.{i}.output_config.effort")
    effort = (request.output_config or {}).get("effort")
    return None if effort is None else _level(effort, "output_config.effort")


def _level(effort: Any, place: str) -> str:
    if effort not in EFFORT_LEVELS:
        raise BadRequest(f"Input should be one of {', '.join(EFFORT_LEVELS)}", place)
    return effort


def reasoning_wanted(
    request: MessagesRequest, profile: ModelProfile, max_tokens: int, losses: Losses
) -> dict[str, Any] | None:
    """The host's `reasoning` object, None where nothing should be said. `max_tokens` is what will be asked for.

    Raises `BadRequest` for a configuration that the API itself refuses.
    """
    thinking = request.thinking or {"type": "disabled"}
    kind = thinking["type"]
    budget = _budget(thinking) if kind == "enabled" else None
    if kind not in {"enabled", "adaptive", *_OFF}:
        raise BadRequest("Input should be 'enabled', 'adaptive', 'disabled' or 'between_tools'", "thinking.type")
    effort = effort_asked(request)
    if profile.reasons is False:
        if request.thinking is not None and kind not in _OFF:
            losses.add("thinking", "thinking", "the model does not reason")
        if effort is not None:
            losses.add("effort", "output_config.effort", "the model does not reason")
        return None
    if kind in _OFF:
        return _off(effort, profile, losses)
    if budget is not None:
        # Where less is asked for than the client wanted, half of it is left for the answer.
        room = min(budget if budget < max_tokens else max_tokens // 2, _MOST_BUDGET)
        if profile.budget and room >= _LEAST_BUDGET:
            if effort is not None:
                losses.add("effort", "output_config.effort", "the thinking budget is sent in its place")
            return {"max_tokens": room}
        losses.add("thinking_budget", "thinking.budget_tokens", "sent as effort, the model takes no budget")
        effort = effort or next((level for most, level in _EFFORT_OF_BUDGET if budget <= most), "high")
    if effort is None:
        return {"enabled": True}
    return {"effort": _supported(effort, profile, losses)}


def _budget(thinking: dict[str, Any]) -> int:
    budget = thinking.get("budget_tokens")
    place = "thinking.budget_tokens"
    if budget is None:
        raise BadRequest("Field required", place)
    if not isinstance(budget, int) or isinstance(budget, bool):
        raise BadRequest("Input should be a valid integer", place)
    if budget < _LEAST_BUDGET:
        raise BadRequest(f"Input should be greater than or equal to {_LEAST_BUDGET}", place)
    return budget


def _off(effort: str | None, profile: ModelProfile, losses: Losses) -> dict[str, Any] | None:
    if effort is not None:
        losses.add("effort", "output_config.effort", "thinking is off")
    if profile.reasons is None:
        # Nobody listed the model: some refuse to be switched off, none minds silence.
        return None
    if profile.mandatory_reasoning:
        losses.add("thinking_off", "thinking", "the model cannot answer without reasoning; the least is asked for")
        least = least_effort(profile)
        return None if least is None else {"effort": least}
    if profile.efforts and "none" in profile.efforts:
        return {"effort": "none"}
    return {"enabled": False}


def least_effort(profile: ModelProfile) -> str | None:
    """The lowest effort that the model is listed with; None where the listing names none."""
    return next(iter(_ranked(profile)), None) if profile.efforts else None


def _ranked(profile: ModelProfile) -> list[str]:
    """The efforts that think at all, lowest first."""
    known = profile.efforts if profile.efforts is not None else _LEVELS
    return [level for level in _LEVELS if level in known and level != "none"]


def _supported(effort: str, profile: ModelProfile, losses: Losses) -> str:
    """The level itself, else the next lower one that the model knows, else its lowest."""
    ranked = _ranked(profile)
    if effort in ranked or not ranked:
        return effort
    lower = [level for level in ranked if _LEVELS.index(level) < _LEVELS.index(effort)]
    level = lower[-1] if lower else ranked[0]
    losses.add("effort", "output_config.effort", f"{effort} is not a level of this model, {level} is sent")
    return level


class Replay:
    """What earlier answers of one conversation thought, as their host wants it back. One per request."""

    def __init__(self, profile: ModelProfile, losses: Losses, *, wanted: bool = True) -> None:
        self._profile = profile
        self._losses = losses
        self._wanted = wanted
        self._seen: set[str] = set()

    def open(self, block: dict[str, Any], place: str) -> Carried | None:
        """What a thinking or redacted_thinking block carries; None for one that is not ours to send back."""
        text, seal = ("", block.get("data")) if block["type"] == "redacted_thinking" else _said(block)
        carried = None
        if self._wanted and isinstance(seal, str):
            carried = open_signature(seal, text, family=self._profile.family)
        if carried is None:
            why = "it came from another provider or model family" if self._wanted else "the host refused it"
            self._losses.add("thinking_block", place, why)
        return carried

    def fields(self, carried: list[Carried], *, calls: bool) -> dict[str, Any]:
        """The fields of an assistant message that brings `carried` back; `calls` when it has tool calls."""
        arrays = [c.details for c in carried if c.details is not None]
        text = "".join(c.text for c in carried)
        fields: dict[str, Any] = {}
        if arrays:
            details = assemble(entry for array in arrays for entry in array)
            kept = [entry for entry in details if self._is_sent(entry)]
            if kept or not details:
                fields["reasoning_details"] = kept
        elif text and not (calls and self._profile.reasoning_content):
            fields["reasoning"] = text
        if calls and self._profile.reasoning_content:
            fields["reasoning_content"] = text
        if not self._profile.openrouter:
            return {key: value for key, value in fields.items() if key == "reasoning_content"}
        return fields

    def _is_sent(self, entry: dict[str, Any]) -> bool:
        kind = entry.get("type")
        if kind == "reasoning.text" and not entry.get("signature"):
            # These hosts refuse what they did not sign.
            return (entry.get("format") or "") not in self._profile.signed_formats
        if kind == "reasoning.encrypted" and isinstance(key := entry.get("id") or entry.get("data"), str):
            # One id twice in a conversation is refused.
            if key in self._seen:
                return False
            self._seen.add(key)
        return True


def _said(block: dict[str, Any]) -> tuple[str, Any]:
    text = block.get("thinking")
    return (text if isinstance(text, str) else ""), block.get("signature")
