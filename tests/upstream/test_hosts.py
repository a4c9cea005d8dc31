"""Several hosts at once: each gets its own key and headers, and nothing of another's."""

from __future__ import annotations

from claude_or.config.schema import Models, OpenRouter, Provider, ProviderModel, Settings
from claude_or.routing.names import resolve
from claude_or.upstream.hosts import Hosts
from tests.fakes.listing import SONNET
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.plain_host import Say, plain_host
from tests.proxy.gateway import WEATHER, gateway, prompt

OTHER_KEY = "a-key-of-another-host"
OTHER = "lab:tiny:1b"


def settings_for(host: OpenRouterFake, base_url: str, **fields: object) -> Settings:
    """OpenRouter by `host`, and `lab` at another address."""
    provider = Provider(base_url=base_url, **fields)  # type: ignore[arg-type]
    return Settings(
        models=Models(big=OTHER, small="z-ai/glm-5.3"),
        openrouter=OpenRouter(base_url=host.base_url),
        providers={"lab": provider},
    )


async def test_no_key_reaches_another_host() -> None:
    async with OpenRouterFake(key=KEY) as openrouter, plain_host(key=OTHER_KEY) as lab:
        settings = settings_for(openrouter, lab.base_url, key_variable="LAB_KEY", headers={"x-team": "blue"})
        environ = {"LAB_KEY": OTHER_KEY}
        async with Hosts(settings, KEY, environ) as hosts, gateway(openrouter, settings=settings, hosts=hosts) as door:
            assert set(hosts.secrets) == {KEY, OTHER_KEY}
            assert (await door.post(prompt(model=OTHER))).message["content"][0]["text"] == "Done. "
            assert (await door.post(prompt(model="z-ai/glm-5.3"))).status == 200
        assert [ask.headers["authorization"] for ask in openrouter.asks] == [f"Bearer {KEY}"]
        assert [heard.headers["authorization"] for heard in lab.heard] == [f"Bearer {OTHER_KEY}"]
        assert OTHER_KEY not in str([dict(ask.headers) for ask in openrouter.log])
        assert KEY not in str([dict(heard.headers) for heard in lab.heard])
        assert lab.heard[0].headers["x-team"] == "blue"
        assert "x-team" not in openrouter.asks[0].headers


async def test_a_plain_host_gets_only_what_its_api_has() -> None:
    say = Say("Let me look.", calls=[("get_weather", {"city": "Paris"})])
    async with OpenRouterFake() as openrouter, plain_host(script=[say]) as lab:
        model = ProviderModel(context_window=32_768, max_output=2_000)
        settings = settings_for(
            openrouter, lab.base_url, output_field="max_completion_tokens", models={"tiny:1b": model}
        )
        body = prompt(
            model=OTHER,
            tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}],
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            thinking={"type": "enabled", "budget_tokens": 1024},
            top_k=4,
            metadata={"user_id": "u_session_0123"},
        )
        async with Hosts(settings, "", {}) as hosts, gateway(openrouter, settings=settings, hosts=hosts) as door:
            answer = await door.post(body, x_claude_code_session_id="0123")
        kinds = [block["type"] for block in answer.message["content"]]
        assert (kinds, answer.message["stop_reason"]) == (["text", "tool_use"], "tool_use")
        assert answer.message["content"][1]["input"] == {"city": "Paris"}
        assert answer.message["model"] == OTHER
        assert (answer.message["usage"]["input_tokens"], answer.message["usage"]["output_tokens"]) == (100, 7)
        sent = lab.heard[0].body
        assert (sent["model"], sent["max_completion_tokens"], "max_tokens" in sent) == ("tiny:1b", 2_000, False)
        total = door.tally.total
        assert (total.unknown, total.priced, total.cost) == (0, 0, 0), "a server of one's own sends no bill"
        assert openrouter.asks == []


async def test_a_host_that_does_not_know_stream_options_is_not_told_of_them() -> None:
    async with OpenRouterFake() as openrouter, plain_host() as lab:
        settings = settings_for(openrouter, lab.base_url, stream_options=False)
        async with Hosts(settings, "", {}) as hosts, gateway(openrouter, settings=settings, hosts=hosts) as door:
            assert (await door.post(prompt(model=OTHER))).status == 200
        assert "stream_options" not in lab.heard[0].body


async def test_a_key_that_is_missing_is_told_by_its_variable() -> None:
    async with OpenRouterFake() as openrouter:
        settings = settings_for(openrouter, "https://lab.example/v1", key_variable="LAB_KEY")
        async with Hosts(settings, "", {}) as hosts, gateway(openrouter, settings=settings, hosts=hosts) as door:
            first, second = await door.post(prompt(model=OTHER)), await door.post(prompt(model="z-ai/glm-5.3"))
        assert first.error == (401, "authentication_error")
        assert "LAB_KEY is not set" in first.json["error"]["message"]
        assert first.headers["x-should-retry"] == "false"
        assert "OPENROUTER_API_KEY" in second.json["error"]["message"]


async def test_hosts_follow_the_settings_and_keep_what_did_not_change() -> None:
    before = Settings(
        providers={"a": Provider(base_url="http://127.0.0.1:9/v1"), "b": Provider(base_url="http://127.0.0.1:8")}
    )
    after = Settings(
        providers={"a": Provider(base_url="http://127.0.0.1:9/v1"), "c": Provider(base_url="http://127.0.0.1:7")}
    )
    async with Hosts(before, KEY, {}) as hosts:
        kept = hosts.opened["a"]
        await hosts.follow(after)
        assert set(hosts.opened) == {"openrouter", "a", "c"}
        assert hosts.opened["a"] is kept


def test_a_name_of_a_host_means_its_model() -> None:
    settings = Settings(models=Models(big=OTHER), providers={"lab": Provider(base_url="http://127.0.0.1:9/v1")})
    found = resolve(OTHER, settings)
    assert (found.host, found.slug, found.role) == ("lab", "tiny:1b", "main")


async def test_a_host_of_the_messages_api_is_asked_natively_with_its_own_kind_of_credential() -> None:
    async with OpenRouterFake(key=OTHER_KEY) as messages:
        said = Provider(base_url=messages.base_url, kind="anthropic", key_variable="LAB_KEY", key_header="x-api-key")
        settings = Settings(models=Models(big=f"lab:{SONNET}"), providers={"lab": said})
        environ = {"LAB_KEY": OTHER_KEY}
        async with Hosts(settings, KEY, environ) as hosts, gateway(messages, settings=settings, hosts=hosts) as door:
            answer = await door.post(prompt(model="opus"), x_claude_code_session_id="0123")
        assert answer.message["model"] == "opus"
        (asked,) = messages.asks
        assert (asked.kind, asked.model) == ("messages", SONNET)
        assert asked.headers["x-api-key"] == OTHER_KEY
        assert not {"authorization", "x-session-id", "http-referer"} & {name.lower() for name in asked.headers}
        assert not {"session_id", "provider"} & asked.body.keys()
