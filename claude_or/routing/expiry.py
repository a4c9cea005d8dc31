"""Which of the models in use are about to go away.

The listing names a last day for some models. Who is told weeks before can choose a successor in peace; who is not finds out by an
error in the middle of the work. Pure: the caller says what time it is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from claude_or.config.names import DEFAULT_HOST, ROLES
from claude_or.routing.names import fallbacks_of, resolve, roles

if TYPE_CHECKING:
    from claude_or.config.schema import Settings
    from claude_or.routing.catalog import Catalog, ModelInfo

SOON_DAYS = 30


def expiring(settings: Settings, catalog: Catalog | None, now: float) -> list[str]:
    """A clause for each model in use that goes away soon, as in `z-ai/glm-5 (main, opus) goes away on 2026-12-01`.

    `now` is in seconds since the epoch. Fallbacks and the model for long requests are in use, too.
    """
    if catalog is None:
        return []
    found: list[str] = []
    for (slug, host), uses in models_in_use(settings).items():
        info = catalog.get(slug) if host == DEFAULT_HOST else None
        left = days_left(info, now) if info else None
        if info and left is not None and left <= SOON_DAYS:
            verb = "goes" if left >= 0 else "was to go"
            found.append(f"{slug} ({', '.join(uses)}) {verb} away on {info.expires[:10]}")
    return found


def models_in_use(settings: Settings) -> dict[tuple[str, str], list[str]]:
    """The models that some request may reach: slug and host → what each is there for."""
    found: dict[tuple[str, str], list[str]] = {}
    for role, choice in roles(settings).items():
        found.setdefault((choice.slug, choice.host), []).append(role)
    for role in ROLES:
        for name in fallbacks_of(role, settings):
            other = resolve(name, settings)
            if "fallback" not in (uses := found.setdefault((other.slug, other.host), [])):
                uses.append("fallback")
    for use in ("long_context", "vision"):
        name: str | None = getattr(settings.models, use)
        if name is not None:
            other = resolve(name, settings)
            found.setdefault((other.slug, other.host), []).append(use)
    return found


def days_left(info: ModelInfo, now: float) -> int | None:
    """Days until the last one, negative when it is over; None when no day is named."""
    try:
        last = date.fromisoformat(info.expires[:10])
    except ValueError:
        return None
    return (last - datetime.fromtimestamp(now, UTC).date()).days
