"""Writes the pages of `docs/reference` from what the program says of itself: `uv run python -m tests.reference`.

The commands come from the command line's own tree, the settings from their JSON schema and from what the check of a file refuses, the
exit codes from `errors.py`, the losses from the calls that list them. `tests/contracts/test_docs.py` fails while a page is not what this would write.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from claude_or import errors
from claude_or.cli.app import app
from claude_or.cli.help import HELP
from claude_or.config.check import PROJECT_MAY_NOT, project_problems
from claude_or.config.json_schema import schema, schema_text
from claude_or.config.load import VARIABLES, Overrides, load
from claude_or.translate import request

DOCS: Final = Path(__file__).parents[1] / "docs"
_MADE: Final = "<!-- Made by `uv run python -m tests.reference`; edit the source instead. -->"

Key = tuple[str, ...]

_ORDER: Final = (
    "What may stand in `config.yaml` and, where nothing else is said, in a project's `.claude-or.yaml`. The later of these wins: "
    "default, `config.yaml`, `.claude-or.yaml`, environment, `--profile`, option. `claude-or config show` tells what is in force and "
    "who said so; `claude-or config check` names every mistake. Editors find the same in "
    "[`config.schema.json`](../schema/config.schema.json)."
)


def pages() -> dict[str, str]:
    """Every generated file below `docs`, by its path there."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/exit-codes.md": exit_codes(),
        "reference/losses.md": losses(),
        "schema/config.schema.json": schema_text(),
    }


# Commands


def commands() -> str:
    """Every command with its arguments and options, in the order of the overview."""
    root: Any = typer.main.get_command(app)
    overview = HELP.index("\nCommands\n")
    named = sorted(root.commands.items(), key=lambda item: HELP.index(f"\n  {item[0]} ", overview))
    text = [
        "# Commands",
        _MADE,
        "What `claude-or --help` says, and after it what `claude-or COMMAND --help` says of each command.",
        f"```\n{HELP.rstrip()}\n```",
    ]
    for name, command in named:
        text += _command(f"claude-or {name}", command, "##")
    return "\n\n".join(text) + "\n"


def _command(path: str, command: Any, level: str) -> Iterator[str]:
    yield f"{level} {path}"
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    below = getattr(command, "commands", {})
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *map(_placeholder, arguments)])
    if below and not command.invoke_without_command:
        usage = f"{path} COMMAND"
    yield f"```\n{usage}\n" + "".join(f"{path} {name} …\n" for name in below) + "```"
    yield _prose(command.help)
    rows = [f"| `{_placeholder(p)}` | {_cell(p.help or '')} |" for p in arguments]
    rows += [f"| {_option(p)} | {_cell(p.help)}{_default(p)} |" for p in options]
    if rows:
        yield "\n".join(["| Option | Meaning |", "|---|---|", *rows])
    for name, inner in below.items():
        yield from _command(f"{path} {name}", inner, level + "#")


def _placeholder(parameter: Any) -> str:
    """The word that stands for the value; an argument that may be left out or stand several times says so."""
    word = str(parameter.metavar or "NUMBER")
    if parameter.param_type_name == "option":
        return word
    word = word + ("…" if parameter.nargs == -1 and not word.endswith(("…", "...")) else "")
    return word if parameter.required or word.startswith("[") else f"[{word}]"


def _option(option: Any) -> str:
    value = "" if option.is_flag else f" {_placeholder(option)}"
    names = sorted(option.opts, key=len, reverse=True)
    return ", ".join(f"`{_cell(name + value)}`" for name in names)


def _default(option: Any) -> str:
    known = option.default
    return "" if known in (None, "") or option.is_flag or callable(known) else f" Default: `{known}`."


def _prose(text: str) -> str:
    """A docstring without the terminal's mark-up; words in capitals that a shell would replace stay as they are."""
    return re.sub(r"\[/?\w+\]", "", inspect.cleandoc(text))


# Settings


