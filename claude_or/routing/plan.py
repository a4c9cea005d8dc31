"""From the name in a request to the routes that will be tried, with the reason.

The decisions about names stand in `routing/names.py`; here they become a `Plan`, the form that the reply chain works with.
"""

from __future__ import annotations

from claude_or.config.schema import Settings
from claude_or.routing.ask import Plan, Route
from claude_or.routing.catalog import Catalog
from claude_or.routing.names import RoleChoice, UnknownModel, resolve, roles
from claude_or.routing.paths import choose_path

__all__ = ["RoleChoice", "UnknownModel", "plan_for", "roles"]


def plan_for(asked: str, settings: Settings, catalog: Catalog | None) -> Plan:
    """Where a request for `asked` goes. The catalogue only helps to suggest names: one that it lacks may still exist.

    Raises `UnknownModel` with the nearest names.
    """
    found = resolve(asked, settings, catalog.slugs if catalog else ())
    route = Route(provider=found.host, slug=found.slug, path=choose_path(found.slug, found.host, settings).path)
    return Plan(asked=asked, role=found.role, routes=(route,), reason=found.reason)
