"""Whatever form an answer comes in, it is read as chunks, wherever it is cut."""

from __future__ import annotations

import msgspec
import pytest

from claude_or.upstream import chunks
from claude_or.upstream.chunks import ChunkReader
from claude_or.wire.openai import ChatChunk

CHUNK = msgspec.json.encode({
    "id": "gen-1",
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "delta": {"content": "grüße\u2028"}}],
})
STREAM = b": OPENROUTER PROCESSING\n\ndata: " + CHUNK + b"\n\ndata: [DONE]\n\n"
WHOLE = msgspec.json.encode({
    "id": "gen-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "grüße\u2028"}}],
})


def read(data: bytes, cut: int | None = None) -> tuple[list[ChatChunk], ChunkReader]:
    """All chunks of a body that comes in pieces of `cut` bytes."""
    reader = ChunkReader()
    found: list[ChatChunk] = []
    for start in range(0, len(data), cut or len(data) or 1):
        found += reader.feed(data[start : start + (cut or len(data))])
    return found + reader.close(), reader


def text_of(found: list[ChatChunk]) -> str:
    """The visible text of some chunks."""
    deltas = [choice.delta for chunk in found for choice in chunk.choices or ()]
    return "".join(delta.content or "" for delta in deltas if delta)


@pytest.mark.parametrize("cut", [None, 1, 2, 7, 40])
@pytest.mark.parametrize("body", [STREAM, WHOLE, b"\n  " + WHOLE, b"\xef\xbb\xbf" + STREAM], ids=range(4))
def test_a_stream_and_an_object_tell_the_same(body: bytes, cut: int | None) -> None:
    found, reader = read(body, cut)
    assert text_of(found) == "grüße\u2028"
    assert found[-1].done
    assert reader.seen
    assert reader.ended
    assert all(chunk.error is None for chunk in found)


@pytest.mark.parametrize("page", [b"<html>bad gateway</html>", b"\n\n<!DOCTYPE html>", WHOLE[:-20], b"{"])
def test_a_page_or_half_an_object_is_an_error(page: bytes) -> None:
    found, _ = read(page, 3)
    assert any(chunk.error is not None for chunk in found)
    assert "html" not in str(found[-1].error)


def test_signs_of_life_are_no_answer() -> None:
    reader = ChunkReader()
    assert reader.feed(b": OPENROUTER PROCESSING\n\n: again\n\n") == []
    assert not reader.seen
    assert reader.feed(b"data: " + CHUNK + b"\n\n")
    assert reader.seen
    assert not reader.ended


def test_events_without_data_are_signs_of_life_too() -> None:
    reader = ChunkReader()
    assert reader.feed(b"data:\n\ndata: \n\nevent: ping\ndata:\n\n") == []
    assert not reader.seen
    found = reader.feed(b"data: " + CHUNK + b"\n\ndata:\n\ndata: [DONE]\n\n") + reader.close()
    assert text_of(found) == "grüße\u2028"
    assert [chunk.error for chunk in found] == [None, None]


@pytest.mark.parametrize("body", [b"", b"  \n", b": bye\n\n", b"data:\n\n"])
def test_nothing_is_no_chunk(body: bytes) -> None:
    assert read(body)[0] == []


@pytest.mark.parametrize("start", [b" ", b"{", b"data: "])
def test_an_endless_event_or_object_is_given_up(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "EVENT_BYTES", 1000)
    reader = ChunkReader()
    found = reader.feed(start)
    for _ in range(300):
        found += reader.feed(b" " * 10)
        if found:
            break
    assert found[0].error is not None
