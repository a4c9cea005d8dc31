"""Whether JSON values fit a schema, by `jsonschema`, and where in a text such values may stand.

Schemas come from the client and values from a model, so nothing of either may do more than fail: a `$ref` is never fetched, a
pattern that only JavaScript understands is left unchecked, recursion without an end is a complaint like others, and so are references
that multiply. Only how long a pattern takes cannot be bounded here: who checks by schemas with patterns must be able to be ended. What is wrong
is told twice: for the model with its own words quoted, and without them for logs and messages, which hold no answers.
The library takes 0.1 s to load and is loaded by the first check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from claude_or.wire.anthropic import BadRequest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

LONGEST_FAULT: Final = 300
"""Characters of one fault: a message may quote the whole value."""

_FENCE: Final = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_OPENING: Final = re.compile(r"[{\[]")
_TOKEN: Final = re.compile(r'["{}\[\]]')
_STRING: Final = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MOST_STARTS: Final = 64
"""Brackets at which a value may begin; each that leads nowhere costs a walk to the end of the text."""
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA: Final = frozenset({"enum", "const", "default", "examples"})
"""Keywords whose value is data and no schema."""
_MOST_STEPS: Final = 100_000
"""References that are followed in one check: a schema of thirty lines can ask for more than anybody can wait for."""
_ENDLESS: Final = "the references of the schema multiply beyond what can be checked"
_UNCHECKABLE: Final = (ArithmeticError, RecursionError, ValueError)
"""What a check ends in whose figures are beyond all measure, or whose schema goes round in a circle."""


class _Endless(Exception):
    """A check follows more references than it may."""


class Fault(NamedTuple):
    """One violation: `told` is for the model, `plain` says nothing but what the schema says."""

    told: str
    plain: str


def check_schema(schema: dict[str, Any], place: str) -> None:
    """Refuse a schema that no value can be checked against. Raises `BadRequest` that names the spot below `place`."""
    from jsonschema.exceptions import SchemaError

    try:
        validator = _validator(schema, place)
        try:
            validator.check_schema(_checkable(schema))
        except SchemaError as wrong:
            path = ".".join(str(step) for step in [place, *wrong.absolute_path])
            raise BadRequest(_cut(wrong.message), path) from None
        _check_references(schema, place)
        # Finds a circle: a schema that is nothing but itself has no end for any value.
        list(validator.iter_errors({}))
    except _Endless:
        raise BadRequest(_ENDLESS, place) from None
    except RecursionError:
        raise BadRequest("the schema is nested too deeply, or goes round in a circle", place) from None
    except _unresolvable():
        raise BadRequest("a $ref leads nowhere", place) from None


def faults(value: Any, schema: dict[str, Any]) -> list[Fault]:
    """What is wrong with a value, empty when it fits. Raises `BadRequest` for a reference that only this value reaches."""
    known = set(_property_names(schema))
    try:
        errors = list(_validator(schema, "").iter_errors(value))
        return [_fault(error, known) for error in errors]
    except _unresolvable():
        raise BadRequest("a $ref of the schema leads nowhere") from None
    except _Endless:
        raise BadRequest(_ENDLESS) from None
    except _UNCHECKABLE as beyond:
        text = f"$: it cannot be checked ({type(beyond).__name__})"
        return [Fault(text, text)]


def has_patterns(value: Any) -> bool:
    """Whether values would be matched by patterns. A property that is called like the keyword counts, too."""
    if isinstance(value, dict):
        return (
            "pattern" in value or "patternProperties" in value or any(has_patterns(inner) for inner in value.values())
        )
    return isinstance(value, list) and any(has_patterns(inner) for inner in value)


def values_in(text: str) -> Iterator[tuple[Any, str]]:
    """The JSON values that an answer may mean, and how they are written: all of it, what stands in fences, what stands in brackets;
    of each the last one first, since drafts come before the answer."""
    bare = text.strip()
    places = [text, bare, *(found.strip() for found in reversed(_FENCE.findall(text)))]
    for place in dict.fromkeys([*places, *reversed(list(_spans(bare)))]):
        try:
            yield msgspec.json.decode(place), place
        except (ValueError, RecursionError):
            continue


def _spans(text: str) -> Iterator[str]:
    """The outermost runs of balanced brackets that are JSON."""
    place = 0
    for _ in range(_MOST_STARTS):
        found = _OPENING.search(text, place)
        if found is None:
            return
        end = _closed(text, found.start())
        place = found.end()
        if end is not None and _is_json(span := text[found.start() : end]):
            yield span
            place = end


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _closed(text: str, start: int) -> int | None:
    """Behind the bracket that closes the one at `start`; None when none does."""
    waited: list[str] = []
    place = start
    while found := _TOKEN.search(text, place):
        place = found.end()
        match found.group():
            case '"':
                string = _STRING.match(text, place)
                if string is None:
                    return None
                place = string.end()
            case "{":
                waited.append("}")
            case "[":
                waited.append("]")
            case bracket:
                if waited.pop() != bracket:
                    return None
                if not waited:
                    return place
    return None


def _validator(schema: dict[str, Any], place: str) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    dialect = schema.get("$schema")
    if dialect is not None and not isinstance(dialect, str):
        raise BadRequest("Input should be a valid string", f"{place}.$schema")
    # A dialect that nobody knows is read as the newest one. An empty registry, since by default what a `$ref` names is fetched.
    kind = validator_for(schema, default=Draft202012Validator)
    return _bounded(kind)(_checkable(schema), registry=Registry())


def _bounded(kind: type[Validator]) -> type[Validator]:
    """The validator of one check, which ends in `_Endless` when it has followed too many references."""
    from jsonschema.validators import extend

    left = _MOST_STEPS

    def counted(rule: Callable[..., Any]) -> Callable[..., Any]:
        def follow(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise _Endless
            return rule(*given)

        return follow

    rules: dict[str, Any] = dict(kind.VALIDATORS)
    return extend(kind, {name: counted(rules[name]) for name in _REFERENCES if name in rules})


def _unresolvable() -> type[Exception]:
    from referencing.exceptions import Unresolvable

    return Unresolvable


def _check_references(schema: dict[str, Any], place: str) -> None:
    """Raises `BadRequest` for a reference to something that is not in the schema."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    found = list(_strings_at(schema, "$ref", [place]))
    if not found or any(True for _ in _strings_at(schema, "$id", [])):
        return  # where an `$id` moves the ground, only a check itself finds out
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for path, target in found:
        try:
            resolver.lookup(target)
        except (_unresolvable(), ValueError, TypeError, LookupError):
            problem = f"{_cut(target)!r} is not in the schema, and nothing is fetched"
            raise BadRequest(problem, ".".join(path)) from None


