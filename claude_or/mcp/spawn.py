"""Starting one server process with three pipes, in a session and group of its own.

`spawn` is for the launch path: nothing but `os`, one thread, so that the working folder may change for a moment (`posix_spawn` knows
none). `spawn_again` is for later, when other threads run. Both give raw descriptors, which `child.py` adopts. Both tell the guardian
by `guard` what is about to be born, and then its number.
"""

from __future__ import annotations

import os

from claude_or.mcp.guardian import MARK, start_time

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import Popen


class Born:
    """A process that was started: its pid, its mark, our ends of its pipes. `process` keeps the `Popen` of a later start."""

    __slots__ = ("command", "mark", "pid", "process", "stderr", "stdin", "stdout")

    def __init__(
        self,
        pid: int,
        mark: int,
        pipes: tuple[int, int, int],
        command: tuple[str, ...],
        process: Popen[bytes] | None = None,
    ) -> None:
        self.pid = pid
        self.mark = mark
        self.stdin, self.stdout, self.stderr = pipes
        self.command = command
        self.process = process

    def poll(self) -> int | None:
        """Reap the process if it ended: its exit code, negative after a signal; None while it runs."""
        if self.process is not None:
            return self.process.poll()
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None


def program_of(command: Sequence[str], env: Mapping[str, str], cwd: str) -> str:
    """The file that a command line starts, searched on the server's own PATH. Raises `FileNotFoundError`, `PermissionError`."""
    name = command[0]
    folders = [""] if "/" in name else [folder or "." for folder in env.get("PATH", os.defpath).split(":")]
    found = ""
    for folder in folders:
        path = os.path.join(cwd, folder, name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            found = path
    if found:
        raise PermissionError(13, "not executable", found)
    raise FileNotFoundError(2, "no such program", name)


def spawn(command: tuple[str, ...], env: Mapping[str, str], cwd: str, guard: Callable[[str], None]) -> Born:
    """Start a server from the launch path. Raises `OSError` with the reason when it cannot be started."""
    import _signal  # pyright: ignore[reportMissingImports]

    program = program_of(command, env, cwd)
    ends = _Pipes()
    here = os.open(".", os.O_RDONLY)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, theirs, number) for number, theirs in enumerate(ends.theirs)]
        os.chdir(cwd)
        guard(ends.announcement)
        pid = _posix_spawn(program, command, {**env, MARK: str(ends.mark)}, actions, [_signal.SIGPIPE, _signal.SIGXFSZ])
    except BaseException:
        ends.close_ours()
        raise
    finally:
        os.fchdir(here)
        os.close(here)
        ends.close_theirs()
    guard(f"+pgid {pid} {start_time(pid) or '?'}")
    return Born(pid, ends.mark, ends.ours, command)


def _posix_spawn(
    program: str,
    command: tuple[str, ...],
    env: Mapping[str, str],
    actions: list[tuple[int, int, int]],
    signals: list[int],
) -> int:
    try:
        return os.posix_spawn(program, command, env, file_actions=actions, setsid=True, setsigdef=signals)
    except NotImplementedError:
        # A system whose `posix_spawn` knows no sessions: a group of its own is what is needed for ending it.
        return os.posix_spawn(program, command, env, file_actions=actions, setpgroup=0, setsigdef=signals)


def spawn_again(command: tuple[str, ...], env: Mapping[str, str], cwd: str, guard: Callable[[str], None]) -> Born:
    """The same while other threads run. Raises `OSError`."""
    from subprocess import Popen

    program = program_of(command, env, cwd)
    ends = _Pipes()
    try:
        stdin, stdout, stderr = ends.theirs
        guard(ends.announcement)
        process = Popen(
            command,
            executable=program,
            env={**env, MARK: str(ends.mark)},
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except BaseException:
        ends.close_ours()
        raise
    finally:
        ends.close_theirs()
    guard(f"+pgid {process.pid} {start_time(process.pid) or '?'}")
    return Born(process.pid, ends.mark, ends.ours, command, process)


class _Pipes:
    """Three pipes; `ours` and `theirs` are the ends for stdin, stdout, stderr, in this order."""

    __slots__ = ("ours", "theirs")

    def __init__(self) -> None:
        stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
        self.ours = (stdin[1], stdout[0], stderr[0])
        self.theirs = (stdin[0], stdout[1], stderr[1])

    @property
    def inode(self) -> int:
        """What the pipe to the process is known by."""
        return os.fstat(self.ours[0]).st_ino

    @property
    def mark(self) -> int:
        """A number that no other server's processes bear: our pid and a pipe that nobody else has."""
        return int(f"{os.getpid()}{self.inode:010}")

    @property
    def announcement(self) -> str:
        """What the guardian is told before the birth."""
        return f"+mark {self.mark}\n+pipe {self.inode}"

    def close_ours(self) -> None:
        for end in self.ours:
            os.close(end)

    def close_theirs(self) -> None:
        for end in self.theirs:
            os.close(end)
