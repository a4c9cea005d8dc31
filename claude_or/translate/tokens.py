"""How many tokens a request will be, without a tokenizer, and how the guess learns from what hosts report.

Text is counted by classes of characters: letters, capitals, digits, signs, indentation and scripts beyond ASCII each have a rate,
fitted to public tokenizers on code, tables, prose and tool schemas. Pictures count by their size in pixels, read from the
first bytes of the file, documents by their pages; base64 itself never counts. Whole requests come out within some 15 % for any
family; `calibration.py` then corrects it by the host's own figures.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from claude_or.translate.profiles import ModelProfile
from claude_or.translate.tools import offered_tools
from claude_or.wire.anthropic import MessagesRequest

_SMALL: Final = b"abcdefghijklmnopqrstuvwxyz"
_CAPITALS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_BLANKS: Final = b" \n\r\t"
_ASCII: Final = bytes(range(128))

# Tokens per character of each class (per pair of spaces for indentation). Capitals begin words, and stand in keys and base64.
_PER_SMALL: Final = 0.276
_PER_CAPITAL: Final = 0.62
_PER_DIGIT: Final = 0.7
_PER_SIGN: Final = 0.455
_PER_INDENT: Final = 0.15
# Beyond ASCII: two-byte scripts (Cyrillic, Greek, accents) by the character, three-byte ones (Chinese …) by the third byte on top.
_PER_WIDE: Final = 0.28
_PER_THIRD_BYTE: Final = 0.39
# Letters and digits without a break (keys, base64): what each whole run of this length has on top. Looked for where blanks are rare.
_RUN: Final = 24
_PER_RUN: Final = 5.0
_RARE: Final = 20
_RUNS: Final = bytes(97 if (chr(c).isalnum() and c < 128) or c in b"+/" else 32 for c in range(256))

_PER_MESSAGE: Final = 4
_PER_TOOL: Final = 8
_PER_CALL: Final = 12

IMAGE_PIXELS_PER_TOKEN: Final = 750
MOST_IMAGE_TOKENS: Final = 1600
PAGE_TOKENS: Final = 2000

_PLAIN: Final = ModelProfile()
_encode = msgspec.json.Encoder(decimal_format="number").encode


Measure = tuple[float, ...]
"""Estimated tokens by class: small letters, capitals, digits, signs, indentation, wide characters, their third bytes, unbroken runs, other."""


def _text_measure(text: str, texts: list[str] | None = None) -> Measure:
    """Tokens of a text by class, for a tokenizer with some 200,000 entries. `texts` are the parts that it was joined from."""
    raw = text.encode("utf-8", "replace")
    capitalised = raw.translate(None, _SMALL)
    signs = capitalised.translate(None, _CAPITALS)
    undigited = signs.translate(None, _DIGITS)
    printed = undigited.translate(None, _BLANKS)
    wide_bytes = len(printed.translate(None, _ASCII)) if not text.isascii() else 0
    wide = len(text) - (len(raw) - wide_bytes)
    return (
        (len(raw) - len(capitalised)) * _PER_SMALL,
        (len(capitalised) - len(signs)) * _PER_CAPITAL,
        (len(signs) - len(undigited)) * _PER_DIGIT,
        (len(printed) - wide_bytes) * _PER_SIGN,
        raw.count(b"  ") * _PER_INDENT,
        wide * _PER_WIDE,
        max(0, wide_bytes - 2 * wide) * _PER_THIRD_BYTE,
        sum(map(_runs, (text,) if texts is None else texts)) * _PER_RUN,
        0.0,
    )


def _runs(text: str) -> int:
    if text.count(" ") * _RARE > len(text):
        return 0
    return text.encode("utf-8", "replace").translate(_RUNS).count(b"a" * _RUN)


_PORTION: Final = 1_000_000
"""Characters that are measured at once."""
_NOTHING: Final = (0.0,) * 9


def text_tokens(text: str) -> float:
    """Tokens of a text."""
    return sum(_text_measure(text))


def measure(
    request: MessagesRequest, *, profile: ModelProfile = _PLAIN, offered: Sequence[dict[str, Any]] | None = None
) -> Measure:
    """Input tokens of the request on this profile's model by class, before any calibration. `offered` are its tools, if known already."""
    count = _Count(profile)
    for block in _blocks(request.system):
        count.block(block)
    for message in request.messages:
        count.fixed += _PER_MESSAGE
        for block in _blocks(message.get("content")):
            count.block(block)
    if offered is None:
        offered = offered_tools(request.tools, request.messages, deferral=profile.deferral)
    for tool in offered:
        count.fixed += _PER_TOOL
        count.json([tool.get("name"), tool.get("description"), tool.get("input_schema")])
    measures = [_text_measure("\n".join(texts), texts) for texts in _portions(count.texts)]
    *text, _ = map(sum, zip(*measures, strict=True)) if measures else _NOTHING
    return (*(tokens * profile.token_factor for tokens in text), float(count.fixed))


