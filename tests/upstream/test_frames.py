"""What is no frame of an answer is left out before anybody looks at the grammar."""

from __future__ import annotations

import pytest

from claude_or.upstream.frames import FrameReader
from claude_or.wire.events import BlockStart, MessageStart, TextBlock, Usage, encode

FRAMES = [encode(event) for event in (MessageStart("msg_1", "m", Usage(input_tokens=3)), BlockStart(0, TextBlock()))]


@pytest.mark.parametrize("between", [b"data:\n\n", b"data: \n\n", b"event: ping\ndata:\n\n"])
def test_events_without_data_are_signs_of_life(between: bytes) -> None:
    reader = FrameReader()
    assert reader.feed(between) == []
    assert not reader.seen
    found = reader.feed(between.join(frame.raw for frame in FRAMES) + between) + reader.close()
    assert found == FRAMES
    assert reader.seen
