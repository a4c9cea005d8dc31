"""The folder of one session: the settings file that `claude` reads, and what our other commands need to reach us.

Mode 0700, removed at the end. A folder whose owner is dead (pid gone, or the pid now belongs to a process that started at
another time) is swept by the next session that starts.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "session-"
OWNER = "owner"
CONTROL_FILE = "control"
"""Port and token by which our other commands reach the session, as JSON."""
STATUS_FILE = "status.json"
"""What the status line shows; replaced after each call."""


def base_folder(environ: Mapping[str, str]) -> str:
    """Where run folders live: the runtime folder of the login session, else a folder of ours in the temporary one."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.access(runtime, os.W_OK):
        return f"{runtime}/claude-or"
    temporary = environ.get("TMPDIR", "").rstrip("/")
    # A relative path would mean another folder to a command that is run elsewhere.
    folder = temporary if temporary.startswith("/") else "/tmp"  # noqa: S108 - made 0700 and checked
    return f"{folder}/claude-or-{os.getuid()}"


class RunFolder:
    """One session's folder. `path` exists from `create` to `remove`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def create(cls, base: str) -> RunFolder:
        """Make the folder. Raises `OSError` when it cannot be made or belongs to somebody else."""
        os.makedirs(base, mode=0o700, exist_ok=True)
        status = os.lstat(base)
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            if status.st_uid != os.getuid():
                raise PermissionError(f"{base} belongs to another user")
            os.chmod(base, 0o700)
        path = f"{base}/{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(path, 0o700)
        folder = cls(path)
        try:
            folder.write(OWNER, f"{os.getpid()} {start_time(os.getpid())}\n")
        except OSError:
            folder.remove()
            raise
        return folder

    def write(self, name: str, text: str) -> str:
        """Write a file that only its owner can read; returns its path. Raises `OSError`, also for a file cut by a full disk."""
        path = f"{self.path}/{name}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        left = text.encode()
        try:
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
        return path

    def remove(self) -> None:
        """Remove the folder and what is in it; does nothing when it is gone already."""
        _remove(self.path)


def start_time(pid: int) -> str:
    """When a process started, in a form only fit for comparing; empty when it does not run (or the system cannot tell)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "?"
    return "?"


def sweep(base: str) -> list[str]:
    """Remove the folders whose owners are dead; returns their paths."""
    swept: list[str] = []
    try:
        names = os.listdir(base)
    except OSError:
        return swept
    for name in names:
        path = f"{base}/{name}"
        if name.startswith(PREFIX) and not owner_lives(path):
            _remove(path)
            swept.append(path)
    return swept


def owner_lives(path: str) -> bool:
    """Whether the session that made this folder still runs."""
    try:
        with open(f"{path}/{OWNER}", encoding="ascii") as file:
            pid, _, started = file.read().strip().partition(" ")
        return started == start_time(int(pid)) != ""
    except FileNotFoundError:
        # Its owner makes the folder first and writes the file right after: younger than a moment counts as alive.
        try:
            import time

            return time.time() - os.stat(path).st_mtime < 10
        except OSError:
            return False
    except (OSError, ValueError):
        return False


def _remove(path: str) -> None:
    try:
        for name in os.listdir(path):
            try:
                os.unlink(f"{path}/{name}")
            except IsADirectoryError:
                _remove(f"{path}/{name}")
        os.rmdir(path)
    except OSError:
        pass
