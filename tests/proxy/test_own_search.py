"""A web search by a source of the user's own: the model calls it, the source is asked, and the SDK reads one message."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anthropic
import msgspec
import pytest

from claude_or.config.schema import Fallbacks, Limits, Models, Provider, Settings, WebSearch
from claude_or.reply.budget import Budget
from claude_or.translate.web_search import SearchFailed
from claude_or.upstream.hosts import Hosts
from tests.fakes.listing import GPT
from tests.fakes.messages_host import Turn, messages_host
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Reply, Tokens, error, reasoning, text, tool_call
from tests.fakes.searching import KEY, PAGES, SearchFake
from tests.proxy.gateway import MODEL, TOKEN, WEATHER, Door, gateway, prompt

SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
ENVIRON = {"BRAVE_API_KEY": KEY, "TAVILY_API_KEY": KEY}


def settings(fake: SearchFake, **more: Any) -> Settings:
    """Settings whose web search is the fake, in Brave's shape unless told otherwise."""
    said: dict[str, Any] = {"source": "brave", "url": f"{fake.origin}/brave", **more}
    return Settings(models=Models(big=MODEL, small=MODEL), web_search=WebSearch(**said))


def looks(query: str, **more: Any) -> Any:
    """The model calls the search."""
    return tool_call("web_search", {"query": query}, **more)


async def read(
    door: Door, messages: list[Any], *, stream: bool = True, tools: list[Any] | None = None, **more: Any
) -> Any:
    """The message that the SDK reads."""
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4000,
        "tools": tools or [SEARCH],
        "messages": messages,
        **more,
    }
    async with anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0) as client:
        if not stream:
            return await client.messages.create(**request)
        async with client.messages.stream(**request) as answer:
            return await answer.get_final_message()


def asking(words: str = "what do zebras have?") -> list[Any]:
    return [{"role": "user", "content": words}]


def kinds(message: Any) -> list[str]:
    return [block.type for block in message.content]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_model_searches_and_goes_on_in_one_message(*, stream: bool) -> None:
    script = [
        Reply([reasoning("hm"), text("Let me look."), looks("zebra")], usage=Tokens(prompt=100, completion=10)),
        Reply([text("Stripes.")], usage=Tokens(prompt=200, completion=20)),
    ]
    async with (
        SearchFake() as source,
        OpenRouterFake(script) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking(), stream=stream)
        spent = door.tally.total
    thought, before, call, found, after = message.content
    assert [thought.type, before.text, after.text] == ["thinking", "Let me look.", "Stripes."]
    assert (call.type, call.name, call.input) == ("server_tool_use", "web_search", {"query": "zebra"})
    assert [(hit.url, hit.title) for hit in found.content] == [(url, title) for url, title, _ in PAGES]
    assert found.content[0].page_age == "2 days ago"
    assert found.tool_use_id == call.id
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (300, 30)
    assert message.usage.server_tool_use.web_search_requests == 1
    assert spent.calls == 2
    assert spent.cost == host.invoice()
    first, second = host.asks
    assert [tool["function"]["name"] for tool in first.body["tools"]] == ["web_search"]
    assert second.body["tools"] == first.body["tools"]
    result = second.messages[-1]
    assert result["role"] == "tool"
    assert "Zebras have stripes." in result["content"]
    assert second.messages[-2]["tool_calls"][0]["function"]["arguments"] == '{"query":"zebra"}'


async def test_a_later_turn_tells_the_search_in_the_same_words_so_that_the_cache_holds() -> None:
    script = [[looks("zebra")], [text("Stripes.")], [text("And hooves.")]]
    async with (
        SearchFake() as source,
        OpenRouterFake(script) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking())
        history = [{"role": "assistant", "content": [block.model_dump() for block in message.content]}]
        await read(door, [*asking(), *history, {"role": "user", "content": "what else?"}])
    _, within, later = (ask.messages for ask in host.asks)
    assert later[: len(within)] == within
    assert [message["role"] for message in later[len(within) :]] == ["assistant", "user"]


