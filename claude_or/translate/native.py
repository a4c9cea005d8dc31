"""The request of the native path: the client's own bytes, with exactly the edits that the host needs.

The body is taken apart only as far as something in it changes: a field, message or block that needs no edit stays the bytes that the
client sent. Every edit answers a failure that is known of the host's Messages endpoint, and what an edit takes away is listed in
`Losses`. For models that speak the API themselves (`ModelProfile.own_blocks`) these are few; for others the blocks that only those
know (deferred tools and references to them, foreign reasoning) are written out.

What is edited besides the body's outer fields: thinking blocks that this host would refuse, because it never signed them; the
system block that differs from build to build; tool schemas without a type.
Sources: OpenRouter's schema of `POST /messages`, and reports of what it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from claude_or.translate.billing_line import without_billing_line
from claude_or.translate.history import History
from claude_or.translate.losses import Losses
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.schema import clean_schema
from claude_or.translate.thinking import least_effort
from claude_or.translate.tokens import Weigh, as_estimated, measure
from claude_or.translate.tools import offered_tools
from claude_or.wire.anthropic import BadRequest, MessagesRequest

_LEAST_BUDGET: Final = 1024
_MOST_SESSION: Final = 256

_encode = msgspec.json.Encoder(decimal_format="number").encode
_Fields = dict[str, msgspec.Raw]


class NativeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and what is needed to read the answer.

    `body` is the JSON of the request, always streamed; `betas` what goes into `anthropic-beta`. `warm_only`: the client asked for
    no tokens; answer with an empty message and call nobody.
    """

    body: bytes
    betas: tuple[str, ...]
    losses: Losses
    input_estimate: int
    max_tokens: int
    warm_only: bool = False


def to_native(
    request: MessagesRequest,
    raw: bytes,
    profile: ModelProfile,
    *,
    slug: str,
    session_key: str = "",
    preferences: Mapping[str, Any] | None = None,
    betas: tuple[str, ...] = (),
    replay_reasoning: bool = True,
    weigh: Weigh = as_estimated,
) -> NativeOrder:
    """The request for one model. `raw` is the body that `request` was decoded from; of `request` only `max_tokens` may differ from it.

    `slug`, `session_key`, `preferences`, `replay_reasoning` and `weigh` are as in `to_chat`; `betas` are the client's.
    Raises `BadRequest`.
    """
    try:
        edit = _Edit(request, raw, profile, replay_reasoning=replay_reasoning)
        edit.route(slug, session_key, preferences or {})
        edit.system()
        edit.tools()
        edit.messages()
        max_tokens = edit.output()
        body = _encode(edit.fields)
        tokens = weigh(request, measure(request, profile=profile))
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    except UnicodeEncodeError:
        raise BadRequest("The request body holds half a surrogate pair.") from None
    return NativeOrder(
        body=body,
        betas=betas if profile.betas else (),
        losses=edit.losses,
        input_estimate=tokens,
        max_tokens=max_tokens,
        # What hosts make of a limit of 0 is unknown; a default of theirs would be a whole answer that nobody reads.
        warm_only=request.max_tokens == 0,
    )


