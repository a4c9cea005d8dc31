"""The tiny process that cleans up when claude-or itself is killed.

`kill -9` gives nobody a chance to tidy up, so a second process holds the other end of a pipe. While claude-or lives it writes what
it started; when the pipe closes, the guardian ends whatever is still on its list and leaves. It runs in a session of its
own, as a plain file without site packages (some 10 MB, a few milliseconds), and imports nothing of the project.

Lines on stdin: `+pid N T`, `+pgid N T` (T: start time of process N, `?` when unknown), `-pid N`, `-pgid N`.
A number that the system has given to another process in the meantime is recognised by its start time and left alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE = 1.0
"""Seconds between asking (TERM) and forcing (KILL)."""
STEP = 0.02

Entry = tuple[str, int]


def start_time(pid: int) -> str:
    """When a process started, in a form only fit for comparing; `?` when it cannot be told, empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        return "" if fields[0] == b"Z" else fields[19].decode()
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "?"
    return "" if os.path.isdir("/proc/self") else "?"


def listen(stream: Iterable[str]) -> dict[Entry, str]:
    """Read the list until the pipe closes; what is left on it then."""
    watched: dict[Entry, str] = {}
    for line in stream:
        words = line.split()
        if len(words) < 2 or not words[1].isdigit():
            continue
        entry = (words[0][1:], int(words[1]))
        if words[0][:1] == "+":
            watched[entry] = words[2] if len(words) > 2 else "?"
        else:
            watched.pop(entry, None)
    return watched


def send(entry: Entry, number: int) -> bool:
    """Send a signal to a process or a group; False when there is nobody left."""
    kind, target = entry
    try:
        (os.killpg if kind == "pgid" else os.kill)(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def is_same(entry: Entry, started: str) -> bool:
    """Whether the number still means what was put on the list. A group outlives its leader, so there a dead leader is fine."""
    now = start_time(entry[1])
    if not now:
        return entry[0] == "pgid"
    return "?" in (started, now) or started == now


def end(watched: dict[Entry, str]) -> None:
    """Ask everybody on the list to leave, then force who stayed."""
    left = [entry for entry, started in watched.items() if is_same(entry, started) and send(entry, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        time.sleep(STEP)
        left = [entry for entry in left if send(entry, 0) and (entry[0] == "pgid" or start_time(entry[1]))]
    for entry in left:
        send(entry, signal.SIGKILL)


def main() -> None:
    """Guard until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    try:
        os.setsid()
    except OSError:
        pass  # already a leader
    end(listen(sys.stdin))


if __name__ == "__main__":
    main()
