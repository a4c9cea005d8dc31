"""`claude-or budget`: the caps of the running sessions, and raising one without ending the session."""

from __future__ import annotations

from collections.abc import Mapping

from claude_or.cli.result import Column, CommandResult, Table
from claude_or.config.folders import short
from claude_or.config.load import dollars_of
from claude_or.errors import EXIT_FAILURE, EXIT_USAGE, ClaudeOrError
from claude_or.session.running import Running, ask, running

CAPS = ("session", "day", "project", "month")


def show_caps(environ: Mapping[str, str]) -> CommandResult:
    """Each running session with its caps."""
    sessions = [(session, ask(session, "GET", "/control/status")[1]) for session in running(environ)]
    rows: list[tuple[str, ...]] = []
    for session, told in sessions:
        caps = told.get("budget") or {"-": {"limit": "", "spent": str(told["total"]["cost"])}}
        for scope, cap in caps.items():
            limit = f"${float(cap['limit']):.2f}" if cap["limit"] else "no cap"
            rows.append((str(session.pid), short(session.cwd, environ), scope, f"${float(cap['spent']):.4f}", limit))
    columns = (
        Column("pid", True),
        Column("folder", is_path=True),
        Column("cap"),
        Column("spent", True),
        Column("limit", True),
    )
    data = [
        {"pid": session.pid, "cwd": session.cwd, "caps_usd": told.get("budget", {}), "cost_usd": told["total"]["cost"]}
        for session, told in sessions
    ]
    summary = (
        "" if rows else "No session is running. `claude-or --budget 5` caps one; `budget:` in config.yaml caps all."
    )
    return CommandResult("budget", data, (Table("Caps", columns, tuple(rows)),) if rows else (), summary=summary)


def raise_cap(amount: str, cap: str, pid: int | None, environ: Mapping[str, str]) -> CommandResult:
    """Raise a cap of a running session by some dollars; `cap` empty: the only one, or the session's. Raises `ClaudeOrError`."""
    dollars = dollars_of(amount)
    if not dollars:
        raise ClaudeOrError(
            f"expected an amount in US dollars such as 2.50, got {amount!r}",
            hint="It is added to the cap.",
            exit_code=EXIT_USAGE,
        )
    if cap not in {"", *CAPS}:
        raise ClaudeOrError(f"there is no cap {cap!r}", hint=f"Caps are {', '.join(CAPS)}.", exit_code=EXIT_USAGE)
    session = chosen(running(environ), pid, environ)
    cap = cap or _meant(session)
    status, told = ask(session, "POST", "/control/budget", {"by": amount.strip().removeprefix("$"), "cap": cap})
    if status != 200:
        raise ClaudeOrError(
            str(told.get("error", {}).get("message", told)),
            hint="`claude-or budget` shows the caps of each session.",
            exit_code=EXIT_FAILURE,
        )
    said = f"The {cap} cap of session {session.pid} is now ${float(told['limit']):.2f}; ${float(told['spent']):.4f} is spent."
    return CommandResult("budget raise", {"pid": session.pid, **told}, summary=said)


def _meant(session: Running) -> str:
    caps = ask(session, "GET", "/control/status")[1].get("budget") or {}
    return next(iter(caps)) if len(caps) == 1 else "session"


def chosen(sessions: list[Running], pid: int | None, environ: Mapping[str, str]) -> Running:
    """The session that is meant: the one with this pid, or the only one. Raises `ClaudeOrError`."""
    if pid is not None:
        sessions = [session for session in sessions if session.pid == pid]
    if len(sessions) == 1:
        return sessions[0]
    if not sessions:
        which = f"no session has the pid {pid}" if pid is not None else "no session is running"
        raise ClaudeOrError(which, hint="`claude-or budget` lists what runs.", exit_code=EXIT_FAILURE)
    listed = tuple(f"{session.pid}  {short(session.cwd, environ)}" for session in sessions)
    raise ClaudeOrError(
        f"{len(sessions)} sessions are running",
        hint="Name one with --session PID.",
        exit_code=EXIT_USAGE,
        detail=listed,
    )
