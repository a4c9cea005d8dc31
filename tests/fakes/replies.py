"""What the fake host answers, as data: a `Reply` made of parts, written by builders that read like a script.

    [reasoning("Let me look."), tool_call("Read", {"file_path": "/a"}, cut=[1, 9])]     one answer, two parts
    error(402, "Not enough credits")                                                  a failure before any answer
    [text("half an ans"), reset()]                                                    a connection that breaks
    Reply([text("hello")], slice_bytes=7, gap=0.001)                                  seven bytes per write

Parts say what happens in which order; the keyword arguments of `Reply` say how the whole is told. Nothing here knows a
wire format: `tests/fakes/shapes.py` turns parts into chunks, messages and bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

import msgspec

Cut = int | Sequence[int] | Literal["each"] | None
"""Where a text is divided into deltas: pieces of n characters, at these offsets, one per character, or not at all."""

TellUsage = Literal["last", "alone", "every", "never"]
"""`last`: finish chunk twice, the second with usage. `alone`: after the finish chunk, with empty `choices`.
`every`: on every chunk. `never`: not told."""


def pieces(whole: str, cut: Cut) -> list[str]:
    """The deltas of a text under a cut; an empty text is one empty delta."""
    if cut is None:
        return [whole]
    if cut == "each":
        cut = 1
    offsets = list(range(cut, len(whole), cut)) if isinstance(cut, int) else [o for o in cut if 0 < o < len(whole)]
    edges = [0, *offsets, len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)] or [whole]


@dataclass(frozen=True)
class Text:
    """Visible text."""

    text: str
    cut: Cut = 12


@dataclass(frozen=True)
class Reasoning:
    """Thinking in the open: `reasoning.text` deltas, then a delta that holds only the signature when there is one."""

    text: str
    cut: Cut = 16
    format: str = "unknown"
    signature: str | None = None
    summary: bool = False


@dataclass(frozen=True)
class Detail:
    """One `reasoning_details` entry as it stands, in a delta of its own."""

    entry: Mapping[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """A call; `arguments` is the JSON text as the model wrote it, which may be broken or None (never sent).

    `bare_start` sends the name in a chunk of its own with empty arguments, as most hosts do; without it name and first
    piece come together.
    """

    name: str
    arguments: str | None
    id: str
    cut: Cut = 10
    bare_start: bool = True
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Interleaved:
    """Calls whose argument pieces alternate on the wire."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True)
class Comment:
    """A keep-alive line; an invisible sign of life."""

    text: str = "OPENROUTER PROCESSING"


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


@dataclass(frozen=True)
class StreamFailure:
    """An error in a stream that began with 200: the last chunk, and no `[DONE]`."""

    code: int | str
    message: str
    error_type: str | None = None
    provider_code: str | None = None


@dataclass(frozen=True)
class Reset:
    """The connection is torn down (RST) at this place."""


@dataclass(frozen=True)
class End:
    """The body ends at this place in good form: no finish chunk, no `[DONE]`."""


@dataclass(frozen=True)
class Raw:
    """Bytes put on the wire as they are."""

    data: bytes


@dataclass(frozen=True)
class Sources:
    """Pages that the host's own search found, as `url_citation` annotations: (url, title, excerpt) each."""

    pages: tuple[tuple[str, str, str], ...]


Part = (
    Sources | Text | Reasoning | Detail | ToolCall | Interleaved | Comment | Pause | StreamFailure | Reset | End | Raw
)


@dataclass(frozen=True)
class Tokens:
    """The usage to report. None is counted from the request and the parts, four characters a token."""

    prompt: int | None = None
    completion: int | None = None
    cached: int = 0
    written: int = 0
    reasoning: int | None = None
    cost: Decimal | None = None
    """In place of the catalogue's price."""
    searches: int | None = None
    """How often the host searched the web; None is not told."""


@dataclass(frozen=True)
class Reply:
    """One answer. Parts in order, then how they are told.

    `finish` None means `tool_calls` after a call, else `stop`; the empty string sends no finish chunk.
    `form` forces an event stream or one JSON object whatever was asked for. `body` with `status` is a plain answer.
    `cut_at` ends the body after so many bytes, by `cut_how`; `slice_bytes` with `gap` (seconds) divides the writes.
    `head_delay` is silence before the status line.
    """

    parts: Sequence[Part] = ()
    _: KW_ONLY
    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    finish: str | None = None
    native_finish: str | None = None
    usage: Tokens = Tokens()
    tell_usage: TellUsage = "last"
    done: bool = True
    form: Literal["asked", "stream", "json"] = "asked"
    provider: str | None = None
    model: str | None = None
    head_delay: float = 0.0
    slice_bytes: int | None = None
    gap: float = 0.0
    cut_at: int | None = None
    cut_how: Literal["end", "close", "reset"] = "close"
    gzip: bool = False
    newline: bytes = b"\n"
    greeting: bool = True
    """Whether a keep-alive comment opens the stream, as the host does while it looks for a provider."""


