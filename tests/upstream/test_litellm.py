"""The process that runs LiteLLM, with a stand-in for the library: started, killed, missing, ended with us.

That the real library is served right is shown in `test_litellm_real.py`, in an environment that has it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Limits, Provider, Settings
from claude_or.routing.ask import ReplyFailed
from claude_or.upstream.hosts import Hosts
from claude_or.upstream.litellm import LiteLlm, missing, worker_environment

STAND_IN = """
import asyncio, json, os

class Chunk:
    def __init__(self, **said):
        self.said = said
    def model_dump_json(self, exclude_none):
        return json.dumps(self.said)

class RateLimitError(Exception):
    status_code = 429
    message = "litellm.RateLimitError: RateLimitError: BedrockException: slow down"
    litellm_response_headers = {"Retry-After": "7"}

async def acompletion(*, model, timeout, max_retries, stream=False, **more):
    print("chatter that nobody may see")
    if model == "limited":
        raise RateLimitError("no")
    if model == "dies":
        os._exit(3)
    if not stream:
        return Chunk(model=model, env=sorted(os.environ), messages=more["messages"])
    async def chunks():
        for word in ("a", "b"):
            yield Chunk(word=word)
        if model == "dies-later":
            os._exit(3)
        if model == "breaks":
            raise ValueError("litellm.MidStreamFallbackError: gone")
    return chunks()
"""


@asynccontextmanager
async def worker(tmp_path: Path, source: str = STAND_IN, **environ: str) -> AsyncGenerator[tuple[LiteLlm, list[str]]]:
    (tmp_path / "litellm.py").write_text(source, encoding="utf-8")
    told: list[str] = []
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "OPENROUTER_API_KEY": "sk-or-secret", **environ}
    host = LiteLlm(environ=given, variables=["PYTHONPATH", "AWS_PROFILE"], limits=Limits(connect=5), guard=told.append)
    async with host:
        yield host, told


async def ask(host: LiteLlm, model: str, **more: Any) -> tuple[int, bytes]:
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "x"}], **more})
    async with host.answer_to("/chat/completions", body, first_byte=30) as response:
        return response.status, await response.read()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_starts_at_the_first_request_and_ends_with_the_session(tmp_path: Path) -> None:
    async with worker(tmp_path) as (host, told):
        assert host.pid is None
        answers = await asyncio.gather(*(ask(host, "one") for _ in range(5)))
        assert {status for status, _ in answers} == {200}
        pid = host.pid
        assert pid is not None
        assert told == [f"+pgid {pid} ?"]
    assert not is_alive(pid)
    assert told[-1] == f"-pgid {pid}"


async def test_it_sees_the_variables_that_were_named_and_no_key(tmp_path: Path) -> None:
    async with worker(tmp_path, AWS_PROFILE="mine", AWS_SECRET_ACCESS_KEY="not named") as (host, _):
        _, raw = await ask(host, "one")
    seen = set(msgspec.json.decode(raw)["env"])
    assert {"AWS_PROFILE", "LITELLM_OFFLINE_MODE", "LITELLM_LOCAL_MODEL_COST_MAP", "OR_APP_NAME"} <= seen
    assert not seen & {"OPENROUTER_API_KEY", "AWS_SECRET_ACCESS_KEY", "CLAUDE_OR_LITELLM_TOKEN"}


async def test_a_stream_comes_as_events_and_a_break_in_it_is_told(tmp_path: Path) -> None:
    async with worker(tmp_path) as (host, _):
        _, whole = await ask(host, "one", stream=True)
        _, broken = await ask(host, "breaks", stream=True)
    assert whole == b'data: {"word": "a"}\n\ndata: {"word": "b"}\n\ndata: [DONE]\n\n'
    assert broken.split(b"\n\n")[2] == b'data: {"error":{"code":500,"message":"gone"}}'


async def test_an_error_keeps_its_status_and_its_delay_and_loses_the_class_names(tmp_path: Path) -> None:
    async with worker(tmp_path) as (host, _):
        body = msgspec.json.encode({"model": "limited", "messages": []})
        async with host.answer_to("/chat/completions", body) as response:
            assert (response.status, response.headers["retry-after"]) == (429, "7")
            assert (await response.json())["error"] == {"code": 429, "message": "slow down"}


async def test_nobody_without_the_token_is_served(tmp_path: Path) -> None:
    import aiohttp

    async with worker(tmp_path) as (host, _), aiohttp.ClientSession() as stranger:
        await ask(host, "one")
        for headers in ({}, {"authorization": "Bearer guess"}):
            async with stranger.post(f"{host.base_url}/chat/completions", json={}, headers=headers) as response:
                assert response.status == 401


async def test_its_death_fails_the_request_and_the_next_one_starts_it_anew(tmp_path: Path) -> None:
    async with worker(tmp_path) as (host, told):
        with pytest.raises(ReplyFailed) as caught:
            await ask(host, "dies")
        assert caught.value.failure.status == 502
        assert (await ask(host, "one"))[0] == 200
        first = host.pid
        assert first is not None
        os.killpg(first, signal.SIGKILL)
        await until_gone(host)
        assert (await ask(host, "one"))[0] == 200
        assert host.pid != first
    assert [line[:6] for line in told] == ["+pgid ", "-pgid "] * 3


async def until_gone(host: LiteLlm) -> None:
    async with asyncio.timeout(10):
        while host.pid is not None:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise ImportError('no module named boto3')", "no module named boto3"),
        ("import os; os._exit(4)", "it ended at once"),
    ],
)
async def test_what_cannot_be_loaded_is_a_failed_request_with_the_reason(tmp_path: Path, source: str, why: str) -> None:
    async with worker(tmp_path, source) as (host, _):
        with pytest.raises(ReplyFailed) as caught:
            await ask(host, "one")
        assert caught.value.failure.message == f"LiteLLM could not be started: {why}."
        assert host.pid is None


async def test_it_leaves_when_the_pipe_to_us_closes(tmp_path: Path) -> None:
    async with worker(tmp_path) as (host, _):
        await ask(host, "one")
        process = host._process  # pyright: ignore[reportPrivateUsage] - the pipe is nobody else's business
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        await until_gone(host)


async def test_without_the_library_the_host_is_missing_and_names_the_command() -> None:
    assert "pip install 'claude-or[litellm]'" in missing(), "the default environment has no LiteLLM"
    settings = Settings(providers={"litellm": Provider(kind="litellm")})
    async with Hosts(settings, "", {}) as hosts:
        assert "litellm" not in hosts.opened
        assert "pip install 'claude-or[litellm]'" in hosts.missing["litellm"]


def test_a_proxy_of_the_user_reaches_the_worker() -> None:
    seen = worker_environment({"https_proxy": "http://p", "SHELL": "x"}, (), "t")
    assert seen["https_proxy"] == "http://p"
    assert "SHELL" not in seen
