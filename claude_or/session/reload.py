"""A changed configuration applies to the next request; a broken edit leaves everything as it was and is told.

Whether a file changed is asked when a request comes, by modification time and size of every place where a configuration was
looked for, absent ones too. Reading it happens in a thread: the libraries for it may have to be loaded first, and open streams
must not stall meanwhile. What `claude` was told at its start (window, model names, what its environment lacks) stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from claude_or.config.load import Loaded
from claude_or.config.schema import Settings
from claude_or.errors import ClaudeOrError
from claude_or.log import get_log
from claude_or.session.plan import seen

File = tuple[str, int, int]
"""A place, its modification time in nanoseconds and its size; 0 and -1 where nothing is."""

_log = get_log("config")


class ConfigWatch:
    """Watches the places of `files`; `load` reads the configuration anew as the launch did, and may raise `ClaudeOrError`.

    `trouble` says why the newest edit is not in use, empty when it is.
    """

    def __init__(self, files: Sequence[File], load: Callable[[], Loaded]) -> None:
        self.trouble = ""
        self._files = list(files)
        self._load = load
        self._lock = asyncio.Lock()

    async def changed(self) -> Settings | None:
        """The new settings when a file changed since the last question and is right; else None."""
        if self._as_known():
            return None
        async with self._lock:
            now = [(path, *seen(path)) for path, _, _ in self._files]
            if now == self._files:
                return None
            try:
                loaded = await asyncio.to_thread(self._load)
            except ClaudeOrError as error:
                self._files = now
                self.trouble = error.message
                _log.warning("configuration not applied", reason=error.message, more=list(error.detail))
                return None
            # As it was read, not as it was looked at: an edit in between is the next change.
            self._files = [(file.path, file.mtime_ns, file.size) for file in loaded.files]
            self.trouble = ""
            _log.info("configuration applied", files=[file.path for file in loaded.files if file.size >= 0])
            return loaded.settings

    def _as_known(self) -> bool:
        return all(seen(path) == (mtime, size) for path, mtime, size in self._files)
