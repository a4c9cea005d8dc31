"""A Messages request as a chat request: the one place where a field of the one is decided to be a field of the other.

Fields that mean the same are mapped, what only hints is dropped and listed in `Losses`, and what would make the answer wrong when
left out is refused with a `BadRequest` that names the field. The rest of the work is done where its subject lives: `content`
writes the history, `tools` the functions, `thinking` how much is thought.

The body's keys have a fixed order, and `tools` and `messages` depend on nothing but the tools and the history: for one
conversation both only ever grow at their ends, which is what every host's prompt cache lives on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from claude_or.translate.content import Conversation
from claude_or.translate.host_fetch import fetch_asked
from claude_or.translate.host_search import SearchAsked, search_asked
from claude_or.translate.losses import Losses
from claude_or.translate.names import ToolNames
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.schema import clean_schema, is_strict
from claude_or.translate.structured import asked_format, instruction
from claude_or.translate.thinking import Replay, reasoning_wanted, show_thinking
from claude_or.translate.tokens import Weigh, as_estimated, measure
from claude_or.translate.tools import chat_tool_choice, chat_tools, known_names, offered_tools
from claude_or.wire.anthropic import BadRequest, MessagesRequest


class ChatOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and what is needed to read the answer.

    `body` is the JSON of the chat request, always streamed. `stop_sequences` are all that the client asked for, `cut_at`
    those the host was not told of, at which the text must be cut here. `max_tokens` is what was asked for after
    clamping. `warm_only`: the client asked for no tokens; answer with an empty message and call nobody.
    """

    body: bytes
    names: ToolNames
    losses: Losses
    show_thinking: bool
    input_estimate: int
    max_tokens: int
    stop_sequences: tuple[str, ...] = ()
    cut_at: tuple[str, ...] = ()
    warm_only: bool = False
    search: SearchAsked | None = None
    """The search that the host may run by itself; its answer has to tell of it."""
    fetch: str = ""
    """The name of the fetch that the host may run by itself."""


_REFUSED: Final = {
    "compaction": "compaction on the server's side is not available on this model",
    "mcp_servers": "MCP servers on the server's side are not available on this model; connect them in the client",
}
_DROPPED: Final = {
    "metadata": "identifies the user and stays here",
    "service_tier": "the host has tiers of its own",
    "speed": "the host has tiers of its own",
    "inference_geo": "the region is not chosen by this; use provider preferences",
    "diagnostics": "no diagnostics come back",
    "context_management": "no edits are applied",
    "fallbacks": "the configured routes are the fallbacks",
    "fallback_credit_token": "has no meaning for this host",
    "billing_policy": "has no meaning for this host",
    "safeguards": "no verdicts come back",
}
"""Top-level fields that only hint. A field that nobody knows is treated like one, for the sake of future clients."""

