"""`${NAME}`, `${NAME:-default}` and `$NAME` in one scalar, replaced once and never read again.

What a variable holds cannot become a reference, a second argument or YAML: it is put in after parsing and splitting. `$$` is a `$`,
and a `$` before anything else stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*)|(?P<broken>\{))",
    re.ASCII,
)


class VariableProblem(Exception):
    """A reference that cannot be followed. `name` is empty when it is misspelt."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


def interpolate(text: str, environ: Mapping[str, str], used: dict[str, str | None]) -> str:
    """The text with its references replaced. `used` gets each variable's name and value, None where it is not set.

    Raises `VariableProblem` for a variable that is not set and has no default, and for a `${` that names none.
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["broken"]:
            raise VariableProblem("`${` must name a variable: ${NAME} or ${NAME:-default}; a plain `$` is written `$$`")
        name = match["braced"] or match["bare"]
        found = environ.get(name)
        used[name] = found
        if match["default"] is not None:
            if "${" in match["default"]:
                raise VariableProblem(f"the default of {name} cannot hold a reference; write it out", name)
            return found or match["default"]
        if found is None:
            raise VariableProblem(f"the variable {name} is not set; set it, or write ${{{name}:-default}}", name)
        return found

    return _REFERENCE.sub(value, text)