def settings() -> str:
    """Every key with type, default, meaning, and who may say it."""
    found = schema()
    kinds: dict[str, Any] = found["$defs"]
    text = [
        "# Settings",
        _MADE,
        _ORDER,
    ]
    plain = {key: said for key, said in found["properties"].items() if not _section(said)}
    for key, said in found["properties"].items():
        if kind := _section(said):
            text += _keys(kinds, kind, (key,), said)
    text += ["## Single values", _table([_row((key,), said) for key, said in plain.items()])]
    return "\n\n".join(text) + "\n"


def _section(said: dict[str, Any]) -> str:
    """The class of the values below a key, also where names of the user's stand between the two; empty for a single value."""
    inner = said.get("additionalProperties", said)
    return str(inner.get("$ref", "")).rpartition("/")[2] if isinstance(inner, dict) else ""


_SEEN_BEFORE: Final = {"profiles": "models", "preferences_for": "preferences"}
"""Sections whose keys are those of another one."""


def _keys(kinds: dict[str, Any], kind: str, path: Key, said: dict[str, Any]) -> Iterator[str]:
    named = "additionalProperties" in said
    here = (*path, "NAME") if named else path
    yield f"## {'.'.join(here)}"
    about = _sentences(said.get("description", ""), kinds[kind].get("description", ""))
    if path[0] in _SEEN_BEFORE:
        about = f"{said.get('description', '')} Keys as in [`{_SEEN_BEFORE[path[0]]}`](#{_SEEN_BEFORE[path[0]]})."
    yield " ".join([about, *_of_the_section(path)])
    if path[0] in _SEEN_BEFORE:
        return
    below = kinds[kind]["properties"]
    if not any("description" in one for one in below.values()):
        yield f"Keys: {', '.join(f'`{key}`' for key in below)}; each a {_type(next(iter(below.values())))}."
        return
    yield _table([_row((*here, key), one) for key, one in below.items() if not (_section(one) and _is_map(one))])
    for key, one in below.items():
        if (inner := _section(one)) and _is_map(one):
            yield from _keys(kinds, inner, (*here, key), one)


def _is_map(said: dict[str, Any]) -> bool:
    return "additionalProperties" in said


def _row(path: Key, said: dict[str, Any]) -> str:
    meaning = " ".join(part for part in (said.get("description", ""), *_ways(path), *_refusals(path)) if part)
    return f"| `{path[-1]}` | {_type(said)} | {_value(said.get('default'))} | {_cell(meaning)} |"


def _table(rows: list[str]) -> str:
    return "\n".join(["| Key | Type | Default | Meaning |", "|---|---|---|---|", *rows])


def _sentences(*texts: str) -> str:
    return " ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text))


def _type(said: dict[str, Any]) -> str:
    choices = [one for one in said.get("anyOf", [said]) if one.get("type") != "null"]
    return " or ".join(_single_type(one) for one in choices)


def _single_type(said: dict[str, Any]) -> str:
    if "$ref" in said:
        return "`{prompt: …, completion: …}`" if said["$ref"].endswith("/MaxPrice") else "section"
    if "enum" in said:
        return " or ".join(f"`{word}`" for word in said["enum"])
    if "const" in said:
        return f"`{said['const']}`"
    words = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "number": "number"}
    match said.get("type"):
        case "array":
            return f"list of {_single_type(said['items'])}"
        case "object":
            return f"`name: value`, each {_type(said['additionalProperties'])}"
        case kind:
            bounds = [
                f"{said[end]:g}" if said[end] < 10_000 else f"{said[end]:,}"
                for end in ("minimum", "maximum")
                if end in said
            ]
            return words[str(kind)] + (f" ({' to '.join(bounds)})" if bounds else "")


