"""The line below Claude Code's prompt: model, fallback, cost, window, cache, cap, trouble.

Claude Code starts this anew for every change, so it is a plain script without site packages that imports nothing of the project
and reads one small file, which the proxy replaces after each call. A status line of the user's own is run, too, and stands
above ours: a setting can name only one, and ours came in unasked.

What Claude Code says about the session comes as JSON on stdin. Source: its documentation of `statusLine`.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MARK = "CLAUDE_OR_SESSION"
STATUS_FILE = "status.json"
USERS_FILE = "statusline.json"
"""In the run folder: the user's own `statusLine`, when it came by `--settings`."""
USERS_LIMIT = 2.0
"""Seconds for the user's own command."""
MARGIN = 4
"""Columns that Claude Code keeps beside the line; what is longer it cuts. Source: Claude Code 2.1.330, seen."""
NEAR = 0.8
DIM, YELLOW, RED, PLAIN = "\x1b[2m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


def main() -> int:
    """Print the line; nothing outside of a session. Never fails: a traceback would stand in the user's terminal."""
    # Claude Code writes and reads UTF-8, whatever the locale says.
    raw = sys.stdin.buffer.read().decode("utf-8", "replace") if not sys.stdin.isatty() else ""
    told = _object(raw)
    columns = max(width(os.environ) - MARGIN, 1)
    lines = [*_users_lines(told, raw, os.environ), line(told, _status(os.environ), columns, os.environ)]
    sys.stdout.buffer.write(("\n".join(text for text in lines if text) + "\n").encode("utf-8", "replace"))
    return 0


def line(told: Mapping[str, Any], status: Mapping[str, Any], columns: int, environ: Mapping[str, str]) -> str:
    """The line, with as many parts as fit into so many columns. `told` is the client's, `status` the proxy's."""
    parts = [part for part in _parts(told, status) if part[1]]
    while len(parts) > 1 and sum(len(text) for _, text, _ in parts) + 3 * (len(parts) - 1) > columns:
        parts.remove(min(parts, key=_weight))
    if environ.get("NO_COLOR"):
        return " · ".join(text for _, text, _ in parts)[:columns]
    shown = [f"{colour}{text[:columns]}{PLAIN}" if colour else text[:columns] for _, text, colour in parts]
    return f" {DIM}·{PLAIN} ".join(shown)


def _weight(part: tuple[int, str, str]) -> int:
    return part[0]


def _parts(told: Mapping[str, Any], status: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Weight, text and colour of each part; what weighs least goes first when there is no room."""
    model = str(status.get("model") or _inner(told, "model", "id") or "")
    parts = [(90, model.rpartition("/")[2], "")]
    if missed := str(status.get("fallback_for") or ""):
        parts.append((85, f"fallback for {missed.rpartition('/')[2]}", YELLOW))
    if "cost" in status:
        more = f" + {status['unknown']} unknown" if status.get("unknown") else ""
        parts.append((80, ("~" if status.get("listed") else "") + dollars(status["cost"]) + more, ""))
        if status.get("day") != status.get("cost"):
            parts.append((40, f"today {dollars(status.get('day', 0))}", DIM))
    for scope, cap in (status.get("caps") or {}).items():
        limit = float(cap["limit"])
        share = float(cap["spent"]) / limit if limit else 1.0
        colour = RED if share >= 1 else YELLOW if share >= NEAR else ""
        parts.append((100 if share >= NEAR else 60, f"{round(share * 100)} % of {dollars(limit)} {scope} cap", colour))
    used, size = (
        _inner(told, "context_window", "used_percentage"),
        _inner(told, "context_window", "context_window_size"),
    )
    if isinstance(used, (int, float)) and isinstance(size, (int, float)) and size:
        short = f"{size / 1e6:.3g}M" if size >= 1e6 else f"{size // 1000:.0f}k"
        parts.append((70, f"{round(used)} % of {short}", YELLOW if used >= 100 * NEAR else ""))
    if isinstance(status.get("cache"), (int, float)):
        rate = f"cache {round(status['cache'] * 100)} %"
        why = status.get("cache_reason")
        low = status["cache"] < 0.5 and bool(why)
        parts.append((50, f"{rate} ({why})" if low else rate, YELLOW if low else ""))
    parts += [(95, str(trouble), YELLOW) for trouble in status.get("troubles") or ()]
    return parts


def dollars(amount: Any) -> str:
    """`$0.0421`, `$3.10`: four places below ten cents."""
    number = float(amount)
    return f"${number:.4f}" if 0 < number < 0.1 else f"${number:.2f}"


def width(environ: Mapping[str, str]) -> int:
    """Columns of the terminal; 120 when nobody says."""
    said = environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    for handle in (2, 1, 0):
        try:
            return os.get_terminal_size(handle).columns or 120
        except OSError:
            continue
    try:
        handle = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return 120
    try:
        return os.get_terminal_size(handle).columns or 120
    except OSError:
        return 120
    finally:
        os.close(handle)


def _status(environ: Mapping[str, str]) -> Mapping[str, Any]:
    folder = os.path.dirname(environ.get(MARK, ""))
    return _read(f"{folder}/{STATUS_FILE}") if folder else {}


def _users_lines(told: Mapping[str, Any], raw: str, environ: Mapping[str, str]) -> list[str]:
    """What the user's own status line prints."""
    command = users_command(told, environ)
    if not command:
        return []
    import subprocess

    try:
        done = subprocess.run(  # noqa: S602 - the user's own command, run as Claude Code runs it
            command, shell=True, input=raw.encode(), capture_output=True, timeout=USERS_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").rstrip("\n").split("\n")


def users_command(told: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The command of the user's own status line, by Claude Code's order of settings; empty without one, or when it is ours."""
    project = _inner(told, "workspace", "project_dir") or _inner(told, "workspace", "current_dir") or "."
    home = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(environ.get("HOME", ""), ".claude")
    folder = os.path.dirname(environ.get(MARK, ""))
    places = [f"{project}/.claude/settings.local.json", f"{project}/.claude/settings.json", f"{home}/settings.json"]
    found = [_read(f"{folder}/{USERS_FILE}") if folder else {}, *(_read(place).get("statusLine") for place in places)]
    for said in found:
        if isinstance(said, dict) and isinstance(said.get("command"), str):
            command = said["command"]
            return "" if "claude-or" in command or os.path.basename(__file__) in command else command
    return ""


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return _object(file.read())
    except (OSError, UnicodeDecodeError):
        return {}


if __name__ == "__main__":
    raise SystemExit(main())
