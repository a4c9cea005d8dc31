"""Logging: one line of JSON per event into the session's file, with secrets masked. Nothing ever goes to the terminal.

What is logged before `configure` waits in memory, because structlog costs as much to import as the rest of a launch; the
proxy serves first. Masking comes last, after tracebacks became text, so that nothing bypasses it. Events carry what happened,
never what was said: prompts and answers are written by `reply/overheard` alone, where the user asked for it. A line that cannot be written (disk full) is dropped and counted.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import logging
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

Level = Literal["debug", "info", "warning", "error"]

MASK: Final = "[masked]"
SECRET_SHAPE: Final = re.compile(r"sk-(?:or|ant)-[A-Za-z0-9_-]{6,}")
"""Keys of the hosts by their form, for those that nobody told us of."""

_RANK: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_WAITING_MOST: Final = 2_000
_TEXT_MOST: Final = 8_000
"""Longest text of one value, in characters: a log line is for reading."""

FILE_MOST: Final = 20_000_000
"""Bytes of a session's log before it begins anew."""
FOLDER_MOST: Final = 200_000_000
FILES_MOST: Final = 200
"""How many logs of ended sessions are kept, and how many bytes of them."""

_context: ContextVar[Mapping[str, Any] | None] = ContextVar("claude_or_log_context", default=None)
_waiting: deque[tuple[str, str, dict[str, Any]]] = deque(maxlen=_WAITING_MOST)


class _Sink:
    """Where events go: to memory first, to the configured logger later."""

    write: Callable[[str, str, dict[str, Any]], None] | None = None
    file: LogFile | None = None
    rank: int = _RANK["debug"]
    handler: logging.Handler | None = None
    redaction: Redaction | None = None


_sink = _Sink()


