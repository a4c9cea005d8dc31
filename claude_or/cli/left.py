"""What is left of the key, asked with the standard library alone: one GET that must not load an HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_or import __version__
from claude_or.cli.key_facts import key_findings
from claude_or.cli.result import Finding
from claude_or.config.key import Key
from claude_or.config.schema import Settings
from claude_or.errors import ClaudeOrError
from claude_or.session.keys import key_of

LIMIT_S: Final = 3.0
MOST_BYTES: Final = 1_000_000


def key_left(environ: Mapping[str, str], settings: Settings, now: float) -> list[Finding]:
    """Findings about the key: its limit and what is left; one note when nobody can tell. Empty without a key."""
    try:
        key = key_of(environ, settings)
    except ClaudeOrError:
        return []
    return key_state(key, settings, now)[1]


def key_state(key: Key, settings: Settings, now: float) -> tuple[int, list[Finding]]:
    """The status that the host answers about a key (0: none), and findings."""
    status, told = _get(f"{settings.openrouter.base_url}/key", key.value)
    if status == 200:
        return status, key_findings(key, told, now)
    why = "the host refuses it" if status in {401, 403} else told if status == 0 else f"the host answered {status}"
    return status, [Finding("note", "key", f"what is left of {key.masked} is not known: {why}")]


def _get(url: str, key: str) -> tuple[int, Any]:
    """Status and decoded body; status 0 and the reason when there was no answer."""
    import json
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import Request

    from claude_or.upstream.plainly import opener_for, why_not

    headers = {"authorization": f"Bearer {key}", "user-agent": f"claude-or/{__version__}", "accept": "application/json"}
    try:
        with opener_for(url).open(Request(url, headers=headers), timeout=LIMIT_S) as answer:  # noqa: S310 - the checked address
            return answer.status, json.loads(answer.read(MOST_BYTES))
    except HTTPError as error:
        error.close()
        return error.code, None
    except (OSError, HTTPException, ValueError) as error:
        return 0, why_not(error, urlsplit(url).hostname or url)
