"""What the native path costs beside a proxy that only passes bytes on, side by side in one run. Not a test.

    uv run python -m tests.benchmarks.native_path [--deltas 10000] [--profile]

The form, the columns and what they mean are those of `chat_path`; the host speaks the Messages API, one write an event.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import Any

from claude_or.wire.events import frame_of
from tests.benchmarks.chat_path import Column, child, gateway, host, measure, passing

MODEL = "anthropic/bench"


def told(count: int, kind: str = "text") -> bytes:
    """An answer of `count` deltas, as OpenRouter's Messages endpoint writes it, its own `[DONE]` included."""
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": None, "speed": "standard"}
    head = {"id": "gen-1", "type": "message", "role": "assistant", "content": [], "model": MODEL, "usage": usage}
    call: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}}
    block = {"type": "text", "text": ""} if kind == "text" else call
    end: dict[str, Any] = {"stop_reason": "end_turn" if kind == "text" else "tool_use", "stop_sequence": None}

    def delta(n: int) -> dict[str, Any]:
        if kind == "text":
            return {"type": "text_delta", "text": f" wörd{n % 97}"}
        opening = '{"content": "' if n == 0 else ""
        return {
            "type": "input_json_delta",
            "partial_json": f"{opening}word{n % 97} " + ('"}' if n == count - 1 else ""),
        }

    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta(n)} for n in range(count)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"input_tokens": 9, "output_tokens": count, "cost": 0.01}},
        {"type": "message_stop"},
    ]
    return b"".join(frame_of(event).raw for event in events) + b"event: data\ndata: [DONE]\n\n"


def main() -> None:
    """Start the servers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=int, default=10_000)
    parser.add_argument(
        "--profile", action="store_true", help="profile the native path (its figures are then worthless)"
    )
    said = parser.parse_args()
    streams = {"small": told(3), "text": told(said.deltas), "arguments": told(said.deltas, "arguments")}
    with contextlib.ExitStack() as stack:
        port, pid = stack.enter_context(child(lambda sock: host(sock, streams)))
        base = f"http://127.0.0.1:{port}/v1"
        columns = [Column("direct", f"http://127.0.0.1:{port}", pid)]
        for name, run in (
            ("pass-through", lambda sock: passing(sock, base)),
            ("native path", lambda sock: gateway(sock, base, said.profile)),
        ):
            port, pid = stack.enter_context(child(run))
            columns.append(Column(name, f"http://127.0.0.1:{port}", pid))
        asyncio.run(measure(columns, said.deltas, MODEL))


if __name__ == "__main__":
    main()
