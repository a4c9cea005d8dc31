"""Where a strict order of providers is kept: a conversation stays with the provider that answered it.

Its prompt cache is there. The pin is dropped when that provider fails in a way that another one may not; from then on the order
counts again from its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from claude_or.routing.ask import Replier, Route

MOST: Final = 1_000
"""Conversations that are remembered; the oldest is forgotten first."""

Place = tuple[Route, Replier]


@dataclass(slots=True)
class Pins:
    """Those of one session: conversation, host and model → the provider."""

    known: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def ordered(self, routes: Sequence[Place], conversation: str) -> list[Place]:
        """The routes with the pinned provider of each model in front of its others."""
        found: list[Place] = []
        for place in routes:
            route = place[0]
            if route.turn and self.known.get((conversation, route.provider, route.slug)) == route.turn:
                first = next(n for n, (other, _) in enumerate([*found, place]) if _model(other) == _model(route))
                found.insert(first, place)
            else:
                found.append(place)
        return found

    def answered(self, route: Route, conversation: str) -> None:
        """This route answered."""
        if route.turn:
            self.known[conversation, route.provider, route.slug] = route.turn
            if len(self.known) > MOST:
                del self.known[next(iter(self.known))]

    def failed(self, route: Route, conversation: str) -> None:
        """This route failed."""
        key = (conversation, route.provider, route.slug)
        if route.turn and self.known.get(key) == route.turn:
            del self.known[key]


def _model(route: Route) -> tuple[str, str]:
    return route.provider, route.slug
