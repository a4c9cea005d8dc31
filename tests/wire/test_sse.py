"""The splitter of event streams: what the standard says, what hosts do, and that cuts never matter."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.wire.sse import COMMENT, Frame, FrameTooLarge, SseDecoder


def read(*chunks: bytes, close: bool = True) -> list[Frame]:
    decoder = SseDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    return frames + (decoder.close() if close else [])


def seen(*chunks: bytes) -> list[tuple[str, bytes]]:
    return [(frame.event, frame.data) for frame in read(*chunks)]


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        pytest.param(b"data: a\n\n", [("message", b"a")], id="lf"),
        pytest.param(b"data: a\r\n\r\n", [("message", b"a")], id="crlf"),
        pytest.param(b"data: a\r\rdata: b\r\r", [("message", b"a"), ("message", b"b")], id="cr"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", [("message", b"a"), ("message", b"b")], id="mixed line ends"),
        pytest.param(b"data:a\n\n", [("message", b"a")], id="no space after the colon"),
        pytest.param(b"data:  a\n\n", [("message", b" a")], id="only one space is taken off"),
        pytest.param(b"data: a\ndata: b\n\n", [("message", b"a\nb")], id="several data lines"),
        pytest.param(b"data\n\n", [("message", b"")], id="data without a colon"),
        pytest.param(b"data:\n\n", [("message", b"")], id="empty data"),
        pytest.param(b"event: x\ndata: a\n\n", [("x", b"a")], id="named"),
        pytest.param(b"event: content_block_delta\ndata: a\n\n", [("content_block_delta", b"a")], id="a delta"),
        pytest.param(
            b"event: content_block_delta\ndata: a\ndata: b\n\n",
            [("content_block_delta", b"a\nb")],
            id="a delta in two lines",
        ),
        pytest.param(
            b"event: content_block_delta\ndata: a\nevent: x\n\n",
            [("x", b"a")],
            id="a delta that is renamed behind its data",
        ),
        pytest.param(
            b"event: content_block_deltas\ndata: a\n\n", [("content_block_deltas", b"a")], id="nearly a delta"
        ),
        pytest.param(b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")], id="the last name counts"),
        pytest.param(b"event: x\n\ndata: a\n\n", [("message", b"a")], id="a name without data is forgotten"),
        pytest.param(b"id: 1\nretry: 5\ndata: a\n\n", [("message", b"a")], id="id and retry are passed over"),
        pytest.param(b"retry: 5\n\ndata: a\n\n", [("message", b"a")], id="retry alone is no event"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")], id="byte order mark"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", b"a")], id="a later mark is none"),
        pytest.param(b": hello\n\ndata: a\n\n", [(COMMENT, b"hello"), ("message", b"a")], id="comment"),
        pytest.param(b": a\n:b\n\n", [(COMMENT, b"a\nb")], id="comments side by side"),
        pytest.param(b": a\ndata: b\n\n", [(COMMENT, b"a"), ("message", b"b")], id="comment before an event"),
        pytest.param(b"data: a\n: x\ndata: b\n\n", [("message", b"a\nb")], id="comment inside an event"),
        pytest.param(b": a\nid: 1\n\n", [(COMMENT, b"a")], id="comment before nothing"),
        pytest.param(
            b"\n\n\n\ndata: a\n\n\n\ndata: b\n\n", [("message", b"a"), ("message", b"b")], id="stray blank lines"
        ),
        pytest.param('data: "a\u2028b"\n\n'.encode(), [("message", '"a\u2028b"'.encode())], id="U+2028"),
        pytest.param('data: "a\u0085b"\n\n'.encode(), [("message", '"a\u0085b"'.encode())], id="U+0085"),
        pytest.param(b"data: a\x0cb\n\n", [("message", b"a\x0cb")], id="form feed"),
    ],
)
def test_frames(stream: bytes, frames: list[tuple[str, bytes]]) -> None:
    assert seen(stream) == frames


def test_a_crlf_cut_in_half_is_one_line_end() -> None:
    assert read(b"data: a\r", b"\n\r", b"\ndata: b\r\n\r", b"\n", close=False) == [
        Frame("message", b"a", b"data: a\r\n\r\n"),
        Frame("message", b"b", b"data: b\r\n\r\n"),
    ]


def test_a_frame_comes_as_soon_as_its_blank_line_does() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\nda") == [Frame("message", b"a", b"data: a\n\n")]
    assert decoder.feed(b"ta: b\n\n") == [Frame("message", b"b", b"data: b\n\n")]


@pytest.mark.parametrize(
    ("rest", "frames"),
    [
        pytest.param(b'data: {"a":1}', [Frame("message", b'{"a":1}', b'data: {"a":1}\n\n')], id="no line end"),
        pytest.param(b'data: {"a":1}\r\n', [Frame("message", b'{"a":1}', b'data: {"a":1}\r\n\r\n')], id="one line end"),
        pytest.param(b"data: [DONE]", [Frame("message", b"[DONE]", b"data: [DONE]\n\n")], id="done"),
        pytest.param(b": bye", [Frame(COMMENT, b"bye", b": bye\n\n")], id="comment"),
        pytest.param(b'data: {"a":', [], id="cut inside"),
        pytest.param(b'data: {"a":"\xc3', [], id="cut inside a character"),
        pytest.param(b"\n", [], id="blank"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_the_last_event_of_an_unfinished_stream_counts_when_it_is_whole(rest: bytes, frames: list[Frame]) -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 0\n\n" + rest) == [Frame("message", b"0", b"data: 0\n\n")]
    assert decoder.close() == frames
    assert decoder.close() == []


def test_the_limit_bounds_what_is_kept() -> None:
    decoder = SseDecoder(limit=10)
    assert len(decoder.feed(b"data: 0123456789 many\n\n" * 100)) == 100
    decoder.feed(b"data: 0123")
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"4")


def test_a_line_of_ten_megabytes_in_small_pieces_takes_linear_time() -> None:
    def cost(size: int) -> float:
        line = b"data: " + b"x" * size + b"\n\n"
        decoder = SseDecoder()
        start = time.process_time()
        frames = [f for i in range(0, len(line), 1000) for f in decoder.feed(line[i : i + 1000])]
        assert [len(f.data) for f in frames] == [size]
        return time.process_time() - start

    small = min(cost(1_000_000) for _ in range(3))
    # Ten times the bytes; quadratic work would take a hundred times as long.
    assert cost(10_000_000) < 40 * small + 0.05


PIECES = st.sampled_from([
    b"event: content_block_delta\ndata: ",
    b"data", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"event", b"x", b"{}", b"[DONE]", b"id",
    "ü\u2028".encode(), b"data: {}\n\n", b": c\n", b"\xef\xbb\xbf",
])  # fmt: skip


def by_the_standard(stream: bytes) -> list[tuple[str, bytes]]:
    """The standard's algorithm, line by line, without comments and without the last, unfinished event."""
    events: list[tuple[str, bytes]] = []
    name, data = b"", list[bytes]()
    lines = re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))
    for line in lines[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                events.append((name.decode("utf-8", "replace") or "message", b"\n".join(data)))
            name, data = b"", []
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


@given(st.lists(PIECES, max_size=40).map(b"".join), st.data())
def test_cuts_never_matter_and_the_result_is_the_standards(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    whole = read(stream)
    assert read(*pieces) == whole
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == whole

    decoder = SseDecoder()
    finished = [(f.event, f.data) for f in decoder.feed(stream) if f.event != COMMENT]
    expected = by_the_standard(stream)
    # A CR at the very end may be half of a CRLF: the frame it would finish comes with the next byte, or at the end.
    assert finished == expected or (stream.endswith(b"\r") and finished == expected[:-1])


@given(st.lists(st.sampled_from([b"data: a\n\n", b": c\n\n", b"event: x\r\ndata: b\r\n\r\n", b"data: a\ndata: b\n\n"])))
def test_raw_bytes_joined_are_the_stream(blocks: list[bytes]) -> None:
    stream = b"".join(blocks)
    assert b"".join(frame.raw for frame in read(stream)) == stream
