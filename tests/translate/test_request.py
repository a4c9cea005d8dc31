"""A Messages request as a chat request: fields, shapes of the real client, and what never changes."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openrouter.components import ChatRequest

from claude_or.translate.losses import Losses
from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.request import to_chat
from claude_or.wire.anthropic import BadRequest, MessagesRequest, decode_request
from tests.translate.rows import shows
from tests.translate.shapes import (
    FACTS,
    SHAPES,
    Body,
    assistant,
    body,
    chat,
    image,
    losses,
    main_turn,
    order,
    result,
    searched_turn,
    system,
    text,
    thinking_turn,
    title_call,
    tool,
    tool_loop,
    use,
    user,
)

SLUGS = [
    "anthropic/claude-9",
    "openai/gpt-9",
    "google/gemini-9",
    "x-ai/grok-9",
    "deepseek/v9",
    "moonshotai/kimi-9",
    "z-ai/glm-9",
    "qwen/qwen9",
    "minimax/m9",
    "mistralai/devstral-9",
    "meta-llama/llama-9",
    "someone/else",
]


def refused(sent: Body, **more: Any) -> str:
    with pytest.raises(BadRequest) as error:
        chat(sent, **more)
    return str(error.value)


@shows("field model", "field stream")
def test_the_body_has_a_fixed_order_and_always_streams() -> None:
    sent = chat(main_turn(stream=False), session_key="sess:main", preferences={"only": ["x"]})
    assert list(sent) == [
        "model",
        "session_id",
        "provider",
        "tools",
        "messages",
        "max_tokens",
        "reasoning",
        "stream",
        "stream_options",
        "usage",
    ]
    assert sent["model"] == "z-ai/glm-5.3"
    assert sent["provider"] == {"only": ["x"]}
    assert (sent["stream"], sent["stream_options"], sent["usage"]) == (True, {"include_usage": True}, {"include": True})


def test_a_session_key_is_sent_and_never_too_long() -> None:
    assert chat(body(), session_key="s" * 300)["session_id"] == "s" * 256
    assert not {"session_id", "provider"} & set(chat(body()))


def test_a_plain_host_gets_no_field_of_openrouter_s_own() -> None:
    local = profile_for("qwen3:8b", None, openrouter=False)
    sent = chat(main_turn(), profile=local, session_key="s", preferences={"only": ["x"]})
    assert not {"session_id", "provider", "usage", "reasoning"} & set(sent)


@shows("field max_tokens")
def test_max_tokens_is_clamped_to_what_the_model_gives_and_what_fits() -> None:
    def given(asked: int, *, max_output: int | None = None, **facts: Any) -> int:
        profile = profile_for("z-ai/glm", ModelFacts(**facts))
        return chat(body(max_tokens=asked), profile=profile, max_output=max_output)["max_tokens"]

    assert given(32_000) == 32_000
    assert given(32_000, max_output=16_000) == 16_000
    assert given(128_000, max_output=None) == 128_000
    assert given(32_000, context=1_000_000) == 32_000
    profile = ModelProfile(max_output=8192)
    assert chat(body(max_tokens=32_000), profile=profile)["max_tokens"] == 8192
    assert order(body(max_tokens=32_000), profile=profile).max_tokens == 8192
    assert "max_tokens" in losses(body(max_tokens=32_000), profile=profile)
    assert "max_tokens" not in losses(body(max_tokens=100), profile=profile)


@shows("field max_tokens")
def test_max_tokens_leaves_room_for_the_prompt_but_never_vanishes() -> None:
    long = body(user("word " * 4000), max_tokens=32_000)
    tokens = order(long).input_estimate
    assert chat(long, profile=ModelProfile(context=30_000))["max_tokens"] == 30_000 - tokens
    assert chat(long, profile=ModelProfile(context=1000))["max_tokens"] == 1024


@shows("field max_tokens")
def test_hosts_with_a_least_output_are_asked_for_no_less() -> None:
    assert chat(body(max_tokens=1), "openai/gpt-9")["max_tokens"] == 16
    assert "max_tokens" in losses(body(max_tokens=1), "openai/gpt-9")
    assert chat(body(max_tokens=1))["max_tokens"] == 1


@shows("field max_tokens")
def test_no_output_at_all_only_warms_the_cache() -> None:
    assert order(body(max_tokens=0)).warm_only
    assert not order(body(max_tokens=1)).warm_only


@shows("field stop_sequences")
def test_four_stop_sequences_are_sent_and_the_rest_is_cut_here() -> None:
    sequences = ["a", "b", "c", "d", "e", "f"]
    sent = order(body(stop_sequences=sequences))
    assert msgspec.json.decode(sent.body)["stop"] == sequences[:4]
    assert (sent.stop_sequences, sent.cut_at) == (tuple(sequences), ("e", "f"))
    assert "stop_sequences" in losses(body(stop_sequences=sequences))
    few = order(body(stop_sequences=["</block>"]))
    assert (few.cut_at, "stop_sequences" in few.losses) == ((), False)
    none = order(body(stop_sequences=["x"]), profile=ModelProfile(parameters=frozenset()))
    assert "stop" not in msgspec.json.decode(none.body)
    assert none.cut_at == ("x",)
    assert refused(body(stop_sequences=["x", " \n"])) == (
        "stop_sequences.1: each stop sequence must contain non-whitespace"
    )


@shows("field temperature", "field top_p", "field top_k")
def test_sampling_is_passed_where_the_model_takes_it() -> None:
    more = {"temperature": 0.5, "top_p": 0.9, "top_k": 40}
    sent = chat(body(**more))
    assert {name: sent[name] for name in more} == more
    some = ModelProfile(parameters=frozenset({"top_p"}))
    assert set(more) & set(chat(body(**more), profile=some)) == {"top_p"}
    assert {"temperature", "top_k"} <= losses(body(**more), profile=some)
    assert chat(body(temperature=0))["temperature"] == 0


@shows("field output_config.format")
def test_a_format_is_a_response_format_where_the_host_enforces_it() -> None:
    sent = chat(title_call())
    schema = title_call()["output_config"]["format"]["schema"]
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
    old = body(output_format={"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}})
    assert "strict" not in chat(old)["response_format"]["json_schema"]
    listed = body(output_format={"type": "json_schema", "schema": {"type": "array"}})
    assert chat(listed)["response_format"]["json_schema"]["schema"] == {"type": "array"}


@shows("field output_config.format")
def test_a_format_that_no_host_enforces_is_asked_for_in_words() -> None:
    plain = ModelProfile(parameters=frozenset({"response_format"}))
    sent = chat(title_call(), profile=plain)
    assert sent["response_format"] == {"type": "json_object"}
    assert '"required":["title"]' in sent["messages"][0]["content"]
    bare = chat(title_call(), profile=ModelProfile(parameters=frozenset()))
    assert "response_format" not in bare
    assert bare["messages"][0]["content"].startswith("knoll ridge")
    assert "structured_output" in losses(title_call(), profile=plain)


@shows("field output_config.format")
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("json", "output_config.format.type: Input should be 'json_schema'"),
        ({"type": "xml"}, "output_config.format.type: Input should be 'json_schema'"),
        ({"type": "json_schema"}, "output_config.format.schema: Field required"),
    ],
    ids=str,
)
def test_a_format_that_is_not_understood_is_refused(wanted: Any, message: str) -> None:
    assert refused(body(output_config={"format": wanted})) == message


@shows(
    "field metadata",
    "field service_tier",
    "field speed",
    "field inference_geo",
    "field diagnostics",
    "field context_management",
    "field fallbacks",
    "field fallback_credit_token",
    "field unknown",
)
@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("metadata", {"user_id": "someone"}, "metadata"),
        ("service_tier", "auto", "service_tier"),
        ("speed", "fast", "speed"),
        ("inference_geo", "eu", "inference_geo"),
        ("diagnostics", {"previous_message_id": "m"}, "diagnostics"),
        ("context_management", {"edits": []}, "context_management"),
        ("fallbacks", "default", "fallbacks"),
        ("fallback_credit_token", "t", "fallback_credit_token"),
        ("billing_policy", {}, "billing_policy"),
        ("safeguards", [], "safeguards"),
        ("user_profile_id", "u", "unknown_field"),
        ("invented_in_2030", {"a": 1}, "unknown_field"),
    ],
)
def test_hints_are_dropped_and_listed(field: str, value: Any, kind: str) -> None:
    sent = body(**{field: value})
    assert chat(sent) == chat(body())
    assert kind in losses(sent)


@shows("field output_config.task_budget")
def test_a_task_budget_is_dropped_and_listed() -> None:
    sent = body(output_config={"task_budget": {"type": "tokens", "total": 9}})
    assert chat(sent) == chat(body())
    assert "task_budget" in losses(sent)


@shows("field container", "field compaction", "field mcp_servers", "field thread")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"container": {"id": "c", "skills": [{"skill_id": "x"}]}},
            "container.skills: skills are not available on this model",
        ),
        (
            {"thread": {"type": "continue", "id": "t"}},
            "thread: no thread is kept on this model; send the whole history",
        ),
        (
            {"compaction": {"type": "summarize"}},
            "compaction: compaction on the server's side is not available on this model",
        ),
        (
            {"mcp_servers": [{"type": "url"}]},
            "mcp_servers: MCP servers on the server's side are not available on this model; connect them in the client",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_server_would_have_to_do_is_refused(more: Body, message: str) -> None:
    assert refused(body(**more)) == message


@shows("field container", "field thread", "field mcp_servers")
def test_harmless_forms_of_the_same_fields_are_dropped() -> None:
    assert "container" in losses(body(container="c_1"))
    assert "thread" in losses(body(thread={"type": "create"}))
    assert chat(body(mcp_servers=[])) == chat(body())


@shows("block unknown")
def test_a_request_that_is_nested_too_deeply_is_refused() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = {"a": deep}
    request = MessagesRequest(
        model="m", max_tokens=9, messages=[user("go"), assistant({**use("t1"), "input": deep}), user(result("t1"))]
    )
    assert to_chat(request, ModelProfile(), slug="m").body
    for _ in range(100_000):
        deep = {"a": deep}
    request.messages[1] = assistant({**use("t1"), "input": deep})
    with pytest.raises(BadRequest, match="nested too deeply"):
        to_chat(request, ModelProfile(), slug="m")


def test_half_a_surrogate_pair_is_refused() -> None:
    request = MessagesRequest(model="m", max_tokens=9, messages=[user("\ud800")])
    with pytest.raises(BadRequest, match="half a surrogate pair"):
        to_chat(request, ModelProfile(), slug="m")


def test_losses_are_listed_once_per_kind_with_their_first_place() -> None:
    listed = Losses()
    listed.add("image", "messages.0", "first")
    listed.add("effort", "output_config", "x")
    listed.add("image", "messages.4", "second")
    assert [(loss.kind, loss.where, loss.detail, loss.count) for loss in listed] == [
        ("image", "messages.0", "first", 2),
        ("effort", "output_config", "x", 1),
    ]
    assert (len(listed), "image" in listed, "tool" in listed) == (2, True, False)


# -- the real client's shapes ---------------------------------------------------------------------------

EXPECTED_LOSSES = {
    "metadata",
    "context_management",
    "billing_line",
    "cache_control",
    "placeholder_tool",
    "effort",
    "max_tokens",
    "thinking_block",
    "thinking_budget",
    "safeguards",
}


@shows("field headers")
@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_of_the_client_fits_the_host_s_own_types(name: str, slug: str) -> None:
    sent = order(SHAPES[name](), slug, session_key="s", preferences={"data_collection": "deny"})
    checked = ChatRequest.model_validate_json(sent.body)
    assert len(checked.messages) >= 1
    assert {loss.kind for loss in sent.losses} <= EXPECTED_LOSSES


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("name", SHAPES)
def test_no_text_of_a_shape_is_lost(name: str, slug: str) -> None:
    sent = SHAPES[name]()
    whole = order(sent, slug).body.decode()
    for message in sent["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else [text(message["content"])]
        for block in blocks:
            if block["type"] == "text":
                assert msgspec.json.encode(block["text"]).decode()[1:-1] in whole
    assert "x-anthropic-billing-header" not in whole
    assert "defer_loading" not in whole


# -- the prefix -------------------------------------------------------------------------------------------


def arrays(sent: Body, slug: str) -> tuple[bytes, bytes]:
    """The bytes of `tools` and of `messages`, marks taken out, each without its closing bracket."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k != "cache_control"}
        return [bare(v) for v in value] if isinstance(value, list) else value

    made = bare(chat(sent, slug))
    return msgspec.json.encode(made.get("tools", []))[:-1], msgspec.json.encode(made["messages"])[:-1]


