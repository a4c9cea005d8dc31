"""`claude-or logs`: the log of a session, by level, request and time, once or as it grows.

The files hold one JSON object per line; people get a line of text each. A line that is no JSON is shown as it is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from claude_or.config.folders import short, state_folder
from claude_or.errors import EXIT_USAGE, ClaudeOrError

RANK: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
STEP_S: Final = 0.2
_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_TOLD_FIRST: Final = {"timestamp", "level", "event", "logger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines. `session` is the start of a log's name or of a session's id, empty: the newest log."""

    session: str = ""
    level: str = "info"
    request: str = ""
    as_json: bool = False
    lines: int | None = None


def files(environ: Mapping[str, str]) -> list[str]:
    """All session logs, oldest first."""
    folder = os.path.join(state_folder(environ), "logs")
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".jsonl")]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names)]


def chosen(wanted: Wanted, environ: Mapping[str, str]) -> str:
    """The log that is meant. Raises `ClaudeOrError`."""
    known = files(environ)
    if not wanted.session:
        if not known:
            raise ClaudeOrError("there is no log yet", hint="Each session writes one; start one with `claude-or`.")
        return known[-1]
    by_name = [path for path in known if os.path.basename(path).startswith(wanted.session)]
    found = by_name or [path for path in known if _mentions(path, wanted.session)]
    if not found:
        newest = ", ".join(os.path.basename(path).removesuffix(".jsonl") for path in known[-3:])
        raise ClaudeOrError(
            f"no log of a session {wanted.session}", hint=f"The newest are {newest or 'none'}.", exit_code=EXIT_USAGE
        )
    return found[-1]


def show(
    wanted: Wanted,
    environ: Mapping[str, str],
    out: IO[str],
    *,
    follow: bool = False,
    over: Callable[[], bool] = lambda: False,
) -> int:
    """Print the lines that are wanted; with `follow` go on until `over` or Ctrl-C. Raises `ClaudeOrError`."""
    if wanted.level not in RANK:
        raise ClaudeOrError(f"--level {wanted.level}: unknown", hint=f"One of {', '.join(RANK)}.", exit_code=EXIT_USAGE)
    path = chosen(wanted, environ)
    sys.stderr.write(f"{short(path, environ)}\n")
    coloured = out.isatty() and not environ.get("NO_COLOR")
    with open(path, encoding="utf-8", errors="replace") as file:
        found = list(_lines(file, wanted, coloured=coloured))
        for line in found[max(0, len(found) - wanted.lines) :] if wanted.lines is not None else found:
            out.write(line)
        out.flush()
        while follow and not over():
            grew = False
            for line in _lines(file, wanted, coloured=coloured):
                out.write(line)
                grew = True
            if grew:
                out.flush()
            else:
                time.sleep(STEP_S)
    return 0


def _lines(file: IO[str], wanted: Wanted, *, coloured: bool) -> Iterator[str]:
    while True:
        place = file.tell()
        raw = file.readline()
        if not raw:
            return
        if not raw.endswith("\n"):
            file.seek(place)  # half a line: its end comes with the next look
            return
        entry = _entry(raw)
        if entry is None:
            yield raw
        elif _fits(entry, wanted):
            yield raw if wanted.as_json else as_text(entry, coloured=coloured) + "\n"


def _entry(raw: str) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _fits(entry: Mapping[str, Any], wanted: Wanted) -> bool:
    if RANK.get(str(entry.get("level")), 20) < RANK[wanted.level]:
        return False
    return not wanted.request or str(entry.get("request", entry.get("request_id", ""))).startswith(wanted.request)


def as_text(entry: Mapping[str, Any], *, coloured: bool = False) -> str:
    """One event as one line, a traceback below it."""
    at = str(entry.get("timestamp", ""))[11:23]
    level = str(entry.get("level", ""))
    said = entry.get("content") if entry.get("logger") == "content" else None
    below = {"exception"} if said is None else {"exception", "content"}
    more = [f"{name}={_short(value)}" for name, value in entry.items() if name not in _TOLD_FIRST | below]
    text = " ".join([at, f"{level:<7}", f"{entry.get('logger', ''):<9}", str(entry.get("event", "")), *more])
    if isinstance(said, list):
        text += "".join(f"\n    {line}" for line in _said(cast("list[Any]", said)))
    if "exception" in entry:
        text += "\n" + str(entry["exception"])
    return f"{_COLOURS[level]}{text}\x1b[0m" if coloured and level in _COLOURS else text


def _said(content: list[Any]) -> Iterator[str]:
    """Prompts and answers as text: the lines of each block, behind what kind it is."""
    for part in content:
        if not isinstance(part, dict):
            yield from _lines_of("", part)
            continue
        entry = cast("dict[str, Any]", part)
        role, inner = entry.get("role"), entry.get("content")
        if role is None:
            yield from _block("", entry)
            continue
        for block in cast("list[Any]", inner if isinstance(inner, list) else [inner]):
            yield from _block(f"{role}: ", block)


def _block(who: str, block: Any) -> Iterator[str]:
    if not isinstance(block, dict):
        yield from _lines_of(who, block)
        return
    told = cast("dict[str, Any]", block)
    match told.get("type"):
        case "text":
            yield from _lines_of(who, told.get("text", ""))
        case "thinking":
            yield from _lines_of(f"{who}[thinking] ", told.get("thinking", ""))
        case "tool_use":
            yield from _lines_of(f"{who}[tool_use {told.get('name', '')}] ", told.get("input"))
        case "tool_result":
            yield from _lines_of(f"{who}[tool_result] ", _result(told.get("content")))
        case kind:
            yield from _lines_of(f"{who}[{kind}] ", {name: one for name, one in told.items() if name != "type"})


def _result(content: Any) -> Any:
    """A result that is text alone, as text."""
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
            return "\n".join(str(part.get("text", "")) for part in parts)
    return content


def _lines_of(before: str, value: Any) -> Iterator[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for line in (before + text).expandtabs(4).split("\n"):
        # A terminal obeys control characters, and these were written by a model, or by what it read.
        yield "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line.rstrip("\r"))


def _short(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value and not set(value) & set(" \"'"):
        return value
    return json.dumps(value, ensure_ascii=False)


def _mentions(path: str, session: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return f'"{session}' in file.read()
    except OSError:
        return False
