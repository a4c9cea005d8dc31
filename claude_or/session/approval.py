"""The question before a project's MCP servers run for the first time: what would be started, and with which variables."""

from __future__ import annotations

import shlex
import sys

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from claude_or.mcp.setup import Asking, Group


def asking() -> Asking | None:
    """Asks on the terminal; None when there is nobody to ask."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


def shown(group: Group) -> list[str]:
    """What a file would start, line by line. Control characters, which could hide a part of it, are spelt out."""
    lines = [f"{group.source.shown} names MCP servers:"]
    secrets = [value for server in group.servers for value in server.secrets]
    for server in group.servers:
        command = shlex.join(server.argv)
        for value in secrets:
            command = command.replace(value, "***")
        lines.append(f"  {server.name}: {server.problem or _plain(command)}")
        if names := [name for name in server.used if name != "PATH"]:
            lines.append(f"      with your variables {', '.join(names)}")
        declared = group.source.file.servers[server.name].environment
        if declared:
            lines.append(f"      and sets {', '.join(declared)}")
    return lines


def _ask(group: Group) -> bool:
    question = "They came with this folder. Start them, now and until the file changes? [y/N] "
    sys.stderr.write("\n".join(shown(group)) + f"\n{question}")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