Scripted = Reply | Part | Sequence[Part]
"""What a script may hold: a reply, or its parts alone."""


def reply_of(scripted: Scripted) -> Reply:
    """A script's entry as a reply."""
    if isinstance(scripted, Reply):
        return scripted
    return Reply(scripted) if isinstance(scripted, Sequence) else Reply([scripted])


_count = 0


def _next_call_id() -> str:
    global _count
    _count += 1
    return f"call_fake{_count:06d}"


def text(whole: str, *, cut: Cut = 12) -> Text:
    """Visible text."""
    return Text(whole, cut)


def reasoning(
    whole: str, *, cut: Cut = 16, style: str = "unknown", signature: str | None = None, summary: bool = False
) -> Reasoning:
    """Visible thinking, its signature last where there is one. `style` is the wire's `format`; `summary` as some hosts do."""
    return Reasoning(whole, cut, style, signature, summary)


def encrypted(data: str, *, style: str, detail_id: str | None = None, index: int = 0) -> Detail:
    """Opaque reasoning that must come back unchanged; `style` is the wire's `format`."""
    return Detail({"type": "reasoning.encrypted", "data": data, "id": detail_id, "format": style, "index": index})


def tool_call(
    name: str,
    arguments: Mapping[str, Any] | str | None,
    *,
    cut: Cut = 10,
    call_id: str | None = None,
    bare_start: bool = True,
    detail: Mapping[str, Any] | None = None,
) -> ToolCall:
    """A call. A mapping is written as JSON; a string is sent as it is, None is never sent."""
    written = arguments if arguments is None or isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(name, written, call_id or _next_call_id(), cut, bare_start, detail)


def sources(*pages: tuple[str, str, str]) -> Sources:
    """What the host's own web search found: address, title and excerpt of each page."""
    return Sources(pages)


def interleaved(*calls: ToolCall) -> Interleaved:
    """Calls told at the same time."""
    return Interleaved(calls)


def comment(times: int = 1, line: str = "OPENROUTER PROCESSING") -> tuple[Comment, ...]:
    """Keep-alive lines; spread into a reply with `*`."""
    return (Comment(line),) * times


def pause(seconds: float) -> Pause:
    """Silence."""
    return Pause(seconds)


def stream_error(
    code: int | str, message: str, *, error_type: str | None = "provider_unavailable", provider_code: str | None = None
) -> StreamFailure:
    """A failure after 200."""
    return StreamFailure(code, message, error_type, provider_code)


def reset() -> Reset:
    """A torn connection."""
    return Reset()


def end() -> End:
    """A body that ends early but in good form."""
    return End()


def raw(data: bytes | str) -> Raw:
    """Bytes as they are."""
    return Raw(data.encode() if isinstance(data, str) else data)


def silence(seconds: float) -> Reply:
    """Status line and headers, then nothing for so long, then the end."""
    return Reply([Pause(seconds), End()], greeting=False)


def error(
    status: int,
    message: str = "Provider returned error",
    *,
    headers: Mapping[str, str] | None = None,
    head_delay: float = 0.0,
    **more: Any,
) -> Reply:
    """A failure in the host's shape. `more` goes into the `error` object (`metadata`, `availability`, `error_type`)."""
    body: dict[str, Any] = {"error": {"message": message, "code": status, **more}}
    if status not in (401, 502, 503, 529):
        body["user_id"] = "user_0FakeAccountOfTheTests000"
    return plain(status, msgspec.json.encode(body), "application/json", headers, head_delay)


def wrapped_error(status: int, provider: str, upstream: Mapping[str, Any] | str) -> Reply:
    """The older shape: the provider's own body as a string of JSON under `metadata.raw`."""
    inner = upstream if isinstance(upstream, str) else msgspec.json.encode(upstream).decode()
    return error(status, metadata={"raw": inner, "provider_name": provider, "is_byok": False})


def overflow(limit: int, asked: int) -> Reply:
    """A prompt that does not fit, in the words hosts of this family use."""
    words = f"This endpoint's maximum context length is {limit} tokens. However, you requested about {asked} tokens."
    return error(400, words, metadata={"provider_name": None})


def html(
    status: int = 502, page: str = "<html><head><title>Bad gateway</title></head><body>edge</body></html>"
) -> Reply:
    """What an edge in front of the host answers."""
    return plain(status, page.encode(), "text/html; charset=UTF-8")


def plain(
    status: int,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    head_delay: float = 0.0,
) -> Reply:
    """A body as it is."""
    return Reply(
        status=status, body=body, headers={"Content-Type": content_type, **(headers or {})}, head_delay=head_delay
    )
