"""A model picked with `/model` is for this session, and not left behind as the default of plain `claude`.

The client writes what was picked as `model` into the user's settings ("saved as your default for new sessions", measured with
Claude Code 2.1.330). Sessions of ours pin their model anyway; plain `claude` would ask Anthropic for a slug that only this session
knew. So when the session ends, a slug of ours is taken out again and what stood there before comes back. The client's own words
(`opus`, `haiku`) stay: they mean something without us, and another `claude` may have written them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from claude_or.config.names import bare
from claude_or.session.conflicts import settings_files
from claude_or.upstream.windows import replace_file

MODEL = "model"
MOST_BYTES = 4 * 1024 * 1024


class PickedModel:
    """One per session, made before the user can pick."""

    def __init__(self, environ: Mapping[str, str], cwd: str) -> None:
        self._path = os.path.realpath(next(path for scope, path in settings_files(environ, cwd) if scope == "user"))
        self._existed = os.path.exists(self._path)
        self._before = self._read()

    def put_back(self, ours: Collection[str]) -> str:
        """Restore the user's default if it is one of `ours` now, names that only a session of ours understands, with the client's
        mark for long windows or without.

        Returns what to tell the user: empty when there was nothing to do or it worked.
        """
        now = self._read()
        picked = now.get(MODEL) if now else None
        if now is None or not isinstance(picked, str) or not {picked, bare(picked)} & set(ours):
            return ""
        before = (self._before or {}).get(MODEL)
        if now[MODEL] == before:
            # It stood there when the session began: theirs, or that of a session that still runs.
            return ""
        if before is None:
            del now[MODEL]
        else:
            now[MODEL] = before
        try:
            if now or self._existed:
                mode = os.stat(self._path).st_mode
                replace_file(self._path, json.dumps(now, indent=2, ensure_ascii=False).encode() + b"\n")
                os.chmod(self._path, mode & 0o777)
            else:
                os.unlink(self._path)
        except OSError as error:
            return f"the picked model stays plain claude's default, in {self._path}: {error.strerror or error}"
        return ""

    def _read(self) -> dict[str, Any] | None:
        """The settings; None without a file, or with one that is not ours to touch."""
        try:
            with open(self._path, "rb") as file:
                found = json.loads(file.read(MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None
