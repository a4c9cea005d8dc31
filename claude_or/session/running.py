"""The sessions that run now, and how our other commands speak to one: its run folder holds port and token of `/control`.

Only the standard library: `claude-or budget` or `mcp status` must not load an HTTP library for one small request.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from claude_or.errors import EXIT_PROXY, ClaudeOrError
from claude_or.session.runfolder import CONTROL_FILE, PREFIX, base_folder, owner_lives

LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """One running session of this user. `folder` is its run folder, `cwd` where it works ("" when the system cannot tell)."""

    pid: int
    port: int
    token: str
    folder: str
    cwd: str


def running(environ: Mapping[str, str]) -> list[Running]:
    """The user's running sessions, oldest first."""
    base = base_folder(environ)
    found: list[tuple[float, Running]] = []
    try:
        names = os.listdir(base)
    except OSError:
        return []
    for name in names:
        folder = f"{base}/{name}"
        if not name.startswith(PREFIX) or not owner_lives(folder):
            continue
        try:
            with open(f"{folder}/{CONTROL_FILE}", encoding="utf-8") as file:
                told = json.load(file)
            session = Running(int(told["pid"]), int(told["port"]), str(told["token"]), folder, _cwd(int(told["pid"])))
            found.append((os.stat(folder).st_mtime, session))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half written: it only just begins
    return [session for _, session in sorted(found, key=lambda pair: pair[0])]


def ask(session: Running, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    """Ask a session's `/control`: the status and the decoded answer. Raises `ClaudeOrError` when it does not answer."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", session.port, timeout=LIMIT_S)
    headers = {"authorization": f"Bearer {session.token}", "content-type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise ClaudeOrError(
            f"the session {session.pid} did not answer: {error}",
            hint="It may just be ending; `claude-or doctor` looks for leftovers.",
            exit_code=EXIT_PROXY,
        ) from None
    finally:
        connection.close()


def _cwd(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