async def test_beside_tools_of_the_client_the_search_is_done_and_the_turn_is_the_client_s() -> None:
    both = [looks("zebra"), tool_call("get_weather", {"city": "Ghent"}, call_id="call_w")]
    script = [both, [text("Stripes, and rain.")]]
    async with (
        SearchFake() as source,
        OpenRouterFake(script) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking(), tools=[WEATHER, SEARCH])
        assert kinds(message) == ["server_tool_use", "web_search_tool_result", "tool_use"]
        assert message.stop_reason == "tool_use"
        assert len(host.asks) == 1
        answered = [
            *asking(),
            {"role": "assistant", "content": [block.model_dump() for block in message.content]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": message.content[2].id, "content": "rain"}],
            },
        ]
        last = await read(door, answered, tools=[WEATHER, SEARCH])
    assert last.content[0].text == "Stripes, and rain."
    roles = [message["role"] for message in host.asks[1].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]


async def test_two_searches_at_once_are_two_calls_with_two_results() -> None:
    script = [[looks("zebra"), looks("horse")], [text("Both.")]]
    async with (
        SearchFake() as source,
        OpenRouterFake(script) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking())
    assert kinds(message) == [*["server_tool_use"] * 2, *["web_search_tool_result"] * 2, "text"]
    assert {asked.fields["q"] for asked in source.asked} == {"zebra", "horse"}
    assert len(host.asks[1].messages[-3]["tool_calls"]) == 2
    assert message.usage.server_tool_use.web_search_requests == 2


async def test_what_goes_beyond_max_uses_is_refused_and_then_no_longer_offered() -> None:
    script = [[looks("a")], [looks("b")], [text("Enough.")]]
    async with (
        SearchFake() as source,
        OpenRouterFake(script) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking(), tools=[{**SEARCH, "max_uses": 1}])
    assert message.content[3].content.error_code == "max_uses_exceeded"
    assert message.content[-1].text == "Enough."
    assert message.usage.server_tool_use.web_search_requests == 1
    assert len(source.asked) == 1
    assert [ask.body.get("tool_choice") for ask in host.asks] == [None, None, "none"]


async def test_a_model_that_cannot_stop_searching_is_stopped() -> None:
    async with (
        SearchFake() as source,
        OpenRouterFake(lambda _ask, n: looks(f"again {n}")) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking(), tools=[{**SEARCH, "max_uses": 2}])
    assert message.stop_reason == "end_turn"
    assert len(host.asks) == 4
    assert len(source.asked) == 2


