"""Whether an answer fits the schema that was asked for, and what the model is told when it does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.structured import (
    NotFit,
    Wanted,
    asked_again,
    asked_format,
    body_of,
    check_schemas,
    fitting,
    in_words,
    is_refusal,
    unenforced,
    without_enforcement,
)
from claude_or.wire.anthropic import BadRequest, Failure, MessagesRequest, decode_request

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"animal": {"type": "string"}, "legs": {"type": "integer", "minimum": 0}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
BARE = '{"animal": "zebra", "legs": 4}'
WANTED = Wanted(SCHEMA, {})


def request(schema: Any = SCHEMA, **more: Any) -> MessagesRequest:
    wanted = {} if schema is None else {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    messages = [{"role": "user", "content": "which animal?"}]
    return decode_request(msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": messages, **wanted, **more}))


def message(*content: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    return {"content": blocks, "stop_reason": "end_turn", "usage": {}}


def call(id_: str = "t1", name: str = "count", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": given}


def texts(told: dict[str, Any]) -> list[str]:
    return [block["text"] for block in told["content"] if block["type"] == "text"]


@pytest.mark.parametrize(
    "said",
    [
        BARE,
        f"  {BARE}\n",
        f"```json\n{BARE}\n```",
        f"Here it is:\n\n```\n{BARE}\n```\nHave fun with it!",
        f"Sure! The answer is {BARE}, as you wished.",
        f"A draft [1, 2] first. {BARE}",
        f'```json\n{{"animal": "cow"}}\n```\nBetter:\n```json\n{BARE}\n```',
    ],
)
def test_the_value_is_found_among_words_and_fences(said: str) -> None:
    told = fitting(message(said), WANTED)
    assert [msgspec.json.decode(text) for text in texts(told)] == [{"animal": "zebra", "legs": 4}]


def test_a_bare_value_goes_out_as_it_came() -> None:
    for said in (BARE, f"{BARE}\n"):
        assert texts(fitting(message(said), WANTED)) == [said]


def test_a_value_in_pieces_becomes_one_text_behind_what_stands_before_it() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    told = fitting(message(thought, BARE[:9], BARE[9:]), WANTED)
    assert told["content"] == [thought, {"type": "text", "text": BARE}]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "The answer is empty."),
        ("I cannot do that.", "The answer is not a JSON value."),
        (BARE[:-3], "The answer is not a JSON value."),
        ("[4]", "The JSON value does not fit the schema:\n- $: [4] is not of type 'object'"),
        ('{"animal": "zebra"}', "- $: 'legs' is a required property"),
        ('{"animal": "zebra", "legs": -1}', "- $.legs: -1 is less than the minimum of 0"),
        ('{"animal": 1, "legs": "four"}', "- $.animal: 1 is not of type 'string'\n- $.legs: 'four' is not of type"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place(said: str, why: str) -> None:
    with pytest.raises(NotFit) as refused:
        fitting(message(said), WANTED)
    assert why in str(refused.value)


def test_many_violations_are_told_shortly() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    with pytest.raises(NotFit) as refused:
        fitting(message(msgspec.json.encode(["x" * 10_000] * 50).decode()), Wanted(schema, {}))
    assert len(str(refused.value)) < 2_500
    assert str(refused.value).endswith("- and 45 more")


def test_a_call_of_the_clients_tools_is_no_answer_yet() -> None:
    called = message("Let me look.", call(n=1))
    assert fitting(called, WANTED) == called


def test_arguments_for_a_strict_tool_are_checked() -> None:
    wanted = Wanted(None, {"count": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}})
    assert fitting(message(call(n=1)), wanted)["content"] == [call(n=1)]
    with pytest.raises(NotFit, match="arguments for count do not fit") as refused:
        fitting(message(call("t1", n=1), call("t2", n="one")), wanted)
    again = asked_again(request(None), message(call("t1", n=1), call("t2", n="one")), refused.value, wanted)
    assert [message["role"] for message in again.messages] == ["user", "assistant", "user"]
    first, second = again.messages[-1]["content"]
    assert (first["tool_use_id"], first["is_error"], second["tool_use_id"]) == ("t1", True, "t2")
    assert "Repeat it" in first["content"]
    assert "'one' is not of type 'integer'" in second["content"]


def test_the_model_is_asked_again_with_its_answer_and_the_reason() -> None:
    asked = request()
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    again = asked_again(asked, message(thought, "", "no"), NotFit("Bad."), WANTED)
    answered, told = again.messages[-2:]
    assert answered == {"role": "assistant", "content": [thought, {"type": "text", "text": "no"}]}
    assert told["content"].startswith("Bad.\n")
    assert '"required":["animal","legs"]' in told["content"]
    assert len(asked.messages) == 1


def test_an_empty_answer_is_stood_for() -> None:
    again = asked_again(request(), message(), NotFit("Empty."), WANTED)
    assert again.messages[-2]["content"] == [{"type": "text", "text": "(no answer)"}]


# Who sees to it


def profile(*parameters: str, slug: str = "x/y") -> ModelProfile:
    return profile_for(slug, ModelFacts(parameters=frozenset(parameters)) if parameters else None)


OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = {"name": "count", "input_schema": SCHEMA, "strict": True}


@pytest.mark.parametrize(
    ("asked", "parameters", "wanted"),
    [
        (request(None), ("tools",), None),
        (request(), ("tools", "structured_outputs"), None),
        (request(), ("tools",), WANTED),
        (request(), (), WANTED),
        # Without `strict` a host does its best and promises nothing.
        (request(OPEN), ("structured_outputs",), Wanted(OPEN, {})),
        (request(None, tools=[TOOL]), ("tools",), Wanted(None, {"count": SCHEMA})),
        (request(None, tools=[TOOL]), ("structured_outputs",), None),
        (request(None, tools=[{**TOOL, "strict": False}]), ("tools",), None),
        (request(None, output_format={"type": "json_schema", "schema": SCHEMA}), ("tools",), WANTED),
    ],
)
def test_only_what_the_host_does_not_enforce_is_checked(
    asked: MessagesRequest, parameters: tuple[str, ...], wanted: Wanted | None
) -> None:
    assert unenforced(asked, profile(*parameters)) == wanted


def test_models_of_the_client_s_own_api_are_believed_on_it_and_others_are_not() -> None:
    claude = profile(slug="anthropic/claude-sonnet-5.5")
    assert unenforced(request(), claude, native=True) is None
    assert unenforced(request(), claude) == WANTED
    assert unenforced(request(), profile(), native=True) == WANTED


@pytest.mark.parametrize("system", [None, "Be kind.", [{"type": "text", "text": "Be kind."}]])
def test_told_in_words_a_request_has_no_field_for_it_in_any_form(system: Any) -> None:
    raw = msgspec.json.encode({
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "which animal?"}],
        "tools": [TOOL],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "output_format": {"type": "json_schema", "schema": SCHEMA},
        "metadata": {"n": 1.50},
        **({} if system is None else {"system": system}),
    })
    asked = decode_request(raw)
    told = in_words(asked, without_enforcement(profile()))
    body = body_of(told, asked, raw)
    assert decode_request(body) == told
    assert msgspec.json.decode(body)["output_config"] == {"effort": "low"}
    assert asked_format(told) is None
    assert told.tools == [{"name": "count", "input_schema": SCHEMA}]
    words = str(told.system)
    assert "Answer with one JSON value" in words
    assert system is None or "Be kind." in words


@pytest.mark.parametrize(
    ("message", "status", "cause", "refusal"),
    [
        ("Invalid schema for response_format 'answer'", 400, "", True),
        ("This model does not support JSON Schema", 422, "", True),
        ("failed to parse grammar", 500, "", True),
        ("No provider is left", 404, "no_endpoint", True),
        ("max_tokens is too large", 400, "", False),
        ("Rate limit of structured outputs", 429, "", False),
        ("m never kept to the JSON schema", None, "", False),
    ],
)
def test_a_refusal_of_the_schema_is_told_from_others(
    message: str, status: int | None, cause: Any, *, refusal: bool
) -> None:
    failure = Failure(kind="api", status=502, type="api_error", message=message, upstream_status=status, cause=cause)
    assert is_refusal(failure) == refusal


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (request({"type": "thing"}), "output_config.format.schema.type"),
        (request({"type": "object", "properties": {"a": {"minimum": "x"}}}), "schema.properties.a.minimum"),
        (request(None, tools=[{**TOOL, "input_schema": {"type": "object", "required": "a"}}]), "tools.0.input_schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_its_place(asked: MessagesRequest, place: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_schemas(asked)
    assert place in refused.value.failure.message


def test_a_schema_may_refer_to_itself_and_to_nothing_else() -> None:
    tree = {"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}
    assert texts(fitting(message("[[],[[]]]"), Wanted(tree, {}))) == ["[[],[[]]]"]
    with pytest.raises(NotFit):
        fitting(message("[[1]]"), Wanted(tree, {}))
    with pytest.raises(BadRequest, match="leads nowhere"):
        fitting(message("1"), Wanted({"$ref": "http://127.0.0.1:9/schema.json"}, {}))
