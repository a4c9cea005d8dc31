"""The API's web fetch tool on a model of chat completions, as the official SDK reads it: the host fetches."""

from __future__ import annotations

from typing import Any

import anthropic
import msgspec
import pytest

from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Detail, Reply, Tokens, reasoning, sources, text, tool_call
from tests.proxy.gateway import MODEL, TOKEN, WEATHER, Door, gateway

FETCH: dict[str, Any] = {"type": "web_fetch_20250910", "name": "web_fetch"}
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
PAGE = "https://z.org/stripes"


def fetched(url: str = PAGE, **result: Any) -> Detail:
    """How the host tells of a page that it fetched."""
    told = result or {"status": "completed", "url": url, "title": "Stripes", "content": "Zebras have stripes."}
    return Detail({
        "type": "reasoning.server_tool_call",
        "tool_name": "openrouter:web_fetch",
        "tool_call_id": f"call of {url}",
        "arguments": msgspec.json.encode({"url": url}).decode(),
        "result": msgspec.json.encode(told).decode(),
        "format": "unknown",
    })


async def read(door: Door, *, stream: bool = True, tools: list[Any] | None = None, before: Any = ()) -> Any:
    """The message that the SDK reads."""
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4000,
        "tools": tools or [FETCH],
        "messages": [*before, {"role": "user", "content": f"read {PAGE}"}],
    }
    async with anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0) as client:
        if not stream:
            return await client.messages.create(**request)
        async with client.messages.stream(**request) as answer:
            return await answer.get_final_message()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_page_that_the_host_fetched_stands_before_the_text(*, stream: bool) -> None:
    said = [reasoning("hm"), fetched(), text("They have stripes.")]
    async with OpenRouterFake([said, [text("Bye.")]]) as host, gateway(host) as door:
        message = await read(door, stream=stream)
        history = [{"role": "assistant", "content": [block.model_dump() for block in message.content]}]
        await read(door, before=[{"role": "user", "content": "first"}, *history])
    thought, call, found, answer = message.content
    assert (thought.type, answer.text) == ("thinking", "They have stripes.")
    assert (call.type, call.name, call.input) == ("server_tool_use", "web_fetch", {"url": PAGE})
    assert found.tool_use_id == call.id
    assert (found.content.type, found.content.url) == ("web_fetch_result", PAGE)
    assert (found.content.content.title, found.content.content.source.data) == ("Stripes", "Zebras have stripes.")
    assert message.stop_reason == "end_turn"
    assert message.usage.server_tool_use.web_fetch_requests == 1
    assert message.usage.server_tool_use.web_search_requests == 0
    # A later turn knows the page, and once only.
    later = msgspec.json.encode(host.asks[1].messages).decode()
    assert later.count("Zebras have stripes.") == 1


async def test_limits_and_lists_of_domains_reach_the_host() -> None:
    tool = {**FETCH, "max_uses": 2, "max_content_tokens": 900, "blocked_domains": ["a.org"]}
    async with OpenRouterFake([[text("Read.")]]) as host, gateway(host) as door:
        message = await read(door, tools=[tool])
    given = {"max_uses": 2, "max_content_tokens": 900, "blocked_domains": ["a.org"]}
    assert host.asks[0].body["tools"] == [{"type": "openrouter:web_fetch", "parameters": given}]
    assert [block.type for block in message.content] == ["text"]
    assert message.usage.server_tool_use is None


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"error": "HTTP 404", "http_status": 404}, "url_not_accessible"),
        ({"error": "slow down", "http_status": 429}, "too_many_requests"),
        ({"error": "Domain a.org is blocked"}, "url_not_allowed"),
        ({"error": "max_uses reached"}, "max_uses_exceeded"),
        ({"error": "Unsupported content type"}, "unsupported_content_type"),
        ({"error": "Invalid URL"}, "invalid_tool_input"),
        ({"error": "nobody knows"}, "unavailable"),
        ({"status": "failed"}, "unavailable"),
    ],
)
async def test_a_fetch_that_failed_is_a_block_with_the_apis_code(result: dict[str, Any], code: str) -> None:
    async with OpenRouterFake([[fetched(**result), text("I could not.")]]) as host, gateway(host) as door:
        message = await read(door)
    call, failed, answer = message.content
    assert call.input == {"url": PAGE}
    assert (failed.content.type, failed.content.error_code) == ("web_fetch_tool_result_error", code)
    assert answer.text == "I could not."


async def test_two_pages_and_a_call_of_the_clients_keep_their_order() -> None:
    said = [
        text("First."),
        fetched(),
        fetched("https://z.org/more"),
        fetched(),
        tool_call("get_weather", {"city": "Ghent"}),
    ]
    async with OpenRouterFake([said]) as host, gateway(host) as door:
        message = await read(door, tools=[WEATHER, FETCH])
    fetch = ["server_tool_use", "web_fetch_tool_result"]
    assert [block.type for block in message.content] == ["text", *fetch, *fetch, "tool_use"]
    assert message.stop_reason == "tool_use"
    assert message.usage.server_tool_use.web_fetch_requests == 2


async def test_a_fetch_that_nothing_follows_is_told_before_the_end() -> None:
    async with OpenRouterFake([[text("I looked."), fetched()]]) as host, gateway(host) as door:
        message = await read(door)
    assert [block.type for block in message.content] == ["text", "server_tool_use", "web_fetch_tool_result"]


@pytest.mark.parametrize("stream", [True, False])
async def test_search_and_fetch_by_the_host_stand_in_one_message(*, stream: bool) -> None:
    found = sources((PAGE, "Stripes", "Zebras."))
    said = Reply([fetched(), text("They have stripes."), found], usage=Tokens(searches=1))
    async with OpenRouterFake([said]) as host, gateway(host) as door:
        message = await read(door, stream=stream, tools=[SEARCH, FETCH])
    kinds = [block.type for block in message.content]
    told = {"server_tool_use", "web_search_tool_result", "web_fetch_tool_result"}
    assert (len(kinds), set(kinds[:4]), kinds[4]) == (5, told, "text")
    used = message.usage.server_tool_use
    assert (used.web_search_requests, used.web_fetch_requests) == (1, 1)
