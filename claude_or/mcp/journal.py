"""What a server says on stderr, and on stdout what is no message: a rotated file that only the user can read, and the last lines
in memory for error texts.

Secrets are masked before anything is kept. Several sessions may write to one file; each looks whether another has rotated it.
A disk that is full or read-only costs the log, never the server.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Final

from claude_or.log import Redaction

FILE_LIMIT: Final = 1024 * 1024
FILES: Final = 3
"""How many files of `FILE_LIMIT` bytes are kept: `name.log`, `name.log.1`, `name.log.2`."""
KEPT_LINES: Final = 50
LINE_LIMIT: Final = 4_000
"""Characters of one line that are kept."""
UNENDED_LIMIT: Final = 64 * 1024
"""Bytes without a line's end after which what has come is taken as a line."""


class Journal:
    """One server's stderr."""

    def __init__(self, path: str, secrets: tuple[str, ...] = ()) -> None:
        self.path = path
        self.tail: deque[str] = deque(maxlen=KEPT_LINES)
        self._redaction = Redaction(secrets)
        self._half = b""
        self._handle = -1

    def feed(self, data: bytes) -> None:
        """Take what was read from the pipe."""
        whole, end, self._half = (self._half + data).replace(b"\r", b"\n").rpartition(b"\n")
        if len(self._half) > UNENDED_LIMIT:
            whole, self._half = whole + end + self._half, b""
        self._keep(whole)

    def stray(self, line: bytes) -> None:
        """Take a line of stdout that is no message. Often it says why the server does not start."""
        self._keep(b"stdout: " + line[:UNENDED_LIMIT].replace(b"\r", b""))

    def end(self) -> None:
        """The process is gone: what has come without a line's end is a line too."""
        half, self._half = self._half, b""
        self._keep(half)

    def note(self, text: str) -> None:
        """A line of our own, for who reads the file; not among the last lines of the server."""
        self._write([f"-- claude-or: {self._redaction.text(text)}"])

    def masked(self, text: str) -> str:
        """A text without the server's secrets."""
        return self._redaction.text(text)

    def last(self, count: int) -> list[str]:
        """The last lines that hold something."""
        return [line for line in self.tail if line.strip()][-count:]

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _keep(self, said: bytes) -> None:
        """Keep whole lines, all that one read brought at once: a server may write a hundred megabytes."""
        # Masked before it is cut: half a secret must not survive at the cut.
        text = self._redaction.text(said.decode("utf-8", "replace"))
        lines = [line[:LINE_LIMIT] for line in text.split("\n") if line.strip()]
        self.tail.extend(lines[-KEPT_LINES:])
        if lines:
            self._write(lines)

    def _write(self, lines: list[str]) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        block = "".join(f"{stamp} {line}\n" for line in lines)
        try:
            os.write(self._file(), block.encode("utf-8", "replace"))
        except OSError:
            self.close()

    def _file(self) -> int:
        """The open file, rotated when it is full, opened anew when somebody else rotated it. Raises `OSError`."""
        if self._handle >= 0:
            status = os.fstat(self._handle)
            if status.st_size < FILE_LIMIT and self._is_current(status):
                return self._handle
            self.close()
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        try:
            if os.stat(self.path).st_size >= FILE_LIMIT:
                self._rotate()
        except FileNotFoundError:
            pass
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle = os.open(self.path, flags, 0o600)
        return self._handle

    def _is_current(self, status: os.stat_result) -> bool:
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino)

    def _rotate(self) -> None:
        for number in range(FILES - 1, 0, -1):
            older = f"{self.path}.{number}"
            newer = self.path if number == 1 else f"{self.path}.{number - 1}"
            try:
                os.replace(newer, older)
            except FileNotFoundError:
                continue
