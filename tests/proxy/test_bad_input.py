"""Bad input at the door, through the real application and chain: a 400 in the API's shape that names the field, and nobody asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.replies import text
from tests.proxy.gateway import TOKEN, gateway, prompt

HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}


def user(*blocks: Any) -> dict[str, Any]:
    """A conversation of one user turn."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": 1}),
    ("model", {"model": ""}),
    ("max_tokens", {"max_tokens": "many"}),
    ("max_tokens", {"max_tokens": -1}),
    ("max_tokens", {"max_tokens": True}),
    ("max_tokens", {"max_tokens": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": {}}),
    ("messages", {"messages": "hi"}),
    ("messages.0", {"messages": ["hi"]}),
    ("messages.0.role", {"messages": [{"role": "robot", "content": "x"}]}),
    ("messages.0.content", {"messages": [{"role": "user"}]}),
    ("messages.0.content", {"messages": [{"role": "user", "content": 3}]}),
    ("messages.0.content.0", user("words")),
    ("messages.0.content.0.type", user({"text": "x"})),
    ("messages.0.content.0", user({"type": "unheard_of"})),
    ("messages.0.content.1", user({"type": "text", "text": "x"}, {"type": "text", "text": 3})),
    ("messages.0.content.0", user({"type": "image", "source": {}})),
    ("messages.0.content.0.tool_use_id", user({"type": "tool_result", "content": "x"})),
    ("messages.0.content.0.tool_use_id", user({"type": "tool_result", "tool_use_id": 3, "content": "x"})),
    ("stream", {"stream": "yes"}),
    ("system", {"system": 4}),
    ("tools", {"tools": {}}),
    ("tools.0", {"tools": ["Read"]}),
    ("tools.0.type", {"tools": [{"type": {}, "name": "web_search"}]}),
    ("tool_choice", {"tool_choice": "auto"}),
    ("thinking", {"thinking": "adaptive"}),
    ("thinking.type", {"thinking": {"type": "deeply"}}),
    ("thinking.budget_tokens", {"thinking": {"type": "enabled"}}),
    ("output_config", {"output_config": []}),
    ("output_config.effort", {"output_config": {"effort": "extreme"}}),
    ("stop_sequences", {"stop_sequences": "x"}),
    ("temperature", {"temperature": "warm"}),
    ("top_p", {"top_p": []}),
    ("top_k", {"top_k": 1.5}),
    ("mcp_servers", {"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "x"}]}),
]


@pytest.mark.parametrize(("field", "more"), WRONG, ids=[f"{field}-{n}" for n, (field, _) in enumerate(WRONG)])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_wrong_field_is_named(field: str, more: dict[str, Any], stream: bool) -> None:
    async with OpenRouterFake(lambda _ask, _n: text("a"), key=KEY) as host, gateway(host) as door:
        answered = await door.post({**prompt(stream=stream), **more})
        assert answered.error == (400, "invalid_request_error")
        assert field in answered.json["error"]["message"]
        assert host.asks == []


@pytest.mark.parametrize("stream", [b"true", b"false"])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (b'"hi"', b"[" * 10_000 + b"]" * 10_000),
        (b'"hi"', b'[{"type":"tool_result","tool_use_id":"a","content":' + b"[" * 10_000 + b"]" * 10_000 + b"}]"),
        (b'"hi"', b'"\\ud800"'),
        (b'"hi"', b'"\xed\xa0\x80"'),
        (b'"hi"', b"NaN"),
        (b"4000", b"Infinity"),
        (b'"hi"', b"'hi'"),
        (b'"hi"', b'"hi",'),
    ],
    ids=["deep", "deep in a block", "lone surrogate", "raw surrogate", "NaN", "Infinity", "quotes", "comma"],
)
async def test_what_is_no_json_is_a_400(place: bytes, value: bytes, stream: bytes) -> None:
    async with OpenRouterFake(lambda _ask, _n: text("a"), key=KEY) as host, gateway(host) as door:
        raw = msgspec.json.encode(prompt()).replace(place, value).replace(b'"stream":true', b'"stream":' + stream)
        answered = await door.ask("POST", "/v1/messages", data=raw, headers=HEADERS)
        assert answered.error == (400, "invalid_request_error")
        assert b"Traceback" not in answered.body
        assert host.asks == []
