"""Which versions of Claude Code this claude-or was tried with: the one place that says so."""

from __future__ import annotations

OLDEST = "2.1.220"
"""The oldest version that the scenarios pass with."""
NEWEST = "2.1.330"
"""The newest one they were run with."""


def remark_on(version: str) -> str:
    """What a user of this version (`2.1.330`) should know; empty when it was tried, or is none that can be read."""
    found = _parts(version)
    if not found:
        return ""
    if found < _parts(OLDEST):
        return f"Claude Code {version} is older than what claude-or was tested with ({tested()})"
    if found > _parts(NEWEST):
        return f"Claude Code {version} is newer than what claude-or was tested with ({tested()})"
    return ""


def tested() -> str:
    """The range, for people."""
    return f"{OLDEST} to {NEWEST}"


def _parts(version: str) -> tuple[int, ...]:
    numbers = version.strip().partition("-")[0].split(".")
    return tuple(map(int, numbers)) if all(number.isdecimal() and number.isascii() for number in numbers) else ()
