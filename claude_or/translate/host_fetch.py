"""Pages that the host fetched inside its answer, told as the API tells them.

OpenRouter runs `openrouter:web_fetch` by itself and tells each call among the reasoning details, with what was asked and what came of
it. `HostFetch` stands behind the translator and puts the two blocks of each fetch before the next block that begins. What
the host leaves untold is untold here. Sources: the API's web fetch tool; OpenRouter's `reasoning.server_tool_call` and its
item `openrouter:web_fetch` (`url`, `title`, `content`, `error`, `http_status`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from claude_or.translate.web_search import SERVER_CALL, call_events, is_web_tool, result_events, shifted, web_tool
from claude_or.wire.anthropic import MessagesRequest
from claude_or.wire.events import BlockStart, Event, MessageDelta

FetchFailure = Literal[
    "invalid_tool_input",
    "url_too_long",
    "url_not_allowed",
    "url_not_accessible",
    "unsupported_content_type",
    "too_many_requests",
    "max_uses_exceeded",
    "unavailable",
    "content_too_large",
]
"""The API's error codes of a fetch."""

_BY_WORDS: Final[tuple[tuple[str, FetchFailure], ...]] = (
    ("max_uses", "max_uses_exceeded"),
    ("maximum number", "max_uses_exceeded"),
    ("limit exceeded", "max_uses_exceeded"),
    ("too many requests", "too_many_requests"),
    ("rate limit", "too_many_requests"),
    ("domain", "url_not_allowed"),
    ("not allowed", "url_not_allowed"),
    ("blocked", "url_not_allowed"),
    ("content type", "unsupported_content_type"),
    ("unsupported", "unsupported_content_type"),
    ("too large", "content_too_large"),
    ("too long", "url_too_long"),
    ("invalid", "invalid_tool_input"),
)
"""The host's error is prose. The first words that are found in it decide."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """One fetch as the host tells it: a page's text, or why there is none."""

    url: str
    title: str = ""
    text: str = ""
    error: FetchFailure | None = None


def fetch_asked(request: MessagesRequest) -> str:
    """The name of the fetch that a request offers to the model, empty if it offers none. Its tools have been checked."""
    for i, tool in enumerate(request.tools):
        if is_web_tool(tool) and (found := web_tool(tool, f"tools.{i}")).kind == "fetch":
            return found.name
    return ""


def fetched_in(entry: dict[str, Any]) -> Fetched | None:
    """What an entry of the reasoning details tells of a fetch; None when it tells of something else."""
    if entry.get("type") != SERVER_CALL or "web_fetch" not in str(entry.get("tool_name")):
        return None
    given, result = _object(entry.get("arguments")), entry.get("result")
    told = _object(result)
    if told.get("type") == "error" and isinstance(inner := told.get("error"), dict):
        told = {**told, "error": inner.get("message")}
    url = next((said for said in (told.get("url"), given.get("url")) if isinstance(said, str) and said), "")
    text = told.get("content") if told else result
    return Fetched(
        url=url,
        title=_words(told.get("title")),
        text=_words(text),
        error=_failure(told, has_text=bool(_words(text))),
    )


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _failure(told: dict[str, Any], *, has_text: bool) -> FetchFailure | None:
    said, status = told.get("error"), told.get("http_status")
    if not said:
        return None if has_text or told.get("status") == "completed" else "unavailable"
    words = str(said).lower()
    if status == 429:
        return "too_many_requests"
    if isinstance(status, int) and status >= 400:
        return "url_not_accessible"
    for part, code in _BY_WORDS:
        if part in words:
            return code
    return "unavailable"


def fetch_block(call_id: str, fetched: Fetched) -> dict[str, Any]:
    """The block that holds what a fetch brought, or why it brought nothing."""
    if fetched.error is not None:
        content: dict[str, Any] = {"type": "web_fetch_tool_result_error", "error_code": fetched.error}
    else:
        source = {"type": "text", "media_type": "text/plain", "data": fetched.text}
        page = {"type": "document", "source": source, "title": fetched.title or None, "citations": None}
        # When it was read is not told; making up a time would be worse than none.
        content = {"type": "web_fetch_result", "url": fetched.url, "content": page, "retrieved_at": None}
    return {"type": "web_fetch_tool_result", "tool_use_id": call_id, "content": content}


class HostFetch:
    """One answer's events with the blocks of its fetches among them. `name` is the tool's."""

    def __init__(self, name: str, new_id: Callable[[], str]) -> None:
        self._name = name
        self._new_id = new_id
        self._due: list[Fetched] = []
        self._seen: set[str] = set()
        self._told = 0
        self._next = 0
        """The index of the next block in the answer as it comes in."""

    def note(self, details: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take the fetches out of what the host tells of its work, and return the rest; told twice, one counts once.

        What is taken out comes back as text of the history, so it must not travel with the reasoning as well.
        """
        rest: list[dict[str, Any]] = []
        for entry in details:
            fetched = fetched_in(entry)
            if fetched is None:
                rest.append(entry)
                continue
            key = str(entry.get("tool_call_id") or fetched.url)
            # A call may also be told when it begins, without a result.
            if entry.get("result") is not None and key not in self._seen:
                self._seen.add(key)
                self._due.append(fetched)
        return rest

    def weave(self, events: Sequence[Event]) -> list[Event]:
        """The events with the blocks of the fetches that are known by now."""
        out: list[Event] = []
        for event in events:
            match event:
                case BlockStart(index):
                    out += self._blocks(index)
                    self._next = index + 1
                    out.append(shifted(event, 2 * self._told))
                case MessageDelta(usage=usage):
                    out += self._blocks(self._next)
                    count = max(usage.web_fetch_requests, self._told)
                    out.append(
                        msgspec.structs.replace(event, usage=msgspec.structs.replace(usage, web_fetch_requests=count))
                    )
                case _:
                    out.append(shifted(event, 2 * self._told))
        return out

    def _blocks(self, index: int) -> list[Event]:
        """What is due, `index` being where it would stand if it were part of the answer."""
        due, self._due = self._due, []
        out: list[Event] = []
        for fetched in due:
            call_id, at = self._new_id(), index + 2 * self._told
            self._told += 1
            out += call_events(at, call_id, self._name, {"url": fetched.url})
            out += result_events(at + 1, fetch_block(call_id, fetched))
        return out
