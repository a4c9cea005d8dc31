"""Whole upstream streams (`tests/streams/*.sse`, synthetic) and, beside each, what the client is told (`*.json`).

The expected file holds the events in the API's own JSON, without the opaque signatures, and under `carried` what each
thinking block's signature brings back; for a stream that fails, the failure's message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from claude_or.translate.reasoning import PREFIX
from claude_or.wire.events import BlockStop, StreamError, encode
from claude_or.wire.openai import decode_chunk
from claude_or.wire.sse import COMMENT, SseDecoder
from tests.translate.script import Play, play

STREAMS = sorted((Path(__file__).parents[1] / "streams").glob("*.sse"))


def read(reads: Iterable[bytes]) -> Play:
    """A play that got a stream in these reads."""
    decoder, p = SseDecoder(), play(id_out=lambda call_id: call_id.replace(".", "_").replace(":", "_"))
    for one in reads:
        p.gets(*(decode_chunk(frame.data) for frame in decoder.feed(one) if frame.event != COMMENT))
    return p.gets(*(decode_chunk(frame.data) for frame in decoder.close())).closes()


def told(p: Play) -> dict[str, Any]:
    """What the expected file holds."""
    events: list[Any] = [msgspec.json.decode(encode(event).data) for event in p.all]
    for event in events:
        if event.get("delta", {}).get("type") == "signature_delta":
            assert event["delta"]["signature"].startswith(PREFIX)
            event["delta"]["signature"] = "…"
    failure = p.translator.failure
    if failure is not None:
        return {"events": events, "failure": failure.message}
    carried: list[Any] = [msgspec.to_builtins(one) for one in p.carried]
    return {"events": events, "carried": carried, "losses": p.translator.losses}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_tells_what_is_expected(path: Path) -> None:
    stream = path.read_bytes()
    expected = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    assert told(read([stream])) == expected
    assert told(read(stream[i : i + 1] for i in range(len(stream)))) == expected
    other_ends = stream.replace(b"\r\n", b"\n") if b"\r\n" in stream else stream.replace(b"\n", b"\r\n")
    assert told(read([other_ends])) == expected


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_cut_at_any_byte_is_legal_and_whole_only_after_its_finish_reason(path: Path) -> None:
    stream = path.read_bytes()
    whole = read([stream]).all
    told_end = re.search(rb'"finish_reason":"(stop|tool_calls)"', stream)
    for length in range(0, len(stream), 7):
        p = read([stream[:length]])
        said = list(p.all)
        if p.translator.failure is None:
            assert told_end is not None
            assert length > told_end.start()
            said = said[:-2]
        elif said:
            assert isinstance(said.pop(), StreamError)
            assert isinstance(said.pop(), BlockStop)
        # As far as it goes, it is what the whole stream says.
        assert said == whole[: len(said)]
