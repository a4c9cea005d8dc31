"""CPU per streamed chunk: bytes in → decoder → chunk → translator → frames → bytes out. Not a test.

    uv run python -m tests.benchmarks.stream_cpu [chunks]

Prints µs of process CPU per chunk, median and best of 7 runs, for text and for tool arguments, and the share of each stage.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import msgspec

from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.stream import StreamTranslator
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import encode
from claude_or.wire.openai import decode_chunk
from claude_or.wire.sse import COMMENT, SseDecoder

READ = 64 * 1024
"""Bytes per read, as the HTTP client's buffer gives them."""


def translator() -> StreamTranslator:
    """One as the proxy makes it."""
    return StreamTranslator(
        message_id="msg_bench",
        model="bench/model",
        name_out=str,
        id_out=str,
        carry=ReasoningCarry(family="bench", slug="bench/model"),
        input_estimate=1000,
        new_id=lambda: "toolu_bench",
        show_thinking=True,
        failure_in_stream=lambda error: Failure(kind="api", status=502, type="api_error", message=str(error)),
    )


def chunk(delta: dict[str, object], **more: object) -> bytes:
    """One chunk with all that a real one repeats each time."""
    choice: dict[str, object] = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}
    body = {
        "id": "gen-1795400000-0123456789abcdefghij",
        "object": "chat.completion.chunk",
        "created": 1795400000,
        "model": "bench/model-20261001",
        "provider": "Bench",
        "choices": [{**choice, "native_finish_reason": None, "logprobs": None, **more}],
    }
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def text_stream(count: int) -> bytes:
    """`count` chunks of a word each."""
    pieces = [chunk({"content": f" wörd{i % 97}"}) for i in range(count)]
    return b"".join([*pieces, chunk({"content": ""}, finish_reason="stop"), b"data: [DONE]\n\n"])


def argument_stream(count: int) -> bytes:
    """`count` chunks of one call's arguments: a long file being written."""

    def call(arguments: str, **more: object) -> bytes:
        return chunk({"content": None, "tool_calls": [{"index": 0, "function": {"arguments": arguments}, **more}]})

    first = chunk({
        "content": None,
        "tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "Write", "arguments": ""}}
        ],
    })
    pieces = [call(f" line{i % 97}\\n") for i in range(count - 2)]
    whole = [first, call('{"content":"'), *pieces, call('"}')]
    return b"".join([*whole, chunk({"content": ""}, finish_reason="tool_calls"), b"data: [DONE]\n\n"])


def run(stream: bytes) -> int:
    """The whole way; returns the bytes written."""
    decoder, machine, written = SseDecoder(), translator(), 0
    for start in range(0, len(stream), READ):
        out: list[bytes] = []
        for frame in decoder.feed(stream[start : start + READ]):
            if frame.event != COMMENT:
                out += [encode(event).raw for event in machine.feed(decode_chunk(frame.data))]
        written += len(b"".join(out))
    assert machine.over
    assert machine.failure is None
    return written


def stages(stream: bytes) -> dict[str, Callable[[], object]]:
    """Each stage alone, on what the stage before it made."""
    frames = SseDecoder().feed(stream)
    chunks = [decode_chunk(frame.data) for frame in frames]
    machine = translator()
    events = [event for one in chunks for event in machine.feed(one)]

    def translate() -> None:
        again = translator()
        for one in chunks:
            again.feed(one)

    return {
        "split": lambda: SseDecoder().feed(stream),
        "decode": lambda: [decode_chunk(frame.data) for frame in frames],
        "translate": translate,
        "encode": lambda: [encode(event) for event in events],
    }


def cpu(work: Callable[[], object], count: int) -> list[float]:
    """µs of CPU per chunk, seven times."""
    times: list[float] = []
    for _ in range(7):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1e6 / count)
    return times


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for name, stream in (("text", text_stream(count)), ("tool arguments", argument_stream(count))):
        whole = cpu(lambda stream=stream: run(stream), count)
        parts = {part: min(cpu(work, count)) for part, work in stages(stream).items()}
        shares = ", ".join(f"{part} {value:.2f}" for part, value in parts.items())
        print(f"{name:15} median {statistics.median(whole):5.2f} µs  best {min(whole):5.2f} µs   ({shares})")


if __name__ == "__main__":
    main()
