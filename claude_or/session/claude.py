"""Claude Code itself: where it is, how it is started on the user's terminal, and what is put right when it dies.

The child inherits the terminal and stays in the foreground process group: in a group of its own it would be stopped with a blank
screen. It is started by `posix_spawn`, which needs no import and no copy of this process.
"""

from __future__ import annotations

import os
import sys

from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

BINARY_VARIABLE = "CLAUDE_OR_CLAUDE"

# Leave mouse, focus, paste and synchronised modes, the kitty and modifyOtherKeys keyboards and the alternate screen; show the
# cursor, reset attributes. Only written when the child had no chance to do it itself.
RESET = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?2026l"
    "\x1b[<u\x1b[>4;0m\x1b[?1049l\x1b[?25h\x1b[0m\r"
)


def usual_places(home: str, data_folder: str) -> list[str]:
    """Where installers put `claude`, apart from PATH: the native one, the older local one, npm's prefixes, and ours."""
    places = [
        f"{home}/.local/bin/claude",
        f"{home}/.claude/local/claude",
        f"{home}/.npm-global/bin/claude",
        "/usr/local/bin/claude",
        "/opt/homebrew/bin/claude",
    ]
    try:
        own = sorted(os.listdir(f"{data_folder}/claude-code"), key=_version_key, reverse=True)
    except OSError:
        own = []
    return places + [f"{data_folder}/claude-code/{version}/claude" for version in own]


def _version_key(version: str) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in version.split(".")]


