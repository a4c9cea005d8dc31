"""What a session notices about its surroundings while it runs: settings that fight with it, and the client's version.

Nothing of it is on the launch path: settings are read in a thread once the proxy serves, the version is what the client says of
itself with its first request. Each thing is logged once; the end of the session tells what mattered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from claude_or.log import get_log
from claude_or.session.conflicts import Conflict, conflicts
from claude_or.session.versions import remark_on

_CLIENT = re.compile(r"claude-cli/(\S+)")

_log = get_log("session")


class Lookout:
    """One per session. `cwd` is where the session started."""

    def __init__(self, environ: Mapping[str, str], cwd: str) -> None:
        self._environ = environ
        self._cwd = cwd
        self._found: list[Conflict] | None = None
        self._met = ""

    async def look(self) -> None:
        """Find the conflicts and log them."""
        self._found = await asyncio.to_thread(conflicts, self._environ, self._cwd)
        for conflict in self._found:
            tell = _log.warning if conflict.wins else _log.info
            tell("setting of claude", scope=conflict.scope, file=conflict.path, key=conflict.key, wins=conflict.wins)

    def meet(self, user_agent: str) -> None:
        """Note who asks; a version that was not tested is logged once."""
        if user_agent == self._met:
            return
        self._met = user_agent
        named = _CLIENT.match(user_agent)
        if named and (remark := remark_on(named[1])):
            _log.warning("claude not tested", remark=remark)

    def told(self, *, astray: bool) -> list[str]:
        """Lines for the end of the session. `astray`: no request came, so that also what should be overruled is suspect."""
        return [str(conflict) for conflict in self.found() if astray or conflict.wins]

    def set_aside(self) -> str:
        """The settings that did not count in this session, by file; empty when there are none."""
        by_file: dict[str, list[str]] = {}
        for conflict in self.found():
            if not conflict.wins:
                by_file.setdefault(f"{conflict.path} ({conflict.scope})", []).append(conflict.key)
        return "; ".join(f"{', '.join(keys)} in {file}" for file, keys in by_file.items())

    def found(self) -> list[Conflict]:
        """All conflicts, looked for now where nobody did before."""
        if self._found is None:
            self._found = conflicts(self._environ, self._cwd)
        return self._found