def _portions(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in portions of a bounded size, so that measuring twenty megabytes does not take sixty more."""
    portion: list[str] = []
    size = 0
    for text in texts:
        for start in range(0, len(text), _PORTION):
            piece = text if len(text) <= _PORTION else text[start : start + _PORTION]
            if size + len(piece) > _PORTION:
                yield portion
                portion, size = [], 0
            portion.append(piece)
            size += len(piece)
    if portion:
        yield portion


def estimate(request: MessagesRequest, *, profile: ModelProfile = _PLAIN) -> int:
    """Input tokens of the request on this profile's model, before any calibration. Never below 1."""
    return max(1, round(sum(measure(request, profile=profile))))


Weigh = Callable[[MessagesRequest, Measure], int]
"""A request's tokens from its measure."""


def as_estimated(request: MessagesRequest, found: Measure) -> int:
    """The plain estimate."""
    del request
    return max(1, round(sum(found)))


class _Count:
    """What is to be counted: texts, and tokens that do not come from text."""

    def __init__(self, profile: ModelProfile) -> None:
        self._images = profile.images is not False
        self._files = profile.files
        self.texts: list[str] = []
        self.fixed = 0

    def json(self, value: Any) -> None:
        self.texts.append(_encode(value).decode())

    def block(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "text":
            self._text(block.get("text"))
        elif kind == "tool_result":
            self.fixed += _PER_CALL
            for inner in _blocks(block.get("content")):
                self.block(inner)
        elif kind == "tool_use":
            self.fixed += _PER_CALL
            self._text(block.get("name"))
            self.json(block.get("input"))
        elif kind == "thinking":
            self._text(block.get("thinking"))
        elif kind == "image":
            self.fixed += _image(block.get("source")) if self._images else _PER_CALL
        elif kind == "document":
            self._document(block)
        elif kind == "tool_reference":
            self.fixed += _PER_CALL
        elif kind != "redacted_thinking":
            self._rest(block)

    def _text(self, text: Any) -> None:
        if isinstance(text, str):
            self.texts.append(text)

    def _document(self, block: dict[str, Any]) -> None:
        source = block.get("source")
        source = source if isinstance(source, dict) else {}
        self._text(block.get("title"))
        self._text(block.get("context"))
        if source.get("type") == "text":
            self._text(source.get("data"))
        elif source.get("type") == "content":
            for inner in _blocks(source.get("content")):
                self.block(inner)
        else:
            self.fixed += _pages(source.get("data")) * PAGE_TOKENS if self._files else _PER_CALL

    def _rest(self, block: dict[str, Any]) -> None:
        """Any other block by its readable strings; long opaque ones (encrypted content) do not reach the model."""
        for key, value in block.items():
            if key in {"type", "id", "tool_use_id", "cache_control", "signature", "encrypted_content", "data"}:
                continue
            if isinstance(value, str):
                self.texts.append(value)
            elif isinstance(value, dict):
                self._rest(value)
            elif isinstance(value, list):
                for entry in value:
                    if isinstance(entry, dict):
                        self._rest(entry)


def _blocks(content: Any) -> Iterable[dict[str, Any]]:
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    if isinstance(content, list):
        return (block for block in content if isinstance(block, dict))
    return ()


def _image(source: Any) -> int:
    data = source.get("data") if isinstance(source, dict) else None
    size = image_size(data) if isinstance(data, str) else None
    if size is None:
        return MOST_IMAGE_TOKENS
    return min(MOST_IMAGE_TOKENS, max(1, size[0] * size[1] // IMAGE_PIXELS_PER_TOKEN))


_HEAD: Final = 64 * 1024
"""Characters of base64 that are read of a picture: a JPEG may hold a preview and notes before its size."""


def image_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a base64 PNG, JPEG, GIF or WebP; None when it is none or cut short."""
    raw = _decoded(data[:_HEAD])
    if raw[:8] == b"\x89PNG\r\n\x1a\n" and len(raw) >= 24:
        return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
    if raw[:4] == b"GIF8" and len(raw) >= 10:
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" and len(raw) >= 30:
        return _webp_size(raw)
    if raw[:2] == b"\xff\xd8":
        return _jpeg_size(raw)
    return None


def _webp_size(raw: bytes) -> tuple[int, int] | None:
    kind = raw[12:16]
    if kind == b"VP8X":
        return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(raw[26:28], "little") & 0x3FFF, int.from_bytes(raw[28:30], "little") & 0x3FFF
    return None


_NO_SIZE: Final = frozenset({0xC4, 0xC8, 0xCC})
"""Markers between 0xC0 and 0xCF that begin no frame."""


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(raw):
        if raw[at] != 0xFF:
            return None
        marker = raw[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD9 or marker == 0x01:
            at += 1 if marker == 0xFF else 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            return int.from_bytes(raw[at + 7 : at + 9], "big"), int.from_bytes(raw[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return None


_PAGE: Final = re.compile(rb"/Type\s*/Page(?!s)")
_PAGE_COUNT: Final = re.compile(rb"/Count\s+(\d{1,5})")
_PDF_READ: Final = 4 * 1024 * 1024
_BYTES_PER_PAGE: Final = 60_000


def _pages(data: Any) -> int:
    """Pages of a base64 PDF, by its page objects or its page tree, else by its size. One for a document by address."""
    if not isinstance(data, str):
        return 1
    raw = _decoded(data[:_PDF_READ])
    counts = [int(count) for count in _PAGE_COUNT.findall(raw)]
    pages = max(len(_PAGE.findall(raw)), *counts, 0) if counts else len(_PAGE.findall(raw))
    return pages or max(1, len(data) * 3 // 4 // _BYTES_PER_PAGE)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""