def _value(default: Any) -> str:
    match default:
        case None | "" | {} | []:
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{default}`"


def _ways(path: Key) -> Iterator[str]:
    """Variables and options that say the same."""
    names = [f"`{name}`" for name, place in VARIABLES.items() if ".".join(filter(None, place)) == ".".join(path)]
    names += [f"`{flag}`" for flag, key in _flags().items() if key == ".".join(path)]
    if names:
        yield f"Also {', '.join(names)}."


def _flags() -> dict[str, str]:
    """Options of a session by the key they speak for: asked of the loading itself, in an empty folder."""
    samples = {"log_level": "debug", "budget": "1", "log_content": "1"}
    skipped = {"profile", "config"}  # they choose among files and sets; no key stands for them
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for one in dataclasses.fields(Overrides):
            if one.name not in skipped:
                loaded = load({"HOME": folder}, folder, Overrides(**{one.name: samples.get(one.name, "author/model")}))
                found |= {origin.where: key for key, origin in loaded.origins.items() if origin.layer == "flag"}
    return found


def _refusals(path: Key) -> Iterator[str]:
    """What a project's file may not say here."""
    if reason := PROJECT_MAY_NOT.get(path):
        yield f"Not in a project's file: {reason}."
    for loose in ("allow", False):
        if project_problems({path[0]: {path[-1]: loose}}) and path[0] == "preferences":
            yield f"Not `{str(loose).lower()}` in a project's file."


def _of_the_section(path: Key) -> Iterator[str]:
    if project_problems({path[0]: {"name": {"base_url": ""}}}) and path[0] == "providers":
        yield "Not in a project's file."
    if path[0] == "budget":
        yield "A project's file may lower yours and never raise them."


# Exit codes


def exit_codes() -> str:
    """The codes that scripts may rely on."""
    body = ast.parse(inspect.getsource(errors)).body
    rows = ["| 0 | All is well. |"]
    for at, line in enumerate(body[:-1]):
        match line, body[at + 1]:
            case (
                ast.Assign(value=ast.Constant(value=int(code))),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                rows.append(f"| {code} | {_cell(meaning)} |")
            case _:
                pass
    return (
        "\n\n".join([
            "# Exit codes",
            _MADE,
            "A session ends with the code of `claude` itself, 128 + n when a signal n ended it. These are our own:",
            "\n".join(["| Code | Meaning |", "|---|---|", *rows]),
        ])
        + "\n"
    )


# Losses


def losses() -> str:
    """What a request may lose on its way, by the calls that list it."""
    found: dict[str, tuple[set[str], dict[str, None]]] = {}
    for path in sorted((DOCS.parent / "claude_or" / "translate").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (said := _listed(call)) is not None:
                ways, texts = found.setdefault(said[0], (set(), {}))
                ways.add("native" if path.stem in {"native", "history"} else "chat")
                texts.update(dict.fromkeys(said[1]))
    for field, why in vars(request)["_DROPPED"].items():
        ways, texts = found.setdefault(field, (set(), {}))
        ways.add("chat")
        texts[why] = None
    rows = [
        f"| `{kind}` | {' and '.join(sorted(ways))} | {_cell('; '.join(texts) or '`explain` says why')} |"
        for kind, (ways, texts) in sorted(found.items())
    ]
    return (
        "\n\n".join([
            "# What a request may lose",
            _MADE,
            _LOSSES,
            "\n".join(["| Kind | Path | What becomes of it, or why |", "|---|---|---|", *rows]),
        ])
        + "\n"
    )


_LOSSES: Final = (
    "Claude Code's request, on its way to a host that lacks something, by the words that the log (`request lost something`) and "
    "`claude-or explain` use. Why this is so and what stays: [what is changed in a request](../requests.md)."
)


def _listed(call: ast.AST) -> tuple[str, list[str]] | None:
    """The kind of a loss and what is said of it, where both stand in the call itself."""
    match call:
        case ast.Call(func=ast.Attribute(value=target, attr="add"), args=[kind, _, detail]):
            listed = ast.unparse(target).endswith("losses")
            if listed and isinstance(kind, ast.Constant):
                return str(kind.value), [text] if (text := _spoken(detail)) else []
        case _:
            pass
    return None


def _spoken(text: ast.expr) -> str:
    """A text of the source; what is filled in stands as an ellipsis."""
    match text:
        case ast.Constant(value=str(said)):
            return said
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case _:
            return ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write what has changed."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: docs/{name}")


if __name__ == "__main__":
    main()
