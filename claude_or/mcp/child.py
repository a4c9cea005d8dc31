"""A server process in the hands of the event loop: lines from its stdout, writing to its stdin, its end, and its whole group's.

A server may leave grandchildren, ignore SIGTERM, close its stdout and live on, or answer and exit in one breath. So an end is an
exit *and* what was still in the pipes, each wait is bounded, and the group is swept even after a clean exit, with whoever left it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from claude_or.mcp.guardian import marked, start_time
from claude_or.mcp.journal import Journal
from claude_or.mcp.spawn import Born

LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message. Real servers send pictures and whole files in one line."""
UNREAD_LIMIT: Final = 2 * LINE_LIMIT
"""Bytes that may wait for a server that does not read its stdin."""
GRACE: Final = 2.0
"""Seconds after closing stdin, and again after SIGTERM."""
DRAIN: Final = 0.3
"""Seconds for what is still in the pipes of a process that ended; a grandchild may hold them open for ever."""
KILL_BOUND: Final = 0.5
"""Seconds until a killed process is gone; it may hang in the kernel."""
STEP: Final = 0.03


class NotReading(Exception):
    """The server does not read what it is sent. Caught where a request is passed on."""


class Child:
    """One running process. `ended` is done, with the exit code (negative after a signal), when nothing more can come from it."""

    def __init__(self, born: Born, journal: Journal) -> None:
        loop = asyncio.get_running_loop()
        self.pid = born.pid
        self.command = born.command
        self.started = time.monotonic()
        self.ended: asyncio.Future[int | None] = loop.create_future()
        self.oversized = 0
        self._born = born
        self._journal = journal
        self._stdin: asyncio.WriteTransport | None = None
        self._readers: list[asyncio.BaseTransport] = []
        self._code: asyncio.Future[int] = loop.create_future()
        self._silent: asyncio.Future[None] = loop.create_future()
        self._drained: asyncio.Future[None] = loop.create_future()
        self._watcher: asyncio.Task[None] | None = None

    async def adopt(self, on_line: Callable[[bytes], None], on_oversize: Callable[[], None]) -> None:
        """Take over pipes and process."""
        loop = asyncio.get_running_loop()
        born = self._born

        def lines() -> asyncio.BaseProtocol:
            return _Lines(on_line, on_oversize, self._silent)

        def chatter() -> asyncio.BaseProtocol:
            return _Chatter(self._journal, self._drained)

        for handle, protocol in ((born.stdout, lines), (born.stderr, chatter)):
            transport, _ = await loop.connect_read_pipe(protocol, os.fdopen(handle, "rb", buffering=0))
            self._readers.append(transport)
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(born.stdin, "wb", buffering=0))
        self._stdin = writer
        self._watch_exit(loop)
        self._watcher = loop.create_task(self._watch_end())

    def send(self, message: bytes) -> None:
        """Write one line. Raises `NotReading`; what is written to a process that is just ending is lost, and its end told."""
        if self._stdin is None or self._stdin.is_closing():
            return
        if self._stdin.get_write_buffer_size() > UNREAD_LIMIT:
            raise NotReading
        self._stdin.write(message + b"\n")

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._code.result() if self._code.done() else None

    async def stop(self, grace: float = GRACE) -> None:
        """End the process, politely first, and then what is left of its group. At most some `2 * grace + 1` seconds."""
        if self._stdin is not None and not self._stdin.is_closing():
            # `close` would wait for a server that does not read.
            (self._stdin.abort if self._stdin.get_write_buffer_size() else self._stdin.close)()
        if not self._code.done() and not self._silent.done():
            await asyncio.wait({self._code}, timeout=grace)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._code.done():
                self._signal(number)
                await asyncio.wait({self._code}, timeout=grace)
        await self.sweep(grace / 2)
        await self.release()

    async def sweep(self, grace: float) -> None:
        """End what is left of the group, and who left it: asked first, and forced after `grace` seconds."""
        for number, limit in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_BOUND)):
            strays = marked((self._born.mark,))
            left = [pid for pid in strays if _sent(os.kill, pid, number)]
            if not self._signal(number) and not left:
                return
            deadline = time.monotonic() + limit
            while time.monotonic() < deadline:
                left = [pid for pid in left if start_time(pid)]
                if not left and not (self._signal(0) and lives_in_group(self.pid)):
                    return
                await asyncio.sleep(STEP)

    def kill(self) -> None:
        """End the whole group at once."""
        self._signal(signal.SIGKILL)

    async def release(self) -> None:
        """Close the pipes."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        for transport in self._readers:
            transport.close()
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.abort()
        self._journal.end()

    def _signal(self, number: int) -> bool:
        """Signal the group; False when nobody is left in it."""
        return _sent(os.killpg, self.pid, number)

    async def _watch_end(self) -> None:
        """Set `ended` once the process is gone and read empty, or once it can say nothing any more."""
        await asyncio.wait({self._code, self._silent}, return_when=asyncio.FIRST_COMPLETED)
        if self._code.done():
            await asyncio.wait({self._silent, self._drained}, timeout=DRAIN)
        else:
            await asyncio.wait({self._code}, timeout=DRAIN)
        if not self.ended.done():
            self.ended.set_result(self.code)

    def _watch_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reap the process when it ends; it may have been born before the loop, so asyncio's watchers do not know it."""

        def reap() -> None:
            code = self._born.poll()
            if code is not None and not self._code.done():
                self._code.set_result(code)

        if hasattr(os, "pidfd_open"):
            try:
                handle = os.pidfd_open(self.pid)
            except OSError:
                handle = -1
            if handle >= 0:

                def readable() -> None:
                    loop.remove_reader(handle)
                    os.close(handle)
                    reap()

                loop.add_reader(handle, readable)
                return

        def poll() -> None:  # macOS has no pidfd
            reap()
            if not self._code.done():
                loop.call_later(STEP * 2, poll)

        poll()


