"""Answers that must fit a schema, on hosts that do not see to it: what was asked for, whether an answer fits, and how to ask again.

A request may want one JSON value as its answer (`output_config.format`, formerly `output_format`) and exact arguments in the calls of
some tools (`strict: true`). Where the host enforces that, nothing is done here. Elsewhere the model was asked in words, and its
answer is checked against the very schema of the request, not against a cleaned one.
Source: the API reference of structured outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from claude_or.translate.judge import check_schema, faults, values_in
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.schema import clean_schema, is_strict
from claude_or.wire.anthropic import BadRequest, Failure, MessagesRequest

_REFUSALS: Final = ("response_format", "json_schema", "json schema", "structured output", "output_config", "grammar")
"""What hosts that take no schemas name in their refusals."""
MOST_TROUBLES: Final = 5
"""So many violations are told at once; a model that has them explained one by one needs as many calls."""


_encode = msgspec.json.Encoder(decimal_format="number").encode


class NotFit(Exception):
    """An answer that is not what was asked for; the text tells the model why, `plain` the user and the log, with nothing quoted.

    `call` is the id of the call whose arguments are wrong, empty where it is the answer itself.
    """

    def __init__(self, trouble: str, call: str = "", *, plain: str = "") -> None:
        super().__init__(trouble)
        self.call = call
        self.plain = plain or trouble


class Wanted(NamedTuple):
    """What one answer must fit. `schema` None: any text; `tools` are the schemas of strict tools by name."""

    schema: dict[str, Any] | None
    tools: Mapping[str, dict[str, Any]]


def asked_format(request: MessagesRequest) -> tuple[dict[str, Any], str] | None:
    """The schema of the wanted answer and where it stands in the request; None when text is wanted. Raises `BadRequest`."""
    place, wanted = "output_config.format", (request.output_config or {}).get("format")
    if wanted is None:
        place, wanted = "output_format", request.extra.get("output_format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise BadRequest("Input should be 'json_schema'", f"{place}.type")
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        raise BadRequest("Field required", f"{place}.schema")
    return schema, place


def is_asked(request: MessagesRequest) -> bool:
    """Whether the request wants any schema kept."""
    formats = (request.output_config or {}).get("format"), request.extra.get("output_format")
    return formats != (None, None) or any(tool.get("strict") is True for tool in request.tools)


def unenforced(request: MessagesRequest, profile: ModelProfile, *, native: bool = False) -> Wanted | None:
    """What must be checked because the host is not known to enforce it; None when nothing is. `native`: the host speaks the
    client's API, which the models of its maker keep to. Raises `BadRequest`."""
    found = asked_format(request)
    strict = {
        str(tool.get("name")): schema
        for tool in request.tools or ()
        if tool.get("strict") is True and isinstance(schema := tool.get("input_schema"), dict)
    }
    if (found is None and not strict) or (native and profile.own_blocks):
        return None
    enforces = profile.parameters is not None and profile.takes("structured_outputs")

    def is_kept(schema: dict[str, Any]) -> bool:
        return enforces and is_strict(
            clean_schema(schema, profile.schema) if schema.get("type") == "object" else schema
        )

    schema = None if found is None or is_kept(found[0]) else found[0]
    tools = {name: schema for name, schema in strict.items() if not is_kept(schema)}
    return Wanted(schema, tools) if schema is not None or tools else None


def instruction(schema: dict[str, Any]) -> str:
    """What the system text says where the host may not enforce the schema."""
    return f"Answer with one JSON value that fits this JSON schema, and with nothing else:\n{_encode(schema).decode()}"


def without_enforcement(profile: ModelProfile) -> ModelProfile:
    """The profile of a model whose host turned out to take no schemas."""
    refused = profile.refused | {"structured_outputs", "response_format"}
    return msgspec.structs.replace(profile, refused=refused)


def is_refusal(failure: Failure) -> bool:
    """Whether a host says that it takes no schema, or not this one: such a schema can still be asked for in words."""
    text = failure.message.lower()
    return failure.cause == "no_endpoint" or (
        failure.upstream_status not in {None, 401, 402, 403, 429} and any(word in text for word in _REFUSALS)
    )


def in_words(request: MessagesRequest, profile: ModelProfile) -> MessagesRequest:
    """The request with its schema told in the system text, and in the field only where the profile takes it."""
    found = asked_format(request)
    if found is not None:
        text, system = instruction(found[0]), request.system
        if isinstance(system, list):
            system = [*system, {"type": "text", "text": text}]
        else:
            system = f"{system}\n\n{text}" if system else text
        request = msgspec.structs.replace(request, system=system)
    if profile.takes("structured_outputs"):
        return request
    config = {name: value for name, value in (request.output_config or {}).items() if name != "format"}
    return msgspec.structs.replace(
        request,
        output_config=config or None,
        extra={name: value for name, value in request.extra.items() if name != "output_format"},
        tools=[{name: value for name, value in tool.items() if name != "strict"} for tool in request.tools],
    )