def raw_arrays(sent: Body, slug: str) -> tuple[bytes, bytes]:
    made = msgspec.json.decode(order(sent, slug).body, type=dict[str, msgspec.Raw])
    return bytes(made.get("tools", b"[]"))[:-1], bytes(made["messages"])[:-1]


_WORDS = st.text(alphabet="ab\n\u00e9\u4e2d\U0001f600", max_size=8)
_NAMES = st.sampled_from(["Read", "Bash", "ToolSearch", "mcp__" + "long" * 20])
_LATE = ["WebFetch", "CronList", "mcp__x__y"]


@st.composite
def exchanges(draw: st.DrawFn) -> list[Body]:
    """An assistant turn and all that answers it, as one step of a conversation."""
    calls = draw(
        st.lists(st.tuples(st.sampled_from("abcdef"), _NAMES, _WORDS), max_size=3, unique_by=lambda call: call[0])
    )
    blocks: list[Body] = []
    if draw(st.booleans()):
        blocks.append({"type": "thinking", "thinking": draw(_WORDS), "signature": draw(st.sampled_from(["", "sig"]))})
    if said := draw(_WORDS):
        blocks.append(text(said))
    blocks += [use(f"toolu_{call_id}", name, path=path) for call_id, name, path in calls]
    answers: list[Body] = []
    for call_id, name, _ in calls:
        kinds = st.sampled_from(["text", "list", "image", "missing", "error"])
        kind = draw(kinds) if name != "ToolSearch" else "reference"
        if kind == "missing":
            continue
        content: Any = {
            "text": draw(_WORDS),
            "list": [text(draw(_WORDS))],
            "image": [text("see"), image()],
            "error": "bad",
            "reference": [{"type": "tool_reference", "tool_name": draw(st.sampled_from(_LATE))}],
        }[kind]
        answers.append(result(f"toolu_{call_id}", content, is_error=kind == "error"))
    if not answers or draw(st.booleans()):
        answers.append(text(draw(_WORDS) or "on"))
    step = [{"role": "assistant", "content": blocks}, {"role": "user", "content": draw(st.permutations(answers))}]
    if draw(st.booleans()):
        step.append(system(draw(_WORDS)))
    return step