def _sent(send: Callable[[int, int], None], target: int, number: int) -> bool:
    """Send a signal; False when nobody is there any more."""
    try:
        send(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def lives_in_group(pgid: int) -> bool:
    """Whether a group has a member that is more than an entry nobody reaped. True where the system cannot tell."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return True
    told = False
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                state, _, group = stat.read().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        told = True
        if int(group) == pgid and state not in {b"Z", b"X"}:
            return True
    return not told


class _Lines(asyncio.Protocol):
    """Splits stdout into lines; one that is over the limit is skipped to its end and told."""

    def __init__(
        self, on_line: Callable[[bytes], None], on_oversize: Callable[[], None], closed: asyncio.Future[None]
    ) -> None:
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._closed = closed
        self._half: list[bytes] = []
        self._size = 0
        self._skipping = False

    def data_received(self, data: bytes) -> None:
        first, *rest = data.split(b"\n")
        self._add(first)
        for piece in rest:
            if not self._skipping and self._size:
                self._on_line(self._half[0] if len(self._half) == 1 else b"".join(self._half))
            self._half, self._size, self._skipping = [], 0, False
            self._add(piece)

    def _add(self, piece: bytes) -> None:
        if not piece or self._skipping:
            return
        self._half.append(piece)
        self._size += len(piece)
        if self._size > LINE_LIMIT:
            self._half, self._size, self._skipping = [], 0, True
            self._on_oversize()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._skipping and self._size:
            self._on_line(b"".join(self._half))
        if not self._closed.done():
            self._closed.set_result(None)


class _Chatter(asyncio.Protocol):
    """Passes stderr on to the journal."""

    def __init__(self, journal: Journal, closed: asyncio.Future[None]) -> None:
        self._journal = journal
        self._closed = closed

    def data_received(self, data: bytes) -> None:
        self._journal.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._closed.done():
            self._closed.set_result(None)
