"""The client of a host: one credential to one address, nothing of anybody else's, and no waiting without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from claude_or.config.schema import Limits
from claude_or.routing.ask import ReplyFailed
from claude_or.upstream.catalogue import Unreachable
from claude_or.upstream.openrouter import ATTRIBUTION, OpenRouter, error_body, proxy_for
from claude_or.wire.anthropic import Failure
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.replies import Reply, html, pause, plain, silence, text

BODY = b'{"model":"z-ai/glm-5.3","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'


@asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncGenerator[str]:
    """A server that says bytes; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            found = answer(reader, writer)
            if asyncio.iscoroutine(found):
                await found
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def failure_of(base_url: str, *, connect: float = 5.0, first_byte: float = 60.0) -> Failure:
    """How a call fails before its head came."""
    async with OpenRouter(base_url, KEY, limits=Limits(connect=connect, first_byte=first_byte)) as host:
        with pytest.raises(ReplyFailed) as failed:
            async with host.answer_to("/chat/completions", BODY):
                pass
    return failed.value.failure


async def test_one_credential_and_our_own_headers_go_out() -> None:
    async with (
        OpenRouterFake([text("hi")], key=KEY) as fake,
        OpenRouter(fake.base_url + "/", KEY) as host,
        host.answer_to("/chat/completions", BODY, session_key="s:main") as response,
    ):
        assert response.status == 200
        await response.read()
    sent = fake.asks[0].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in sent
    assert sent["x-session-id"] == "s:main"
    assert sent["accept-encoding"] == "identity"
    assert sent["user-agent"].startswith("claude-or/")
    assert {name: sent.get(name) for name in ATTRIBUTION} == ATTRIBUTION
    assert fake.asks[0].raw == BODY


async def test_attribution_can_be_switched_off_and_no_key_sends_none() -> None:
    async with OpenRouterFake() as fake, OpenRouter(fake.base_url, None, attribution=False) as host:
        await host.models()
    sent = fake.log[0].headers
    assert not set(ATTRIBUTION) & set(sent)
    assert "authorization" not in sent
    assert "x-session-id" not in sent


@pytest.mark.parametrize("late_end", [True, False], ids=["end-comes-late", "end-comes-with-it"])
async def test_an_answer_read_to_its_last_event_leaves_its_connection_to_the_next(late_end: bool) -> None:
    connections = 0
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(len(BODY))
            last, end = b"e\r\ndata: [DONE]\n\n\r\n", b"0\r\n\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + last + (b"" if late_end else end))
            if late_end:
                await answered.wait()
                writer.write(end)

    async with raw_server(serve) as url, OpenRouter(url, KEY) as host:
        for _ in range(3):
            answered.clear()
            async with host.answer_to("/chat/completions", BODY) as response:
                assert await response.content.readany() == b"data: [DONE]\n\n"
            answered.set()
            while not response.closed:
                await asyncio.sleep(0)
    assert connections == 1


async def test_leaving_an_answer_early_closes_its_connection_at_once() -> None:
    async with OpenRouterFake([[text("a"), pause(30), text("b")]]) as fake, OpenRouter(fake.base_url, KEY) as host:

        async def leave() -> None:
            async with host.answer_to("/chat/completions", BODY) as response:
                await response.content.readany()
                raise KeyError

        with pytest.raises(KeyError):
            await leave()
        ask = await fake.asked(1)
        async with asyncio.timeout(10):
            await ask.over.wait()
    assert ask.gone is not None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with OpenRouterFake() as elsewhere:
        moved = Reply(body=b"", status=status, headers={"Location": elsewhere.base_url + "/chat/completions"})
        async with OpenRouterFake([moved]) as fake, OpenRouter(fake.base_url, KEY) as host:
            async with host.answer_to("/chat/completions", BODY) as response:
                assert response.status == status
            fake.others["/models"] = moved
            assert (await host.get("/models")).status == status
        assert elsewhere.log == []


async def test_a_refused_connection_is_a_502_that_names_the_host_and_not_the_key() -> None:
    failure = await failure_of("http://127.0.0.1:9/v1")
    assert (failure.status, failure.kind) == (502, "api")
    assert "127.0.0.1 cannot be reached" in failure.message
    assert KEY not in failure.message


async def test_an_unknown_name_is_a_502() -> None:
    failure = await failure_of("http://no-such-host.invalid/v1", connect=5)
    assert failure.status == 502
    assert "no-such-host.invalid" in failure.message