def _strings_at(value: Any, keyword: str, path: list[str]) -> Iterator[tuple[list[str], str]]:
    """Each string below this keyword, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == keyword and isinstance(inner, str):
                yield [*path, name], inner
            elif name not in _DATA:
                yield from _strings_at(inner, keyword, [*path, name])
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _strings_at(inner, keyword, [*path, str(i)])


def _property_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(properties := value.get("properties"), dict):
            yield from properties
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _property_names(inner)


def _checkable(value: Any) -> Any:
    """The schema without patterns that are none on this machine: what cannot be checked is not."""
    if isinstance(value, list):
        return [_checkable(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    out = {name: inner if name in _DATA else _checkable(inner) for name, inner in value.items()}
    if isinstance(out.get("$schema"), str):
        del out["$schema"]  # the dialect is known by now, and named again it would bring a validator of its own
    if isinstance(pattern := out.get("pattern"), str) and not _is_pattern(pattern):
        del out["pattern"]
    named = out.get("patternProperties")
    if isinstance(named, dict) and not all(_is_pattern(pattern) for pattern in named):
        # Which properties are additional is then unknown, too.
        out["patternProperties"] = {pattern: inner for pattern, inner in named.items() if _is_pattern(pattern)}
        out.pop("additionalProperties", None)
    return out


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _fault(error: ValidationError, known: set[str]) -> Fault:
    from jsonschema.exceptions import best_match

    worst = (best_match(error.context) or error) if error.context else error
    told = _cut(f"{error.json_path}: {worst.message}")
    steps = [
        f"[{step}]" if isinstance(step, int) else f".{step if step in known else '*'}" for step in error.absolute_path
    ]
    rule, value = str(error.validator), error.validator_value
    said = "" if isinstance(value, dict | list) and rule not in {"required", "enum", "type"} else f" {_written(value)}"
    return Fault(told, _cut(f"${''.join(steps)} breaks the rule {rule}{said}"))


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _cut(text: str) -> str:
    # A message quotes the value first, and says at its end what is wrong with it.
    if len(text) <= LONGEST_FAULT:
        return text
    half = (LONGEST_FAULT - 3) // 2
    return f"{text[:half]} … {text[-half:]}"