def find_claude(environ: Mapping[str, str]) -> str | None:
    """Path of the `claude` to run; None when there is none.

    `CLAUDE_OR_CLAUDE` wins and must be right: raises `ClaudeOrError` (`EXIT_CLAUDE_MISSING`) when it names no program.
    """
    named = environ.get(BINARY_VARIABLE, "").strip()
    if named:
        if _is_program(named):
            return os.path.abspath(named)
        raise ClaudeOrError(
            f"{BINARY_VARIABLE} names {named}, which is no program that can be run",
            hint=f"Correct {BINARY_VARIABLE}, or unset it to search PATH.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    from claude_or.config.folders import data_folder, home_folder

    on_path = [f"{folder}/claude" for folder in environ.get("PATH", "").split(":") if folder.startswith("/")]
    places = [*on_path, *usual_places(home_folder(environ), data_folder(environ))]
    return next((place for place in places if _is_program(place)), None)


def require_claude(environ: Mapping[str, str]) -> str:
    """Like `find_claude`, but raises `ClaudeOrError` (`EXIT_CLAUDE_MISSING`) when there is none."""
    found = find_claude(environ)
    if found is None:
        raise ClaudeOrError(
            "Claude Code was not found on PATH or in its usual places",
            hint="Run `claude-or install-claude`, or set CLAUDE_OR_CLAUDE to the path of the binary.",
            exit_code=EXIT_CLAUDE_MISSING,
        )
    return found


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


class Terminal:
    """The state of the terminal before the child got it, to be put back when a signal killed the child."""

    __slots__ = ("_handle", "_state")

    def __init__(self) -> None:
        self._handle = next((handle for handle in (0, 1, 2) if os.isatty(handle)), -1)
        self._state: Any = None
        if self._handle >= 0:
            import termios

            try:
                self._state = termios.tcgetattr(self._handle)
            except termios.error:
                self._state = None

    def restore(self) -> None:
        """Put back what the child changed: line discipline, screen, mouse, cursor."""
        if self._state is None:
            return
        import termios

        try:
            termios.tcsetattr(self._handle, termios.TCSANOW, self._state)
            screen = next((handle for handle in (1, 2) if os.isatty(handle)), -1)
            if screen >= 0:
                os.write(screen, RESET.encode())
        except (OSError, termios.error):
            pass  # the terminal is gone, and with it what there was to restore


def spawn(path: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start `claude` on this terminal; its pid. Raises `ClaudeOrError` (`EXIT_CLAUDE_MISSING`) when it cannot be run."""
    # The C module behind `signal`, which itself costs 5 ms for its enumerations.
    import _signal  # pyright: ignore[reportMissingImports]

    sys.stdout.flush()
    sys.stderr.flush()
    try:
        # Python ignores these two, and an ignored signal is inherited; `yes | claude-or` must end like `yes | claude`.
        defaults = [_signal.SIGPIPE, _signal.SIGXFSZ]
        return os.posix_spawn(path, ["claude", *arguments], environment, setsigdef=defaults)
    except OSError as error:
        raise ClaudeOrError(
            f"{path} cannot be run: {error.strerror}",
            hint="Check that it fits this machine; `claude-or doctor` shows which binary is used.",
            exit_code=EXIT_CLAUDE_MISSING,
        ) from None


def spawn_guardian() -> tuple[int, int]:
    """Start the guardian; its pid and our end of its pipe. The pipe is not inherited by other children."""
    reader, writer = os.pipe()
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    actions = [
        (os.POSIX_SPAWN_DUP2, reader, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    argv = [sys.executable, "-I", "-S", f"{here}/mcp/guardian.py"]
    try:
        pid = os.posix_spawn(sys.executable, argv, {"LANG": "C.UTF-8"}, file_actions=actions)
    finally:
        os.close(reader)
    return pid, writer


def reap(pid: int, bound: float) -> int | None:
    """Wait for the end of a process of ours, at most `bound` seconds; its wait status, 0 when somebody else has it, None when it
    still runs."""
    import time

    deadline = time.monotonic() + bound
    pause = 0.001
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        if found:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def end(pid: int, grace: float = 2.0) -> int | None:
    """Ask a process of ours to end, then force it; its wait status, None when it hangs in the kernel after twice the grace."""
    import _signal  # pyright: ignore[reportMissingImports]

    status = None
    for number in (_signal.SIGTERM, _signal.SIGKILL):
        if status is None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
            status = reap(pid, grace)
    return status


def exit_code_of(status: int) -> int:
    """A shell's view of a wait status: the exit code, or 128 + the signal's number."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def claude_version(environ: Mapping[str, str]) -> str | None:
    """What `claude --version` says (`2.1.330`), asked without letting it read or write anything of the user's.

    None when there is no `claude` or it does not answer within 10 seconds.
    """
    path = find_claude(environ)
    if path is None:
        return None
    reader, writer = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    quiet = {"PATH": environ.get("PATH", ""), "HOME": "/nonexistent", "DISABLE_AUTOUPDATER": "1"}
    try:
        pid = os.posix_spawn(path, ["claude", "--version"], quiet, file_actions=actions)
    except OSError:
        os.close(reader)
        return None
    finally:
        os.close(writer)
    said = _read_within(reader, 10.0)
    if not said:
        os.kill(pid, 9)
    os.waitpid(pid, 0)
    return said.split()[0] if said.split() else None


def _read_within(reader: int, limit: float) -> str:
    """All that comes through a pipe until it closes; what has come when `limit` seconds are over."""
    import select
    import time

    said = b""
    deadline = time.monotonic() + limit
    try:
        while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(reader, 4096)
            if not piece:
                break
            said += piece
    finally:
        os.close(reader)
    return said.decode("utf-8", "replace")


def without_own_key(environ: Mapping[str, str]) -> dict[str, str]:
    """The variable by which `claude` leaves a key alone that its `/login` stored; nothing where there is none.

    Beside the session's token it would warn of two credentials in every session, and advise to `/logout`. Source: Claude Code 2.1.330,
    measured. A key in the keychain of macOS is not seen from here.
    """
    from claude_or.config.folders import home_folder

    folder = environ.get("CLAUDE_CONFIG_DIR") or home_folder(environ)
    try:
        with open(os.path.join(folder, ".claude.json"), "rb") as file:
            stored = b'"primaryApiKey"' in file.read()
    except OSError:
        stored = False
    return {"CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1"} if stored else {}
