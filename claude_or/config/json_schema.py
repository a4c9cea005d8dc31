"""The JSON schema of `config.yaml`, for editors: made from the same classes that check it. Loads pydantic."""

from __future__ import annotations

import itertools
import json
from typing import Any

from claude_or.config.check import RANGES
from claude_or.config.schema import Settings

TITLE = "claude-or configuration"


def schema() -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12, with descriptions from the docstrings."""
    from pydantic import TypeAdapter

    found = TypeAdapter(Settings).json_schema()
    _with_meanings(found)
    _with_ranges(found)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": TITLE}


def schema_text() -> str:
    """The schema as it stands in `docs/schema`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _with_meanings(found: dict[str, Any]) -> None:
    """Write the docstrings below the fields into the fields' own places.

    Pydantic could do that, too (`use_attribute_docstrings`), but then each check of a file would read the source.
    """
    import ast
    import inspect

    from claude_or.config import schema as source

    kinds = {kind.name: kind for kind in ast.parse(inspect.getsource(source)).body if isinstance(kind, ast.ClassDef)}
    for name, kind in kinds.items():
        known = (found if name == Settings.__name__ else found["$defs"][name])["properties"]
        inherited = [kinds[base.id].body for base in kind.bases if isinstance(base, ast.Name)]
        for field, below in itertools.pairwise(itertools.chain(*inherited, kind.body)):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(meaning))),
                ) if name in known:
                    known[name]["description"] = inspect.cleandoc(meaning)
                case _:
                    pass


def _with_ranges(found: dict[str, Any]) -> None:
    """Write the ranges that the types cannot say into the numbers' own places."""
    for (section, name), (low, high) in RANGES.items():
        reference = found["properties"][section].get("$ref", "").rpartition("/")[2]
        place = found["$defs"].get(reference, {}).get("properties", {}).get(name)
        for number in (place, *(place or {}).get("anyOf", ())):
            if number and number.get("type") in {"number", "integer"}:
                number["minimum"], number["maximum"] = low, high
