"""The API's server tools `web_search_*` and `web_fetch_*`: what a request asks of them, and the blocks that tell of a search.

A search is told by two blocks, the call and what it found::

    server_tool_use {id: srvtoolu_…, name: web_search, input: {query}}
    web_search_tool_result {tool_use_id, content: [web_search_result, …] | web_search_tool_result_error}

The text of a hit travels in `encrypted_content`, which clients hand back unread: so a later turn tells the model the same
words as the search itself did. Source: the reference of the web search tool, and of OpenRouter's server tools.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from claude_or.wire.anthropic import BadRequest
from claude_or.wire.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    RawBlock,
    ServerToolUseBlock,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)

SEARCH: Final = "web_search_"
FETCH: Final = "web_fetch_"
"""How the types begin; the date of the version follows."""

CALL_ID: Final = "srvtoolu_co"
"""How the ids of searches begin that were made or told here: no host that encrypts its results knows them."""

SERVER_CALL: Final = "reasoning.server_tool_call"
"""How OpenRouter tells, where it does, which tool of its own was called with what: the type of an entry among the reasoning details."""

SearchFailure = Literal[
    "too_many_requests", "invalid_tool_input", "max_uses_exceeded", "query_too_long", "unavailable", "request_too_large"
]
"""The API's error codes of a search."""

_ASKED: Final = "Perform a web search for the query:"
"""How Claude Code begins the side request behind its WebSearch tool."""

_SEAL: Final = "claude-or1:"
_MOST_QUERY: Final = 400
MOST_TEXT: Final = 4000
"""Characters kept of a query that is only guessed, and of the text of one hit."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One page that was found. `text` is an excerpt, `age` how old the page is in the source's words; both often empty."""

    url: str
    title: str = ""
    text: str = ""
    age: str = ""


class SearchFailed(Exception):
    """A search that found no answer. `code` is the API's; the message is for the log, without secrets."""

    def __init__(self, code: SearchFailure, why: str) -> None:
        super().__init__(why)
        self.code: SearchFailure = code


class WebTool(msgspec.Struct, frozen=True, kw_only=True):
    """A server tool as the request sent it. At most one of the lists of domains holds something."""

    kind: Literal["search", "fetch"]
    name: str
    max_uses: int | None = None
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    location: dict[str, str] = {}
    max_tokens: int | None = None
    """Of one fetched page."""


Search = Callable[[str, WebTool], Awaitable[Sequence[Hit]]]
"""Searches for a query within a tool's lists of domains. Raises `SearchFailed`."""


def is_web_tool(tool: dict[str, Any]) -> bool:
    """Whether this is a server tool for the web."""
    return str(tool.get("type", "")).startswith((SEARCH, FETCH))


def web_tool(tool: dict[str, Any], place: str) -> WebTool:
    """The server tool at `place` of a request. Raises `BadRequest`."""
    allowed, blocked = (_domains(tool, field, place) for field in ("allowed_domains", "blocked_domains"))
    if allowed and blocked:
        raise BadRequest("only one of allowed_domains and blocked_domains may be given", place)
    search = str(tool["type"]).startswith(SEARCH)
    return WebTool(
        kind="search" if search else "fetch",
        name=str(tool.get("name") or ("web_search" if search else "web_fetch")),
        max_uses=_count(tool, "max_uses", place),
        allowed=allowed,
        blocked=blocked,
        location=_location(tool.get("user_location"), f"{place}.user_location"),
        max_tokens=_count(tool, "max_content_tokens", place),
    )


def _domains(tool: dict[str, Any], field: str, place: str) -> tuple[str, ...]:
    value = tool.get(field)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(domain, str) and domain.strip() for domain in value):
        raise BadRequest("Input should be a valid list of domains", f"{place}.{field}")
    return tuple(domain.strip() for domain in value)


def _count(tool: dict[str, Any], field: str, place: str) -> int | None:
    value = tool.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest("Input should be greater than 0", f"{place}.{field}")
    return value


