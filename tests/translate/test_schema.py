"""Tool schemas are mended for every host and rewritten for Google's dialect."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.schema import clean_schema, is_strict
from tests.translate.rows import shows

ANY = {"type": "string"}
"""What is left of a schema that says nothing."""


def one(schema: dict[str, Any], style: Any = "gemini") -> dict[str, Any]:
    """A property's schema after cleaning."""
    return clean_schema({"type": "object", "properties": {"x": schema}}, style)["properties"]["x"]


@shows("schema all")
@pytest.mark.parametrize("style", ["plain", "gemini"])
def test_what_every_strict_host_refuses_is_mended(style: Any) -> None:
    sent = {"$schema": "s", "$id": "i", "properties": {"$id": {"type": "string"}}, "required": ["$id", "$id", 7]}
    assert clean_schema(sent, style) == {
        "properties": {"$id": {"type": "string"}},
        "required": ["$id"],
        "type": "object",
    }
    for nothing in (None, {}, [], "x", {"type": "string"}):
        assert clean_schema(nothing, style) == {"type": "object", "properties": {}}
    assert "required" not in clean_schema({"properties": {}, "required": []}, style)


def test_a_clean_schema_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "string", "pattern": "x", "const": "x"}},
            "b": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "additionalProperties": False,
        "required": ["a"],
    }
    assert clean_schema(schema, "plain") == schema
    assert list(clean_schema(schema, "plain")) == list(schema)


@shows("schema top_level")
def test_combinators_at_the_root_are_merged_into_one_object() -> None:
    a = {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "string"}}, "required": ["kind", "x"]}
    b = {"$ref": "#/$defs/B"}
    defs = {"B": {"type": "object", "properties": {"kind": {"const": "b"}, "y": {}}, "required": ["kind"]}}
    for key in ("anyOf", "oneOf"):
        merged = clean_schema({key: [a, b, True], "$defs": defs}, "plain")
        assert set(merged["properties"]) == {"kind", "x", "y"}
        assert merged["required"] == ["kind"]
        assert key not in merged
    both = clean_schema({"allOf": [a, b], "properties": {"z": {}}, "required": ["z"], "$defs": defs}, "plain")
    assert set(both["properties"]) == {"kind", "x", "y", "z"}
    assert both["required"] == ["z", "kind", "x"]
    assert clean_schema({"$ref": "#/$defs/B", "$defs": defs}, "plain")["required"] == ["kind"]


@shows("schema gemini")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": ["null"]}, {"type": "string", "nullable": True}),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": 3, "type": "integer"}, {"type": "integer", "description": "One of: 3."}),
        ({"enum": [1, 2], "description": "N."}, {"type": "integer", "description": "N. One of: 1, 2."}),
        ({"enum": [1, 2.5]}, {"type": "number", "description": "One of: 1, 2.5."}),
        ({"enum": [True, False]}, {"type": "boolean", "description": "One of: True, False."}),
        ({"enum": [1, "a"]}, {"type": "string", "description": "One of: 1, a."}),
        ({"description": "anything"}, {"type": "string", "description": "anything"}),
        ({"items": {"type": "integer"}}, {"type": "array", "items": {"type": "integer"}}),
        ({"enum": ["a", None]}, {"enum": ["a"], "type": "string", "nullable": True}),
        ({"enum": [], "type": "string"}, {"type": "string"}),
        ({"enum": "broken", "type": "string"}, {"type": "string"}),
        (
            {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 0, "maximum": 9},
        ),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMinimum": True}, {"type": "integer"}),
        ({"type": "string", "format": "uri"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "array", "items": True}, {"type": "array", "items": {"type": "string"}}),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"anyOf": [{"type": "string"}, {"type": "number"}]}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T"},
            {"type": "string", "title": "T", "nullable": True},
        ),
        ({"anyOf": [{"type": "null"}]}, {"type": "string", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            {"anyOf": [{"type": "string", "nullable": True}, {"type": "number"}]},
        ),
        (
            {"description": "Which.", "default": 3, "anyOf": [{"type": "string"}, {"type": "number"}]},
            {"anyOf": [{"type": "string", "description": "Which."}, {"type": "number"}]},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {}]},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        (
            {
                "type": "object",
                "propertyNames": {},
                "patternProperties": {},
                "additionalProperties": {"type": "string"},
            },
            {"type": "object"},
        ),
        ({"type": "object", "properties": {"a": {}}, "required": ["a", "b"]}, None),
        ({"type": "object", "properties": True}, {"type": "object"}),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]},
            {"type": "object", "properties": {"b": ANY, "a": ANY}, "required": ["a", "b"]},
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_google_s_dialect(sent: dict[str, Any], expected: dict[str, Any] | None) -> None:
    if expected is None:
        expected = {"type": "object", "properties": {"a": ANY}, "required": ["a"]}
    assert one(sent) == expected


@shows("schema gemini")
def test_references_are_put_in_place_and_loops_end() -> None:
    schema = {
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/Node", "description": "root"},
            "lost": {"$ref": "#/$defs/Nowhere"},
            "far": {"$ref": "https://example.org/x"},
            "odd": {"$ref": "#/$defs/a~1b"},
            "alias": {"$ref": "#/$defs/Alias"},
        },
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}}},
            "a/b": {"type": "number"},
            "Alias": {"$ref": "#/$defs/a~1b"},
        },
    }
    cleaned = clean_schema(schema, "gemini")["properties"]
    assert cleaned["tree"]["properties"]["name"] == {"type": "string"}
    assert cleaned["tree"]["description"] == "root"
    assert cleaned["tree"]["properties"]["next"] == {"type": "object"}
    assert cleaned["lost"] == cleaned["far"] == {"type": "object"}
    assert cleaned["odd"] == cleaned["alias"] == {"type": "number"}
    assert "$ref" not in str(cleaned)


@shows("schema gemini")
def test_names_of_properties_are_never_taken_for_keywords() -> None:
    names = ["const", "oneOf", "$schema", "$id", "format", "required", "additionalProperties", "items"]
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    assert clean_schema(schema, "gemini") == schema
    assert clean_schema(schema, "plain") == schema


@pytest.mark.parametrize("style", ["plain", "gemini"])
def test_bottomless_schemas_end(style: Any) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"x": schema}}
    depth, inner = 0, clean_schema(schema, style)
    while inner := inner.get("properties", {}).get("x"):
        depth += 1
    assert depth < 70


@shows("schema strict")
def test_strict_is_known_by_its_rules() -> None:
    good: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string"}}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert is_strict(good)
    assert is_strict({**good, "properties": {"a": good}, "$defs": {"A": good}})
    assert not is_strict({**good, "required": []})
    assert not is_strict({k: v for k, v in good.items() if k != "additionalProperties"})
    assert not is_strict({**good, "properties": {"a": {"type": "object", "properties": {}}}})
    assert not is_strict({**good, "$defs": {"A": {"properties": {}}}})
    assert not is_strict({**good, "properties": {"a": {"anyOf": [{"properties": {"b": {}}}]}}})


KEYS = [
    "type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "const",
    "format", "exclusiveMinimum", "additionalProperties", "nullable", "x",
]  # fmt: skip
SCHEMA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["object", "array", "null", "string", "#/$defs/x", "#/properties/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYS), SCHEMA, max_size=6), st.sampled_from(["plain", "gemini"]))
def test_any_schema_is_cleaned_once_and_for_all(schema: dict[str, Any], style: Any) -> None:
    cleaned = clean_schema(schema, style)
    assert cleaned["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & {k for k, v in cleaned.items() if isinstance(v, list)}
    is_strict(cleaned)
