"""Structured output on hosts of all kinds: those that refuse the schema, those that ignore it, and beside other abilities."""

from __future__ import annotations

from typing import Any

import anthropic
import msgspec
import pydantic
import pytest

from claude_or.config.schema import Fallbacks, Models, Provider, Settings, WebSearch
from claude_or.upstream.hosts import Hosts
from tests.fakes.listing import GEMINI
from tests.fakes.messages_host import Turn, messages_host
from tests.fakes.openrouter import Ask, OpenRouterFake
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import Scripted, error, reasoning, sources, text, tool_call
from tests.fakes.searching import KEY, SearchFake
from tests.proxy.gateway import MODEL, TOKEN, WEATHER, gateway
from tests.proxy.test_structured import BAD, FORMAT, GOOD, SCHEMA, VALUE, plain, read, said

SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


class Animal(pydantic.BaseModel):
    animal: str
    legs: int = pydantic.Field(ge=0)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_sdk_parses_its_own_model_of_an_answer(*, stream: bool) -> None:
    script: list[Scripted] = [text("A zebra has four."), text(f"```json\n{GOOD}\n```")]
    async with (
        plain(script) as host,
        gateway(host) as door,
        anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0) as client,
    ):
        request: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 4000,
            "messages": [{"role": "user", "content": "which animal?"}],
            "output_format": Animal,
        }
        if stream:
            async with client.messages.stream(**request) as answer:
                parsed: Any = (await answer.get_final_message()).parsed_output
        else:
            parsed = (await client.messages.parse(**request)).parsed_output
    assert parsed == Animal(animal="zebra", legs=4)
    assert len(host.asks) == 2


REFUSED = [
    error(400, "Invalid parameter: response_format of type json_schema is not supported with this model."),
    error(404, "No endpoints found that can handle the requested parameters."),
]


@pytest.mark.parametrize(("refused", "listed"), [(REFUSED[0], False), (REFUSED[1], True)], ids=["400", "404"])
async def test_where_a_host_refuses_the_schema_it_is_asked_in_words_from_then_on(
    refused: Scripted, *, listed: bool
) -> None:
    def brain(ask: Ask, n: int) -> Scripted:
        if "response_format" in ask.body or "strict" in str(ask.body.get("tools")):
            return refused
        return text(BAD if n == 1 else GOOD)

    host = OpenRouterFake(brain)
    if not listed:
        host.models = [entry for entry in host.models if entry["id"] != MODEL]
    host.strict = listed
    tool = {"name": "count", "input_schema": SCHEMA, "strict": True}
    async with host, gateway(host) as door:
        assert said(await read(door, tools=[tool])) == VALUE
        assert said(await read(door, tools=[tool])) == VALUE
    assert ["response_format" in ask.body for ask in host.asks] == [True, False, False, False]
    assert "Answer with one JSON value" in str(host.asks[1].messages[0])


async def test_a_refusal_for_another_reason_is_told_as_it_is() -> None:
    async with plain([error(400, "max_tokens is too large")]) as host, gateway(host) as door:
        with pytest.raises(anthropic.BadRequestError, match="too large"):
            await read(door)
        assert len(host.asks) == 1


async def test_a_local_server_that_ignores_the_schema_is_told_in_words_at_once() -> None:
    async with OpenRouterFake() as openrouter, plain_host(otherwise=Say(GOOD)) as local:
        settings = Settings(
            models=Models(big="lab:tiny", small="lab:tiny"), providers={"lab": Provider(base_url=local.base_url)}
        )
        async with Hosts(settings, "", {}) as hosts, gateway(openrouter, settings=settings, hosts=hosts) as door:
            assert said(await read(door, model="lab:tiny")) == VALUE
    (heard,) = local.heard
    assert heard.body["response_format"]["type"] == "json_schema"
    assert "Answer with one JSON value" in str(heard.body["messages"][0])


