"""JSON-RPC as the relay needs it: a message is its top-level fields, each still as the bytes that came.

Only `id`, `method`, `params._meta.progressToken` and very few parameters are ever looked at; everything else passes through
unread and unchanged, whatever a later version of the protocol puts there. Pure.
Source: Model Context Protocol 2025-11-25, base protocol and transports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

Fields = dict[str, Raw]
Kind = Literal["request", "notification", "response"]

CALL_LOST: Final = -32000
"""The server ended while it worked on the request."""
NOT_READY: Final = -32002
"""The server does not run (yet, or any more)."""
NO_METHOD: Final = -32601
BAD_PARAMS: Final = -32602
INTERNAL: Final = -32603
PARSE: Final = -32700
BAD_REQUEST: Final = -32600

_FIELDS: Final = msgspec.json.Decoder(Fields)
_FIELD_LISTS: Final = msgspec.json.Decoder(list[Fields])
_TEXT: Final = msgspec.json.Decoder(str)
_NULL: Final = Raw(b"null")
_BOM: Final = b"\xef\xbb\xbf"
"""What some runtimes put in front of the first thing that they write."""
_LONGEST_NUMBER: Final = 18


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` is None for a notification, `method` empty for a response."""

    kind: Kind
    method: str
    id: Raw | None
    fields: Fields

    @property
    def failed(self) -> bool:
        """Whether it is an error response."""
        return "error" in self.fields


def parse(data: bytes | bytearray) -> list[Message]:
    """The message in one line or body; several for an array, which old servers send. Empty for what is no JSON-RPC."""
    try:
        data = data.removeprefix(_BOM)
        stripped = data.lstrip()
        found = _FIELD_LISTS.decode(data) if stripped[:1] == b"[" else [_FIELDS.decode(data)]
        messages = [_message(fields) for fields in found]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []
    return [message for message in messages if message is not None]


def _message(fields: Fields) -> Message | None:
    id_ = fields.get("id")
    if id_ is not None and bytes(id_) == b"null":
        id_ = None
    method = fields.get("method")
    if method is not None:
        return Message("notification" if id_ is None else "request", _TEXT.decode(method), id_, fields)
    if "result" in fields or "error" in fields:
        return Message("response", "", id_, fields)
    return None


def raw(value: Any) -> Raw:
    """A value of ours as a field."""
    return Raw(msgspec.json.encode(value))


def line(fields: Fields) -> bytes:
    """The message as one line without its end: line breaks between tokens, the only ones JSON can hold, become blanks."""
    data = msgspec.json.encode(fields)
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    return data


def with_id(fields: Fields, id_: Raw | int) -> Fields:
    """The same message under another id."""
    return {**fields, "id": id_ if isinstance(id_, Raw) else raw(id_)}


def param(fields: Fields, name: str) -> Raw | None:
    """One parameter; None when there is none of this name."""
    return _inside(fields.get("params")).get(name)


def with_param(fields: Fields, name: str, value: Raw) -> Fields:
    """The same message with one parameter replaced."""
    return {**fields, "params": raw({**_inside(fields.get("params")), name: value})}


def progress_token(fields: Fields) -> Raw | None:
    """The token under which a request wants to hear of its progress."""
    return _inside(param(fields, "_meta")).get("progressToken")


def with_progress_token(fields: Fields, token: int) -> Fields:
    """The same request under a token of ours."""
    meta = {**_inside(param(fields, "_meta")), "progressToken": raw(token)}
    return with_param(fields, "_meta", raw(meta))


def text_of(value: Raw | None) -> str:
    """A field that should be a string; empty when it is not."""
    try:
        return "" if value is None else _TEXT.decode(value)
    except (msgspec.MsgspecError, ValueError):
        return ""


def number_of(value: Raw | None) -> int | None:
    """A field that should be an integer; None when it is not. An id of ours may come back as `"7"` or `7.0`: clients of the
    protocol take that for 7, so there are servers that write it."""
    try:
        found = None if value is None else msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError):
        return None
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= _LONGEST_NUMBER:
        return int(found)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if type(found) is int else None


def _inside(value: Raw | None) -> Fields:
    if value is None:
        return {}
    try:
        return _FIELDS.decode(value)
    except (msgspec.MsgspecError, ValueError):
        return {}


def request(id_: int, method: str, params: Raw | dict[str, Any] | None = None) -> Fields:
    """A request of ours."""
    return {**notification(method, params), "id": raw(id_)}


def notification(method: str, params: Raw | dict[str, Any] | None = None) -> Fields:
    """A notification of ours."""
    fields = {"jsonrpc": raw("2.0"), "method": raw(method)}
    if params is not None:
        fields["params"] = params if isinstance(params, Raw) else raw(params)
    return fields


def result(id_: Raw | None, value: Raw | dict[str, Any]) -> Fields:
    """A response of ours."""
    return {"jsonrpc": raw("2.0"), "id": id_ or _NULL, "result": value if isinstance(value, Raw) else raw(value)}


def error(id_: Raw | None, code: int, message: str) -> Fields:
    """An error response of ours."""
    return {"jsonrpc": raw("2.0"), "id": id_ or _NULL, "error": raw({"code": code, "message": message})}


def fields_of(value: Raw) -> Fields:
    """The fields of an object inside a message; empty when it is none."""
    return _inside(value)
