"""The local door: who may come in, what bodies are read, and that every answer has the API's shape."""

from __future__ import annotations

import asyncio
import gzip
import io
import time
import zlib
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
import pytest

from claude_or import __version__
from claude_or.config.schema import Models, Settings
from claude_or.routing.ask import Ask, Burst, Plan, Replier
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import text
from tests.proxy.gateway import CONTROL, MODEL, TOKEN, Door, gateway, prompt
from tests.reply.script import Script, answer

BEARER = {"authorization": f"Bearer {TOKEN}"}
MB = 1024 * 1024


@pytest.fixture
async def door() -> AsyncGenerator[Door]:
    """A proxy that answers hello to everything."""
    async with gateway(None, replier_for=lambda _plan: Script(answer("hello"))) as door:
        yield door


async def raw_request(door: Door, request: bytes) -> bytes:
    """What is answered to these bytes until the connection is closed, at most 10 seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read(100_000)
    finally:
        writer.close()


# Who may come in


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer  {TOKEN}"},
        {"x-api-key": TOKEN},
        {"x-api-key": TOKEN, "authorization": "Bearer something"},
        {"x-api-key": "", "authorization": f"Bearer {TOKEN}"},
    ],
)
async def test_the_sessions_token_opens_as_bearer_and_as_key(door: Door, headers: dict[str, str]) -> None:
    answered = await door.ask("POST", "/v1/messages", json=prompt(), headers=headers)
    assert answered.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {CONTROL}"},
        {"x-api-key": "falsch-ü"},
        {"cookie": f"token={TOKEN}"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/nothing"])
async def test_nobody_else_comes_in_and_no_path_tells_that_it_exists(
    door: Door, headers: dict[str, str], path: str
) -> None:
    answered = await door.ask("POST", path, json=prompt(), headers=headers)
    assert answered.error == (401, "authentication_error")
    assert answered.headers["x-should-retry"] == "false"
    assert TOKEN not in answered.body.decode()


async def test_the_query_holds_no_token(door: Door) -> None:
    answered = await door.ask("GET", f"/v1/models?token={TOKEN}&api_key={TOKEN}", headers={})
    assert answered.error == (401, "authentication_error")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/v1/models", "/health", "/control/status"])
async def test_a_name_that_was_made_to_point_here_is_refused(door: Door, host: str, path: str) -> None:
    name = host.format(port=door.port)
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    answered = await raw_request(door, request.encode())
    assert answered.startswith(b"HTTP/1.1 403 ")
    assert b"permission_error" in answered


async def test_our_own_names_are_taken(door: Door) -> None:
    for name in ("127.0.0.1", "localhost"):
        request = f"GET /health HTTP/1.1\r\nHost: {name}:{door.port}\r\nConnection: close\r\n\r\n"
        assert (await raw_request(door, request.encode())).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_web_pages_are_refused_and_told_nothing_that_lets_them_in(door: Door, origin: str, method: str) -> None:
    answered = await door.ask(method, "/v1/messages", headers={**BEARER, "origin": origin})
    assert answered.error == (403, "permission_error")
    assert not [name for name in answered.headers if name.startswith("access-control")]


async def test_health_is_public_and_says_little(door: Door) -> None:
    for path in ("/health", "/"):
        answered = await door.ask("GET", path, headers={})
        assert (answered.status, answered.json) == (200, {"status": "ok"})
        head = await door.ask("HEAD", path, headers={})
        assert (head.status, head.body) == (200, b"")


# Shapes


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not_found_error"),
        ("GET", "/v1/", 404, "not_found_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("POST", "/v1/complete", 404, "not_found_error"),
        ("GET", "/v1/files", 404, "not_found_error"),
        ("GET", "/%2e%2e/etc/passwd", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("DELETE", "/v1/models", 405, "invalid_request_error"),
        ("OPTIONS", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/health", 405, "invalid_request_error"),
    ],
)
async def test_what_is_not_there_says_so_in_the_apis_shape(
    door: Door, method: str, path: str, status: int, kind: str
) -> None:
    answered = await door.ask(method, path)
    assert answered.error == (status, kind)
    assert ("allow" in answered.headers) == (status == 405)


async def test_every_answer_has_an_id_of_its_own_and_does_not_name_the_server(door: Door) -> None:
    answers = [
        await door.ask("GET", "/health"),
        await door.ask("GET", "/nothing"),
        await door.ask("GET", "/v1/models", headers={}),
        await door.post(prompt()),
        await door.post(prompt(stream=False)),
        await door.post({}),
    ]
    ids = [answered.headers["request-id"] for answered in answers]
    assert len(set(ids)) == len(ids)
    assert all(found.startswith("req_") for found in ids)
    assert {answered.headers["server"] for answered in answers} == {"claude-or"}


async def test_an_exception_in_one_request_is_a_500_and_touches_no_other() -> None:
    class Broken:
        async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
            if "break" in str(ask.request.messages):
                raise ZeroDivisionError("a secret detail")
            for burst in answer("hello"):
                await asyncio.sleep(0.02)
                yield burst

    def replier_for(_plan: Plan) -> Replier:
        return Broken()

    async with gateway(None, replier_for=replier_for) as door:
        good = [asyncio.create_task(door.post(prompt("fine", stream=bool(n % 2)))) for n in range(6)]
        bad = [await door.post(prompt("break", stream=stream)) for stream in (True, False)]
        answers = await asyncio.gather(*good)
        assert (await door.post(prompt("fine"))).status == 200
    for answered in bad:
        assert answered.error == (500, "api_error")
        assert b"secret" not in answered.body
        assert b"Traceback" not in answered.body
    assert [answered.status for answered in answers] == [200] * 6
    assert door.fatal == []


async def test_a_proxy_without_memory_says_that_it_cannot_go_on() -> None:
    async with gateway(None, replier_for=lambda _plan: Script([MemoryError()])) as door:
        answered = await door.post(prompt(stream=False))
    assert answered.error == (500, "api_error")
    assert [type(error) for error in door.fatal] == [MemoryError]


# Bodies


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_only_json_is_read(door: Door, path: str, content_type: str) -> None:
    body = msgspec.json.encode(prompt())
    answered = await door.ask("POST", path, data=body, headers={**BEARER, "content-type": content_type})
    assert answered.error == (415, "invalid_request_error")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_name_its_charset(door: Door, content_type: str) -> None:
    body = msgspec.json.encode(prompt())
    answered = await door.ask("POST", "/v1/messages", data=body, headers={**BEARER, "content-type": content_type})
    assert answered.status == 200


async def chunked(data: bytes, size: int = MB) -> AsyncGenerator[bytes]:
    """A body without a declared length."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(0)


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_read(door: Door) -> None:
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {33 * MB}\r\n\r\n{{"
    )
    answered = await raw_request(door, head.encode())
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in answered
    assert b"Connection: close" in answered


async def test_a_body_of_unknown_length_is_refused_once_it_passes_the_limit() -> None:
    async with gateway(None, replier_for=lambda _plan: Script(answer("x")), body_limit=2 * MB) as door:
        just = msgspec.json.encode(prompt("y" * (2 * MB - 150)))
        just += b" " * (2 * MB - len(just))
        headers = {**BEARER, "content-type": "application/json"}
        assert (await door.ask("POST", "/v1/messages", data=chunked(just), headers=headers)).status == 200
        answered = await door.ask("POST", "/v1/messages", data=chunked(just + b" "), headers=headers)
        assert answered.error == (413, "request_too_large")
        answered = await door.ask("POST", "/v1/messages", data=io.BytesIO(just + b" "), headers=headers)
        assert answered.error == (413, "request_too_large")


async def test_a_valid_body_of_20_mb_reaches_the_host_whole() -> None:
    async with OpenRouterFake([text("read it")]) as host, gateway(host) as door:
        long = "wort " * (4 * MB)
        body = io.BytesIO(msgspec.json.encode(prompt(long)))
        answered = await door.ask(
            "POST", "/v1/messages", data=body, headers={**BEARER, "content-type": "application/json"}
        )
        assert answered.message["content"][0]["text"] == "read it"
        assert long in str(host.asks[0].body["messages"])


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)])
async def test_compressed_bodies_are_read(door: Door, coding: str, pack: Any) -> None:
    headers = {**BEARER, "content-type": "application/json", "content-encoding": coding}
    body = pack(msgspec.json.encode(prompt()))
    assert (await door.ask("POST", "/v1/messages", data=body, headers=headers)).status == 200


