"""CPU per streamed frame on the native path, beside the same bytes only split into frames. Not a test.

    uv run python -m tests.benchmarks.native_cpu [frames]

Prints µs of process CPU per frame, median and best of 7 runs: `split` is the decoder alone (the least a wrapper of frames can
do), `watched` the decoder, the grammar and the joining of bytes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from claude_or.translate.native_stream import NativeStream
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import frame_of
from claude_or.wire.sse import SseDecoder
from tests.benchmarks.stream_cpu import READ, cpu


def stream_of(count: int) -> bytes:
    """A text answer of `count` deltas, as OpenRouter's Messages endpoint writes it."""
    head = {"id": "gen-1", "type": "message", "role": "assistant", "content": [], "model": "bench/model-1", "usage": {}}
    delta = {"type": "content_block_delta", "index": 0}
    events = [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({**delta, "delta": {"type": "text_delta", "text": f" wörd{i % 97}"}} for i in range(count)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]
    return b"".join(frame_of(event).raw for event in events) + b"event: data\ndata: [DONE]\n\n"


def split(stream: bytes) -> int:
    """Frames only; returns how many."""
    decoder, seen = SseDecoder(), 0
    for start in range(0, len(stream), READ):
        seen += len(decoder.feed(stream[start : start + READ]))
    return seen


def watched(stream: bytes) -> int:
    """The whole way; returns the bytes written."""
    decoder, written = SseDecoder(), 0
    machine = NativeStream(
        message_id="msg_bench",
        model="bench/model",
        input_estimate=1000,
        failure_in_stream=lambda error: Failure(kind="api", status=502, type="api_error", message=str(error)),
    )
    for start in range(0, len(stream), READ):
        out = machine.feed(decoder.feed(stream[start : start + READ]))
        written += len(b"".join([frame.raw for frame in out]))
    assert machine.over
    assert machine.failure is None
    return written


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    stream = stream_of(count)
    ways: dict[str, Callable[[bytes], int]] = {"split": split, "watched": watched}
    for name, way in ways.items():
        times = cpu(lambda way=way: way(stream), count)
        print(f"{name:8} median {statistics.median(times):5.2f} µs  best {min(times):5.2f} µs")


if __name__ == "__main__":
    main()
