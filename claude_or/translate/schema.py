"""Tool schemas as hosts take them.

Two styles, chosen by the model's profile. `plain` mends what every strict host refuses: a root that is no object, combinators
at the root, duplicate entries of `required`, `$schema` and `$id`. `gemini` also rewrites the keywords that Google's
dialect of OpenAPI lacks (`$ref`, `const`, `oneOf`, lists of types …) and cuts what has no equal there. Keys under `properties`
are names, not keywords, and are never touched. Cleaning a clean schema changes nothing.
Source: tool documentation of Anthropic, OpenAI and Google, and reports of refused schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from claude_or.translate.profiles import SchemaStyle

_DEEPEST: Final = 60
"""Levels that are kept in `plain`; no tool is deeper, and some host's recursion is not safe beyond."""
_DEEPEST_GEMINI: Final = 24

_MAPS: Final = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
"""Keywords whose value maps names to schemas."""
_SCHEMAS: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
"""Keywords whose value is a schema."""
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords whose value is a list of schemas."""
_COMBINATORS: Final = ("anyOf", "oneOf", "allOf")

_NOT_AT_ROOT: Final = frozenset({"enum", "const", "not", "items", "nullable"})

_GEMINI_KEYWORDS: Final = frozenset({
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "anyOf",
    "default",
})
_GEMINI_FORMATS: Final = frozenset({"enum", "date-time"})


_encode = msgspec.json.Encoder(decimal_format="number").encode
_MOST_KEPT: Final = 512
_kept: dict[tuple[bytes, SchemaStyle], dict[str, Any]] = {}
"""Schemas that were cleaned before: each request of a session brings the same tools again."""


def clean_schema(schema: Any, style: SchemaStyle) -> dict[str, Any]:
    """The schema of a function's parameters in a form that the hosts of this style take; always an object's schema.

    The result is shared between calls: it is for reading only.
    """
    if not isinstance(schema, dict):
        return {"type": "object", "properties": {}}
    key = _encode(schema), style
    if (known := _kept.get(key)) is None:
        root = _mended_root(schema)
        known = _gemini(root, root, 0, ()) if style == "gemini" else _plain(root, 0)
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = known
    return known


def _mended_root(schema: dict[str, Any]) -> dict[str, Any]:
    """An object at the root, without combinators: their branches are merged into one object that takes all of them.

    The client checks the arguments again with the original, so a wider schema is safe.
    """
    root = schema
    if "$ref" in root and (target := _resolved(root["$ref"], schema)) is not None:
        root = {**target, **{k: v for k, v in root.items() if k != "$ref"}}
    if any(isinstance(root.get(key), list) for key in _COMBINATORS):
        root = _merged_branches(root, schema)
    properties = root.get("properties")
    root = {key: value for key, value in root.items() if key not in _NOT_AT_ROOT}
    return {**root, "type": "object", "properties": properties if isinstance(properties, dict) else {}}


def _merged_branches(root: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = dict(root["properties"]) if isinstance(root.get("properties"), dict) else {}
    required = _names(root.get("required"))
    for key in _COMBINATORS:
        branches = root.get(key)
        if not isinstance(branches, list):
            continue
        needed: list[list[str]] = []
        for branch in branches:
            if not isinstance(branch, dict):
                continue
            part = _resolved(branch.get("$ref"), document) or branch
            if isinstance(part.get("properties"), dict):
                properties = {**part["properties"], **properties}
            needed.append(_names(part.get("required")))
        if key == "allOf":
            required += [name for names in needed for name in names]
        elif needed:
            required += [name for name in needed[0] if all(name in names for names in needed)]
    merged = {k: v for k, v in root.items() if k not in _COMBINATORS}
    return {**merged, "properties": properties, "required": required}


def _names(value: Any) -> list[str]:
    """The entries of a `required` list, each once."""
    if not isinstance(value, list):
        return []
    return list(dict.fromkeys(name for name in value if isinstance(name, str)))


def _plain(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        return {}
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"$schema", "$id"}:
            continue
        if key in _MAPS and isinstance(value, dict):
            out[key] = {name: _plain(v, depth + 1) if isinstance(v, dict) else v for name, v in value.items()}
        elif key in _SCHEMAS and isinstance(value, dict):
            out[key] = _plain(value, depth + 1)
        elif key in _LISTS and isinstance(value, list):
            out[key] = [_plain(v, depth + 1) if isinstance(v, dict) else v for v in value]
        elif key == "required":
            if names := _names(value):
                out[key] = names
        else:
            out[key] = value
    return out


def _gemini(schema: dict[str, Any], root: dict[str, Any], depth: int, refs: tuple[str, ...]) -> dict[str, Any]:
    """One schema in Google's dialect. `refs` are the references that are open above, which must not be entered again."""
    if depth > _DEEPEST_GEMINI:
        return {"type": "object"}
    schema, refs = _without_ref(schema, root, refs)
    schema = _one_type(_without_null_branch(_without_all_of(schema)))

    def inside(value: Any) -> dict[str, Any]:
        return _gemini(value, root, depth + 1, refs) if isinstance(value, dict) else {"type": "string"}

    out: dict[str, Any] = {key: value for key, value in schema.items() if key in _GEMINI_KEYWORDS}
    if isinstance(properties := out.get("properties"), dict):
        out["properties"] = {name: inside(value) for name, value in properties.items()}
    else:
        out.pop("properties", None)
    out.pop("anyOf", None)
    if branches := _branches(schema):
        out["anyOf"] = [inside(branch) for branch in branches]
    if out.get("type") == "array" or "items" in out:
        # A list without `items` is refused.
        out["items"] = inside(out.get("items"))
    _fit_required(out)
    _fit_bounds(out, schema)
    _fit_enum(out, schema)
    _fit_type(out, [schema["const"]] if "const" in schema else schema.get("enum"))
    form = out.get("format")
    if not isinstance(form, str) or form not in _GEMINI_FORMATS:
        out.pop("format", None)
    return _branches_alone(out) if "anyOf" in out else out