async def test_a_compressed_bomb_and_broken_packages_are_refused() -> None:
    async with gateway(None, replier_for=lambda _plan: Script(answer("x")), body_limit=MB) as door:
        headers = {**BEARER, "content-type": "application/json", "content-encoding": "gzip"}
        packed = gzip.compress(msgspec.json.encode(prompt()))
        for data, status in ((gzip.compress(b" " * 50 * MB), 413), (b"no gzip", 400), (packed[:-9], 400)):
            answered = await door.ask("POST", "/v1/messages", data=data, headers=headers)
            assert answered.error[0] == status
        for coding in ("br", "zstd", "gzip, gzip", "unknown"):
            headers["content-encoding"] = coding
            answered = await door.ask("POST", "/v1/messages", data=packed, headers=headers)
            assert answered.error == (415, "invalid_request_error")


async def test_a_body_that_does_not_arrive_is_not_waited_for_long() -> None:
    async with gateway(None, replier_for=lambda _plan: Script(answer("x")), body_seconds=0.1) as door:
        head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"model'
        )
        answered = await raw_request(door, head.encode())
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b"timeout_error" in answered


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"NaN",
        b'{"model": NaN}',
        b"[" * 100_000,
        b'{"model":"x","messages":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"{}",
        b'{"model":1,"max_tokens":1,"messages":[]}',
        b'{"model":"big","max_tokens":"1","messages":[{"role":"user","content":"a"}]}',
        b'{"model":"big","max_tokens":1,"messages":[{"role":"alien","content":"a"}]}',
        b'{"model":"big","max_tokens":1,"messages":[{"role":"user"}]}',
        b'{"model":"big","max_tokens":1,"messages":{}}',
    ],
)
async def test_a_body_that_is_no_request_is_a_400(door: Door, body: bytes) -> None:
    answered = await door.ask("POST", "/v1/messages", data=body, headers={**BEARER, "content-type": "application/json"})
    assert answered.error == (400, "invalid_request_error")
    assert b"Traceback" not in answered.body