@given(st.lists(exchanges(), min_size=1, max_size=5), st.sampled_from(SLUGS))
def test_the_transform_of_a_longer_history_extends_that_of_the_shorter(steps: list[list[Body]], slug: str) -> None:
    tools = [tool("Read"), *(tool(name, defer_loading=True) for name in _LATE), tool("Bash"), tool("ToolSearch")]
    history: list[Body] = [user("hello")]
    before = (b"", b"")
    for step in steps:
        history = [*history, *step]
        marked = copy.deepcopy(history)
        if isinstance(marked[-1]["content"], list):
            # The client marks the last block of each request, so the mark moves from turn to turn.
            marked[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
        sent = body(*marked, tools=tools, system=[text("rules")])
        after = arrays(sent, slug)
        assert after[0].startswith(before[0])
        assert after[1].startswith(before[1])
        before = after


@pytest.mark.parametrize("slug", [s for s in SLUGS if not profile_for(s, None).explicit_cache])
def test_where_no_marks_are_sent_the_very_bytes_are_a_prefix(slug: str) -> None:
    whole = tool_loop()
    before = (b"", b"")
    for end in (4, 6, 8, 10):
        after = raw_arrays({**whole, "messages": whole["messages"][:end]}, slug)
        assert after[0] == before[0] or not before[0]
        assert after[1].startswith(before[1])
        before = after


def test_tools_found_later_extend_the_list() -> None:
    found = searched_turn()
    early = {**found, "messages": found["messages"][:2]}
    assert raw_arrays(found, "z-ai/glm")[0].startswith(raw_arrays(early, "z-ai/glm")[0])


def test_the_same_request_gives_the_same_bytes() -> None:
    for build in SHAPES.values():
        assert order(build()).body == order(build()).body


# -- nothing but BadRequest -----------------------------------------------------------------------------

_LEAF = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["user", "text", "base64", "url"])
)
_KINDS = st.sampled_from([
    "text", "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking",
    "server_tool_use", "web_search_tool_result", "mcp_tool_result", "compaction", "tool_reference", "tool_addition",
    "container_upload", "fallback", "hologram",
])  # fmt: skip
_JSON = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
_BLOCK = st.fixed_dictionaries(
    {"type": _KINDS},
    optional={
        "text": _JSON,
        "id": _LEAF,
        "name": _LEAF,
        "input": _JSON,
        "tool_use_id": _LEAF,
        "content": _JSON | st.lists(st.fixed_dictionaries({"type": _KINDS}, optional={"text": _LEAF}), max_size=2),
        "source": _JSON
        | st.fixed_dictionaries({"type": _LEAF}, optional={"data": _LEAF, "media_type": _LEAF, "content": _JSON}),
        "thinking": _LEAF,
        "signature": _LEAF,
        "cache_control": _JSON,
        "tool": _JSON,
        "is_error": _LEAF,
        "citations": _JSON,
        "title": _LEAF,
    },
)
_MESSAGE = st.fixed_dictionaries({
    "role": st.sampled_from(["user", "assistant", "system"]),
    "content": st.text(max_size=5) | st.lists(_BLOCK, max_size=3),
})
_TOOL = st.fixed_dictionaries(
    {},
    optional={
        "type": _LEAF,
        "name": _LEAF,
        "description": _JSON,
        "input_schema": _JSON,
        "strict": _LEAF,
        "defer_loading": _LEAF,
        "input_examples": _JSON,
        "allowed_callers": _JSON,
        "cache_control": _JSON,
    },
)


@given(
    st.lists(_MESSAGE, min_size=1, max_size=4),
    st.lists(_TOOL, max_size=2),
    st.dictionaries(
        st.sampled_from([
            "system",
            "tool_choice",
            "thinking",
            "output_config",
            "container",
            "thread",
            "cache_control",
            "output_format",
        ]),
        _JSON,
        max_size=3,
    ),
    st.sampled_from(SLUGS),
)
def test_any_request_is_translated_or_refused(messages: list[Body], tools: list[Body], more: Body, slug: str) -> None:
    raw = msgspec.json.encode(body(*messages, tools=tools, **more))
    try:
        request = decode_request(raw)
        sent = to_chat(request, profile_for(slug, FACTS), slug=slug)
    except BadRequest as problem:
        said = str(problem)
    else:
        said = sent.body.decode()
        assert msgspec.json.decode(sent.body)["messages"]
    assert said


def test_thinking_of_others_never_reaches_a_host() -> None:
    for slug in SLUGS:
        assert "weigh it" not in order(thinking_turn("c2lnbmF0dXJl"), slug).body.decode()
