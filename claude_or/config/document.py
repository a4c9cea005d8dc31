"""One YAML text as plain values, with the line of every key.

Read strictly: a key given twice, a key that is no text and a document that unfolds beyond all measure are mistakes that are
told, not survived. Words like `off` and `yes` stay text (YAML 1.2), because `auto_mode: off` is meant as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MAX_VALUES = 10_000
"""Values of one document with every alias unfolded; nobody writes that many, a hostile file reaches it in nine lines."""

MAX_DEPTH = 50
"""Checked on the events, before composing: libyaml's composer recurses in C and would take the process with it."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what is wrong at which key. `line` and `column` count from 1, 0 when unknown."""

    text: str
    path: Path = ()
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `values` is empty when `problems` is not."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: Path) -> int:
        """Line of the key, or of the nearest key above it; 0 when the file does not name it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_document(text: str) -> Document:
    """Parse one YAML document. Never raises for what the text holds."""
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return Document(problems=(Problem("nested too deeply"),))
            if getattr(event, "tag", None):
                return Document(problems=(Problem("tags such as !!str are not supported here", line=_line_of(event)),))
        node = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        return Document(problems=(_syntax_problem(error, text),))
    except yaml.YAMLError as error:
        return Document(problems=(Problem(f"this is not readable as YAML: {str(error).splitlines()[0]}"),))
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
        return Document()
    if not isinstance(node, yaml.MappingNode):
        return Document(problems=(Problem("expected `key: value` lines", line=node.start_mark.line + 1),))
    return _unfolded(node)


def _unfolded(root: yaml.MappingNode) -> Document:
    """Values and lines of a composed document; checks every key on the way."""
    import yaml

    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    for count, (path, key, twice) in enumerate(_keys(root, ())):
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if count >= MAX_VALUES:
            return Document(problems=(Problem("the file unfolds into far too many values", line=line),))
        if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith((":str", ":merge")):
            problems.append(Problem("a key must be text; put it in quotes", path[:-1], line, column))
        elif twice:
            problems.append(Problem("the key is given twice", path, line, column))
        lines.setdefault(path, line)
    if problems:
        return Document(problems=tuple(problems))
    loader = _loader()("")
    try:
        values = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        return Document(problems=(_syntax_problem(error, ""),))
    except ValueError as error:  # a number of thousands of digits
        return Document(problems=(Problem(str(error)),))
    finally:
        loader.dispose()
    return Document(values=values, lines=lines)


def _keys(node: yaml.Node, path: Path) -> Iterator[tuple[Path, yaml.Node, bool]]:
    """Every key below, in the order of the text: its path, its node, and whether its mapping held it already."""
    import yaml

    # A stack instead of recursion: an alias may point at its own ancestor, and the limit must be reached before Python's.
    pending: list[tuple[yaml.Node, Path]] = [(node, path)]
    while pending:
        current, here = pending.pop()
        if isinstance(current, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in current.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                yield (*here, name), key, name in seen
                seen.add(name)
                pending.append((value, (*here, name)))
        elif isinstance(current, yaml.SequenceNode):
            for index, item in enumerate(current.value):
                yield (*here, str(index)), _as_key(item), False
                pending.append((item, (*here, str(index))))


def _as_key(item: yaml.Node) -> yaml.Node:
    """A list's item in the role of a key: its place in the list is text, whatever the item is."""
    import yaml

    return yaml.ScalarNode("tag:yaml.org,2002:str", "", item.start_mark, item.end_mark)


def _line_of(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 0


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(f"this is not valid YAML: {error.problem}")
    lines = text.splitlines()
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        said = "a tab cannot indent a line; use spaces"
    else:
        said = "this is not valid YAML: " + " ".join(part for part in (error.context, error.problem) if part)
    return Problem(said, (), mark.line + 1, mark.column + 1)


def _loader() -> type[yaml.CSafeLoader]:
    """The C loader with YAML 1.2's ideas of what is no text: `true`, `false`, numbers, null; no `yes`, no dates, no 1:30."""
    import re

    import yaml

    dropped = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int"}

    class Loader(yaml.CSafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 - replaces the class attribute of the base
            first: [(tag, pattern) for tag, pattern in known if tag not in dropped]
            for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
    return Loader