_CARRIED_ELSEWHERE: Final = frozenset({"cache_control", "container", "thread", "output_format"})
_MOST_SESSION: Final = 256
_ROOM: Final = 1024
"""Output tokens that are asked for even where the window seems full: the host has the last word on what fits."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def to_chat(
    request: MessagesRequest,
    profile: ModelProfile,
    *,
    slug: str,
    session_key: str = "",
    preferences: Mapping[str, Any] | None = None,
    max_output: int | None = None,
    replay_reasoning: bool = True,
    weigh: Weigh = as_estimated,
) -> ChatOrder:
    """The chat request for one model.

    `slug` is the model's name upstream, `session_key` what keeps a conversation on one host, `preferences` the host's
    `provider` object. `max_output` caps the output further. `replay_reasoning` False leaves out what earlier answers
    thought (after a host refused it). `weigh` calibrates the estimate. Raises `BadRequest`.
    """
    try:
        return _to_chat(
            request,
            profile,
            slug=slug,
            session_key=session_key,
            preferences=preferences or {},
            max_output=max_output,
            replay_reasoning=replay_reasoning,
            weigh=weigh,
        )
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    except UnicodeEncodeError:
        raise BadRequest("The request body holds half a surrogate pair.") from None


def _to_chat(
    request: MessagesRequest,
    profile: ModelProfile,
    *,
    slug: str,
    session_key: str,
    preferences: Mapping[str, Any],
    max_output: int | None,
    replay_reasoning: bool,
    weigh: Weigh,
) -> ChatOrder:
    losses = Losses()
    _check_extra(request.extra, losses)
    names = ToolNames(known_names(request.tools), ids=profile.ids, used_ids=_call_ids(request.messages))
    offered = offered_tools(request.tools, request.messages, deferral=profile.deferral)
    tools = chat_tools(offered, request.tools, profile, names, losses)
    response_format, instruction = _format(request, profile, losses)

    conversation = Conversation(profile, names, losses, Replay(profile, losses, wanted=replay_reasoning))
    messages = conversation.messages(request, appendix=instruction)
    top = request.extra.get("cache_control")
    conversation.limit_marks(tools, top if isinstance(top, dict) else None)

    tokens = weigh(request, measure(request, profile=profile, offered=offered))
    max_tokens = _clamped(request.max_tokens, profile, max_output, tokens, losses)
    stops, cut_at = _stops(request.stop_sequences, profile, losses)

    body = _routing(profile, slug, session_key, preferences)
    if tools:
        body["tools"] = tools
    body["messages"] = messages
    body[profile.output_field] = max_tokens
    if request.tool_choice is not None:
        body.update(_choice(request.tool_choice, offered, profile, names, losses))
    body.update(_reasoning(request, profile, max_tokens, losses))
    body.update(_sampling(request, profile, losses))
    if stops:
        body["stop"] = stops
    if response_format is not None:
        body["response_format"] = response_format
    body.update(_streaming(profile))
    return ChatOrder(
        body=_encode(body),
        names=names,
        losses=losses,
        show_thinking=show_thinking(request),
        input_estimate=tokens,
        max_tokens=max_tokens,
        stop_sequences=tuple(request.stop_sequences),
        cut_at=cut_at,
        warm_only=request.max_tokens == 0,
        search=search_asked(request),
        fetch=fetch_asked(request),
    )


def _routing(profile: ModelProfile, slug: str, session_key: str, preferences: Mapping[str, Any]) -> dict[str, Any]:
    """The head of the body: which model, and what keeps the conversation where its cache is."""
    body: dict[str, Any] = {"model": slug}
    if profile.openrouter and session_key:
        body["session_id"] = session_key[:_MOST_SESSION]
    if profile.openrouter and preferences:
        body["provider"] = dict(preferences)
    return body


def _streaming(profile: ModelProfile) -> dict[str, Any]:
    fields: dict[str, Any] = {"stream": True}
    if profile.stream_options:
        fields["stream_options"] = {"include_usage": True}
    if profile.openrouter:
        fields["usage"] = {"include": True}
    return fields


def _check_extra(extra: Mapping[str, Any], losses: Losses) -> None:
    """Refuse, or list, the top-level fields that have no place in a chat request."""
    for field, value in extra.items():
        if field in _REFUSED:
            if value not in ([], {}):
                raise BadRequest(_REFUSED[field], field)
        elif field == "container":
            if isinstance(value, dict) and value.get("skills"):
                raise BadRequest("skills are not available on this model", "container.skills")
            losses.add("container", "container", "nothing runs on the server's side")
        elif field == "thread":
            if isinstance(value, dict) and value.get("type") == "continue":
                # The SDK's tool runner begins every conversation with a thread; told this, it sends the whole history instead.
                problem = "no thread is kept on this model; send the whole history"
                raise BadRequest(problem, "thread", missing="thread_not_found")
            losses.add("thread", "thread", "no thread is kept")
        elif field not in _CARRIED_ELSEWHERE:
            losses.add(field if field in _DROPPED else "unknown_field", field, _DROPPED.get(field, "not known here"))


def _call_ids(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if message["role"] == "assistant" and isinstance(content, list):
            for block in content:
                if block["type"] == "tool_use" and isinstance(call_id := block.get("id"), str):
                    yield call_id


def _clamped(asked: int, profile: ModelProfile, max_output: int | None, tokens: int, losses: Losses) -> int:
    """Output tokens to ask for: never more than the model gives or than seems to fit, never less than a host takes."""
    limits = [limit for limit in (profile.max_output, max_output) if limit]
    if profile.context:
        limits.append(max(profile.context - tokens, _ROOM))
    wanted = min([asked, *limits])
    if wanted < asked:
        losses.add("max_tokens", "max_tokens", f"{asked} is more than the model gives, {wanted} is asked for")
    if asked > 0 and wanted < profile.min_output:
        losses.add("max_tokens", "max_tokens", f"the host takes no less than {profile.min_output}")
    return max(wanted, profile.min_output)


def _stops(sequences: list[str], profile: ModelProfile, losses: Losses) -> tuple[list[str], tuple[str, ...]]:
    """The sequences that the host is told of, and those at which the answer is cut here."""
    for i, sequence in enumerate(sequences):
        if not sequence.strip():
            raise BadRequest("each stop sequence must contain non-whitespace", f"stop_sequences.{i}")
    most = profile.max_stops if profile.takes("stop") else 0
    if len(sequences) > most:
        losses.add("stop_sequences", f"stop_sequences.{most}", f"the host takes {most}; the rest is cut here")
    return sequences[:most], tuple(sequences[most:])


def _choice(
    choice: dict[str, Any],
    offered: list[dict[str, Any]],
    profile: ModelProfile,
    names: ToolNames,
    losses: Losses,
) -> dict[str, Any]:
    """`tool_choice` and `parallel_tool_calls`; neither without tools, which hosts refuse."""
    fields: dict[str, Any] = {}
    wanted = chat_tool_choice(choice, offered, profile, names, losses)
    if wanted is not None:
        fields["tool_choice"] = wanted
    if offered and choice.get("disable_parallel_tool_use") is True:
        if profile.takes("parallel_tool_calls"):
            fields["parallel_tool_calls"] = False
        else:
            losses.add("parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "the model takes no such switch")
    return fields


def _reasoning(request: MessagesRequest, profile: ModelProfile, max_tokens: int, losses: Losses) -> dict[str, Any]:
    wanted = reasoning_wanted(request, profile, max_tokens, losses)
    if wanted is None:
        return {}
    if profile.openrouter:
        return {"reasoning": wanted}
    # A plain host knows nothing but the effort.
    return {"reasoning_effort": wanted["effort"]} if "effort" in wanted else {}


def _sampling(request: MessagesRequest, profile: ModelProfile, losses: Losses) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p), ("top_k", request.top_k)):
        if value is None:
            continue
        if profile.takes(name):
            fields[name] = value
        else:
            losses.add(name, name, "the model takes no such parameter")
    return fields


def _format(request: MessagesRequest, profile: ModelProfile, losses: Losses) -> tuple[dict[str, Any] | None, str]:
    """`response_format`, and what the system text must say where the host cannot enforce the schema."""
    config = request.output_config or {}
    if config.get("task_budget") is not None:
        losses.add("task_budget", "output_config.task_budget", "no budget is told to the model")
    found = asked_format(request)
    if found is None:
        return None, ""
    schema, place = found
    if schema.get("type") == "object":
        schema = clean_schema(schema, profile.schema)
    if profile.takes("structured_outputs"):
        named = {"name": "answer", "schema": schema}
        # Plain hosts ignore fields that they do not know.
        said = instruction(schema) if profile.parameters is None else ""
        return {"type": "json_schema", "json_schema": {**named, "strict": True} if is_strict(schema) else named}, said
    losses.add("structured_output", place, "asked for in words; the host does not enforce it")
    takes_json = schema.get("type") == "object" and profile.takes("response_format")
    return ({"type": "json_object"} if takes_json else None), instruction(schema)
