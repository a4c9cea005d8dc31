"""A host below HTTP: it accepts, reads, says given bytes at given moments, and notes when its peer left.

    async with Plug([HEAD, event("half"), 30.0]) as plug:      # bytes are written, numbers are seconds of silence
        base_url=plug.url                                      # plug.secure_url: the same port as https, no handshake ever comes
        (await plug.asked(1)).gone                             # when its first connection was closed by the peer

For what `tests/fakes/openrouter.py` cannot do, since it always speaks HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

Step = bytes | float

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
"""Of an answer that ends with its connection."""
FAILED: Final = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"


def event(text: str) -> bytes:
    """A delta of a chat completion."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"' + text.encode() + b'"}}]}\n\n'


@dataclass
class Connection:
    """One that was accepted. `gone` is when the peer closed it, on the monotonic clock."""

    bytes_in: int = 0
    gone: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Plug:
    """The host. An async context manager; each connection gets the whole script after its first bytes."""

    def __init__(self, script: Sequence[Step] = ()) -> None:
        self.script = script
        self.connections: list[Connection] = []
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Its address for claude-or."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def secure_url(self) -> str:
        """The same as https: the handshake is never answered."""
        return f"https://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def asked(self, count: int, seconds: float = 20.0) -> Connection:
        """Wait until so many connections brought something; the last of them."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: sum(one.bytes_in > 0 for one in self.connections) >= count)
        return self.connections[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = Connection()
        self.connections.append(connection)
        speaking: asyncio.Task[None] | None = None
        try:
            while data := await reader.read(65_536):
                connection.bytes_in += len(data)
                if speaking is None:
                    speaking = asyncio.create_task(self._speak(writer))
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionError:
            pass
        finally:
            connection.gone = time.monotonic()
            connection.over.set()
            if speaking is not None:
                speaking.cancel()
            writer.close()

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        for step in self.script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                await asyncio.sleep(step)
