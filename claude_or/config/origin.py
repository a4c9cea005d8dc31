"""Where a value came from, so that every table and every error can say which line to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layer = Literal["default", "user", "project", "environment", "profile", "flag"]
"""Who said it, weakest first."""


@dataclass(frozen=True, slots=True)
class Origin:
    """`where` is the file as shown to the user, the variable or the flag; `line` counts from 1, 0 when there is none."""

    layer: Layer
    where: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.layer == "default":
            return "default"
        return f"{self.where}:{self.line}" if self.line else self.where


DEFAULT = Origin("default")
