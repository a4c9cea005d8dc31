"""`claude-or mcp status`, `restart` and `logs`: the servers of the running sessions, each reached through its session's `/control`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from claude_or.cli.result import Column, CommandResult, Table
from claude_or.config.check import nearest_hint
from claude_or.config.folders import short, state_folder
from claude_or.errors import ClaudeOrError
from claude_or.session.running import Running, ask, running

LOG_LINES = 50


def status(environ: Mapping[str, str]) -> CommandResult:
    """How the servers of the running sessions stand."""
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, object]] = []
    for session in running(environ):
        servers = ask(session, "GET", "/control/mcp")[1]["servers"]
        data.append({"pid": session.pid, "cwd": session.cwd, "servers": servers})
        for one in servers:
            up = "" if one["uptime_s"] is None else f"{one['uptime_s']:.0f} s"
            tools = "" if one["tools"] is None else str(one["tools"])
            rows.append((
                str(session.pid), one["name"], one["state"], str(one["pid"] or ""), up,
                str(one["restarts"]), tools, one["last_error"],
            ))  # fmt: skip
    columns = (
        Column("session", True), Column("server"), Column("state"), Column("pid", True, minor=3), Column("up", True),
        Column("restarts", True, minor=1), Column("tools", True, minor=2), Column("last error", is_prose=True),
    )  # fmt: skip
    summary = (
        "" if rows else "No running session has MCP servers; `claude-or mcp list` shows what a session would start."
    )
    return CommandResult(
        "mcp status", data, (Table("MCP servers", columns, tuple(rows)),) if rows else (), summary=summary
    )


def restart(name: str, pid: int | None, environ: Mapping[str, str]) -> CommandResult:
    """Start a server anew in every running session that has it, or in one. Raises `ClaudeOrError`."""
    having = _having(name, pid, environ)
    data: list[dict[str, object]] = []
    for session in having:
        code, told = ask(session, "POST", f"/control/mcp/{name}/restart", {})
        if code != 200:
            raise ClaudeOrError(
                f"session {session.pid} could not start {name} anew (status {code})",
                hint=f"`claude-or mcp logs {name}` shows what it said.",
            )
        data.append({"session": session.pid, **told})
    said = "; ".join(f"{name} in session {one['session']} is {one['state']}" for one in data)
    return CommandResult("mcp restart", data, summary=said + ".")


def _having(name: str, pid: int | None, environ: Mapping[str, str]) -> list[Running]:
    """The running sessions with a server of this name."""
    sessions = [session for session in running(environ) if pid in (None, session.pid)]
    names: dict[int, list[str]] = {
        session.pid: [one["name"] for one in ask(session, "GET", "/control/mcp")[1]["servers"]] for session in sessions
    }
    having = [session for session in sessions if name in names[session.pid]]
    if not having:
        known = sorted({one for found in names.values() for one in found})
        raise ClaudeOrError(
            f"no running session has an MCP server {name!r}" + nearest_hint(name, known),
            hint="`claude-or mcp status` shows what runs.",
        )
    return having


def log_file(name: str, environ: Mapping[str, str]) -> str:
    """Where a server's stderr is kept. Raises `ClaudeOrError` when there is none."""
    folder = os.path.join(state_folder(environ), "logs", "mcp")
    path = os.path.join(folder, f"{os.path.basename(name)}.log")
    if not os.path.exists(path):
        known = [one.removesuffix(".log") for one in _names_in(folder) if one.endswith(".log")]
        raise ClaudeOrError(
            f"there is no log of an MCP server {name!r}" + nearest_hint(name, known),
            hint=f"Logs are in {short(folder, environ)}; a server that was never started has none.",
        )
    return path


def logs(name: str, environ: Mapping[str, str], lines: int = LOG_LINES) -> CommandResult:
    """The last lines of a server's stderr."""
    path = log_file(name, environ)
    with open(path, encoding="utf-8", errors="replace") as file:
        last = [line.rstrip("\n") for line in file][-lines:] if lines else []
    return CommandResult("mcp logs", {"log": path, "lines": last}, summary="\n".join(last))


def follow(path: str, write: Callable[[str], object], wait: Callable[[], object]) -> None:
    """Write what is added to a log, through its rotations, until `wait` raises `KeyboardInterrupt`."""
    file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115 - replaced below
    try:
        file.seek(0, os.SEEK_END)
        while True:
            if added := file.read():
                write(added)
                continue
            wait()
            try:
                if os.stat(path).st_ino != os.fstat(file.fileno()).st_ino:
                    write(file.read())
                    file.close()
                    file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
            except FileNotFoundError:
                pass  # between the two steps of a rotation
    finally:
        file.close()


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
