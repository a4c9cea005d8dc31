"""The tiny process that cleans up when claude-or itself is killed.

`kill -9` gives nobody a chance to tidy up, so a second process holds the other end of a pipe. While claude-or lives it writes what
it started; when the pipe closes, the guardian ends whatever is still on its list and leaves. It runs in a session of its
own, as a plain file without site packages (some 10 MB, a few milliseconds), and imports nothing of the project.

Lines on stdin: `+pid N T`, `+pgid N T` (T: start time of process N, `?` when unknown), `-pid N`, `-pgid N`.
A number that the system has given to another process in the meantime is recognised by its start time and left alone.

Between the birth of a process and the line that tells its number there is time to be killed in (tens of milliseconds on a busy
machine). So a line before the birth says by what the newborn will be known: `+pipe I`, the inode of a pipe that it holds, or
`+port P`, the proxy that its environment names. It counts until the next number is told, and only where there is /proc.

A server may start what leaves its group (a browser, a daemon: `setsid`). So each server's environment holds a mark, which its descendants
inherit; `+mark N` names one, and who bears it is ended with the rest. This, too, only where there is /proc.
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
MARK = "CLAUDE_OR_SERVER"
"""The variable that tells which server a process belongs to."""
UNBORN = ("pipe", "port")
"""What stands on the list for a process whose number is not known yet."""

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
            for unborn in [known for known in watched if known[0] in UNBORN]:
                del watched[unborn]
            watched[entry] = words[2] if len(words) > 2 else "?"
        else:
            watched.pop(entry, None)
    return watched


def newborn(watched: dict[Entry, str]) -> dict[Entry, str]:
    """The list with processes in place of what they were to be known by."""
    found = {entry: started for entry, started in watched.items() if entry[0] not in UNBORN}
    marks = [entry for entry in watched if entry[0] in UNBORN]
    for name in os.listdir("/proc") if marks and os.path.isdir("/proc/self/fd") else ():
        if name.isdigit() and int(name) != os.getpid() and any(is_known(name, mark) for mark in marks):
            found["pgid", int(name)] = found["pid", int(name)] = start_time(int(name))
    return found


def is_known(pid: str, mark: Entry) -> bool:
    """Whether a process has what a newborn was to be known by."""
    kind, number = mark
    try:
        if kind == "pipe":
            folder = f"/proc/{pid}/fd"
            return any(link_of(f"{folder}/{handle}") == f"pipe:[{number}]" for handle in os.listdir(folder))
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return f"ANTHROPIC_BASE_URL=http://127.0.0.1:{number}".encode() in environ.read().split(b"\0")
    except OSError:
        return False  # gone, or somebody else's


def marked(marks: Iterable[int]) -> list[int]:
    """The processes that bear one of these marks; none where there is no /proc."""
    signs = {f"{MARK}={mark}".encode() for mark in marks}
    found: list[int] = []
    for name in os.listdir("/proc") if signs and os.path.isdir("/proc/self/fd") else ():
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as environ:
                if not signs.isdisjoint(environ.read().split(b"\0")):
                    found.append(int(name))
        except OSError:
            continue  # gone, or somebody else's
    return found


def link_of(path: str) -> str:
    """Where a link leads; empty when it is gone."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


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
    marks = [number for kind, number in watched if kind == "mark"]
    watched = newborn({entry: started for entry, started in watched.items() if entry[0] != "mark"})
    watched.update({("pid", pid): start_time(pid) for pid in marked(marks)})
    left = [entry for entry, started in watched.items() if is_same(entry, started) and send(entry, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        time.sleep(STEP)
        left = [entry for entry in left if send(entry, 0) and (entry[0] == "pgid" or start_time(entry[1]))]
    for entry in left:
        send(entry, signal.SIGKILL)
    for pid in marked(marks):  # born while the others were ended
        send(("pid", pid), signal.SIGKILL)


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
