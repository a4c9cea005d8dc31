"""What a session learnt of a model from a refusal is known in its next requests."""

from __future__ import annotations

import signal
from typing import Any

import aiohttp
import msgspec

from claude_or.wire.events import fold
from claude_or.wire.sse import SseDecoder
from tests.fakes.listing import GEMINI
from tests.fakes.papers import picture
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import text
from tests.stories.conftest import World
from tests.stories.test_config import TOKEN, user_file

SCHEMA = {"type": "object", "properties": {"legs": {"type": "integer"}}, "required": ["legs"]}
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}
REFUSES = {
    "image_url": "this model does not support image input",
    "json_schema": "response_format of type json_schema is not supported",
}


async def test_a_model_that_takes_no_pictures_and_no_schemas_is_sent_none_from_then_on(world: World) -> None:
    world.host.script(lambda _ask, _n: text("A grey square."))
    async with plain_host(otherwise=Say('{"legs": 4}')) as lab:
        lab.refuses = REFUSES
        user_file(world).write_text(
            f"models: {{big: 'lab:tiny', vision: '{GEMINI}'}}\nproviders: {{lab: {{base_url: '{lab.base_url}'}}}}\n"
        )
        running = await world.start(args=("serve",), CLAUDE_OR_TOKEN=TOKEN, BIG_MODEL="", SMALL_MODEL="")
        assert running.process.stdout
        url = (await running.process.stdout.readline()).decode().split()[-1]
        content: list[Any] = [picture(1), {"type": "text", "text": "how many legs?"}]
        body = {"model": "opus", "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": content}]}
        async with aiohttp.ClientSession(trust_env=False) as client:
            for more in ({}, {}, {"output_config": FORMAT}, {"output_config": FORMAT}):
                headers = {"authorization": f"Bearer {TOKEN}"}
                async with client.post(f"{url}/v1/messages", json={**body, **more}, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    told = fold(SseDecoder().feed(await answer.read()))
                    assert msgspec.json.decode(told["content"][0]["text"]) == {"legs": 4}
        running.signal(signal.SIGTERM)
        await running.done()
    asked = [heard.raw for heard in lab.heard if heard.path.endswith("/chat/completions")]
    assert [b"image_url" in raw for raw in asked] == [True, False, False, False, False, False]
    assert [b'"json_schema"' in raw for raw in asked] == [False, False, False, True, False, False]
    assert all(b"A grey square." in raw for raw in asked[1:])
    assert len(world.host.asks) == 1
    # Each extra call is in the log, with its cost where the host tells one, and none of what was said.
    logs = (world.home / ".local/state/claude-or/logs").glob("*.jsonl")
    lines = [msgspec.json.decode(line) for file in logs for line in file.read_bytes().splitlines()]
    calls = [line for line in lines if line["event"] == "call"]
    assert len(calls) == len(asked) + 1
    (look,) = [line for line in calls if line["slug"] == GEMINI]
    assert float(look["cost"]) > 0
    assert "grey square" not in str(lines)
