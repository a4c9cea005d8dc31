"""The tools of a request as functions of a chat request, and which of them are offered when.

The list stands in front of the cached prefix, so it only ever grows at its end: first the tools that are not deferred, as
sent, then the deferred ones in the order in which the history named them first (by the result of a tool search, by an
addition, or by a call). A deferred tool that nothing named yet is not offered. Only an explicit removal takes a tool away.
Whatever the client adds to a definition besides name, description and schema stays here: hosts refuse keys they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from claude_or.translate.client_tools import written_out
from claude_or.translate.losses import Losses
from claude_or.translate.names import ToolNames
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.schema import clean_schema, is_strict
from claude_or.translate.web_search import host_tool, is_web_tool, web_tool
from claude_or.wire.anthropic import BadRequest

__all__ = ["ToolNames", "chat_tool_choice", "chat_tools", "known_names", "offered_tools"]

_PLACEHOLDER: Final = "DeferredToolPlaceholder"
"""Stands in Claude Code's list so that the list is never without a deferred tool; it must never be called."""

_REFUSED: Final = (
    ("code_execution_", "the code execution server tool is not available on this model"),
    ("advisor_", "the advisor server tool is not available on this model"),
    ("mcp_toolset", "MCP toolsets are not available on this model; connect the server in the client"),
    ("computer_toolset_", "computer toolsets are not available on this model"),
    ("browser_toolset_", "browser toolsets are not available on this model"),
)
"""Types whose absence would make the answer wrong, because something on the server's side would have to run."""

_NO_WEB: Final = {
    "search": "this host does not search the web; name a source under web_search in the configuration",
    "fetch": "this host does not fetch pages; the web fetch server tool needs a model on OpenRouter",
}

_SEARCHES: Final = "tool_search_tool_"
"""The server's own search over deferred tools. Without it all of them are offered, which is what a search is for."""


def offered_tools(
    tools: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]], *, deferral: bool = True
) -> list[dict[str, Any]]:
    """The tools that the model may see at this point of the conversation, in the order described above.

    With `deferral` False every deferred tool is offered where it stands.
    """
    searched = any(str(tool.get("type", "")).startswith(_SEARCHES) for tool in tools)
    wait = deferral and not searched
    listed = {name: tool for tool in tools if (name := _name(tool)) and name != _PLACEHOLDER}
    offered = {name: tool for name, tool in listed.items() if not (wait and tool.get("defer_loading"))}
    for name, change in _mentions(messages):
        if change is None:
            offered.pop(name, None)
        elif name not in offered and (definition := change or listed.get(name)):
            offered[name] = definition
    return list(offered.values())


def _name(tool: dict[str, Any]) -> str:
    name = tool.get("name")
    return name if isinstance(name, str) and not str(tool.get("type", "")).startswith(_SEARCHES) else ""


