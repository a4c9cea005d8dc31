"""Windows, output limits and prices of the listed models, in a small file that the launch can read without importing anything.

Claude Code must be told the window before it starts, when nothing heavy may be loaded; the whole listing would take a JSON
library and a megabyte. One line per model: slug, window and output limit in tokens (0 for unknown), US dollars per million tokens
read and written (`?` for unknown). Written beside the listing's cache.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from claude_or.routing.catalog import ModelInfo

    Limits = tuple[int | None, int | None]
    """Window and output limit in tokens, None when unknown."""
    Prices = tuple[str, str]
    """US dollars per million tokens read and written, as decimal numbers; empty when unknown."""
    Kept = tuple[int | None, int | None, str, str]
    """Limits and prices in one."""

FILE = "windows.txt"
_HEAD = "claude-or windows 2"
_UNKNOWN = "?"


def read_windows(path: str, base_url: str = "") -> dict[str, Kept]:
    """What is known by slug; empty when the file is absent, damaged or of another host (`base_url` empty takes any)."""
    try:
        with open(path, encoding="utf-8") as file:
            head, *lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    if not head.startswith(_HEAD + " ") or (base_url and head != f"{_HEAD} {base_url}"):
        return {}
    found: dict[str, Kept] = {}
    for line in lines:
        slug, *told = line.split(" ")
        if len(told) == 4 and told[0].isdecimal() and told[1].isdecimal():
            window, output, *prices = told
            read, written = (price.strip(_UNKNOWN) for price in prices)
            found[slug] = (int(window) or None, int(output) or None, read, written)
    return found


def kept_of(models: Iterable[ModelInfo]) -> dict[str, Kept]:
    """What the file keeps of a listing, by slug."""
    return {
        model.slug: (
            model.window,
            model.max_output,
            _per_million(model.price.rates.prompt),
            _per_million(model.price.rates.completion),
        )
        for model in models
    }


def limits_of(windows: Mapping[str, Kept], slug: str) -> Limits:
    """The limits of a slug, also of one with a routing variant or a preset."""
    return _found(windows, slug)[:2]


def prices_of(windows: Mapping[str, Kept], slug: str) -> Prices:
    """The prices of a slug, likewise."""
    return _found(windows, slug)[2:]


def _found(windows: Mapping[str, Kept], slug: str) -> Kept:
    slug = slug.partition("@preset/")[0]
    if slug not in windows and ":" in slug:
        from claude_or.routing.names import base_of

        slug = base_of(slug)
    return windows.get(slug, (None, None, "", ""))


def _per_million(rate: Decimal | None) -> str:
    if rate is None:
        return ""
    price = f"{rate * 1_000_000:f}"
    return price.rstrip("0").rstrip(".") if "." in price else price


def write_windows(path: str, base_url: str, kept: Mapping[str, Kept]) -> None:
    """Replace the file. Slugs with spaces or line ends, which no host has, are left out."""
    lines = [
        f"{slug} {window or 0} {output or 0} {read or _UNKNOWN} {written or _UNKNOWN}"
        for slug, (window, output, read, written) in kept.items()
        if slug.split() == [slug]
    ]
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
