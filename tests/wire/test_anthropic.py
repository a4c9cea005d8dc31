"""The Messages API's words outside a stream."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from anthropic.types import ModelInfo
from hypothesis import given
from hypothesis import strategies as st

from claude_or.wire.anthropic import (
    BadRequest,
    Failure,
    ListedModel,
    decode_request,
    error_body,
    error_headers,
    model_body,
    models_page,
)
from tests.translate.rows import shows

GOOD: dict[str, Any] = {"model": "a/b", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def refusal(raw: bytes) -> str:
    with pytest.raises(BadRequest) as refused:
        decode_request(raw)
    assert refused.value.failure.status == 400
    assert refused.value.failure.type == "invalid_request_error"
    return str(refused.value)


def refusal_of(**changes: Any) -> str:
    return refusal(json.dumps({**GOOD, **changes}).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": NaN}',
        b'{"max_tokens": Infinity}',
        b'{"temperature": 1e999}',
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"model": "\\ud800 and more"}',
        b'{"\\udfff": 1}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_is_no_json_is_a_bad_request(raw: bytes) -> None:
    assert refusal(raw).startswith("The request body is n")


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"hi"', b"7"])
def test_a_body_that_is_no_object_is_a_bad_request(raw: bytes) -> None:
    assert refusal(raw) == "The request body must be a JSON object."


@shows("field model", "field messages", "field max_tokens")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"model": 7}, "model: Input should be a valid string"),
        ({"model": " "}, "model: String should have at least 1 character"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 9.0}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": {}}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": ["hi"]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role: Field required"),
        (
            {"messages": [{"role": "tool", "content": "hi"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (
            {"messages": [{"role": ["user"], "content": "hi"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content: Input should be a valid string or list"),
        (
            {"messages": [GOOD["messages"][0], {"role": "user", "content": ["hi"]}]},
            "messages.1.content.0: Input should be a valid dictionary",
        ),
        ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages.0.content.0.type: Field required"),
        (
            {"messages": [{"role": "user", "content": [{"type": 7}]}]},
            "messages.0.content.0.type: Input should be a valid string",
        ),
        ({"system": 7}, "system: Input should be a valid string or a list of text blocks"),
        ({"system": [7]}, "system.0: Input should be a valid dictionary"),
        ({"tools": {}}, "tools: Input should be a valid list"),
        ({"tools": ["Read"]}, "tools.0: Input should be a valid dictionary"),
        ({"tool_choice": "auto"}, "tool_choice: Input should be a valid dictionary"),
        ({"tool_choice": {}}, "tool_choice.type: Field required"),
        ({"thinking": {"budget_tokens": 1024}}, "thinking.type: Field required"),
        ({"output_config": []}, "output_config: Input should be a valid dictionary"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"top_k": 1.5}, "top_k: Input should be a valid integer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    assert refusal_of(**changes) == message


def test_too_many_messages_are_refused() -> None:
    assert refusal_of(messages=GOOD["messages"] * 100_001) == "messages: at most 100000 messages are allowed"


def test_a_system_message_may_carry_its_output_config_alone() -> None:
    message = {"role": "system", "output_config": {"effort": "low"}}
    request = decode_request(json.dumps({**GOOD, "messages": [*GOOD["messages"], message]}).encode())
    assert request.messages[1] == message


def test_null_counts_as_not_sent_and_unknown_fields_are_kept() -> None:
    sent = {
        **GOOD,
        "system": None,
        "tools": None,
        "stream": None,
        "thinking": None,
        "top_p": 1,
        "brand_new": {"a": [1]},
    }
    request = decode_request(json.dumps(sent).encode())
    assert (request.system, request.tools, request.stream, request.thinking) == (None, [], False, None)
    assert request.top_p == 1
    assert request.extra == {"brand_new": {"a": [1]}}


@shows("endpoint count_tokens")
def test_counting_needs_no_max_tokens() -> None:
    raw = json.dumps({k: v for k, v in GOOD.items() if k != "max_tokens"}).encode()
    assert decode_request(raw, counting=True).messages == GOOD["messages"]
    assert refusal(raw) == "max_tokens: Field required"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "messages", "max_tokens", "system", "tools", "stream", "thinking", "x"]), JSON
    )
)
def test_any_json_is_decoded_or_refused(body: dict[str, Any]) -> None:
    with contextlib.suppress(BadRequest):
        assert decode_request(json.dumps(body).encode()).model == body["model"]


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_request(raw)


@shows("error body")
def test_an_error_body_has_the_api_s_shape_and_is_always_unicode() -> None:
    failure = Failure(kind="api", status=500, type="api_error", message="half a \ud800 pair")
    assert json.loads(error_body(failure, "req_1")) == {
        "type": "error",
        "error": {"type": "api_error", "message": "half a ? pair"},
        "request_id": "req_1",
    }


@shows("error headers")
def test_error_headers_tell_when_and_whether_to_come_back() -> None:
    failure = Failure(
        kind="rate_limit", status=429, type="rate_limit_error", message="", retry_after=2.1, should_retry=False
    )
    assert error_headers(failure) == {"retry-after": "3", "x-should-retry": "false"}
    assert error_headers(Failure(kind="api", status=500, type="api_error", message="", should_retry=True)) == {
        "x-should-retry": "true"
    }
    assert error_headers(Failure(kind="api", status=500, type="api_error", message="")) == {}


@shows("endpoint model_shape", "endpoint model")
def test_a_listed_model_reads_as_the_official_client_s_type() -> None:
    model = ListedModel(
        id="z-ai/glm-5.3",
        display_name="GLM 5.3",
        created=1_790_000_000,
        max_input_tokens=1_000_000,
        max_tokens=131_072,
        images=True,
        thinking=True,
        efforts=("low", "high", "max"),
    )
    info = ModelInfo.model_validate(json.loads(json.dumps(model_body(model))))
    assert (info.id, info.display_name, info.max_input_tokens, info.max_tokens) == (
        "z-ai/glm-5.3",
        "GLM 5.3",
        1_000_000,
        131_072,
    )
    assert info.created_at.year == 2026
    assert info.capabilities
    assert info.capabilities.image_input.supported
    assert not info.capabilities.pdf_input.supported
    assert info.capabilities.thinking.supported
    assert (info.capabilities.effort.high.supported, info.capabilities.effort.medium.supported) == (True, False)
    assert model_body(ListedModel(id="x"))["display_name"] == "x"


@shows("endpoint models")
def test_models_are_paged_as_the_client_asks() -> None:
    models = [ListedModel(id=f"m{i}") for i in range(5)]

    def page(**query: str) -> tuple[list[str], bool]:
        body = models_page(models, query)
        ids = [model["id"] for model in body["data"]]
        assert (body["first_id"], body["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        return ids, body["has_more"]

    assert page() == (["m0", "m1", "m2", "m3", "m4"], False)
    assert page(limit="2") == (["m0", "m1"], True)
    assert page(limit="2", after_id="m1") == (["m2", "m3"], True)
    assert page(limit="2", after_id="m3") == (["m4"], False)
    assert page(limit="2", before_id="m3") == (["m1", "m2"], True)
    assert page(limit="2", before_id="m1") == (["m0"], False)
    assert page(after_id="m4") == ([], False)
    assert page(after_id="gone") == (["m0", "m1", "m2", "m3", "m4"], False)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "", "100001"])
def test_a_page_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(BadRequest, match="limit: Input should be a whole number from 1 to 1000"):
        models_page([], {"limit": limit})
