"""One streamed answer on its way to the client, in one of three states.

*open*       nothing was sent: a failure is still a real HTTP status
*pinging*    the host was silent for a while, so the head and `ping` events went out: the reply chain may still retry, and a
             failure is an `error` event
*committed*  frames were sent: the chain itself tells a failure as its last frame; where it could not (an exception, an end that is
             none), the open block is closed and an `error` event ends the stream

Writes are awaited, so a client that reads slowly slows the reading upstream; a lock keeps a ping out of the middle of a
write and out of the head. A client that takes nothing at all for minutes is cut off: it would hold the host's answer, and its bill,
for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from claude_or.log import get_log
from claude_or.proxy.refusals import REQUEST_ID, error_answer
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import PING, block_end_after, error_frame
from claude_or.wire.sse import Frame

_HEAD: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


_log = get_log("proxy")

LAST: Final = frozenset({"message_stop", "error"})
"""How a stream may end."""


class _Stream(web.StreamResponse):
    # As `web.Response` has it: the head waits for the first write, which follows at once here, and shares its packet.
    _send_headers_immediately = False


class Speaking:
    """The answer to one request. `ping` is the longest silence and `unread` the longest standstill of the client, in seconds."""

    def __init__(self, request: web.Request, request_id: str, *, ping: float, unread: float) -> None:
        self._request = request
        self._request_id = request_id
        self._ping = ping
        self._unread = unread
        self._response: web.StreamResponse | None = None
        self._writing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._spoke = self._loop.time()
        self._last: Frame | None = None
        self.committed = False
        self.pings = 0

    @property
    def state(self) -> str:
        """For the log."""
        return "committed" if self.committed else "open" if self._response is None else "pinging"

    @asynccontextmanager
    async def kept_alive(self) -> AsyncGenerator[None]:
        """Within it, silence is broken by pings."""
        pinger = asyncio.create_task(self._break_silence())
        try:
            yield
        finally:
            # Under the lock: a ping that has begun goes out whole, so that the state is certain afterwards.
            async with self._writing:
                pinger.cancel()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Write frames in one go, the stream's last together with its end. Raises `ConnectionError` when the client is gone."""
        data = frames[0].raw if len(frames) == 1 else b"".join([frame.raw for frame in frames])
        async with self._writing:
            self.committed = True
            last = frames[-1]
            if last.event != "ping":
                self._last = last
            response = self._response or await self._begin()
            if last.event in LAST:
                # A short answer is one write this way, and a write costs more than all our translation of it.
                await response.write_eof(data)
            else:
                await response.write(data)
            self._spoke = self._loop.time()

    async def fail(self, failure: Failure) -> web.StreamResponse:
        """Tell a failure, in the way that is still open."""
        async with self._writing:
            if self._response is None:
                return error_answer(failure, self._request_id)
            end = block_end_after(self._last) if self._last else None
            await self._response.write_eof((end.raw if end else b"") + error_frame(failure).raw)
            return self._response

    async def end(self) -> web.StreamResponse:
        """The response, complete."""
        async with self._writing:
            response = self._response or await self._begin()
            await response.write_eof()
        return response

    async def _begin(self) -> web.StreamResponse:
        response = _Stream(headers={**_HEAD, REQUEST_ID: self._request_id})
        response.enable_chunked_encoding()
        await response.prepare(self._request)
        self._response = response
        return response

    async def _break_silence(self) -> None:
        try:
            while True:
                if self._writing.locked():
                    await self._until_read()
                    continue
                wait = self._spoke + self._ping - self._loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                    continue
                async with self._writing:
                    if self._last is not None and self._last.event in LAST:
                        return
                    if self._loop.time() - self._spoke < self._ping:
                        continue
                    response = self._response or await self._begin()
                    async with asyncio.timeout(self._unread):
                        await response.write(PING.raw)
                    self.pings += 1
                    self._spoke = self._loop.time()
        except ConnectionError:
            # The client is gone; the handler learns it in its own way.
            pass
        except TimeoutError:
            self._cut_off()

    async def _until_read(self) -> None:
        """Wait while a write waits for the client. Raises `TimeoutError` when it takes nothing for too long."""
        left, moved = -1, self._loop.time()
        while self._writing.locked() and (transport := self._request.transport) is not None:
            now, waits = self._loop.time(), _unread_by(transport)
            if waits != left:
                left, moved = waits, now
            elif now - moved >= self._unread:
                raise TimeoutError
            await asyncio.sleep(min(self._ping, self._unread / 4))

    def _cut_off(self) -> None:
        _log.info("the client does not read its answer", seconds=self._unread)
        if self._request.transport is not None:
            self._request.transport.abort()


def _unread_by(transport: asyncio.Transport) -> int:
    """Bytes that the client's system did not take yet, here and in the kernel: that lets us write on in large steps only, so for
    a slow reader our own buffer may stand still for an hour."""
    here = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    try:
        return here + struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    except (AttributeError, OSError):
        return here