# Other endpoints


async def test_any_json_is_counted_and_nobody_is_asked() -> None:
    async with OpenRouterFake() as host, gateway(host) as door:
        short = await door.post(
            {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}, "/v1/messages/count_tokens"
        )
        long = await door.post(
            {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": "some words " * 1000}]},
            "/v1/messages/count_tokens?beta=true",
        )
        assert 1 <= short.json["input_tokens"] < 50
        assert 1000 < long.json["input_tokens"] < 4000
        for odd in ({}, [], "x", 3, {"model": "no such model", "messages": [{"role": "user", "content": "a"}]}):
            answered = await door.post(odd, "/v1/messages/count_tokens")
            assert answered.status == 200
            assert answered.json["input_tokens"] >= 1
        headers = {**BEARER, "content-type": "application/json"}
        broken = await door.ask("POST", "/v1/messages/count_tokens", data=b"{", headers=headers)
        assert broken.error == (400, "invalid_request_error")
        assert host.log == []


async def test_the_list_begins_with_the_names_in_use_and_can_be_paged() -> None:
    settings = Settings(
        models=Models(big=MODEL, small="qwen/qwen4-coder-flash"), aliases={"fast": "qwen/qwen4-coder-flash"}
    )
    async with OpenRouterFake() as host, gateway(host, settings=settings) as door:
        whole = (await door.ask("GET", "/v1/models?limit=1000")).json
        names = [model["id"] for model in whole["data"]]
        assert names[:3] == [MODEL, "qwen/qwen4-coder-flash", "fast"]
        assert len(set(names)) == len(names)
        assert "google/gemini-4-argon" in names
        assert "sample-labs/tiny-chat-8b:free" not in names
        assert whole["has_more"] is False
        assert whole["data"][0]["max_input_tokens"] == 202_752

        paged: list[str] = []
        after = ""
        while True:
            page = (await door.ask("GET", f"/v1/models?limit=2{after}")).json
            paged += [model["id"] for model in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after_id={page['last_id']}"
        assert paged == names
        assert (await door.ask("GET", "/v1/models?limit=0")).error == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("z-ai/glm-5.3", 202_752),
        ("z-ai%2Fglm-5.3", 202_752),
        ("claude-sonnet-5", 202_752),
        ("fast", 202_752),
        ("sample-labs/tiny-chat-8b:free", None),
    ],
)
async def test_a_model_is_found_by_any_name_it_goes_by(name: str, window: int | None) -> None:
    settings = Settings(models=Models(big=MODEL), aliases={"fast": MODEL})
    async with OpenRouterFake() as host, gateway(host, settings=settings) as door:
        answered = await door.ask("GET", f"/v1/models/{name}")
        assert answered.status == 200
        assert answered.json["id"] == name.replace("%2F", "/")
        assert window is None or answered.json["max_input_tokens"] == window