def body_of(request: MessagesRequest, before: MessagesRequest, raw: bytes) -> bytes:
    """The body of a request that was made out of another one, whose body was `raw`."""
    body = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for name in ("system", "messages", "tools", "tool_choice", "output_config"):
        value = getattr(request, name)
        if value is getattr(before, name):
            continue
        if value:
            body[name] = msgspec.Raw(_encode(value))
        else:
            body.pop(name, None)
    if "output_format" not in request.extra:
        body.pop("output_format", None)
    return _encode(body)


def check_schemas(request: MessagesRequest) -> None:
    """Refuse schemas that are none: no answer could fit them. Raises `BadRequest`. Loads jsonschema."""
    found = asked_format(request)
    schemas = [(found[0], f"{found[1]}.schema")] if found else []
    for i, tool in enumerate(request.tools or ()):
        if tool.get("strict") is True and isinstance(schema := tool.get("input_schema"), dict):
            schemas.append((schema, f"tools.{i}.input_schema"))
    for schema, place in schemas:
        check_schema(schema, place)


def fitting(message: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The message as it should be told: its text the bare JSON value. Raises `NotFit`. Loads jsonschema.

    What the model calls the client's tools for is no answer yet; only the arguments for strict tools are looked at.
    """
    content: list[dict[str, Any]] = message["content"]
    calls = [block for block in content if block.get("type") == "tool_use"]
    for block in calls:
        if (schema := wanted.tools.get(block["name"])) is not None:
            _check(block["input"], schema, f"The arguments for {block['name']} do not fit its schema", block["id"])
    if calls or wanted.schema is None:
        return dict(message)
    said, text = _answer(content)
    trouble = NotFit("The answer is not a JSON value." if text.strip() else "The answer is empty.")
    for n, (value, written) in enumerate(values_in(text)):
        try:
            _check(value, wanted.schema, "The JSON value does not fit the schema")
        except NotFit as wrong:
            trouble = wrong if n == 0 else trouble
            continue
        if said == [written]:
            return dict(message)
        kept = content[: len(content) - len(said)]
        return {**message, "content": [*kept, {"type": "text", "text": written}]}
    raise trouble


def _answer(content: Sequence[dict[str, Any]]) -> tuple[list[str], str]:
    """The texts at the end of a message, which are its answer, one by one and joined."""
    said: list[str] = []
    for block in reversed(content):
        if block.get("type") != "text":
            break
        said.insert(0, block["text"])
    return said, "".join(said)


def _check(value: Any, schema: dict[str, Any], intro: str, call: str = "") -> None:
    found = faults(value, schema)
    if not found:
        return
    left = len(found) - MOST_TROUBLES
    more = [f"and {left} more"] if left > 0 else []

    def listed(lines: list[str]) -> str:
        return "\n".join([f"{intro}:", *(f"- {line}" for line in [*lines, *more])])

    told = found[:MOST_TROUBLES]
    raise NotFit(listed([fault.told for fault in told]), call, plain=listed([fault.plain for fault in told]))


def asked_again(
    request: MessagesRequest, message: Mapping[str, Any], trouble: NotFit, wanted: Wanted
) -> MessagesRequest:
    """The request that goes on from an answer that does not fit, telling the model why."""
    # As the client would send it back: searches and their results are of use, and some hosts want to see what they thought.
    content = [block for block in message["content"] if block.get("type") != "text" or block.get("text")]
    if not any(block.get("type") in {"text", "tool_use"} for block in content):
        content.append({"type": "text", "text": "(no answer)"})
    calls = [block for block in content if block.get("type") == "tool_use"]
    if calls:
        told: Any = [
            {"type": "tool_result", "tool_use_id": block["id"], "is_error": True, "content": _why(block, trouble)}
            for block in calls
        ]
    else:
        told = (
            f"{trouble}\nAnswer again with one JSON value that fits this JSON schema, and with nothing else:\n"
            f"{_encode(wanted.schema).decode()}"
        )
    again = [{"role": "assistant", "content": content}, {"role": "user", "content": told}]
    return msgspec.structs.replace(request, messages=[*request.messages, *again])


def _why(block: Mapping[str, Any], trouble: NotFit) -> str:
    if block["id"] == trouble.call:
        return f"{trouble}\nCall it again with arguments that fit."
    return "Not run, because another call beside it was not right. Repeat it."
