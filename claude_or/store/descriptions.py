"""What was said about pictures, kept from session to session.

A conversation that is resumed holds its pictures still. Described anew they would be told in other words, and everything behind them
would have to be paid again, because the host's prompt cache goes by the exact text. One small file for each picture and describing
model, named after the hash of its content, readable by the user alone; what nobody needed for long goes away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Final

FOLDER: Final = "descriptions"
MOST_FILES: Final = 5_000
MOST_BYTES: Final = 64_000
"""Of one file; a longer one was not written here."""
_DAY_S: Final = 86_400


class Descriptions:
    """Those in one folder, for `keep_days` after they were last needed. `wall` is in seconds since 1970. Every call may block."""

    def __init__(self, folder: str, keep_days: int, wall: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._keep_days = keep_days
        self._wall = wall

    def read(self, slug: str, keys: Iterable[str]) -> dict[str, str]:
        """What `slug` said, by key, as far as it is kept."""
        found: dict[str, str] = {}
        for key in keys:
            path = self._path(slug, key)
            try:
                with open(path, "rb") as file:
                    words = file.read(MOST_BYTES + 1)
                os.utime(path, (self._wall(), self._wall()))
                if 0 < len(words) <= MOST_BYTES:
                    found[key] = words.decode()
            except (OSError, UnicodeDecodeError):
                continue
        return found

    def write(self, slug: str, key: str, words: str) -> None:
        """Keep a description. Raises `OSError`."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        path = self._path(slug, key)
        half = f"{path}.{os.getpid()}.new"
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(words.encode("utf-8", "replace")[:MOST_BYTES])
            os.replace(half, path)
        except OSError:
            os.unlink(half)
            raise

    def prune(self) -> int:
        """Remove what is too old, and the oldest of too many; how many went."""
        aged: list[tuple[float, str]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    aged.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
        aged.sort(reverse=True)
        oldest = self._wall() - self._keep_days * _DAY_S
        removed = 0
        for n, (at, path) in enumerate(aged):
            if n >= MOST_FILES or at < oldest:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    removed += 1
        return removed

    def _path(self, slug: str, key: str) -> str:
        # Another model would say it in other words, and whoever names another one wants those.
        return os.path.join(self._folder, hashlib.sha256(f"{slug}\n{key}".encode()).hexdigest())