async def test_an_unlisted_model_is_a_404_with_the_nearest_name() -> None:
    async with OpenRouterFake() as host, gateway(host) as door:
        answered = await door.ask("GET", "/v1/models/z-ai/glm-5.4")
        assert answered.error == (404, "not_found_error")
        assert "z-ai/glm-5.3" in answered.json["error"]["message"]
        posted = await door.post(prompt(model="glm"))
        assert posted.error == (404, "not_found_error")
        assert "z-ai/glm-5.3" in posted.json["error"]["message"]


async def test_without_a_listing_every_slug_counts_as_a_model(door: Door) -> None:
    answered = await door.ask("GET", "/v1/models/any/thing")
    assert (answered.status, answered.json["id"]) == (200, "any/thing")


async def test_status_has_a_token_of_its_own() -> None:
    async with OpenRouterFake([text("hi")]) as host, gateway(host, status=lambda: {"session": "s-1"}) as door:
        await door.post(prompt())
        assert (await door.ask("GET", "/control/status")).error == (401, "authentication_error")
        answered = await door.ask("GET", "/control/status", headers={"authorization": f"Bearer {CONTROL}"})
        told = answered.json
        assert (told["version"], told["session"], told["served"], told["open_requests"]) == (__version__, "s-1", 1, 0)
        assert told["models"][MODEL]["calls"] == 1
        assert told["total"]["cost"] == pytest.approx(float(host.invoice()))
        assert (await door.ask("GET", "/control/other", headers={"x-api-key": CONTROL})).status == 404
        assert (await door.ask("GET", "/v1/models", headers={"x-api-key": CONTROL})).status == 401


# Life


async def test_more_requests_than_can_be_answered_are_told_to_come_back() -> None:
    release = asyncio.Event()
    script = Script([release, *answer("hello")])
    async with gateway(None, replier_for=lambda _plan: script, most_requests=3) as door:
        waiting = [asyncio.create_task(door.post(prompt())) for _ in range(3)]
        while len(script.asks) < 3:
            await asyncio.sleep(0.01)
        turned_away = await door.post(prompt())
        assert turned_away.error == (529, "overloaded_error")
        assert turned_away.headers["retry-after"] == "1"
        assert (await door.ask("GET", "/health")).status == 200
        release.set()
        assert [answered.status for answered in await asyncio.gather(*waiting)] == [200] * 3
        assert (await door.post(prompt())).status == 200
        assert door.house.open_requests == 0


async def test_closing_the_house_ends_open_answers_in_time() -> None:
    script = Script([*answer("a")[:2], 30.0])
    began = 0.0
    async with (
        aiohttp.ClientSession() as client,
        gateway(None, replier_for=lambda _plan: script) as door,
        client.post(door.url + "/v1/messages", json=prompt(), headers=BEARER) as response,
    ):
        await response.content.readany()
        assert script.open == 1
        began = time.monotonic()
        response.release()
    assert time.monotonic() - began < 20
    assert script.open == 0


async def test_the_loss_of_the_socket_is_told_once() -> None:
    async with gateway(None, replier_for=lambda _plan: Script(answer("x"))) as door:
        door.sock.close()
        async with asyncio.timeout(10):
            while not door.fatal:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.15)
    assert len(door.fatal) == 1
