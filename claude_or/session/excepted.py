"""Hosts that the user excepts from HTTP proxies in Claude Code's own settings.

A session pins `NO_PROXY`, because loopback must be in it, and what is pinned outranks the user's settings. So their exceptions are
taken along, or the tools of a session would look for a company's own hosts behind its proxy. Only the user's file counts: a
project's may come from anybody. On the launch path, so nothing is imported unless the variable stands there.
"""

from __future__ import annotations

import os

from claude_or.config.folders import home_folder

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("NO_PROXY", "no_proxy")
MOST_BYTES = 4 * 1024 * 1024


def excepted(environ: Mapping[str, str]) -> list[str]:
    """The values of `NO_PROXY` in the user's settings; none for a file that is absent or cannot be read."""
    folder = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home_folder(environ), ".claude")
    try:
        with open(os.path.join(folder, "settings.json"), "rb") as file:
            raw = file.read(MOST_BYTES)
    except OSError:
        return []
    if not any(name.encode() in raw for name in NAMES):
        return []
    import json

    try:
        env = json.loads(raw)["env"]
        return [value for name in NAMES if isinstance(value := env.get(name), str)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