async def test_a_demanded_search_is_demanded_once() -> None:
    async with (
        SearchFake() as source,
        OpenRouterFake([[looks("zebra")], [text("Stripes.")]]) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        demand = {"type": "tool", "name": "web_search"}
        answer = await door.post(prompt(tools=[SEARCH], tool_choice=demand))
    assert answer.message["content"][-1]["text"] == "Stripes."
    demanded, free = (ask.body["tool_choice"] for ask in host.asks)
    assert demanded == {"type": "function", "function": {"name": "web_search"}}
    assert free == "auto"


@pytest.mark.parametrize(
    ("source", "environ", "code"),
    [
        (SearchFake(status=429), ENVIRON, "too_many_requests"),
        (SearchFake(status=500), ENVIRON, "unavailable"),
        (SearchFake(status=302, headers={"location": "/brave"}), ENVIRON, "unavailable"),
        (SearchFake(body=b"<html>"), ENVIRON, "unavailable"),
        (SearchFake(body=b"[1]"), ENVIRON, "unavailable"),
        (SearchFake(), {}, "unavailable"),
    ],
    ids=["busy", "broken", "redirect", "no JSON", "another shape", "no key"],
)
async def test_a_source_that_fails_is_told_and_the_model_goes_on(
    source: SearchFake, environ: dict[str, str], code: str
) -> None:
    async with (
        source,
        OpenRouterFake([[looks("zebra")], [text("I could not look.")]]) as host,
        gateway(host, settings=settings(source), environ=environ) as door,
    ):
        message = await read(door, asking())
    assert message.content[1].content.error_code == code
    assert message.content[2].text == "I could not look."
    assert message.usage.server_tool_use is None
    assert host.asks[1].messages[-1]["content"].endswith(f"The search failed: {code}")
    assert len(source.asked) <= 1


async def test_a_call_without_a_query_is_told_so() -> None:
    async with (
        SearchFake() as source,
        OpenRouterFake([[tool_call("web_search", {})], [text("Well.")]]) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        message = await read(door, asking())
    assert message.content[1].content.error_code == "invalid_tool_input"
    assert source.asked == []


async def test_a_failure_after_the_search_ends_the_stream_in_an_error() -> None:
    async with (
        SearchFake() as source,
        OpenRouterFake([[looks("zebra")], error(402, "Insufficient credits")]) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        answer = await door.post(prompt(tools=[SEARCH]))
    assert answer.events[-1] == "error"
    assert answer.events.count("message_start") == 1
    assert msgspec.json.decode(answer.frames[-1].data)["error"]["type"] == "billing_error"


@pytest.mark.parametrize(
    ("said", "lists", "fields", "found"),
    [
        (
            {},
            {"allowed_domains": ["horses.org"]},
            {"q": "zebra site:horses.org", "count": "8"},
            ["https://deep.horses.org/coats"],
        ),
        (
            {},
            {"blocked_domains": ["horses.org"], "user_location": {"type": "approximate", "country": "BE"}},
            {"q": "zebra -site:horses.org", "count": "8", "country": "BE"},
            ["https://zebras.org/stripes"],
        ),
        (
            {"source": "tavily", "max_results": 1},
            {"blocked_domains": ["zebras.org"]},
            {"query": "zebra", "max_results": 1, "exclude_domains": ["zebras.org"]},
            ["https://deep.horses.org/coats"],
        ),
        ({"source": "searxng"}, {}, {"q": "zebra", "format": "json"}, [url for url, _, _ in PAGES]),
        (
            {
                "source": "custom",
                "parameters": {"q": "about {query}!", "format": "json"},
                "fields": {"text": "content"},
            },
            {},
            {"q": "about zebra!", "format": "json"},
            [url for url, _, _ in PAGES],
        ),
    ],
    ids=["brave", "brave, place", "tavily", "searxng", "custom"],
)
async def test_each_source_is_asked_in_its_own_way_and_lists_of_domains_hold(
    said: dict[str, Any], lists: dict[str, Any], fields: dict[str, Any], found: list[str]
) -> None:
    async with SearchFake() as source, OpenRouterFake([[looks("zebra")], [text("Stripes.")]]) as host:
        path = {"tavily": "/tavily", "searxng": "", "custom": "/search"}.get(said.get("source", ""), "/brave")
        configured = settings(source, **said, url=source.origin + path)
        async with gateway(host, settings=configured, environ=ENVIRON) as door:
            message = await read(door, asking(), tools=[{**SEARCH, **lists}])
    assert [asked.fields for asked in source.asked] == [fields]
    assert [hit.url for hit in message.content[1].content] == found
    assert "cookie" not in source.asked[0].headers


async def test_a_key_that_goes_into_a_parameter_goes_into_no_header() -> None:
    parameters = {"q": "{query}", "api_key": "{key}", "format": "json"}
    own = {"source": "custom", "key_variable": "BRAVE_API_KEY", "parameters": parameters}
    async with SearchFake() as source, OpenRouterFake([[looks("zebra")], [text("Stripes.")]]) as host:
        configured = settings(source, **own, url=f"{source.origin}/search")
        async with gateway(host, settings=configured, environ=ENVIRON) as door:
            await read(door, asking())
    assert source.asked[0].fields["api_key"] == KEY
    assert KEY not in str(source.asked[0].headers)
    assert KEY not in str([ask.body for ask in host.asks])


async def test_who_leaves_in_the_middle_of_a_search_ends_it_and_asks_nobody_any_more() -> None:
    async with (
        SearchFake(hangs=True) as source,
        OpenRouterFake(lambda _ask, n: looks(f"again {n}")) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        async with door.open(prompt(tools=[SEARCH])) as answer:
            await answer.content.readline()
            await asyncio.wait_for(source.busy.wait(), 30)
        await asyncio.wait_for(source.left.wait(), 30)
        assert len(host.asks) == 1
        assert door.tally.total.calls == 1


async def test_a_source_that_is_silent_is_given_up_while_the_client_is_kept_alive() -> None:
    async with SearchFake(hangs=True) as source, OpenRouterFake([[looks("zebra")], [text("I do not know.")]]) as host:
        said = replace(settings(source, seconds=1), limits=Limits(ping=0.1))
        async with gateway(host, settings=said, environ=ENVIRON) as door:
            answer = await door.post(prompt(tools=[SEARCH]))
    assert "ping" in answer.events
    blocks = answer.message["content"]
    assert blocks[1]["content"] == {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    assert blocks[2]["text"] == "I do not know."


async def test_a_cap_that_is_reached_between_two_steps_ends_the_stream_in_its_words() -> None:
    budget = Budget(caps={"session": Decimal("0.05")})
    dear = Reply([looks("zebra")], usage=Tokens(prompt=100, completion=10, cost=Decimal("0.049")))
    async with (
        SearchFake() as source,
        OpenRouterFake([dear]) as host,
        gateway(host, settings=settings(source), environ=ENVIRON, budget=budget) as door,
    ):
        answer = await door.post(prompt(tools=[SEARCH]))
    failure = msgspec.json.decode(answer.frames[-1].data)["error"]
    assert (failure["type"], answer.events.count("error")) == ("billing_error", 1)
    assert "the cap of" in failure["message"]
    assert len(host.asks) == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_a_server_that_only_speaks_the_api_searches_by_the_source(*, stream: bool) -> None:
    script = [Turn("Let me look.", calls=[("web_search", {"query": "zebra"})]), Turn("Stripes.")]
    async with SearchFake() as source, messages_host("sk-lab", *script) as lab:
        provider = Provider(kind="anthropic", base_url=lab.base_url, key_variable="LAB_KEY", key_header="x-api-key")
        said = replace(settings(source), providers={"lab": provider})
        async with (
            Hosts(said, "", {"LAB_KEY": "sk-lab"}) as hosts,
            gateway(None, settings=said, hosts=hosts, environ=ENVIRON) as door,
        ):
            demand = {"type": "tool", "name": "web_search"}
            message = await read(door, asking(), stream=stream, model="lab:tiny", tool_choice=demand)
    assert kinds(message) == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert message.usage.server_tool_use.web_search_requests == 1
    first, second = (heard.body for heard in lab.heard)
    assert [tool["name"] for tool in first["tools"]] == ["web_search"]
    assert "type" not in first["tools"][0]
    assert (first["tool_choice"], second["tool_choice"]) == (demand, {"type": "auto"})
    (result,) = second["messages"][-1]["content"]
    assert (result["type"], "Zebras have stripes." in result["content"]) == ("tool_result", True)
    assert second["messages"][: len(first["messages"])] == first["messages"]


async def test_a_first_step_that_fails_goes_to_the_fallback_which_searches_too() -> None:
    script = [error(503, "busy")] * 3 + [looks("zebra"), text("Stripes.")]
    async with SearchFake() as source, OpenRouterFake(list(script)) as host:
        said = replace(settings(source), fallbacks=Fallbacks(big=[GPT]))
        async with gateway(host, settings=said, environ=ENVIRON) as door:
            message = await read(door, asking())
    assert message.content[-1].text == "Stripes."
    assert [ask.model for ask in host.asks][-2:] == [GPT, GPT]
    assert len(source.asked) == 1


async def test_switched_off_a_search_is_refused_in_clear_words() -> None:
    off = Settings(models=Models(big=MODEL, small=MODEL), web_search=WebSearch(source="off"))
    async with OpenRouterFake([[text("Hello.")]]) as host, gateway(host, settings=off) as door:
        refused = await door.post(prompt(tools=[SEARCH]))
        assert refused.error == (400, "invalid_request_error")
        assert "web_search.source" in refused.json["error"]["message"]
        native = await door.post(prompt(model="anthropic/claude-sonnet-5", tools=[SEARCH]))
        assert native.error == (400, "invalid_request_error")
        assert (await door.post(prompt())).message["content"][0]["text"] == "Hello."


async def test_a_search_with_an_own_source_leaves_the_fetch_to_the_host() -> None:
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch"}
    async with (
        SearchFake() as source,
        OpenRouterFake([[text("Read.")]]) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
    ):
        await read(door, asking(), tools=[SEARCH, fetch])
    assert [tool["type"] for tool in host.asks[0].body["tools"]] == ["function", "openrouter:web_fetch"]


async def test_in_the_sdks_loop_searches_and_tools_of_the_client_take_turns() -> None:
    cities: list[str] = []

    @anthropic.beta_async_tool
    async def get_weather(city: str) -> str:
        """Tells the weather of a city."""
        cities.append(city)
        return "rain"

    script = [
        [looks("zebra"), tool_call("get_weather", {"city": "Ghent"})],
        [looks("horse")],
        [tool_call("get_weather", {"city": "Bruges"})],
        [text("Stripes, coats, and rain.")],
    ]
    async with (
        SearchFake() as source,
        OpenRouterFake(list(script)) as host,
        gateway(host, settings=settings(source), environ=ENVIRON) as door,
        anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0) as client,
    ):
        runner = client.beta.messages.tool_runner(
            model=MODEL,
            max_tokens=4000,
            tools=[get_weather, {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}],
            messages=[{"role": "user", "content": "zebras, horses, weather?"}],
        )
        last = await runner.until_done()
    assert last.content[-1].model_dump()["text"] == "Stripes, coats, and rain."
    assert cities == ["Ghent", "Bruges"]
    assert [asked.fields["q"] for asked in source.asked] == ["zebra", "horse"]
    assert len(host.asks) == len(script)
    for earlier, later in itertools.pairwise(ask.messages for ask in host.asks):
        assert later[: len(earlier)] == earlier


FOUND: dict[str, Any] = {
    "content": [{"type": "text", "text": "Title: Stripes\nURL: https://zebras.org/stripes\nText: Wide."}]
}


class Tool:
    """A tool of an MCP server, as the session gives it: what it was called with, and what comes of it."""

    def __init__(self, gives: Any, *, seconds: float = 0.0) -> None:
        self.gives = gives
        self.seconds = seconds
        self.called: list[tuple[str, str, dict[str, Any]]] = []

    async def __call__(self, server: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.called.append((server, tool, arguments))
        await asyncio.sleep(self.seconds)
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


def by_tool(**more: Any) -> Settings:
    """Settings whose web search is a tool of an MCP server."""
    said = WebSearch(source="mcp", server="finder", tool="look", **more)
    return Settings(models=Models(big=MODEL, small=MODEL), web_search=said)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_of_an_mcp_server_searches(*, stream: bool) -> None:
    tool = Tool(FOUND)
    said = by_tool(parameters={"q": "{query}", "n": "{count}", "sites": "{blocked}"}, max_results=3)
    limited = {**SEARCH, "blocked_domains": ["lions.org"]}
    async with (
        OpenRouterFake([[looks("zebra")], [text("They have stripes.")]]) as host,
        gateway(host, settings=said, call_tool=tool) as door,
    ):
        message = await read(door, asking(), stream=stream, tools=[limited])
    assert kinds(message) == ["server_tool_use", "web_search_tool_result", "text"]
    assert [(hit.title, hit.url) for hit in message.content[1].content] == [("Stripes", "https://zebras.org/stripes")]
    assert tool.called == [("finder", "look", {"q": "zebra -site:lions.org", "n": 3, "sites": ["lions.org"]})]
    assert "Wide." in host.asks[1].messages[-1]["content"]


async def test_pages_of_a_tool_outside_of_the_list_of_domains_are_dropped() -> None:
    async with (
        OpenRouterFake([[looks("zebra")], [text("Nothing.")]]) as host,
        gateway(host, settings=by_tool(), call_tool=Tool(FOUND)) as door,
    ):
        message = await read(door, asking(), tools=[{**SEARCH, "allowed_domains": ["horses.org"]}])
    assert message.content[1].content == []


@pytest.mark.parametrize(
    ("tool", "seconds"),
    [
        (Tool(SearchFailed("unavailable", "no MCP server finder")), 20.0),
        (Tool({"isError": True, "content": [{"type": "text", "text": "quota"}]}), 20.0),
        (Tool(FOUND, seconds=60), 1.0),
        (None, 20.0),
    ],
)
async def test_a_tool_that_fails_is_an_error_of_the_search_and_the_model_goes_on(tool: Any, seconds: float) -> None:
    async with (
        OpenRouterFake([[looks("zebra")], [text("I do not know.")]]) as host,
        gateway(host, settings=by_tool(seconds=seconds), call_tool=tool) as door,
    ):
        message = await read(door, asking())
    assert message.content[1].content.error_code == "unavailable"
    assert message.content[2].text == "I do not know."
