"""The request of the native path: the client's bytes, and exactly the edits that the host needs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.history import host_data, host_detail
from claude_or.translate.native import NativeOrder, to_native
from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.reasoning import pack
from claude_or.translate.web_search import CALL_ID, Hit, result_block
from claude_or.wire.anthropic import BadRequest, decode_request

CLAUDE = profile_for("anthropic/claude-test", None)
OTHER = profile_for("z-ai/glm-test", None)
GEMINI = profile_for("google/gemini-test", None)
HELLO = {"role": "user", "content": "hi"}
DETAIL = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "unknown"}
OURS = pack([DETAIL], family="z-ai", slug="z")
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}


def thought(signature: str, text: str = "") -> dict[str, Any]:
    """A thinking block of the history."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def call(name: str = "Read") -> dict[str, Any]:
    """A tool call of the history."""
    return {"type": "tool_use", "id": "t1", "name": name, "input": {}}


def order_for(profile: ModelProfile = CLAUDE, *, how: dict[str, Any] | None = None, **fields: Any) -> NativeOrder:
    """The order for a request with these fields; `how` are arguments of `to_native`."""
    raw = msgspec.json.encode({"model": "sonnet", "max_tokens": 9000, "messages": [HELLO], "stream": True, **fields})
    arguments: dict[str, Any] = {"slug": "anthropic/claude-test", **(how or {})}
    return to_native(decode_request(raw), raw, profile, **arguments)