class _Edit:
    """One request being edited. `fields` are its outermost fields, as bytes."""

    def __init__(self, request: MessagesRequest, raw: bytes, profile: ModelProfile, *, replay_reasoning: bool) -> None:
        self.fields: _Fields = msgspec.json.decode(raw, type=_Fields)
        self.losses = Losses()
        self._request = request
        self._profile = profile
        self._history = History(profile, self.losses, replay_reasoning=replay_reasoning)

    def _set(self, field: str, value: Any) -> None:
        self.fields[field] = msgspec.Raw(_encode(value))

    def route(self, slug: str, session_key: str, preferences: Mapping[str, Any]) -> None:
        """Which model on which host, as a stream; and nothing about the person who asks."""
        self._set("model", slug)
        self._set("stream", value=True)
        metadata = self._request.extra.get("metadata")
        if isinstance(metadata, dict) and "user_id" in metadata:
            self.losses.add("metadata", "metadata.user_id", "identifies the user and stays here")
            rest = {name: value for name, value in metadata.items() if name != "user_id"}
            if rest:
                self._set("metadata", rest)
            else:
                del self.fields["metadata"]
        if not self._profile.openrouter:
            return
        if session_key:
            self._set("session_id", session_key[:_MOST_SESSION])
        if preferences:
            self._set("provider", dict(preferences))

    def system(self) -> None:
        """Without the block that differs from build to build and would spoil every cache."""
        system = self._request.system
        if isinstance(system, str):
            if (text := without_billing_line(system)) != system:
                self._billing("system", text)
            return
        texts = [str(block.get("text", "")) for block in system or ()]
        cleaned = {i: left for i, text in enumerate(texts) if (left := without_billing_line(text)) != text}
        if not cleaned:
            return
        blocks: list[Any] = msgspec.json.decode(self.fields["system"], type=list[msgspec.Raw])
        for i, text in cleaned.items():
            blocks[i] = {**(system or [])[i], "text": text} if text else None
        self._billing(f"system.{min(cleaned)}", [block for block in blocks if block is not None])

    def _billing(self, place: str, left: Any) -> None:
        self.losses.add("billing_line", place, "it changes from build to build and would spoil the cache")
        if left:
            self._set("system", left)
        else:
            del self.fields["system"]

    def tools(self) -> None:
        """The tools, each with a schema that has a type; for models without deferral, those that may be called now."""
        request, profile = self._request, self._profile
        if not request.tools and not any(message["role"] == "system" for message in request.messages):
            return
        if profile.own_blocks:
            offered: Sequence[dict[str, Any]] = request.tools
        else:
            offered = offered_tools(request.tools, request.messages, deferral=profile.deferral)
            for i, tool in enumerate(request.tools):
                if "name" not in tool:
                    self.losses.add("nameless_tool", f"tools.{i}", "only the API's own models know it")
        edited = [self._tool(tool) for tool in offered]
        if all(new is old for new, old in zip(edited, request.tools, strict=False)) and len(edited) == len(
            request.tools
        ):
            return
        originals = msgspec.json.decode(self.fields["tools"], type=list[msgspec.Raw]) if request.tools else []
        places = {id(tool): i for i, tool in enumerate(request.tools)}
        if edited:
            self._set("tools", [originals[places[id(tool)]] if id(tool) in places else tool for tool in edited])
        else:
            # Hosts refuse an empty list, and a choice among nothing.
            self.fields.pop("tools", None)
            self.fields.pop("tool_choice", None)

    def _tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        """The tool, or the edited copy of one that would be refused."""
        schema = tool.get("input_schema")
        if self._profile.own_blocks:
            if isinstance(schema, dict) and "type" not in schema:
                return {**tool, "input_schema": {"type": "object", **schema}}
            return tool
        new = {name: value for name, value in tool.items() if name != "defer_loading"}
        if isinstance(schema, dict):
            new["input_schema"] = clean_schema(schema, self._profile.schema)
        return tool if new == tool else new

    def messages(self) -> None:
        """The history, without what this host would refuse."""
        edits = self._history.edits(self._request.messages)
        if not edits:
            return
        messages = msgspec.json.decode(self.fields["messages"], type=list[msgspec.Raw])
        out: list[msgspec.Raw] = []
        for i, message in enumerate(messages):
            if i not in edits:
                out.append(message)
                continue
            fields = msgspec.json.decode(message, type=_Fields)
            blocks = msgspec.json.decode(fields["content"], type=list[msgspec.Raw])
            content: list[Any] = []
            for j, block in enumerate(blocks):
                content += edits[i].get(j, [block])
            if content:
                fields["content"] = msgspec.Raw(_encode(content))
                out.append(msgspec.Raw(_encode(fields)))
        if not out:
            raise BadRequest("at least one message with content is required", "messages")
        self._set("messages", out)

    def output(self) -> int:
        """How much may be answered and thought; returns `max_tokens`."""
        request, profile = self._request, self._profile
        most = profile.max_output or request.max_tokens
        max_tokens = max(min(request.max_tokens, most), profile.min_output)
        if max_tokens < request.max_tokens:
            detail = f"{request.max_tokens} is more than the model gives, {max_tokens} is asked for"
            self.losses.add("max_tokens", "max_tokens", detail)
        self._set("max_tokens", max_tokens)
        thinking = request.thinking
        if not profile.takes_thinking or profile.reasons is False:
            self._without_thinking_fields()
        elif thinking is not None and thinking["type"] == "disabled" and profile.mandatory_reasoning:
            self._least_thinking()
        elif thinking is not None and thinking["type"] == "enabled":
            budget = thinking.get("budget_tokens")
            if self._history.is_loop_unthought(request.messages):
                self._thinking_off("the turn that goes on began without thinking")
            elif isinstance(budget, int) and budget >= max_tokens and max_tokens // 2 < _LEAST_BUDGET:
                self._thinking_off(f"no room in {max_tokens} tokens")
            elif isinstance(budget, int) and budget >= max_tokens:
                self.losses.add(
                    "thinking_budget", "thinking.budget_tokens", f"half of {max_tokens}, which is all there is"
                )
                self._set("thinking", {**thinking, "budget_tokens": max_tokens // 2})
        return max_tokens

    def _least_thinking(self) -> None:
        """For a model that cannot answer without a thought, and whose host refuses to be told so."""
        least = least_effort(self._profile)
        self.fields.pop("thinking", None)
        if least is not None:
            self._set("output_config", {**(self._request.output_config or {}), "effort": least})
        self.losses.add("thinking_off", "thinking", "the model cannot answer without reasoning; the least is asked for")
        self._without_edits_of_thinking()

    def _thinking_off(self, why: str) -> None:
        if self._profile.mandatory_reasoning:
            self._least_thinking()
            return
        self.losses.add("thinking", "thinking", f"switched off: {why}")
        self._set("thinking", {"type": "disabled"})
        self._without_edits_of_thinking()

    def _without_thinking_fields(self) -> None:
        if self.fields.pop("thinking", None) is not None:
            self.losses.add("thinking", "thinking", "the model does not take it")
        config = self._request.output_config
        if config is not None and "effort" in config:
            self.losses.add("effort", "output_config.effort", "the model does not take it")
            rest = {name: value for name, value in config.items() if name != "effort"}
            if rest:
                self._set("output_config", rest)
            else:
                del self.fields["output_config"]
        self._without_edits_of_thinking()

    def _without_edits_of_thinking(self) -> None:
        """Edits of the context that are refused while nobody thinks."""
        management = self._request.extra.get("context_management")
        edits = management.get("edits") if isinstance(management, dict) else None
        if not isinstance(management, dict) or not isinstance(edits, list):
            return
        kept = [edit for edit in edits if not (isinstance(edit, dict) and _clears_thinking(edit))]
        if len(kept) == len(edits):
            return
        self.losses.add("context_management", "context_management.edits", "there is no thinking to clear")
        if kept:
            self._set("context_management", {**management, "edits": kept})
        else:
            del self.fields["context_management"]


def _clears_thinking(edit: Mapping[str, Any]) -> bool:
    return str(edit.get("type", "")).startswith("clear_thinking_")