def _without_ref(
    schema: dict[str, Any], root: dict[str, Any], refs: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema with its reference put in place. One that leads into itself ends as an object."""
    ref = schema.get("$ref")
    while isinstance(ref, str):
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        target = None if ref in refs else _resolved(ref, root)
        if target is None:
            return {"type": "object", **rest}, refs
        refs = (*refs, ref)
        schema = {**target, **rest}
        ref = schema.get("$ref")
    return schema, refs


def _resolved(ref: Any, root: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    place: Any = root
    for step in ref[2:].split("/"):
        place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _without_all_of(schema: dict[str, Any]) -> dict[str, Any]:
    parts = _dicts(schema.get("allOf"))
    if not parts:
        return schema
    merged = {k: v for k, v in schema.items() if k != "allOf"}
    for part in parts:
        for key, value in part.items():
            if key == "properties" and isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = {**value, **merged[key]}
            elif key == "required":
                merged[key] = _names([*_names(merged.get(key)), *_names(value)])
            else:
                merged.setdefault(key, value)
    return merged


def _branches(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*_dicts(schema.get("anyOf")), *_dicts(schema.get("oneOf"))]


def _without_null_branch(schema: dict[str, Any]) -> dict[str, Any]:
    """`anyOf: [x, null]`, the usual way to write "optional", becomes a nullable x."""
    branches = _branches(schema)
    real = [branch for branch in branches if branch.get("type") != "null"]
    if not branches or len(real) == len(branches):
        return schema
    out = {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf"}}
    out["nullable"] = True
    if len(real) == 1 and "$ref" not in real[0]:
        return {**real[0], **out}
    return {**out, "anyOf": real} if real else {**out, "type": "string"}


def _one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """`type: [x, null]` becomes a nullable x; several real types become branches."""
    types = schema.get("type")
    if not isinstance(types, list):
        return schema
    real = [name for name in types if isinstance(name, str) and name != "null"]
    out = {k: v for k, v in schema.items() if k != "type"}
    if "null" in types:
        out["nullable"] = True
    if len(real) == 1:
        out["type"] = real[0]
    elif real:
        out["anyOf"] = [{"type": name} for name in real]
    else:
        out["type"] = "string"
    return out


def _branches_alone(out: dict[str, Any]) -> dict[str, Any]:
    """Beside `anyOf` nothing else may stand. Where there is a type, the branches only narrow it and are left out."""
    if "type" in out:
        return {key: value for key, value in out.items() if key != "anyOf"}
    first, *rest = out["anyOf"]
    kept = {key: out[key] for key in ("description", "nullable") if key in out}
    return {"anyOf": [{**kept, **first}, *rest]}


def _fit_type(out: dict[str, Any], values: Any) -> None:
    """Each schema must name its type; `values` are those that it enumerates."""
    if "type" in out or "anyOf" in out:
        return
    kinds = {type(value) for value in values} if isinstance(values, list) else set[type]()
    if "properties" in out:
        out["type"] = "object"
    elif "items" in out:
        out["type"] = "array"
    elif kinds and kinds <= {int, float}:
        out["type"] = "number" if float in kinds else "integer"
    else:
        out["type"] = "boolean" if kinds == {bool} else "string"


def _fit_required(out: dict[str, Any]) -> None:
    """Only properties that exist may be required."""
    if "required" in out:
        properties = out.get("properties") or {}
        names = [name for name in _names(out["required"]) if name in properties]
        if names:
            out["required"] = names
        else:
            del out["required"]


def _fit_bounds(out: dict[str, Any], schema: Mapping[str, Any]) -> None:
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        bound = schema.get(exclusive)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            out.setdefault(inclusive, bound)


def _fit_enum(out: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Only strings may be enumerated; other values are named in the description."""
    values = [schema["const"]] if "const" in schema else out.get("enum")
    if not isinstance(values, list):
        out.pop("enum", None)
        return
    if values and all(isinstance(value, str) for value in values):
        out["enum"] = values
        out["type"] = "string"
        return
    out.pop("enum", None)
    strings = [value for value in values if isinstance(value, str)]
    if strings and all(isinstance(value, str) or value is None for value in values):
        out.update({"enum": strings, "type": "string", "nullable": True})
        return
    if values:
        listed = ", ".join("null" if value is None else str(value) for value in values[:20])
        out["description"] = f"{out.get('description', '')} One of: {listed}.".strip()


def is_strict(schema: Any) -> bool:
    """Whether a schema obeys the rules of strict tools: every object closed, every property required."""
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            return False
        if set(_names(schema.get("required"))) != set(properties):
            return False
        if not all(is_strict(value) for value in properties.values()):
            return False
    inner = [schema.get("items"), *_dicts(schema.get("anyOf"))]
    defs = schema.get("$defs")
    if isinstance(defs, dict):
        inner += list(defs.values())
    return all(is_strict(value) for value in inner)
