"""The windows and output limits of the listed models, in a small file that the launch can read without importing anything.

Claude Code must be told the window before it starts, when nothing heavy may be loaded; the whole listing would take a JSON
library and a megabyte. One line per model: slug, window, output limit, 0 for unknown. Written beside the listing's cache.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Limits = tuple[int | None, int | None]
    """Window and output limit in tokens, None when unknown."""

FILE = "windows.txt"
_HEAD = "claude-or windows 1"


def read_windows(path: str, base_url: str = "") -> dict[str, Limits]:
    """Limits by slug; empty when the file is absent, damaged or of another host (`base_url` empty takes any)."""
    try:
        with open(path, encoding="utf-8") as file:
            head, *lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    if not head.startswith(_HEAD + " ") or (base_url and head != f"{_HEAD} {base_url}"):
        return {}
    found: dict[str, Limits] = {}
    for line in lines:
        slug, _, numbers = line.partition(" ")
        window, _, output = numbers.partition(" ")
        if window.isdecimal() and output.isdecimal():
            found[slug] = (int(window) or None, int(output) or None)
    return found


def limits_of(windows: Mapping[str, Limits], slug: str) -> Limits:
    """The limits of a slug, also of one with a routing variant or a preset."""
    slug = slug.partition("@preset/")[0]
    if slug not in windows and ":" in slug:
        from claude_or.routing.names import ROUTING_VARIANTS

        front, colon, variant = slug.rpartition(":")
        if colon and variant in ROUTING_VARIANTS:
            slug = front
    return windows.get(slug, (None, None))


def write_windows(path: str, base_url: str, limits: Iterable[tuple[str, int | None, int | None]]) -> None:
    """Replace the file. Slugs with spaces or line ends, which no host has, are left out."""
    lines = [f"{slug} {window or 0} {output or 0}" for slug, window, output in limits if slug.split() == [slug]]
    replace_file(path, "\n".join([f"{_HEAD} {base_url}", *lines, ""]).encode())


def replace_file(path: str, data: bytes) -> None:
    """Write a file of the user's own (0600) so that no reader ever sees half of it. Raises `OSError`."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    half = f"{path}.{os.getpid()}.new"
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(half, path)
    except OSError:
        os.unlink(half)
        raise