def sent(profile: ModelProfile = CLAUDE, *, how: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The body that goes upstream."""
    return msgspec.json.decode(order_for(profile, how=how, **fields).body)


def losses_of(order: NativeOrder) -> list[str]:
    """The kinds of what was lost."""
    return [loss.kind for loss in order.losses]


def test_what_needs_no_edit_stays_the_bytes_that_came() -> None:
    messages = b'[ {"role":"user","content":"\\u0068i \xc3\xa9"} ,{"content":[{"type":"text","k" : 1e2,"text":"x"}],"role":"assistant"}]'
    future = b'{"n":1.50, "big":123456789012345678901234567890}'
    raw = b'{"model":"sonnet", "max_tokens":9000,"stream":true,\n "future": %b,"messages":%b}' % (future, messages)
    body = to_native(decode_request(raw), raw, CLAUDE, slug="a/b").body
    assert body == b'{"model":"a/b","max_tokens":9000,"stream":true,"future":%b,"messages":%b}' % (future, messages)


def test_an_edit_leaves_the_bytes_around_it_alone() -> None:
    raw = (
        b'{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"a"},{"role":"assistant","extra":1.0,"content":'
        b'[{"type":"thinking","thinking":"","signature":""},{"type":"text", "text":"\\u0062"}]},{"role":"user","content":"c"}]}'
    )
    body = to_native(decode_request(raw), raw, CLAUDE, slug="a/b").body
    assert b'{"role":"assistant","extra":1.0,"content":[{"type":"text", "text":"\\u0062"}]}' in body


def test_the_model_is_asked_by_its_slug_and_always_for_a_stream() -> None:
    body = sent(stream=False, how={"slug": "~anthropic/claude-latest", "session_key": "s:main"})
    assert (body["model"], body["stream"], body["session_id"]) == ("~anthropic/claude-latest", True, "s:main")


def test_preferences_go_along_and_a_plain_host_hears_nothing_of_openrouter() -> None:
    how = {"session_key": "s", "preferences": {"only": ["anthropic"]}}
    assert sent(how=how)["provider"] == {"only": ["anthropic"]}
    plain = sent(profile_for("anthropic/claude-test", None, openrouter=False), how=how)
    assert not {"provider", "session_id"} & set(plain)


@pytest.mark.parametrize(
    ("metadata", "left"), [({"user_id": "u"}, None), ({"user_id": "u", "k": "v"}, {"k": "v"}), ({"k": "v"}, {"k": "v"})]
)
def test_nobody_upstream_learns_who_asks(metadata: dict[str, Any], left: Any) -> None:
    order = order_for(metadata=metadata)
    assert msgspec.json.decode(order.body).get("metadata") == left
    assert ("metadata" in losses_of(order)) == ("user_id" in metadata)


BILLING = "x-anthropic-billing-header: cc_version=1"


@pytest.mark.parametrize(
    ("system", "left"),
    [
        (BILLING, None),
        ([{"type": "text", "text": BILLING}], None),
        ([{"type": "text", "text": BILLING}, {"type": "text", "text": "b"}], [{"type": "text", "text": "b"}]),
        ([{"type": "text", "text": "b"}], [{"type": "text", "text": "b"}]),
        (f"{BILLING}\n\nrules", "rules"),
        ([{"type": "text", "text": f"{BILLING}\nrules", "x": 1}], [{"type": "text", "text": "rules", "x": 1}]),
        ("plain", "plain"),
    ],
)
def test_the_block_that_spoils_caches_is_taken_out(system: Any, left: Any) -> None:
    order = order_for(system=system)
    assert msgspec.json.decode(order.body).get("system") == left
    assert ("billing_line" in losses_of(order)) == (left != system)


def test_betas_go_along_unless_the_model_has_none() -> None:
    assert order_for(how={"betas": ("a", "b")}).betas == ("a", "b")
    assert order_for(GEMINI, how={"betas": ("a", "b")}).betas == ()


@pytest.mark.parametrize(
    ("block", "stays"),
    [
        (thought("EuYB-genuine", "hm"), True),
        (thought(OURS), False),
        (thought("", "hm"), False),
        ({"type": "thinking", "thinking": "hm"}, False),
        ({"type": "redacted_thinking", "data": "genuine"}, True),
        ({"type": "redacted_thinking", "data": OURS}, False),
        ({"type": "redacted_thinking", "data": host_data(DETAIL)}, False),
    ],
)
def test_a_signing_model_gets_only_thinking_that_may_be_its_own(block: dict[str, Any], stays: bool) -> None:
    said = {"type": "text", "text": "so"}
    order = order_for(messages=[HELLO, {"role": "assistant", "content": [block, said]}, HELLO])
    assert msgspec.json.decode(order.body)["messages"][1]["content"] == ([block, said] if stays else [said])
    assert ("thinking_block" in losses_of(order)) is not stays


def test_no_thinking_goes_back_once_it_was_refused() -> None:
    turn = {"role": "assistant", "content": [thought("genuine"), {"type": "redacted_thinking", "data": "d"}, call()]}
    body = sent(messages=[HELLO, turn, RESULT], how={"replay_reasoning": False})
    assert body["messages"][1]["content"] == [call()]


def test_a_message_of_nothing_but_lost_thinking_is_left_out() -> None:
    turn = {"role": "assistant", "content": [thought(OURS)]}
    assert sent(messages=[HELLO, turn, HELLO])["messages"] == [HELLO, HELLO]
    with pytest.raises(BadRequest, match="at least one message"):
        sent(messages=[turn])


ENABLED = {"type": "enabled", "budget_tokens": 2000}
CLEARING = {"type": "clear_thinking_20251015", "keep": "all"}
OTHER_EDIT = {"type": "clear_tool_uses_20250919"}


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([{"role": "assistant", "content": [thought(OURS), call()]}, RESULT], "disabled"),
        ([{"role": "assistant", "content": [thought(OURS), thought("genuine"), call()]}, RESULT], "enabled"),
        ([{"role": "assistant", "content": [thought("genuine"), call()]}, RESULT], "enabled"),
        ([{"role": "assistant", "content": [thought(OURS), {"type": "text", "text": "so"}]}, HELLO], "enabled"),
        ([{"role": "assistant", "content": "so"}, HELLO], "enabled"),
        ([], "enabled"),
    ],
)
def test_a_budget_goes_where_the_running_turn_lost_its_thought(turns: list[Any], expected: str) -> None:
    order = order_for(messages=[HELLO, *turns], thinking=ENABLED, context_management={"edits": [CLEARING]})
    body = msgspec.json.decode(order.body)
    assert body["thinking"]["type"] == expected
    assert ("context_management" in body) == (expected == "enabled")


@pytest.mark.parametrize(
    ("given_", "left"),
    [
        ({"edits": [CLEARING, OTHER_EDIT]}, {"edits": [OTHER_EDIT]}),
        ({"edits": [OTHER_EDIT]}, {"edits": [OTHER_EDIT]}),
        ({"edits": "odd"}, {"edits": "odd"}),
        ({}, {}),
        ("odd", "odd"),
    ],
)
def test_only_edits_of_thinking_go_with_it(given_: Any, left: Any) -> None:
    turn = {"role": "assistant", "content": [thought(OURS), call()]}
    body = sent(messages=[HELLO, turn, RESULT], thinking=ENABLED, context_management=given_)
    assert body["context_management"] == left


@pytest.mark.parametrize(
    ("asked", "budget", "most", "expected"),
    [
        (9000, 2000, None, (9000, {"type": "enabled", "budget_tokens": 2000})),
        (128_000, 31_999, 32_000, (32_000, {"type": "enabled", "budget_tokens": 31_999})),
        (128_000, 64_000, 32_000, (32_000, {"type": "enabled", "budget_tokens": 16_000})),
        (9000, 8000, 2000, (2000, {"type": "disabled"})),
    ],
)
def test_more_output_than_the_model_has_is_never_asked_for(
    asked: int, budget: int, most: int | None, expected: tuple[int, Any]
) -> None:
    profile = profile_for("anthropic/claude-test", ModelFacts(max_output=most))
    order = order_for(profile, max_tokens=asked, thinking={"type": "enabled", "budget_tokens": budget})
    body = msgspec.json.decode(order.body)
    assert (body["max_tokens"], body["thinking"]) == expected
    assert order.max_tokens == expected[0]
    assert ("max_tokens" in losses_of(order)) == (expected[0] < asked)


def test_what_the_balance_affords_is_asked_for() -> None:
    raw = msgspec.json.encode({"model": "m", "max_tokens": 9000, "messages": [HELLO]})
    request = msgspec.structs.replace(decode_request(raw), max_tokens=5000)
    assert msgspec.json.decode(to_native(request, raw, CLAUDE, slug="a/b").body)["max_tokens"] == 5000


def test_only_warming_the_cache_asks_nobody() -> None:
    assert order_for(max_tokens=0).warm_only
    assert not order_for().warm_only


def tool(name: str, **fields: Any) -> dict[str, Any]:
    """A tool of the client."""
    return {"name": name, "description": "d", "input_schema": {"type": "object", "properties": {}}, **fields}


REFERENCE = {"type": "tool_reference", "tool_name": "Later"}
FOUND = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [REFERENCE]}]}


def test_a_signing_model_gets_deferred_tools_as_they_came() -> None:
    tools = [tool("Read"), tool("Later", defer_loading=True)]
    messages = [HELLO, {"role": "assistant", "content": [call("Search")]}, FOUND]
    body = sent(tools=tools, messages=messages)
    assert body["tools"] == tools
    assert body["messages"] == messages


def test_a_schema_without_a_type_gets_one() -> None:
    odd = tool("Odd", input_schema={"properties": {}})
    body = sent(tools=[tool("Read"), odd, {"type": "web_search_20250305", "name": "web_search"}])
    assert [t.get("input_schema", {}).get("type") for t in body["tools"]] == ["object", "object", None]


def test_other_models_get_deferred_tools_once_they_are_named() -> None:
    tools = [tool("Read"), tool("Later", defer_loading=True), {"type": "mcp_toolset"}]
    order = order_for(OTHER, tools=tools)
    assert [t["name"] for t in msgspec.json.decode(order.body)["tools"]] == ["Read"]
    assert "nameless_tool" in losses_of(order)
    body = sent(OTHER, tools=tools, messages=[HELLO, {"role": "assistant", "content": [call("Search")]}, FOUND])
    assert [t["name"] for t in body["tools"]] == ["Read", "Later"]
    assert b"defer_loading" not in msgspec.json.encode(body["tools"])
    told = {"type": "text", "text": "The tool Later can be called from now on."}
    assert body["messages"][2]["content"][0]["content"] == [told]


def test_no_tools_left_is_no_list_and_no_choice() -> None:
    body = sent(OTHER, tools=[tool("Later", defer_loading=True)], tool_choice={"type": "auto"})
    assert not {"tools", "tool_choice"} & set(body)


def test_changes_of_tools_are_told_in_words() -> None:
    added = {"type": "tool_addition", "tool": {"definition": tool("New")}}
    removed = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Read"}}
    message = {"role": "system", "content": [added, removed, {"type": "tool_addition", "tool": "odd"}]}
    order = order_for(OTHER, tools=[tool("Read")], messages=[HELLO, message])
    body = msgspec.json.decode(order.body)
    assert [block["text"] for block in body["messages"][1]["content"]] == [
        "The tool New can be called from now on.",
        "The tool Read can no longer be called.",
    ]
    assert [t["name"] for t in body["tools"]] == ["New"]
    assert "tool_change" in losses_of(order)
    assert sent(tools=[tool("Read")], messages=[HELLO, message])["messages"][1] == message


def test_sealed_reasoning_goes_back_to_its_family_as_the_host_writes_it() -> None:
    turn = {"role": "assistant", "content": [thought(OURS), call()]}
    back = sent(OTHER, messages=[HELLO, turn, RESULT])["messages"][1]["content"]
    assert host_detail(back[0]["data"]) == DETAIL
    assert back[1:] == [call()]
    order = order_for(GEMINI, messages=[HELLO, turn, RESULT])
    assert msgspec.json.decode(order.body)["messages"][1]["content"] == [call()]
    assert "thinking_block" in losses_of(order)


def test_a_host_that_imitates_the_api_gets_the_words_of_sealed_reasoning_and_nothing_in_openrouters_form() -> None:
    elsewhere = profile_for("glm-test", None, openrouter=False)
    encrypted = pack([{"type": "reasoning.encrypted", "data": "d", "format": "x"}], family="z-ai", slug="z")
    copy = {"type": "redacted_thinking", "data": host_data(DETAIL)}
    own = thought("theirs", "well")
    turn = {"role": "assistant", "content": [thought(OURS), thought(encrypted), copy, own, call()]}
    order = order_for(elsewhere, messages=[HELLO, turn, RESULT])
    assert msgspec.json.decode(order.body)["messages"][1]["content"] == [thought("", "hm"), own, call()]
    assert losses_of(order) == ["thinking_block"]


@pytest.mark.parametrize("block", [thought("theirs", "hm"), thought("", "hm"), {"type": "thinking", "thinking": "x"}])
def test_thinking_of_the_host_itself_stays(block: dict[str, Any]) -> None:
    turn = {"role": "assistant", "content": [block, call()]}
    assert sent(OTHER, messages=[HELLO, turn, RESULT])["messages"][1] == turn


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}


def test_a_model_without_vision_gets_a_note_for_a_picture() -> None:
    blind = profile_for("z-ai/glm-test", ModelFacts(inputs=frozenset({"text"})))
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [PICTURE, {"type": "text", "text": "x"}, "odd"]}
    first, second = sent(blind, messages=[{"role": "user", "content": [PICTURE, result]}])["messages"][0]["content"]
    assert first["type"] == "text"
    assert [part if isinstance(part, str) else part["type"] for part in second["content"]] == ["text", "text", "odd"]
    assert sent(OTHER, messages=[{"role": "user", "content": [PICTURE]}])["messages"][0]["content"] == [PICTURE]


FORMAT = {"format": {"type": "json_schema"}}


@pytest.mark.parametrize(
    ("profile", "config", "left"),
    [
        (GEMINI, {"effort": "high", **FORMAT}, FORMAT),
        (GEMINI, {"effort": "high"}, None),
        (GEMINI, FORMAT, FORMAT),
        (GEMINI, None, None),
        (profile_for("z-ai/glm-test", ModelFacts(reasons=False)), {"effort": "high"}, None),
    ],
)
def test_a_model_that_cannot_be_told_to_think_is_not(profile: ModelProfile, config: Any, left: Any) -> None:
    order = order_for(profile, thinking={"type": "adaptive"}, output_config=config)
    body = msgspec.json.decode(order.body)
    assert "thinking" not in body
    assert body.get("output_config") == left
    assert "thinking" in losses_of(order)


MANDATORY = profile_for(
    "anthropic/claude-test", ModelFacts(reasons=True, mandatory_reasoning=True, efforts=("max", "high", "low"))
)
UNLISTED_EFFORTS = profile_for("anthropic/claude-test", ModelFacts(reasons=True, mandatory_reasoning=True))


@pytest.mark.parametrize(
    ("profile", "config", "left"),
    [
        (MANDATORY, {"effort": "high", **FORMAT}, {"effort": "low", **FORMAT}),
        (MANDATORY, None, {"effort": "low"}),
        (UNLISTED_EFFORTS, FORMAT, FORMAT),
        (UNLISTED_EFFORTS, None, None),
    ],
)
def test_a_model_that_cannot_but_think_is_not_told_to_stop(profile: ModelProfile, config: Any, left: Any) -> None:
    order = order_for(profile, thinking={"type": "disabled"}, output_config=config)
    body = msgspec.json.decode(order.body)
    assert "thinking" not in body
    assert body.get("output_config") == left
    assert losses_of(order) == ["thinking_off"]
    unthought = [HELLO, {"role": "assistant", "content": [thought(OURS), call()]}, RESULT]
    looping = order_for(profile, messages=unthought, thinking=ENABLED, context_management={"edits": [CLEARING]})
    assert not {"thinking", "context_management"} & set(msgspec.json.decode(looping.body))


@pytest.mark.parametrize("thinking", [None, {"type": "adaptive"}, {"type": "between_tools"}, ENABLED])
def test_what_such_a_model_takes_stays_as_it_came(thinking: Any) -> None:
    order = order_for(MANDATORY, **({"thinking": thinking} if thinking else {}), output_config={"effort": "high"})
    body = msgspec.json.decode(order.body)
    assert (body.get("thinking"), body["output_config"], losses_of(order)) == (thinking, {"effort": "high"}, [])


def test_thinking_is_switched_off_for_models_that_can_do_without() -> None:
    assert sent(thinking={"type": "disabled"})["thinking"] == {"type": "disabled"}


def test_gemini_gets_schemas_that_it_takes() -> None:
    listing = {"type": "object", "properties": {"a": {"type": "array"}}}
    body = sent(GEMINI, tools=[tool("T", input_schema=listing)])
    assert "items" in body["tools"][0]["input_schema"]["properties"]["a"]


UNREADABLE = {"type": "redacted_thinking", "data": "openrouter.reasoning:!!"}
BLOCKS = st.sampled_from([
    *(thought("genuine"), thought(OURS), thought(""), UNREADABLE, call(), {"type": "text", "text": "x"}, PICTURE),
    *(RESULT["content"][0], FOUND["content"][0]),
])


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(BLOCKS, max_size=4)), min_size=1, max_size=6),
    st.sampled_from([CLAUDE, OTHER, GEMINI]),
    st.booleans(),
)
def test_any_history_is_carried_and_a_longer_one_begins_with_it(
    turns: list[tuple[str, list[dict[str, Any]]]], profile: ModelProfile, replay: bool
) -> None:
    messages = [HELLO, *({"role": role, "content": blocks} for role, blocks in turns)]
    how = {"replay_reasoning": replay}
    told = sent(profile, messages=messages, how=how)["messages"]
    shorter = sent(profile, messages=messages[:-1], how=how)["messages"]
    assert told[: len(shorter)] == shorter
    if profile is CLAUDE and replay:
        kept = [
            block for _, blocks in turns for block in blocks if block not in (thought(OURS), thought(""), UNREADABLE)
        ]
        assert [block for message in told[1:] for block in message["content"]] == kept


def test_half_a_character_is_refused_and_not_a_crash() -> None:
    with pytest.raises(BadRequest):
        order_for(how={"slug": "a/\ud800"})


def test_a_history_too_deep_is_refused_and_not_a_crash() -> None:
    deep = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'
    request = decode_request(deep)
    with pytest.raises(BadRequest, match="deeply"):
        to_native(request, b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", CLAUDE, slug="a/b")


def test_edits_of_thinking_alone_go_as_a_whole_for_a_model_that_takes_no_thinking() -> None:
    body = sent(GEMINI, thinking={"type": "adaptive"}, context_management={"edits": [CLEARING]})
    assert "context_management" not in body


def test_a_search_that_was_told_here_is_text_for_a_host_that_could_not_decrypt_it() -> None:
    given = {"type": "server_tool_use", "id": f"{CALL_ID}_1", "name": "web_search", "input": {"query": "zebras"}}
    found = result_block(f"{CALL_ID}_1", [Hit(url="https://z.org", title="Zebras", text="They have stripes.")])
    own = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {}}
    messages = [HELLO, {"role": "assistant", "content": [given, found, own]}, HELLO]
    content = sent(messages=messages)["messages"][1]["content"]
    assert [block["type"] for block in content] == ["text", "text", "server_tool_use"]
    assert content[0]["text"] == '[web_search {"query":"zebras"}]'
    assert content[1]["text"] == "[web search result]\nZebras https://z.org\nThey have stripes."
