"""A search that the host ran inside its answer, told as the API tells one.

A host of chat completions searches by itself and says no more than which pages it used (`url_citation`), usually at the end.
`HostSearch` stands behind the translator of such an answer and puts the blocks of the search before the text: it holds
the text back while the search is all that was asked for, as in the client's side request. Beside other tools the answer must
flow, so there the blocks come as soon as pages were named and a block ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from claude_or.translate.sidelines import Link
from claude_or.translate.web_search import (
    SERVER_CALL,
    Hit,
    call_events,
    is_web_tool,
    query_of,
    result_block,
    result_events,
    shifted,
    web_tool,
)
from claude_or.wire.anthropic import MessagesRequest
from claude_or.wire.events import (
    BlockStart,
    Event,
    MessageDelta,
    MessageStart,
    RedactedThinkingBlock,
    StreamError,
    ThinkingBlock,
)


class SearchAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the tool's, `query` what is probably searched for; `alone`: no other tool than the host's was offered."""

    name: str
    query: str
    alone: bool


def search_asked(request: MessagesRequest) -> SearchAsked | None:
    """The search that a request offers to the model, None if it offers none. Its tools have been checked."""
    for i, tool in enumerate(request.tools):
        if is_web_tool(tool) and (search := web_tool(tool, f"tools.{i}")).kind == "search":
            alone = all(is_web_tool(other) for other in request.tools)
            return SearchAsked(name=search.name, query=query_of(request.messages), alone=alone)
    return None


class HostSearch:
    """One answer's events with the blocks of its search among them. `started` says whether any were handed out."""

    def __init__(self, asked: SearchAsked, new_id: Callable[[], str]) -> None:
        self.started = False
        self._asked = asked
        self._new_id = new_id
        self._query = ""
        self._start: list[Event] = []
        """The first event, until something follows it."""
        self._held: list[Event] = []
        self._holding = False
        self._told = False
        self._next = 0
        """The index of the next block in the answer as it comes in."""
        self._shift = 0

    def note(self, details: Sequence[dict[str, Any]]) -> None:
        """Look for the query among what the host tells of its work."""
        for entry in details:
            if entry.get("type") != SERVER_CALL or "web_search" not in str(entry.get("tool_name")):
                continue
            try:
                given = msgspec.json.decode(str(entry.get("arguments")))
            except (msgspec.DecodeError, RecursionError):
                continue
            query = given.get("query") if isinstance(given, dict) else None
            self._query = self._query or (query if isinstance(query, str) else "")

    def weave(self, events: Sequence[Event], links: Sequence[Link]) -> list[Event]:
        """The events that may go out now. `links` are the pages that were named by now."""
        out: list[Event] = []
        for event in events:
            out += self._woven(event, links)
        self.started = self.started or bool(out)
        return out

    def _woven(self, event: Event, links: Sequence[Link]) -> list[Event]:
        search: list[Event] = []
        match event:
            case MessageStart():
                self._start = [event]
                return []
            case StreamError():
                # What is held was never shown: with nothing shown at all, the failure is a status and can be tried again.
                return [event] if self.started else []
            case MessageDelta():
                return self._end(event, links)
            case BlockStart(index, block):
                self._next = index + 1
                if not isinstance(block, ThinkingBlock | RedactedThinkingBlock):
                    self._holding = self._asked.alone
                    if links and not self._holding:
                        search = self._search(links, index)
            case _:
                pass
        if self._holding:
            self._held.append(event)
            return []
        return [*self._opening(), *search, shifted(event, self._shift)]

    def _end(self, ending: MessageDelta, links: Sequence[Link]) -> list[Event]:
        searches = max(ending.usage.web_search_requests, 1 if links else 0)
        first = next((event.index for event in self._held if isinstance(event, BlockStart)), self._next)
        search = self._search(links, first) if searches else []
        held, self._held, self._holding = self._held, [], False
        usage = msgspec.structs.replace(ending.usage, web_search_requests=searches)
        return [
            *self._opening(),
            *search,
            *(shifted(event, self._shift) for event in held),
            msgspec.structs.replace(ending, usage=usage),
        ]

    def _opening(self) -> list[Event]:
        start, self._start = self._start, []
        return start

    def _search(self, links: Sequence[Link], index: int) -> list[Event]:
        """The two blocks, once; `index` is where they would stand if they were part of the answer."""
        if self._told:
            return []
        self._told = True
        self._shift = 2
        call_id = self._new_id()
        hits = [Hit(url=link.url, title=link.title, text=link.content) for link in links]
        return [
            *call_events(index, call_id, self._asked.name, {"query": self._query or self._asked.query}),
            *result_events(index + 1, result_block(call_id, hits)),
        ]
