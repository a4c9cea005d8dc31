"""What `claude-or doctor` says of the machine: the terminal, the disk, what crashed sessions left, and the clock.

Nothing here asks the network. What is left over is only taken away by `clear_away`, and only what no running session can own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from claude_or.cli.result import Finding
from claude_or.config.folders import cache_folder, config_folder, data_folder, home_folder, short, state_folder
from claude_or.config.names import bare
from claude_or.mcp.guardian import MARK
from claude_or.session.conflicts import settings_files
from claude_or.session.picked import MODEL
from claude_or.session.runfolder import PREFIX, base_folder, owner_lives, sweep
from claude_or.session.running import running
from claude_or.upstream.windows import replace_file

NARROW = 60
"""Columns below which Claude Code's screens break."""
LITTLE_BYTES = 200 * 1024 * 1024
HARDLY_BYTES = 20 * 1024 * 1024
CLOCK_OFF_S = 120.0

Screen = tuple[int, int]
"""Columns and rows."""


def check_terminal(environ: Mapping[str, str], screen: Screen | None) -> list[Finding]:
    """Whether Claude Code can draw here. `screen` None: the output is no terminal."""
    if screen is None:
        return [Finding("note", "terminal", "the output is no terminal: only `-p` works here")]
    found: list[Finding] = []
    kind = environ.get("TERM", "")
    columns, rows = screen
    if kind in {"", "dumb", "unknown"}:
        text = f"TERM is {kind or 'not set'}: Claude Code cannot draw its screens"
        found.append(Finding("warn", "terminal", text, "", "Use another terminal, or export TERM=xterm-256color."))
    if 0 < columns < NARROW:
        text = f"{columns} columns are few: lines of Claude Code will break"
        found.append(Finding("warn", "terminal", text, "", f"Widen the window to {NARROW} columns or more."))
    spoken = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    if "utf" not in spoken.lower():
        text = f"the locale ({spoken or 'not set'}) is not UTF-8: boxes and signs come out as question marks"
        found.append(Finding("warn", "terminal", text, "", "export LANG=C.UTF-8"))
    return found or [Finding("ok", "terminal", f"{columns} x {rows}, {kind}, {spoken}")]


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    what: str
    level: str
    lost: str


def _folders(environ: Mapping[str, str]) -> list[_Folder]:
    return [
        _Folder(base_folder(environ), "files of the running session", "error", "no session can start"),
        _Folder(data_folder(environ), "the ledger", "error", "spending is not recorded, and caps of a day cannot hold"),
        _Folder(state_folder(environ), "logs", "warn", "no log is written"),
        _Folder(cache_folder(environ), "the list of models", "warn", "each start asks for it anew"),
    ]


def check_disk(environ: Mapping[str, str]) -> list[Finding]:
    """Whether the folders can be written, and whether there is room in them."""
    found: list[Finding] = []
    detail: list[str] = []
    tight: dict[int, tuple[int, list[str]]] = {}
    for folder in _folders(environ):
        place = _existing(folder.path)
        shown = short(folder.path, environ)
        try:
            free = shutil.disk_usage(place).free
            device = os.stat(place).st_dev
        except OSError as error:
            found.append(Finding("error", "disk", f"{shown} cannot be looked at: {error.strerror or error}"))
            continue
        detail.append(f"{shown}: {folder.what}, {_size(free)} free")
        if not os.path.isdir(place) or not os.access(place, os.W_OK | os.X_OK):
            level = "error" if folder.level == "error" else "warn"
            fix = f"Make {short(place, environ)} a folder that you can write to (chown, chmod), or name another (XDG_*_HOME, TMPDIR)."
            found.append(Finding(level, "disk", f"{shown} cannot be written ({folder.what}): {folder.lost}", "", fix))
        elif free < LITTLE_BYTES:
            tight.setdefault(device, (free, []))[1].append(shown)
    for free, names in tight.values():
        level = "error" if free < HARDLY_BYTES else "warn"
        found.append(Finding(level, "disk", f"only {_size(free)} free for {', '.join(names)}", "", "Make room there."))
    return found or [Finding("ok", "disk", "its folders can be written and have room", "\n".join(detail))]


