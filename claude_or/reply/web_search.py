"""Web search for models on hosts that cannot search (or only say that they speak the client's API), by a source of the user's own.

The model is offered the search as a function (`translate/search_calls.py`). When it calls it, the source is asked, the answer goes on
in another call upstream, and the client reads one message (`translate/search_weave.py`). Each of these calls passes the meter and the
breaker, which stand inside. When the model calls tools of the client's as well, the message ends after the searches,
since it is the client's turn then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed
from claude_or.translate.search_calls import offered_search, with_function
from claude_or.translate.search_weave import SearchCall, SearchWeave
from claude_or.translate.structured import body_of
from claude_or.translate.web_search import CALL_ID, Search, SearchFailed, WebTool, error_block, result_block
from claude_or.upstream.ids import NewId, random_id
from claude_or.wire.anthropic import BadRequest, Failure
from claude_or.wire.events import CUT, error_frame

MOST_SEARCHES: Final = 20
"""How often one answer may search where the request sets no limit."""
LONGEST_QUERY: Final = 2000
"""Characters."""

_log = get_log("reply")


_OFF: Final = Failure(
    kind="invalid_request",
    status=400,
    type="invalid_request_error",
    message="web search is switched off (`web_search.source: off` in the configuration)",
)


@dataclass(frozen=True, kw_only=True)
class WebSearch:
    """Answers a request that offers a web search; every other request passes unchanged. `search` None: it is switched off.

    `native`: the host speaks the client's own API and is sent the body.
    """

    inner: Replier
    search: Search | None
    native: bool = False
    new_id: NewId = random_id

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """One legal answer under the contract of `routing/ask.py`. Raises `ReplyFailed`."""
        try:
            tool = offered_search(ask.request)
        except BadRequest as refused:
            raise ReplyFailed(refused.failure) from refused
        if tool is not None and self.search is None:
            raise ReplyFailed(_OFF)
        answers = self._searching(ask, tool, self.search) if tool and self.search else self.inner.reply(ask)
        async with aclosing(answers) as bursts:
            async for burst in bursts:
                yield burst

    async def _searching(self, ask: Ask, tool: WebTool, search: Search) -> AsyncGenerator[Burst, None]:
        weave = SearchWeave(tool.name, partial(self.new_id, CALL_ID))
        most = min(tool.max_uses or MOST_SEARCHES, MOST_SEARCHES)
        used, exceeded = 0, False
        content: list[dict[str, Any]] = []
        while True:
            request = with_function(ask.request, tool, content, last=exceeded)
            raw = body_of(request, ask.request, ask.raw) if self.native else ask.raw
            asking = msgspec.structs.replace(ask, request=request, raw=raw)
            async with aclosing(self._answer(asking, weave)) as bursts:
                async for burst in bursts:
                    yield burst
            if weave.failed:
                return
            if not weave.calls or weave.stop_reason not in {"tool_use", "end_turn"}:
                # Without a call it is the answer; what the length limit cut is no call.
                yield Burst(frames=[*weave.next_answer(), *weave.end()])
                return
            over, exceeded = exceeded, used + len(weave.calls) > most
            blocks = await asyncio.gather(
                *(_found(call, tool, search, allowed=used + n < most) for n, call in enumerate(weave.calls))
            )
            used += len(blocks)
            weave.searches += sum(isinstance(block["content"], list) for block in blocks)
            frames = [frame for block in blocks for frame in weave.result(block)]
            frames += weave.next_answer()
            if weave.client_calls or over:
                yield Burst(frames=[*frames, *weave.end("tool_use" if weave.client_calls else "end_turn")])
                return
            yield Burst(frames=frames)
            content = weave.content

    async def _answer(self, ask: Ask, weave: SearchWeave) -> AsyncGenerator[Burst, None]:
        """One answer of the model, woven in. Only the first of them may fail by an exception: then nothing was sent."""
        try:
            async with aclosing(self.inner.reply(ask)) as bursts:
                async for burst in bursts:
                    yield Burst(frames=weave.feed(burst.frames), report=burst.report)
        except ReplyFailed as failed:
            if not weave.started:
                raise
            weave.failed = True
            yield Burst(frames=[error_frame(failed.failure)], report=failed.report)
            return
        if not weave.ended and not weave.failed:
            weave.failed = True
            yield Burst(frames=[error_frame(CUT)])


async def _found(call: SearchCall, tool: WebTool, search: Search, *, allowed: bool) -> dict[str, Any]:
    """The block of what one search found, or why it found nothing."""
    if not allowed:
        return error_block(call.id, "max_uses_exceeded")
    query = call.query
    if not query:
        return error_block(call.id, "invalid_tool_input")
    if len(query) > LONGEST_QUERY:
        return error_block(call.id, "query_too_long")
    try:
        hits = await search(query, tool)
    except SearchFailed as failed:
        _log.warning("web search failed", code=failed.code, reason=str(failed))
        return error_block(call.id, failed.code)
    _log.info("web search", hits=len(hits))
    return result_block(call.id, hits)
