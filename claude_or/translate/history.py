"""Which blocks of a history the host of the native path would refuse, and what stands in their place.

Thinking is signed by whoever thought it, and a host refuses what it did not sign: what our own chat path sealed, what came without a
signature, and the copy of its reasoning that OpenRouter's endpoint appends. Models that do not speak the API themselves get
their sealed reasoning back as that endpoint writes it, and references to tools as text. Searches that
were not this host's own, whose results it could not decrypt, become text for every model.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from claude_or.translate.losses import Losses
from claude_or.translate.media import NO_VISION
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.reasoning import PREFIX, open_signature
from claude_or.translate.server_blocks import server_text
from claude_or.translate.web_search import is_ours

HOST_PREFIX: Final = "openrouter.reasoning:"
"""How the data of the `redacted_thinking` block begins in which OpenRouter's endpoint tells a reasoning detail once more."""

WEB_BLOCKS: Final = frozenset({"server_tool_use", "web_search_tool_result", "web_fetch_tool_result"})

THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})

_Block = dict[str, Any]
_encode = msgspec.json.Encoder(decimal_format="number").encode


def host_data(detail: dict[str, Any]) -> str:
    """A reasoning detail as OpenRouter's endpoint writes it into `redacted_thinking.data`."""
    return HOST_PREFIX + base64.b64encode(_encode(detail)).decode("ascii")


def host_detail(data: str) -> dict[str, Any] | None:
    """The inverse of `host_data`; None for anything else."""
    try:
        detail = msgspec.json.decode(base64.b64decode(data.removeprefix(HOST_PREFIX), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return detail if isinstance(detail, dict) else None


class History:
    """The edits of one request's history."""

    def __init__(self, profile: ModelProfile, losses: Losses, *, replay_reasoning: bool) -> None:
        self._profile = profile
        self._losses = losses
        self._replay = replay_reasoning
        self._edits: dict[int, dict[int, list[_Block]]] = {}

    def edits(self, messages: Sequence[_Block]) -> dict[int, dict[int, list[_Block]]]:
        """By message and block: what stands in the block's place. Blocks that stay as they are do not appear."""
        for i, message in enumerate(messages):
            content = message.get("content")
            if not isinstance(content, list):
                continue
            found: dict[int, list[_Block]] = {}
            for j, block in enumerate(content):
                new = self._instead(block, f"messages.{i}.content.{j}")
                if new is not None:
                    found[j] = new
            if found:
                self._edits[i] = found
        return self._edits

    def is_loop_unthought(self, messages: Sequence[_Block]) -> bool:
        """Whether an edit took the thinking off the front of the turn whose tool results are being sent.

        With a thinking budget the API wants that turn to begin with a thought, else the budget must go.
        """
        for i in range(len(messages) - 1, -1, -1):
            if messages[i]["role"] != "assistant":
                continue
            content, edits = messages[i].get("content"), self._edits.get(i)
            if not isinstance(content, list) or not edits:
                return False
            kept = [new for j, block in enumerate(content) for new in edits.get(j, [block])]
            calls = any(block["type"] == "tool_use" for block in kept)
            return calls and kept[0]["type"] not in THOUGHTS
        return False

    def _instead(self, block: _Block, place: str) -> list[_Block] | None:
        """What stands in a block's place; None for the block itself. Runs over every block: plain comparisons first."""
        kind = block["type"]
        if kind in THOUGHTS:
            return self._thought(block, place)
        if kind in WEB_BLOCKS and is_ours(block):
            self._losses.add("server_tool", place, "told as text, since the host did not make it")
            return [_text(server_text(block))]
        if self._profile.own_blocks:
            return None
        if kind == "tool_result":
            return self._result(block, place)
        if kind == "image" and self._profile.images is False:
            return [self._unseen(place)]
        if kind in {"tool_addition", "tool_removal"}:
            return self._change(block, place)
        return None

    def _thought(self, block: _Block, place: str) -> list[_Block] | None:
        if not self._replay:
            return self._lost(place, "the host refused it")
        seal = block.get("signature" if block["type"] == "thinking" else "data")
        if not isinstance(seal, str) or not seal:
            return self._lost(place, "nobody signed it") if self._profile.own_blocks else None
        if self._profile.own_blocks:
            if seal.startswith((PREFIX, HOST_PREFIX)):
                return self._lost(place, "it came from another provider or model family")
            return None
        if seal.startswith(HOST_PREFIX) and not self._profile.openrouter:
            return self._lost(place, "it came from another provider or model family")
        if not seal.startswith(PREFIX):
            return None
        text = block.get("thinking")
        carried = open_signature(seal, text if isinstance(text, str) else "", family=self._profile.family)
        if carried and self._profile.openrouter and carried.details:
            return [{"type": "redacted_thinking", "data": host_data(detail)} for detail in carried.details]
        if carried and not self._profile.openrouter and carried.text:
            # Only OpenRouter's endpoint reads that form. Hosts that imitate the API sign nothing and take the words.
            return [{"type": "thinking", "thinking": carried.text, "signature": ""}]
        return self._lost(place, "it came from another provider or model family")

    def _lost(self, place: str, why: str) -> list[_Block]:
        self._losses.add("thinking_block", place, why)
        return []

    def _result(self, block: _Block, place: str) -> list[_Block] | None:
        content = block.get("content")
        if not isinstance(content, list):
            return None
        changed = False
        parts: list[Any] = []
        for k, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            new = part
            if kind == "tool_reference":
                new = _text(f"The tool {part.get('tool_name')} can be called from now on.")
            elif kind == "image" and self._profile.images is False:
                new = self._unseen(f"{place}.content.{k}")
            changed = changed or new is not part
            parts.append(new)
        return [{**block, "content": parts}] if changed else None

    def _unseen(self, place: str) -> _Block:
        self._losses.add("image", place, "the model has no vision")
        return _text(NO_VISION)

    def _change(self, block: _Block, place: str) -> list[_Block]:
        tool = block.get("tool")
        definition = tool.get("definition") if isinstance(tool, dict) else None
        named = definition if isinstance(definition, dict) else tool
        name = named.get("name") if isinstance(named, dict) else None
        if not isinstance(name, str):
            self._losses.add("tool_change", place, "it names no tool")
            return []
        change = "can be called from now on" if block["type"] == "tool_addition" else "can no longer be called"
        return [_text(f"The tool {name} {change}.")]


def _text(text: str) -> _Block:
    return {"type": "text", "text": text}