def _existing(path: str) -> str:
    """The folder, or the nearest one above it that exists: what is missing is made when it is needed."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _size(count: int) -> str:
    return f"{count / 1024**3:.0f} GB" if count >= 10 * 1024**3 else f"{count / 1024**2:.0f} MB"


@dataclass(frozen=True, slots=True)
class Left:
    """What crashed sessions left: run folders, processes of MCP servers, and a settings file whose model only we know."""

    folders: tuple[str, ...] = ()
    processes: tuple[int, ...] = ()
    settings: str = ""
    model: str = ""
    unfinished: tuple[str, ...] = field(default=())
    """Half written files of ours."""

    def __bool__(self) -> bool:
        return bool(self.folders or self.processes or self.settings or self.unfinished)


def left_over(environ: Mapping[str, str], cwd: str, names: Collection[str]) -> Left:
    """What is left of sessions that ended without tidying up. `names` are models that plain `claude` does not know."""
    base = base_folder(environ)
    try:
        folders = [f"{base}/{name}" for name in sorted(os.listdir(base)) if name.startswith(PREFIX)]
    except OSError:
        folders = []
    dead = tuple(path for path in folders if not owner_lives(path))
    if len(dead) < len(folders) or running(environ):
        # A running session may own every process that bears the mark, and the model that stands in the settings.
        return Left(dead)
    path = next(path for scope, path in settings_files(environ, cwd) if scope == "user")
    model = _model_in(path)
    ours = bare(model) in names
    return Left(
        dead, tuple(_strays(home_folder(environ))), path if ours else "", model if ours else "", _halves(environ)
    )


def _model_in(path: str) -> str:
    try:
        with open(path, "rb") as file:
            model = json.loads(file.read()).get(MODEL)
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return model if isinstance(model, str) else ""


def _halves(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Files that a writer left behind half-way: `NAME.PID.new` whose process is gone."""
    found: list[str] = []
    for folder in (config_folder(environ), cache_folder(environ), data_folder(environ), state_folder(environ)):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            pid = name.removesuffix(".new").rpartition(".")[2]
            if name.endswith(".new") and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
                found.append(os.path.join(folder, name))
    return tuple(found) if os.path.isdir("/proc/self") else ()


def _strays(home: str) -> Iterator[int]:
    """Processes of this user and home that bear the mark of a server and have no claude-or above them. Linux only."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return
    for pid in pids:
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                continue
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = file.read().split(b"\0")
        except OSError:
            continue
        marked = any(entry.startswith(MARK.encode() + b"=") for entry in environ)
        if marked and b"HOME=" + home.encode() in environ and not _is_ours(pid):
            yield pid


def _is_ours(pid: int) -> bool:
    """Whether a claude-or stands somewhere above this process."""
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except (OSError, ValueError, IndexError):
            return False
        if b"claude-or" in line or b"claude_or" in line:
            return True
    return False


def check_leftovers(environ: Mapping[str, str], cwd: str, names: Collection[str]) -> list[Finding]:
    """What crashed sessions left behind."""
    left = left_over(environ, cwd, names)
    if not left:
        return [Finding("ok", "leftovers", "nothing is left of earlier sessions")]
    fix = "`claude-or doctor --clean` takes it away."
    found: list[Finding] = []
    if left.folders:
        text = f"{_counted(len(left.folders), 'folder')} of sessions that crashed"
        found.append(Finding("warn", "leftovers", text, "\n".join(left.folders), fix))
    if left.processes:
        text = f"{_counted(len(left.processes), 'process', 'processes')} of MCP servers whose session is gone"
        found.append(Finding("warn", "leftovers", text, f"pid {', '.join(map(str, left.processes))}", fix))
    if left.settings:
        text = f"plain claude would ask for {left.model}, which was picked in a session that crashed"
        found.append(Finding("warn", "leftovers", text, f"model in {short(left.settings, environ)}", fix))
    if left.unfinished:
        text = f"{_counted(len(left.unfinished), 'half written file')}"
        found.append(Finding("note", "leftovers", text, "\n".join(left.unfinished), fix))
    return found


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def clear_away(environ: Mapping[str, str], cwd: str, names: Collection[str]) -> list[Finding]:
    """Take away what `left_over` finds at this moment; what was done."""
    left = left_over(environ, cwd, names)
    done = [f"removed {short(path, environ)}" for path in sweep(base_folder(environ))]
    for pid in left.processes:
        try:
            os.kill(pid, signal.SIGKILL)
            done.append(f"ended process {pid}")
        except ProcessLookupError:
            continue
    for path in left.unfinished:
        try:
            os.unlink(path)
            done.append(f"removed {short(path, environ)}")
        except OSError:
            continue
    if left.settings:
        done += _without_model(left.settings, environ)
    return [Finding("ok", "clean", text) for text in done] or [Finding("ok", "clean", "there was nothing to take away")]


def _without_model(path: str, environ: Mapping[str, str]) -> list[str]:
    try:
        with open(path, "rb") as file:
            settings = json.loads(file.read())
        del settings[MODEL]
        mode = os.stat(path).st_mode & 0o777
        path = os.path.realpath(path)
        replace_file(path, json.dumps(settings, indent=2, ensure_ascii=False).encode() + b"\n")
        os.chmod(path, mode)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [f"took `model` out of {short(path, environ)}"]


def check_clock(date: str, now: float) -> list[Finding]:
    """Whether this machine's clock agrees with the host's, by the `Date` of an answer. `now` in seconds since the epoch."""
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return []
    off = now - theirs
    if abs(off) <= CLOCK_OFF_S:
        return [Finding("ok", "clock", "agrees with the host's")]
    way = "ahead of" if off > 0 else "behind"
    text = f"this machine's clock is {_span(abs(off))} {way} the host's: budgets of a day begin at the wrong time"
    return [Finding("warn", "clock", text, "", "Set the clock (timedatectl set-ntp true).")]


def _span(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f} days"
