"""The names of our commands, for whoever has to tell them from a prompt before Typer is loaded."""

from __future__ import annotations

COMMANDS: frozenset[str] = frozenset({
    "budget",
    "completion",
    "config",
    "demo",
    "doctor",
    "explain",
    "init",
    "install-claude",
    "login",
    "logout",
    "logs",
    "mcp",
    "models",
    "serve",
    "statusline",
    "usage",
})

BELOW: dict[str, frozenset[str]] = {
    "budget": frozenset({"raise"}),
    "config": frozenset({"check", "edit", "path", "schema", "show"}),
    "mcp": frozenset({"import", "list", "logs", "restart", "status", "test", "trust", "warm"}),
    "models": frozenset({"refresh", "search", "show"}),
}
"""The commands below a command."""
