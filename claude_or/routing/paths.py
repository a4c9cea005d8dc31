"""Which path leads to a model: a host's own Messages endpoint, or chat completions through the translator.

Where the host speaks the client's language nothing is gained by translating, and much is kept by not doing it. The user may decide
otherwise per model, so that a fault of either path has a way around it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Settings

if TYPE_CHECKING:
    from claude_or.routing.ask import Path

NATIVE_AUTHORS: Final = frozenset({"anthropic"})
"""Authors whose models speak the Messages API themselves."""


class PathChoice(NamedTuple):
    """The path of one model, and why it is that one, in a few words for people."""

    path: Path
    reason: str


def choose_path(slug: str, host: str, settings: Settings) -> PathChoice:
    """The path of one model. The first pattern of `paths:` that fits the slug decides; `*` stands for anything.

    A pattern of an author's models fits the author's moving aliases, too: `anthropic/*` means `~anthropic/claude-opus-latest` as well.
    Only OpenRouter has both paths; what another host speaks stands in its description.
    """
    if host != DEFAULT_HOST:
        provider = settings.providers.get(host)
        if provider is not None and provider.kind == "anthropic":
            return PathChoice("native", f"{host} speaks the Messages API")
        return PathChoice("chat", f"{host} speaks chat completions")
    written = {slug.lower(), slug.lower().lstrip("~")}
    for pattern, path in settings.paths.items():
        if any(fnmatchcase(name, pattern.lower()) for name in written):
            return PathChoice(path, f"paths: {pattern!r} in the configuration")
    author = slug.lstrip("~").partition("/")[0].lower()
    if author in NATIVE_AUTHORS:
        return PathChoice("native", f"models of {author} speak the Messages API themselves")
    return PathChoice("chat", "translated by claude-or")