class Log:
    """The front that modules hold. `name` says who speaks."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, event: str, **fields: Any) -> None:
        """Of use to somebody who looks for a fault."""
        self._emit("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What happened."""
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What went wrong and was dealt with."""
        self._emit("warning", event, fields)

    def error(self, event: str, *, exception: BaseException | None = None, **fields: Any) -> None:
        """What went wrong and was not. `exception` is written with its traceback."""
        if exception is not None:
            fields["exc_info"] = (type(exception), exception, exception.__traceback__)
        self._emit("error", event, fields)

    def _emit(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        _record(level, event, {"logger": self._name, **(_context.get() or {}), **fields})


def _record(level: str, event: str, fields: dict[str, Any]) -> None:
    if _RANK.get(level, 20) < _sink.rank:
        return
    fields["timestamp"] = time.time()
    if _sink.write is None:
        _waiting.append((level, event, fields))
    else:
        _sink.write(level, event, fields)


def get_log(name: str) -> Log:
    """The log of one part of the program, such as `proxy`. Good at once, also before `configure`."""
    return Log(name)


@contextmanager
def bound(**ids: Any) -> Generator[None]:
    """Within it, every event of this task and its children carries these ids."""
    token = _context.set({**(_context.get() or {}), **ids})
    try:
        yield
    finally:
        _context.reset(token)


class Redaction:
    """Masks known secrets and everything that has the form of one, in any value however deep."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.also(secrets)

    def also(self, secrets: tuple[str, ...]) -> None:
        """Mask these from now on, too."""
        self._secrets |= {secret for secret in secrets if len(secret) >= 6}
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, value: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            value = self._known.sub(MASK, value)
        return SECRET_SHAPE.sub(MASK, value)

    def value(self, value: Any) -> Any:
        """The value without secrets, as plain data; what is no plain data becomes its text."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                # Masked before it is cut: half a key must not survive at the cut.
                masked = self.text(value)
                return masked if len(masked) <= _TEXT_MOST else masked[:_TEXT_MOST] + " …"
            case bytes():
                return self.value(value.decode("utf-8", "replace"))
            case dict():
                return {self.text(str(name)): self.value(entry) for name, entry in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(entry) for entry in value]
            case _:
                return self.value(str(value))

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """As a structlog processor."""
        return {self.text(str(name)): self.value(entry) for name, entry in event.items()}


class LogFile:
    """The file at the end. Also the logger that structlog calls: every level is one line."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        self._path, self._flags = path, flags
        self.descriptor = os.open(path, flags, 0o600)
        os.fchmod(self.descriptor, 0o600)
        self._size = os.fstat(self.descriptor).st_size
        self.dropped = 0

    def msg(self, line: bytes) -> None:
        """Write one line; never raises for what the disk does."""
        if self.descriptor < 0:
            return
        if self._size > FILE_MOST:
            self._turn()
        try:
            self._size += os.write(self.descriptor, line + b"\n")
        except OSError:
            self.dropped += 1

    def _turn(self) -> None:
        """Begin anew; one older part is kept as `….1`."""
        self._size = 0
        try:
            os.replace(self._path, self._path + ".1")
            fresh = os.open(self._path, self._flags, 0o600)
        except OSError:
            return  # the disk is full or read-only: the old file goes on
        os.close(self.descriptor)
        self.descriptor = fresh

    debug = info = warning = error = msg

    def close(self) -> None:
        """No line is written after it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def configure(path: str, *, level: Level = "info", secrets: tuple[str, ...] = ()) -> None:
    """Open the session's file (0600, its folder 0700) and write to it from now on, beginning with what waited.

    `secrets` are values that must never appear. Imports structlog. Raises `OSError` when the file cannot be made.
    """
    import structlog

    redaction = Redaction(secrets)
    file = LogFile(path)
    logger = structlog.wrap_logger(
        file,
        processors=[
            structlog.stdlib.add_log_level,
            _readable_time,
            structlog.processors.format_exc_info,
            redaction,
            _line,
        ],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )
    close()
    _sink.file, _sink.rank, _sink.redaction = file, _RANK[level], redaction

    def write(level: str, event: str, fields: dict[str, Any]) -> None:
        getattr(logger, level)(event, **fields)

    _sink.write = write
    capture_stdlib()
    while _waiting:
        early_level, event, fields = _waiting.popleft()
        if _RANK[early_level] >= _sink.rank:
            write(early_level, event, fields)


def flush(path: str, *, level: Level = "info", secrets: tuple[str, ...] = ()) -> None:
    """Write what waited and be done: for a session that was over before its log was opened.

    The same lines as `configure` writes, without importing structlog for them. Raises `OSError` when the file cannot be made.
    """
    import traceback

    redaction = Redaction(secrets)
    file = LogFile(path)
    while _waiting:
        early_level, event, fields = _waiting.popleft()
        if _RANK[early_level] < _RANK[level]:
            continue
        raised = fields.pop("exc_info", None)
        if raised is not None:
            fields["exception"] = "".join(traceback.format_exception(*raised)).rstrip("\n")
        entry = _readable_time(None, early_level, {"event": event, "level": early_level, **fields})
        file.msg(_line(None, early_level, redaction(None, early_level, entry)))
    file.close()


def prune(folder: str, *, keep: str = "") -> list[str]:
    """Remove the oldest logs until their number and size are within bounds, never `keep`; returns what was removed."""
    found: list[tuple[float, str, int]] = []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith((".jsonl", ".jsonl.1")) and path != keep:
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.append((status.st_mtime, path, status.st_size))
    removed: list[str] = []
    found.sort(reverse=True)
    size = 0
    for number, (_, path, bytes_) in enumerate(found):
        size += bytes_
        if number >= FILES_MOST or size > FOLDER_MOST:
            try:
                os.unlink(path)
            except OSError:
                continue
            removed.append(path)
    return removed


def forget() -> None:
    """Drop what waits in memory."""
    _waiting.clear()


def close() -> None:
    """Close the file; later events wait in memory again."""
    if _sink.file is not None:
        _sink.file.close()
    _sink.file, _sink.write, _sink.rank = None, None, _RANK["debug"]


def _readable_time(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    at = float(event.get("timestamp", 0.0))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    first = {
        "timestamp": f"{stamp}.{int(at % 1 * 1000):03d}Z",
        "level": event.pop("level", ""),
        "event": event["event"],
    }
    return {**first, **{name: value for name, value in event.items() if name not in first}}


def _line(logger: Any, method: str, event: MutableMapping[str, Any]) -> bytes:
    import msgspec

    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:
        # A lone surrogate from somebody's error text.
        return msgspec.json.encode({name: str(v).encode("utf-8", "replace").decode() for name, v in event.items()})


def capture_stdlib() -> None:
    """Send what libraries log (aiohttp, asyncio, warnings) here and nowhere else: the terminal belongs to `claude`."""
    if _sink.handler is not None:
        return
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level = "error" if record.levelno >= 40 else "warning" if record.levelno >= 30 else "info"
            fields: dict[str, Any] = {"logger": record.name}
            if record.exc_info and record.exc_info[1] is not None:
                fields["exc_info"] = record.exc_info
            try:
                text = record.getMessage()
            except (TypeError, ValueError):
                text = str(record.msg)
            _record(level, text, fields)

    _sink.handler = Handler(logging.INFO)
    root = logging.getLogger()
    root.addHandler(_sink.handler)
    logging.captureWarnings(capture=True)


def release_stdlib() -> None:
    """Undo `capture_stdlib`."""
    if _sink.handler is not None:
        import logging

        logging.getLogger().removeHandler(_sink.handler)
        logging.captureWarnings(capture=False)
        _sink.handler = None


def is_configured() -> bool:
    """Whether events go to a file already."""
    return _sink.write is not None


_SECRET_NAME: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_kept: set[str] = set()


def keep_secret(*values: str) -> None:
    """Name secrets of this process: masked in the log that is open, and in reports of crashes that happen with none open."""
    _kept.update(values)
    if _sink.redaction is not None:
        _sink.redaction.also(values)


def told_of_crash(error: BaseException) -> str:
    """A traceback in which the secrets of this process and of its environment are masked."""
    import traceback

    return without_secrets("".join(traceback.format_exception(error)))


def without_secrets(text: str) -> str:
    """A text in which the secrets of this process and of its environment are masked."""
    in_environment = {value for name, value in os.environ.items() if _SECRET_NAME.search(name.upper())}
    return Redaction((*_kept, *in_environment)).text(text)


def write_crash(error: BaseException, folder: str) -> str:
    """Write a bug's traceback, without secrets, into a file of its own (0600); its path, empty if it cannot be."""
    path = os.path.join(folder, f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt")
    try:
        file = LogFile(path)
    except OSError:
        return ""
    file.msg(told_of_crash(error).encode("utf-8", "replace"))
    file.close()
    return path