async def test_a_server_that_imitates_the_api_is_checked() -> None:
    async with OpenRouterFake() as openrouter, messages_host("sk-lab", Turn("A zebra."), Turn(BAD), Turn(GOOD)) as lab:
        provider = Provider(kind="anthropic", base_url=lab.base_url, key_variable="LAB_KEY", key_header="x-api-key")
        settings = Settings(models=Models(big="lab:tiny", small="lab:tiny"), providers={"lab": provider})
        async with (
            Hosts(settings, "", {"LAB_KEY": "sk-lab"}) as hosts,
            gateway(openrouter, settings=settings, hosts=hosts) as door,
        ):
            message = await read(door, model="lab:tiny", system="Be brief.", tools=[WEATHER])
    assert said(message) == VALUE
    first, _, last = (heard.body for heard in lab.heard)
    assert first["output_config"]["format"] == FORMAT
    assert first["system"].startswith("Be brief.\n\nAnswer with one JSON value")
    assert last["messages"][0] == first["messages"][0]
    assert [one["role"] for one in last["messages"]] == ["user", "assistant", "user", "assistant", "user"]


async def test_the_native_path_of_any_model_keeps_it_too() -> None:
    native = Settings(models=Models(big=MODEL, small=MODEL), paths={"*": "native"})
    async with plain([text(BAD), text(GOOD)]) as host, gateway(host, settings=native) as door:
        assert said(await read(door)) == VALUE
    first, second = host.asks
    assert first.path == second.path == "/messages"
    assert "output_config" not in first.body
    assert "Answer with one JSON value" in str(first.body["system"])
    assert "'legs' is a required property" in second.body["messages"][-1]["content"]


async def test_a_fallback_is_tried_when_a_model_never_gives_in() -> None:
    def brain(ask: Ask, _n: int) -> Scripted:
        return text(GOOD if ask.model == GEMINI else BAD)

    settings = Settings(models=Models(big=MODEL, small=MODEL), fallbacks=Fallbacks(big=[GEMINI]))
    host = plain([])
    host.script(brain)
    async with host, gateway(host, settings=settings) as door:
        assert said(await read(door)) == VALUE
    assert [ask.model for ask in host.asks] == [MODEL, MODEL, MODEL, GEMINI]


async def test_beside_a_search_of_ours_the_search_is_kept_and_done_once() -> None:
    script: list[Scripted] = [tool_call("web_search", {"query": "zebra"}), text("Four legs."), text(GOOD)]
    async with SearchFake() as source, plain(script) as host:
        web = WebSearch(source="brave", url=f"{source.origin}/brave")
        settings = Settings(models=Models(big=MODEL, small=MODEL), web_search=web)
        async with gateway(host, settings=settings, environ={"BRAVE_API_KEY": KEY}) as door:
            message = await read(door, tools=[SEARCH])
        assert len(source.asked) == 1
    assert msgspec.json.decode(message.content[-1].model_dump()["text"]) == VALUE
    assert [one["role"] for one in host.asks[2].messages[-4:]] == ["assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("fits", [True, False])
async def test_beside_the_host_s_search_the_answer_that_fits_is_told_with_its_own_blocks(*, fits: bool) -> None:
    found = sources(("https://z.org/a", "Zebras", "They have four legs."))
    script: list[Scripted] = [[text(GOOD if fits else BAD), found], *([] if fits else [[text(GOOD)]])]
    async with plain(script) as host, gateway(host) as door:
        message = await read(door, tools=[SEARCH])
    assert msgspec.json.decode(message.content[-1].model_dump()["text"]) == VALUE
    kinds = [block.type for block in message.content]
    assert kinds == (["server_tool_use", "web_search_tool_result", "text"] if fits else ["text"])


async def test_what_the_model_thought_goes_back_with_its_answer() -> None:
    signed = reasoning("hm", signature="c2lnbmVk", style="google-gemini-v1")
    tool = {"name": "count", "input_schema": SCHEMA, "strict": True}
    settings = Settings(models=Models(big=GEMINI, small=GEMINI), paths={"*": "chat"})
    script: list[Scripted] = [[signed, tool_call("count", {"animal": "zebra"})], [tool_call("count", VALUE)]]
    async with plain(script) as host, gateway(host, settings=settings) as door:
        await read(door, model=GEMINI, tools=[tool], output_config={})
    assert host.asks[1].messages[-2]["reasoning_details"][0]["signature"] == "c2lnbmVk"
