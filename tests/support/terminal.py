"""A pseudo-terminal with a rendered screen, for tests that look at what a user would see and press what a user would press.

    async with Terminal([...], env=..., cwd=...) as terminal:
        await terminal.wait_for("welcome")
        terminal.send("hello", ENTER)

The child is the leader of a session of its own with this terminal as the controlling one, as under a terminal emulator.
Waiting is for something on the screen and bounded; when time is up, the error shows the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import pyte

ENTER = "\r"
ESCAPE = "\x1b"
CTRL_C = "\x03"
CTRL_Z = "\x1a"
DOWN = "\x1b[B"

TIMEOUT = 60.0

# The child opens the terminal itself: the first one that a session leader opens becomes its controlling terminal.
_LAUNCH = """
import fcntl, os, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for handle in (0, 1, 2):
    os.dup2(terminal, handle)
if terminal > 2:
    os.close(terminal)
os.execvp(sys.argv[2], sys.argv[2:])
"""

# pyte takes these private sequences for others (keyboard modes as colours); they draw nothing.
_PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[A-Za-z]|\x1b\[\?[0-9;]*[uc]|\x1bP[^\x1b]*\x1b\\")
_ALTERNATE = re.compile(rb"(\x1b\[\?1049[hl])")
_UNFINISHED = re.compile(rb"\x1b(\[[<>=?]?[0-9;]*|P[^\x1b]*\x1b?)?$")


class NeverShown(AssertionError):
    """What was waited for did not come; the message holds the screen."""


class Terminal:
    """A child on a terminal. An async context manager; leaving it ends the child's whole session."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str],
        columns: int = 100,
        rows: int = 40,
    ) -> None:
        self._argv = list(argv)
        self._env = dict(env)
        self._cwd = cwd
        self._size = (columns, rows)
        self._screens: list[Any] = [pyte.Screen(columns, rows)]
        """The normal screen, and the alternate one while a program uses it. pyte itself knows only one."""
        self._pending = b""
        self._changed = asyncio.Event()
        self._master = -1
        self._slave = -1
        self._child: subprocess.Popen[bytes] | None = None
        self.raw = b""
        """Everything the child ever wrote."""

    async def __aenter__(self) -> Self:
        self._master, self._slave = pty.openpty()
        self._set_size()
        os.set_blocking(self._master, False)
        self._child = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, os.ttyname(self._slave), *self._argv],
            env=self._env,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        child = self._child
        if child is not None and child.poll() is None:
            for number in (signal.SIGHUP, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
            try:
                await self.exit_code(5)
            except TimeoutError:
                child.kill()
                await asyncio.to_thread(child.wait)
        self.close_window()

    def close_window(self) -> None:
        """Close the terminal under the child, as a user does with a window."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._slave)
            os.close(self._master)
            self._master = -1

    # What is seen

    def screen(self) -> str:
        """The screen as text, without the blanks at the ends of lines."""
        return "\n".join(line.replace("\xa0", " ").rstrip() for line in self._screens[-1].display).rstrip()

    async def wait_for(self, wanted: str | re.Pattern[str] | Callable[[str], object], timeout: float = TIMEOUT) -> str:
        """Wait until the screen holds a text, matches a pattern or satisfies a function; the screen at that moment."""
        seen = _predicate(wanted)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._changed.clear()
                    now = self.screen()
                    if seen(now):
                        return now
                    await self._changed.wait()
        except TimeoutError:
            raise NeverShown(f"{wanted!r} was not shown within {timeout} s. The screen:\n{self.screen()}") from None

    async def wait_until_gone(self, unwanted: str, timeout: float = TIMEOUT) -> str:
        """Wait until a text is off the screen."""
        return await self.wait_for(lambda now: unwanted not in now, timeout)

    def modes(self) -> list[Any]:
        """The line discipline's settings (`termios.tcgetattr`), as `stty -g` would tell them."""
        return termios.tcgetattr(self._slave)

    # What is done

    def send(self, *keys: str) -> None:
        """Press keys; each argument is written as one."""
        for key in keys:
            os.write(self._master, key.encode())

    async def type_line(self, words: str) -> None:
        """Type into the client's prompt, wait until it shows, and press Enter."""
        self.send(words)
        await self.wait_for(lambda now: words[-30:] in now)
        self.send(ENTER)

    async def press_until(self, keys: str, wanted: str | re.Pattern[str] | Callable[[str], object]) -> str:
        """Press keys again and again until something is shown: a dialog ignores what is typed as it opens."""
        seen = _predicate(wanted)
        for _ in range(int(TIMEOUT / 0.4)):
            self.send(keys)
            with contextlib.suppress(NeverShown):
                return await self.wait_for(seen, timeout=0.4)
        return await self.wait_for(wanted, timeout=0.4)

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size; the foreground group gets SIGWINCH from the kernel."""
        self._size = (columns, rows)
        for screen in self._screens:
            screen.resize(rows, columns)
        self._set_size()

    def signal(self, number: int) -> None:
        """Send a signal to the child alone."""
        assert self._child is not None
        self._child.send_signal(number)

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._child is not None
        return self._child.pid

    async def exit_code(self, timeout: float = TIMEOUT) -> int:
        """Wait for the child to end. Raises `TimeoutError`."""
        assert self._child is not None
        async with asyncio.timeout(timeout):
            while (code := self._child.poll()) is None:
                await asyncio.sleep(0.02)
            # What it said last may still lie in the kernel, which hands it over a few kilobytes at a time.
            while self._master >= 0 and select.select([self._master], [], [], 0.05)[0] and self._read():
                await asyncio.sleep(0)
        return code

    # How it is done

    def _set_size(self) -> None:
        size = struct.pack("HHHH", self._size[1], self._size[0], 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def _read(self) -> bool:
        """Take what there is; whether more may come."""
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return True
        except OSError:  # nobody holds the other side
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
            return False
        self.raw += data
        whole = self._pending + data
        cut = _UNFINISHED.search(whole)
        self._pending = whole[cut.start() :] if cut else b""
        self._draw(_PRIVATE.sub(b"", whole[: cut.start()] if cut else whole))
        self._changed.set()
        return True

    def _draw(self, data: bytes) -> None:
        for piece in _ALTERNATE.split(data):
            if piece == b"\x1b[?1049h":
                self._screens = [self._screens[0], pyte.Screen(*self._size)]
            elif piece == b"\x1b[?1049l":
                del self._screens[1:]
            else:
                screen = self._screens[-1]
                screen.write_process_input = self.send
                pyte.ByteStream(screen).feed(piece)


def _predicate(wanted: str | re.Pattern[str] | Callable[[str], object]) -> Callable[[str], object]:
    if isinstance(wanted, str):
        return lambda now: wanted in now
    if isinstance(wanted, re.Pattern):
        return wanted.search
    return wanted