def _mentions(messages: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Each naming of a tool in the history, in order: its definition if it brings one, `{}` if not, None for a removal."""
    for message in messages:
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            yield from _mentioned_in(block)


def _mentioned_in(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    # Runs over every block of the history: plain comparisons, no matching.
    kind = block["type"]
    if kind == "tool_use":
        if isinstance(name := block.get("name"), str):
            yield name, {}
    elif kind == "tool_result":
        yield from _references(block.get("content"))
    elif kind == "tool_search_tool_result":
        content = block.get("content")
        yield from _references(content.get("tool_references") if isinstance(content, dict) else None)
    elif kind in {"tool_addition", "tool_removal"}:
        yield from _change(block)


def _references(parts: Any) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for part in parts if isinstance(parts, list) else ():
        name = part.get("tool_name") if isinstance(part, dict) and part.get("type") == "tool_reference" else None
        if isinstance(name, str):
            yield name, {}


def _change(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    tool = block.get("tool")
    if not isinstance(tool, dict):
        return
    definition = tool.get("definition")
    name = (definition if isinstance(definition, dict) else tool).get("name")
    if isinstance(name, str):
        added = block["type"] == "tool_addition"
        yield name, (definition if isinstance(definition, dict) else {}) if added else None


def known_names(tools: Sequence[dict[str, Any]]) -> list[str]:
    """All tool names of a request, offered or not."""
    return [name for tool in tools if (name := _name(tool))]


def chat_tools(
    offered: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]],
    profile: ModelProfile,
    names: ToolNames,
    losses: Losses,
) -> list[dict[str, Any]]:
    """The functions of a chat request for the `offered` among the request's `tools`. Raises `BadRequest`."""
    seen: set[str] = set()
    for i, tool in enumerate(tools):
        _check(tool, f"tools.{i}", profile, losses)
        if (name := _name(tool)) in seen:
            raise BadRequest("Tool names must be unique", f"tools.{i}.name")
        seen.add(name)
    if _PLACEHOLDER in seen:
        losses.add("placeholder_tool", "tools", "it must never be called")
    limit = profile.max_tools
    if limit is not None and len(offered) > limit:
        losses.add("tools_over_limit", "tools", f"{len(offered)} tools, the first {limit} are offered")
        offered = offered[:limit]
    places = {id(tool): f"tools.{i}" for i, tool in enumerate(tools)}
    return [_function(tool, places.get(id(tool), "messages"), profile, names, losses) for tool in offered]


def _check(tool: dict[str, Any], place: str, profile: ModelProfile, losses: Losses) -> None:
    type_ = tool.get("type") or "custom"
    if not isinstance(type_, str):
        raise BadRequest("Input should be a valid string", f"{place}.type")
    for start, problem in _REFUSED:
        if type_.startswith(start):
            raise BadRequest(problem, place)
    if type_.startswith(_SEARCHES):
        losses.add("tool_search", place, "the server's tool search does not run here; all deferred tools are offered")
        return
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise BadRequest("Field required" if name is None else "Input should be a valid string", f"{place}.name")
    if is_web_tool(tool):
        wanted = web_tool(tool, place)
        if not profile.openrouter:
            raise BadRequest(_NO_WEB[wanted.kind], place)
        if tool.get("citations"):
            losses.add("citations", f"{place}.citations", "no citations come back")
    elif type_ != "custom" and written_out({**tool, "type": type_}) is None:
        raise BadRequest(f"the tool type {type_!r} is not known here", f"{place}.type")


def _function(
    tool: dict[str, Any], place: str, profile: ModelProfile, names: ToolNames, losses: Losses
) -> dict[str, Any]:
    if is_web_tool(tool):
        return host_tool(web_tool(tool, place))
    if tool.get("type") not in {None, "custom"}:
        tool = written_out(tool) or tool
    given = tool.get("input_schema")
    if given is not None and not isinstance(given, dict):
        raise BadRequest("Input should be a valid dictionary", f"{place}.input_schema")
    function: dict[str, Any] = {"name": names.upstream(tool["name"])}
    if description := _description(tool, losses, place):
        function["description"] = description
    function["parameters"] = clean_schema(given, profile.schema)
    if tool.get("strict") is True:
        if not profile.takes("structured_outputs"):
            losses.add("strict", f"{place}.strict", "the host enforces no schemas")
        elif is_strict(function["parameters"]):
            function["strict"] = True
        else:
            losses.add("strict", f"{place}.strict", "the schema does not obey the rules of strict tools")
    if isinstance(callers := tool.get("allowed_callers"), list) and "direct" not in callers:
        losses.add("allowed_callers", f"{place}.allowed_callers", "every tool is called directly here")
    out: dict[str, Any] = {"type": "function", "function": function}
    mark = tool.get("cache_control")
    if profile.tool_marks and isinstance(mark, dict):
        out["cache_control"] = mark
    return out


def _description(tool: dict[str, Any], losses: Losses, place: str) -> str:
    description = tool.get("description")
    text = description if isinstance(description, str) else ""
    examples = tool.get("input_examples")
    if isinstance(examples, list) and examples:
        losses.add("input_examples", f"{place}.input_examples", "told in the description")
        shown = "\n".join(msgspec.json.encode(example).decode() for example in examples)
        text = f"{text}\n\nExamples of input:\n{shown}".lstrip()
    return text


def chat_tool_choice(
    choice: dict[str, Any], offered: Sequence[dict[str, Any]], profile: ModelProfile, names: ToolNames, losses: Losses
) -> Any:
    """`tool_choice` for the host, None when it should not be sent. Raises `BadRequest` for one that is not understood."""
    known = {tool["name"] for tool in offered if isinstance(tool.get("name"), str)}
    match choice:
        case {"type": "auto"}:
            wanted: Any = "auto"
        case {"type": "any"}:
            wanted = "required"
        case {"type": "none"}:
            wanted = "none"
        case {"type": "tool", "name": str(name)}:
            if name not in known:
                raise BadRequest(f"Tool {name!r} not found in the tools provided", "tool_choice.name")
            web = next((tool for tool in offered if tool.get("name") == name and is_web_tool(tool)), None)
            if web is not None:
                wanted = {"type": host_tool(web_tool(web, "tools"))["type"]}
            else:
                wanted = {"type": "function", "function": {"name": names.upstream(name)}}
        case {"type": "tool"}:
            raise BadRequest("Field required", "tool_choice.name")
        case _:
            raise BadRequest("Input should be 'auto', 'any', 'tool' or 'none'", "tool_choice.type")
    if not known:
        # Hosts refuse a choice without tools.
        if wanted == "required":
            losses.add("tool_choice", "tool_choice", "no tool can be called yet")
        return None
    if not profile.takes("tool_choice"):
        if wanted != "auto":
            losses.add("tool_choice", "tool_choice", "the model takes no tool choice; it decides itself")
        return None
    return wanted
