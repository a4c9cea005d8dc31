"""From the name in a request to the routes that will be tried, with the reason.

The decisions about names stand in `routing/names.py`; here they become a `Plan`, the form that the reply chain works with: the
role's own model first, then its fallbacks, and last the model for long requests, kept for those that turn out too long.
"""

from __future__ import annotations

import msgspec

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Settings
from claude_or.routing.ask import Plan, Route
from claude_or.routing.catalog import Catalog
from claude_or.routing.names import RoleChoice, UnknownModel, fallbacks_of, resolve, roles
from claude_or.routing.paths import choose_path
from claude_or.routing.preferences import preferences_for, provider_objects

__all__ = ["RoleChoice", "UnknownModel", "for_length", "plan_for", "roles", "vision_plan", "window_of"]

ANSWER_ROOM = 8_192
"""Tokens that a window should have left for the answer, …"""
ANSWER_SHARE = 8
"""… but never more than this part of it."""


_MOST_KEPT = 32
_planned: dict[str, tuple[Settings, Plan]] = {}
"""The last answers of `plan_for`, by name: settings never change in place, and a session asks for a handful of models."""


def plan_for(asked: str, settings: Settings, catalog: Catalog | None) -> Plan:
    """Where a request for `asked` goes. The catalogue only helps to suggest names: one that it lacks may still exist.

    Raises `UnknownModel` with the nearest names.
    """
    known = _planned.get(asked)
    if known is not None and known[0] is settings:
        return known[1]
    plan = _plan_for(asked, settings, catalog)
    if len(_planned) >= _MOST_KEPT:
        _planned.clear()
    _planned[asked] = settings, plan
    return plan


def _plan_for(asked: str, settings: Settings, catalog: Catalog | None) -> Plan:
    found = resolve(asked, settings, catalog.slugs if catalog else ())
    routes = _routes(found.slug, found.host, found.role, settings)
    for name in fallbacks_of(found.role, settings):
        other = resolve(name, settings)
        routes += [route for route in _routes(other.slug, other.host, found.role, settings) if route not in routes]
    if settings.models.long_context is not None:
        longest = resolve(settings.models.long_context, settings)
        spare = [
            msgspec.structs.replace(route, spare=True)
            for route in _routes(longest.slug, longest.host, found.role, settings)
            if route not in routes
        ]
        routes += spare
    return Plan(asked=asked, role=found.role, routes=tuple(routes), reason=found.reason)


def vision_plan(settings: Settings) -> Plan | None:
    """Who describes pictures for models that see none; None when nobody was named. Raises `UnknownModel`."""
    name = settings.models.vision
    if name is None:
        return None
    found = resolve(name, settings)
    routes = _routes(found.slug, found.host, "background", settings)
    return Plan(asked=name, role="background", routes=tuple(routes), reason=f"models.vision is {name}")


def for_length(plan: Plan, tokens: int, settings: Settings, catalog: Catalog | None) -> Plan:
    """The plan for a request of about so many tokens: one that its model cannot hold goes to the long one at once."""
    spare = [route for route in plan.routes if route.spare]
    window = window_of(plan.routes[0], settings, catalog)
    if not spare or window is None or tokens <= window - min(ANSWER_ROOM, window // ANSWER_SHARE):
        return plan
    longest = window_of(spare[0], settings, catalog)
    if longest is not None and longest <= window:
        return plan
    first = [msgspec.structs.replace(route, spare=False) for route in spare]
    rest = [route for route in plan.routes if not route.spare]
    reason = f"about {tokens} tokens are too many for {plan.routes[0].slug} ({window}): models.long_context"
    return msgspec.structs.replace(plan, routes=(*first, *rest), reason=reason)


def window_of(route: Route, settings: Settings, catalog: Catalog | None) -> int | None:
    """Tokens that the model of a route takes; None when nobody knows."""
    if route.provider == DEFAULT_HOST:
        return catalog.window_of(route.slug) if catalog else None
    provider = settings.providers.get(route.provider)
    told = provider.models.get(route.slug) if provider else None
    return told.context_window if told else None


def _routes(slug: str, host: str, role: str, settings: Settings) -> list[Route]:
    path = choose_path(slug, host, settings).path
    if host != DEFAULT_HOST:
        return [Route(provider=host, slug=slug, path=path)]
    wanted = preferences_for(role, slug, settings)
    bodies = provider_objects(wanted)
    return [
        Route(provider=host, slug=slug, path=path, preferences=body, turn=body["only"][0] if wanted.order else "")
        for body in bodies
    ]
