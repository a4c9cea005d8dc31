"""The names of our commands, for whoever has to tell them from a prompt before Typer is loaded."""

from __future__ import annotations

COMMANDS: frozenset[str] = frozenset({
    "budget",
    "demo",
    "doctor",
    "explain",
    "install-claude",
    "models",
    "serve",
    "statusline",
    "usage",
})
