"""Tokens are estimated from the kind of text, pictures by their size, and the estimate learns."""

from __future__ import annotations

import base64
import struct
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.profiles import ModelProfile, profile_for
from claude_or.translate.tokens import MOST_IMAGE_TOKENS, PAGE_TOKENS, estimate, image_size, text_tokens
from claude_or.wire.anthropic import decode_request
from tests.translate.rows import shows
from tests.translate.shapes import assistant, body, document, image, main_turn, pdf, png, result, tool, use, user


def tokens(sent: dict[str, Any], **more: Any) -> int:
    return estimate(decode_request(msgspec.json.encode(sent)), **more)


def added(*blocks: dict[str, Any], **more: Any) -> int:
    """Tokens that these blocks add to a short user turn."""
    return tokens(body(user("hi", *blocks)), **more) - tokens(body(user("hi")), **more)


ENGLISH = "The proxy reads the settings first and then listens on a local port until the session ends. " * 20
CODE = (
    "    def frames(self, chunk: bytes) -> list[Frame]:\n        return [frame for frame in self._split(chunk)]\n" * 20
)
CHINESE = "我们需要先读取配置文件，然后检查每个字段是否符合要求。" * 20
RUSSIAN = "Сначала нужно прочитать файл настроек и проверить каждое поле. " * 20
NUMBERS = "48213,90017,33870,12\n" * 40


@pytest.mark.parametrize(
    ("text", "counted"),
    [(ENGLISH, 361), (CODE, 520), (CHINESE, 300), (RUSSIAN, 281), (NUMBERS, 440)],
    ids=["english", "code", "chinese", "russian", "numbers"],
)
def test_text_is_estimated_near_what_a_common_tokenizer_counts(text: str, counted: int) -> None:
    """`counted` are the tokens of the public tokenizer with 200,000 entries that the rates were fitted to."""
    assert 0.8 * counted <= text_tokens(text) <= 1.3 * counted


@given(st.text(max_size=200))
def test_any_text_has_a_plausible_count(text: str) -> None:
    assert 0 <= text_tokens(text) <= 2 * len(text.encode("utf-8", "replace"))


@shows("endpoint count_tokens")
def test_every_part_of_a_request_counts() -> None:
    assert tokens(body()) < tokens(body(system=ENGLISH))
    assert tokens(body()) < tokens(body(tools=[tool("Read")]))
    turn = [user("go"), assistant(use("t1", path=ENGLISH)), user(result("t1", ENGLISH))]
    assert tokens(body(*turn)) > 2 * text_tokens(ENGLISH)
    assert (
        added({"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": ENGLISH}]})
        > 300
    )
    thought = {"type": "thinking", "thinking": ENGLISH, "signature": "x" * 100_000}
    assert 300 < tokens(body(user("hi"), assistant(thought))) < 600


@shows("endpoint count_tokens")
def test_sealed_content_and_waiting_tools_do_not_count() -> None:
    sealed = {"type": "redacted_thinking", "data": "x" * 100_000}
    found = {"type": "web_search_tool_result", "content": [{"type": "r", "url": "u", "encrypted_content": "x" * 9999}]}
    assert tokens(body(user("hi"), assistant(sealed, found))) < 40
    waiting = [tool(f"T{i}", defer_loading=True) for i in range(50)]
    assert tokens(body(tools=waiting)) == tokens(body())
    assert tokens(body(tools=waiting), profile=ModelProfile(deferral=False)) > 1000


@shows("endpoint count_tokens")
def test_pictures_count_by_their_pixels_and_documents_by_their_pages() -> None:
    assert added(image()) == 96 * 64 // 750
    big = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(4000, 3000)}}
    assert added(big) == MOST_IMAGE_TOKENS
    unknown = {"type": "image", "source": {"type": "url", "url": "https://e.org/x.png"}}
    assert added(unknown) == MOST_IMAGE_TOKENS
    assert added(document()) == 2 * PAGE_TOKENS
    assert added(image(), profile=ModelProfile(images=False)) < 20
    assert added(document(), profile=ModelProfile(files=False)) < 20
    inside = user(result("t1", [image(), document()]))
    assert tokens(body(user("go"), assistant(use("t1")), inside)) > 2 * PAGE_TOKENS


def test_documents_count_by_what_they_are() -> None:
    def of(source: Any, **more: Any) -> int:
        return added({"type": "document", "source": source, **more})

    assert of({"type": "url", "url": "https://e.org/a.pdf"}) == PAGE_TOKENS
    assert of({"type": "text", "data": ENGLISH}) > 300
    assert of({"type": "content", "content": [{"type": "text", "text": ENGLISH}]}) > 300
    assert of({"type": "content", "content": ENGLISH}, title=ENGLISH, context=ENGLISH) > 900
    compressed = base64.b64encode(b"%PDF-1.7 " + b"\x00" * 240_000).decode()
    assert of({"type": "base64", "media_type": "application/pdf", "data": compressed}) == 4 * PAGE_TOKENS
    tree = base64.b64encode(b"%PDF-1.7 << /Type /Pages /Count 12 >>").decode()
    assert of({"type": "base64", "media_type": "application/pdf", "data": tree}) == 12 * PAGE_TOKENS
    assert of(None) == PAGE_TOKENS
    assert pdf(3)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (base64.b64decode(png(640, 480)), (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 320, 200), (320, 200)),
        (
            b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + (799).to_bytes(3, "little") + (599).to_bytes(3, "little"),
            (800, 600),
        ),
        (b"RIFF\0\0\0\0WEBPVP8L" + b"\0" * 4 + b"\x2f" + (99 | 49 << 14).to_bytes(4, "little") + b"\0" * 5, (100, 50)),
        (b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 4 + b"\0" * 6 + struct.pack("<HH", 176, 144), (176, 144)),
        (b"RIFF\0\0\0\0WEBPXXXX" + b"\0" * 20, None),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc4\x00\x02\xff\xd0\xff\xc2\x00\x11\x08\x01\x00\x02\x00\x03", (512, 256)),
        (b"\xff\xd8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", None),
        (b"\xff\xd8\xff\xe0\x00\x04ab", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"BM whatever", None),
        (b"", None),
    ],
    ids=[
        "png",
        "gif",
        "webp-x",
        "webp-l",
        "webp",
        "webp-odd",
        "jpeg",
        "jpeg-odd",
        "jpeg-cut",
        "png-cut",
        "bmp",
        "none",
    ],
)
def test_the_size_of_a_picture_is_read_from_its_head(raw: bytes, size: tuple[int, int] | None) -> None:
    assert image_size(encoded(raw)) == size


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: encoded(b"\xff\xd8" + raw)))
def test_any_data_has_a_size_or_none(data: str) -> None:
    size = image_size(data)
    assert size is None or len(size) == 2


def test_a_family_s_tokenizer_weighs_in() -> None:
    plain = tokens(main_turn())
    assert tokens(main_turn(), profile=profile_for("anthropic/claude-9", None)) > plain


@shows("endpoint count_tokens")
def test_two_hundred_thousand_tokens_are_counted_in_no_time() -> None:
    request = decode_request(msgspec.json.encode(body(user(CODE * 380))))
    assert estimate(request) > 200_000
    took: list[float] = []
    for _ in range(7):
        start = time.process_time()
        estimate(request)
        took.append(time.process_time() - start)
    # 2 ms are usual; the bound leaves room for a busy machine, not for another order of growth.
    assert min(took) < 0.1