async def test_a_host_that_does_not_speak_tls_is_a_502() -> None:
    async with raw_server(lambda _r, w: w.write(b"hello\n")) as url:
        failure = await failure_of(url.replace("http:", "https:"))
    assert failure.status == 502
    assert "secure connection" in failure.message


async def test_a_host_that_says_nothing_is_a_504_after_the_limit() -> None:
    async with raw_server(lambda _r, _w: asyncio.sleep(5)) as url:
        failure = await failure_of(url, first_byte=0.2)
    assert (failure.status, failure.kind) == (504, "timeout")
    assert "silent for 0.2 s" in failure.message


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
async def test_a_host_that_breaks_off_before_its_head_is_a_502(said: bytes) -> None:
    async with raw_server(lambda _r, w: w.write(said)) as url:
        failure = await failure_of(url)
    assert (failure.status, failure.kind) == (502, "api")


async def test_what_is_read_of_an_error_is_bounded() -> None:
    async def bomb(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 1000000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 1_000_000)
            await writer.drain()

    async with raw_server(bomb) as url, OpenRouter(url, KEY) as host:
        async with host.answer_to("/chat/completions", BODY) as response:
            body = await error_body(response)
            response.close()
        assert len(body) == 1_000_000
        with pytest.raises(Unreachable, match="larger than 32 MB"):
            await host.get("/models")


async def test_compressed_answers_are_decoded() -> None:
    async with (
        OpenRouterFake([Reply([text("hello")], gzip=True)]) as fake,
        OpenRouter(fake.base_url, KEY) as host,
        host.answer_to("/chat/completions", BODY) as response,
    ):
        assert b"hello" in await response.read()


async def test_get_tells_what_the_host_says_and_why_it_says_nothing() -> None:
    async with OpenRouterFake(key=KEY) as fake, OpenRouter(fake.base_url, KEY) as host:
        assert (await host.key_info()).status == 200
        assert b"z-ai/glm-5.3" in (await host.models()).body
        assert (await host.get("/nothing")).status == 404
        fake.others["/key"] = html(502)
        answer = await host.key_info()
        assert (answer.status, answer.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    async with OpenRouter("http://127.0.0.1:9/v1", KEY) as host:
        await host.warm()
        with pytest.raises(Unreachable, match="cannot be reached"):
            await host.get("/models")


async def test_the_environments_proxy_is_for_the_world_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_for("https", "openrouter.ai") == (None, None)
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.local:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.local:3128")
    url, headers = proxy_for("https", "openrouter.ai")
    assert url == URL("http://proxy.local:3128")
    assert headers == {"proxy-authorization": "Basic bWU6c2VjcmV0"}
    assert proxy_for("http", "127.0.0.1") == (None, None)
    assert proxy_for("http", "localhost") == (None, None)
    monkeypatch.setenv("no_proxy", "example.com,.ai")
    assert proxy_for("https", "openrouter.ai") == (None, None)
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", "socks5://proxy.local:1080")
    assert proxy_for("https", "openrouter.ai") == (None, None)


async def test_a_proxy_in_the_environment_does_not_divert_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with OpenRouterFake() as fake, OpenRouter(fake.base_url, KEY) as host:
        assert (await host.models()).status == 200


async def test_a_netrc_of_the_user_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", netrc)
    async with OpenRouterFake(key=KEY) as fake, OpenRouter(fake.base_url, KEY) as host:
        assert (await host.key_info()).status == 200


async def test_cookies_are_not_kept() -> None:
    async with OpenRouterFake() as fake, OpenRouter(fake.base_url, KEY) as host:
        fake.others["/key"] = plain(200, b"{}", "application/json", {"Set-Cookie": "a=b; Path=/"})
        await host.key_info()
        await host.key_info()
    assert all("cookie" not in ask.headers for ask in fake.log)


async def test_used_outside_its_context_it_says_so() -> None:
    with pytest.raises(RuntimeError):
        await OpenRouter("http://127.0.0.1:9/v1", KEY).get("/models")


async def test_an_error_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_or.upstream.openrouter.ERROR_BODY_S", 0.1)
    async with (
        OpenRouterFake([silence(5)]) as fake,
        OpenRouter(fake.base_url, KEY) as host,
        host.answer_to("/chat/completions", BODY) as response,
    ):
        assert await error_body(response) == b""
        response.close()
