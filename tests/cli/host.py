"""A host of models for the commands: real sockets on 127.0.0.1, answers from a table, requests remembered.

In a thread, because a command runs an event loop of its own.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


def listed(slug: str, **fields: Any) -> dict[str, Any]:
    """One entry of `GET /models`, good for Claude Code unless `fields` say otherwise."""
    return {
        "id": slug,
        "canonical_slug": slug,
        "context_length": 200_000,
        "top_provider": {"context_length": 200_000, "max_completion_tokens": 64_000},
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000002", "completion": "0.00001", "input_cache_read": "0.0000001"},
        "supported_parameters": ["tools", "reasoning"],
        **fields,
    }


def usual_listing() -> dict[str, Any]:
    """A listing in which the default models exist."""
    families = [listed(f"~anthropic/claude-{family}-latest") for family in ("opus", "sonnet", "haiku", "fable")]
    return {"data": [*families, listed("z-ai/glm-5.3", architecture={"input_modalities": ["text"]})]}


def usual_key(**fields: Any) -> dict[str, Any]:
    """The answer of `GET /key` for a key without trouble."""
    return {
        "data": {"label": "sk-or-v1-0f1...9ab", "limit": None, "limit_remaining": None, "is_free_tier": False, **fields}
    }


@dataclass
class Host:
    """`answers` maps a path below `/api/v1` to status and body; a path that is not there is a 404.

    A body of None keeps the client waiting until the host is closed.
    """

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict[str, tuple[int, Any]])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    closing: Event = field(default_factory=Event)
    now: float | None = None
    """What its clock says, in seconds since the epoch; the machine's when None."""


@contextmanager
def hosting() -> Generator[Host]:
    """A host with the usual listing that accepts every key."""
    host = Host(
        answers={"/models": (200, usual_listing()), "/models/user": (200, usual_listing()), "/key": (200, usual_key())}
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/api/v1")
            host.asked.append((path, self.headers.get("authorization", "")))
            status, body = host.answers.get(path, (404, {}))
            if body is None:
                host.closing.wait(30)
                return
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(host.now if timestamp is None else timestamp)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        host.url = f"http://127.0.0.1:{server.server_port}/api/v1"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield host
        finally:
            host.closing.set()
            server.shutdown()
            thread.join()
