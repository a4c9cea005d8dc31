"""Schemas of clients and answers of models are checked, and neither does more than fail."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.judge import LONGEST_FAULT, check_schema, faults, has_patterns, values_in
from claude_or.wire.anthropic import BadRequest

ANIMAL: dict[str, Any] = {
    "type": "object",
    "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}},
    "required": ["animal"],
    "additionalProperties": False,
}


def having(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = having(schema)
    return schema


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "zebra"}, "f.schema.type"),
        (having({"minimum": "x"}), "f.schema.properties.a.minimum"),
        (having({"$ref": "http://127.0.0.1:9/s.json"}), "f.schema.properties.a.$ref"),
        (having({"$ref": "#/$defs/x"}), "f.schema.properties.a.$ref"),
        (having({"$ref": "#nowhere"}), "f.schema.properties.a.$ref"),
        ({"$schema": 5}, "f.schema.$schema"),
        ({"$schema": ["x"]}, "f.schema.$schema"),
        ({"$ref": "#"}, "f.schema"),
        (nested(sys.getrecursionlimit()), "f.schema"),
    ],
    ids=["type", "keyword", "remote", "pointer", "anchor", "dialect 5", "dialects", "circle", "deep"],
)
def test_a_schema_that_nothing_can_be_checked_against_is_refused_with_its_place(schema: Any, place: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_schema(schema, "f.schema")
    assert str(refused.value).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"$schema": "urn:of-nobody", **ANIMAL}, {"animal": "zebra"}, {}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", **ANIMAL}, {"animal": "zebra"}, {}),
        # What is an expression in JavaScript only is not checked, and the rest is.
        (having({"type": "string", "pattern": r"^\p{L}+$"}), {"a": "x"}, {"a": 1}),
        (
            having({"type": "integer"}, patternProperties={r"^\p{L}+$": {}}, additionalProperties=False),
            {"a": 1, "b": 2},
            {"a": "x"},
        ),
        (having({"enum": [{"$ref": "#/nowhere"}]}), {"a": {"$ref": "#/nowhere"}}, {"a": 1}),
        (
            {"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"},
            [[], [[]]],
            [[1]],
        ),
        (having({"multipleOf": 2.5}), {"a": 5}, {"a": 10**400 + 1}),
    ],
)
def test_schemas_of_all_kinds_are_checked_against(schema: Any, good: Any, bad: Any) -> None:
    check_schema(schema, "f")
    assert faults(good, schema) == []
    assert faults(bad, schema)


def test_a_reference_that_only_a_value_reaches_is_refused_when_it_is_reached() -> None:
    schema = having({"$ref": "other#/x"}, **{"$id": "urn:here"})
    check_schema(schema, "f")
    with pytest.raises(BadRequest, match=r"\$ref"):
        faults({"a": 1}, schema)


def test_a_fault_is_told_to_the_model_with_its_words_and_to_others_without() -> None:
    (found,) = faults({"animal": {"secret": "s3cr3t"}}, ANIMAL)
    assert found.told == "$.animal: {'secret': 's3cr3t'} is not of type 'string'"
    assert found.plain == '$.animal breaks the rule type "string"'
    loose = {"type": "object", "additionalProperties": {"enum": ["a", "b"]}}
    (found,) = faults({"s3cr3t": 1}, loose)
    assert found.plain == '$.* breaks the rule enum ["a","b"]'
    (found,) = faults({"animal": "x", "s3cr3t": 1}, ANIMAL)
    assert found.plain == "$ breaks the rule additionalProperties false"
    (found,) = faults({"animal": ["s3cr3t" * 1000]}, ANIMAL)
    assert len(found.told) <= LONGEST_FAULT
    assert found.told.endswith("is not of type 'string'")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"a": 1.0}', ['{"a": 1.0}']),
        ('Use {x} so: {"a":1}. {ok}', ['{"a":1}']),
        ('First {"a":1}, and then {"a":2}.', ['{"a":2}', '{"a":1}']),
        ('An open { and "one quote, then [{"a":"]}"}].', ['[{"a":"]}"}]']),
        ('```json\n{"a":1}\n```\nor\n```\n{"a":2}\n```', ['{"a":2}', '{"a":1}']),
        ("4", ["4"]),
        ("four", []),
        ("", []),
    ],
)
def test_values_are_found_among_words_the_last_one_first(text: str, written: list[str]) -> None:
    assert [found for _, found in values_in(text)] == written


def test_a_text_full_of_brackets_comes_to_an_end() -> None:
    assert list(values_in("[" * 50_000)) == []
    assert list(values_in('{"' * 50_000)) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)
_TEXT = st.text(alphabet=st.sampled_from('{}[]"\\,:` \n1e-ajson\ud800é'), max_size=60)


@given(text=_TEXT)
def test_any_text_gives_values_or_none(text: str) -> None:
    for value, written in values_in(text):
        assert msgspec.json.decode(written) == value
        assert faults(value, ANIMAL) or isinstance(value, dict)


@given(value=_JSON | st.dictionaries(st.text(max_size=5), _JSON, max_size=3))
def test_any_value_fits_or_does_not(value: Any) -> None:
    for fault in faults(value, ANIMAL):
        assert fault.told
        assert fault.plain.startswith("$")


DIALECT = "https://json-schema.org/draft/2020-12/schema"


def test_references_that_multiply_are_refused_before_they_take_for_ever() -> None:
    twice = {f"a{n}": {"$schema": DIALECT, "allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 60)}
    schema = {"$schema": DIALECT, "$defs": {"a0": {}, **twice}, "$ref": "#/$defs/a59"}
    with pytest.raises(BadRequest, match="multiply"):
        check_schema(schema, "f.schema")


def test_so_are_those_that_only_a_value_multiplies() -> None:
    branches = [{"properties": {"a": {"$ref": "#"}}}] * 2
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"a": value}
    check_schema({"allOf": branches}, "f.schema")
    with pytest.raises(BadRequest, match="multiply"):
        faults(value, {"allOf": branches})


def test_long_answers_of_usual_schemas_are_checked_to_their_end() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}
    assert faults(list(range(20_000)), schema) == []
    assert [fault.plain for fault in faults([*range(20_000), "x"], schema)] == [
        '$[20000] breaks the rule type "integer"'
    ]


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (having({"pattern": "a"}), True),
        ({"anyOf": [{}, {"patternProperties": {}}]}, True),
        (having({"minLength": 3}), False),
    ],
)
def test_schemas_with_patterns_are_known(schema: Any, answer: bool) -> None:
    assert has_patterns(schema) is answer