def _location(value: Any, place: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("Input should be a valid dictionary", place)
    known = ("type", "city", "region", "country", "timezone")
    return {name: said for name in known if isinstance(said := value.get(name), str) and said}


def host_tool(tool: WebTool) -> dict[str, Any]:
    """The same tool as OpenRouter runs it."""
    given: dict[str, Any] = {}
    if tool.max_uses is not None:
        given["max_uses"] = tool.max_uses
    if tool.allowed:
        given["allowed_domains"] = list(tool.allowed)
    if tool.blocked:
        given["excluded_domains" if tool.kind == "search" else "blocked_domains"] = list(tool.blocked)
    if tool.location:
        given["user_location"] = {"type": "approximate", **tool.location}
    if tool.max_tokens is not None:
        given["max_content_tokens"] = tool.max_tokens
    written: dict[str, Any] = {"type": f"openrouter:web_{tool.kind}"}
    return {**written, "parameters": given} if given else written


def query_of(messages: Sequence[dict[str, Any]]) -> str:
    """What a request asks to search for, where the host does not tell its query: the last words of the user."""
    for message in reversed(messages):
        if message["role"] != "user":
            continue
        content = message["content"]
        texts = [content] if isinstance(content, str) else [part.get("text") for part in content]
        for said in reversed([said for said in texts if isinstance(said, str) and said.strip()]):
            return " ".join(said.strip().removeprefix(_ASKED).split())[:_MOST_QUERY]
    return ""


def is_wanted(url: str, tool: WebTool) -> bool:
    """Whether the lists of domains let a page pass. A domain stands for its subdomains, with a path for what is below it."""
    if tool.allowed:
        return any(_lies_in(url, domain) for domain in tool.allowed)
    return not any(_lies_in(url, domain) for domain in tool.blocked)


def _lies_in(url: str, domain: str) -> bool:
    try:
        page, place = urlsplit(url), urlsplit(domain if "://" in domain else f"//{domain}")
        host, wanted = page.hostname or "", place.hostname or ""
    except ValueError:
        return False
    wanted = wanted.removeprefix("*.").removeprefix("www.")
    if not wanted or (host != wanted and not host.endswith(f".{wanted}")):
        return False
    path = place.path.rstrip("/*")
    return not path or page.path == path or page.path.startswith(f"{path}/")


def result_block(call_id: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The block that holds what a search found."""
    found = [
        {
            "type": "web_search_result",
            "title": hit.title or hit.url,
            "url": hit.url,
            "encrypted_content": _SEAL + base64.b64encode(hit.text[:MOST_TEXT].encode("utf-8", "replace")).decode(),
            "page_age": hit.age or None,
        }
        for hit in hits
    ]
    return {"type": "web_search_tool_result", "tool_use_id": call_id, "content": found}


def error_block(call_id: str, code: SearchFailure) -> dict[str, Any]:
    """The block of a search that failed; the answer goes on after it."""
    failed = {"type": "web_search_tool_result_error", "error_code": code}
    return {"type": "web_search_tool_result", "tool_use_id": call_id, "content": failed}


def unsealed(content: Any) -> str:
    """The text of a hit that was found here; empty for one that another host encrypted."""
    if not isinstance(content, str) or not content.startswith(_SEAL):
        return ""
    try:
        return base64.b64decode(content.removeprefix(_SEAL), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def is_ours(block: dict[str, Any]) -> bool:
    """Whether this is the call or the result of a search that was told here."""
    return str(block.get("tool_use_id") or block.get("id")).startswith(CALL_ID)


def call_events(index: int, call_id: str, name: str, given: dict[str, str]) -> list[Event]:
    """The events of a call's whole block."""
    written = msgspec.json.encode(given).decode()
    return [BlockStart(index, ServerToolUseBlock(call_id, name)), InputJsonDelta(index, written), BlockStop(index)]


def result_events(index: int, block: dict[str, Any]) -> list[Event]:
    """The events of a result's block, which has no deltas."""
    return [BlockStart(index, RawBlock(block)), BlockStop(index)]


def shifted(event: Event, by: int) -> Event:
    """The event with its block `by` places further on."""
    match event:
        case BlockStart() | BlockStop() | TextDelta() | ThinkingDelta() | SignatureDelta() | InputJsonDelta() if by:
            return msgspec.structs.replace(event, index=event.index + by)
        case _:
            return event
