"""The files that may name MCP servers, read and checked: the user's, the project's, and those named on the command line.

Later files win by a server's name. What came with a project (its `.claude-or.yaml`, or whatever a relative `MCP_CONFIG_PATH` happens to
meet in the working folder) was not written by the user and needs an approval; the others do not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from claude_or.config.document import Document, Path, Problem, read_document
from claude_or.config.folders import config_folder, home_folder, short
from claude_or.config.load import MAX_BYTES, project_places
from claude_or.config.mcp import McpFile, file_of
from claude_or.errors import EXIT_CONFIG, EXIT_USAGE, ClaudeOrError

FILE: Final = "mcp_servers.yaml"
PATH_VARIABLE: Final = "MCP_CONFIG_PATH"
OPTION: Final = "--mcp"
SECTION: Final = "servers"
Layer = Literal["user", "project", "flag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that is there. `shown` is its path as a person writes it, `foreign` whether it needs an approval."""

    path: str
    shown: str
    layer: Layer
    foreign: bool
    content: bytes
    file: McpFile
    document: Document

    def place(self, path: Path) -> str:
        """`file:line: dotted.key`."""
        line = self.document.line_of(path)
        return f"{self.shown}:{line}: {'.'.join(path)}" if line else f"{self.shown}: {'.'.join(path)}"


@dataclass(frozen=True, slots=True)
class Sources:
    """All of them, weakest first, and every path that was looked at."""

    found: tuple[Source, ...]
    looked_at: tuple[str, ...]


def read_sources(environ: Mapping[str, str], cwd: str, named: tuple[str, ...]) -> Sources:
    """Read the files; `named` are the values of `--mcp`. Raises `ClaudeOrError` with every mistake in them."""
    found: list[Source] = []
    looked_at: list[str] = []
    mistakes: list[str] = []
    for path, layer, foreign, required in _places(environ, cwd, named):
        looked_at.append(path)
        shown = short(path, environ)
        content = _content(path, shown, required=required)
        if content is None:
            continue
        document, problems = _checked(content, only_section=layer == "project")
        if problems:
            placed = [(problem.line or document.line_of(problem.path), problem) for problem in problems]
            for line, problem in sorted(placed, key=lambda pair: pair[0]):
                place = ":".join([shown, *(str(number) for number in (line, problem.column) if number)])
                mistakes.append(": ".join([place, *([".".join(problem.path)] if problem.path else []), problem.text]))
        else:
            file = file_of(document.values)
            if file.servers:
                found.append(
                    Source(
                        path=path,
                        shown=shown,
                        layer=layer,
                        foreign=foreign,
                        content=content,
                        file=file,
                        document=document,
                    )
                )
    if mistakes:
        raise ClaudeOrError(
            mistakes[0],
            hint="Correct it there and try again; `claude-or mcp list` checks all files of servers.",
            exit_code=EXIT_CONFIG,
            detail=tuple(mistakes[1:]),
        )
    return Sources(tuple(found), tuple(looked_at))


def named_files(ours: Mapping[str, str]) -> tuple[str, ...]:
    """The values of `--mcp` in our split options, where a repeated option stands line by line."""
    return tuple(ours[OPTION].split("\n")) if OPTION in ours else ()


def user_place(environ: Mapping[str, str], cwd: str) -> str:
    """The user's own file."""
    named = environ.get(PATH_VARIABLE, "").strip()
    return _absolute(named, environ, cwd) if named else os.path.join(config_folder(environ), FILE)


def _places(environ: Mapping[str, str], cwd: str, named: tuple[str, ...]) -> Iterator[tuple[str, Layer, bool, bool]]:
    said = environ.get(PATH_VARIABLE, "").strip()
    yield user_place(environ, cwd), "user", bool(said) and not said.startswith(("/", "~")), bool(said)
    for place in project_places(environ, cwd):
        yield place, "project", True, False
        if os.path.lexists(place):
            break
    for name in named:
        yield _absolute(name, environ, cwd), "flag", False, True


def _absolute(name: str, environ: Mapping[str, str], cwd: str) -> str:
    if name == "~" or name.startswith("~/"):
        name = home_folder(environ) + name[1:]
    return os.path.normpath(os.path.join(cwd, name))


def _content(path: str, shown: str, *, required: bool) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if not required:
            return None
        raise ClaudeOrError(
            f"{shown}: there is no such file",
            hint=f"It was named by {OPTION} or {PATH_VARIABLE}.",
            exit_code=EXIT_USAGE,
        ) from None
    except OSError as error:
        raise ClaudeOrError(
            f"{shown}: cannot be read: {error.strerror}", hint="Look at its permissions.", exit_code=EXIT_CONFIG
        ) from None
    if len(content) > MAX_BYTES:
        raise ClaudeOrError(
            f"{shown}: larger than {MAX_BYTES // 1024} KB; this is no configuration",
            hint="Name another file.",
            exit_code=EXIT_CONFIG,
        )
    return content


def _checked(content: bytes, *, only_section: bool) -> tuple[Document, list[Problem]]:
    """The document, in a project's file only its `servers:`, and what is wrong with it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Document(), [Problem("not UTF-8 text", line=content.count(b"\n", 0, error.start) + 1)]
    if only_section and f"{SECTION}" not in text:
        return Document(), []
    document = read_document(text)
    if only_section:
        if document.problems:
            return Document(), []  # told by whoever reads the whole file
        kept = {key: value for key, value in document.values.items() if key == SECTION}
        document = Document(kept, document.lines)
    if document.problems or not document.values:
        return document, list(document.problems)
    from claude_or.config.mcp_check import file_problems

    return document, file_problems(document.values)
