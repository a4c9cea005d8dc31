"""The only place that says which wrappers an answer passes and in which order.

    Once( Fallback( route → Structured( WebSearch( Sight( Guarded( Meter( leaf ) ) ) ) ) , route → … ) )

Wrappers that depend on a model's abilities stand inside the fallback, which may change the model; the meter stands innermost and
sees every call; a breaker stands around it, since a call that is not made costs nothing. A chain holds no state of its own, so it is built anew for each request from the settings of that moment; what
must last longer than a request (the tally, the pool, the breakers) is in `Parts`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Provider, ProviderModel, Settings
from claude_or.config.search_sources import OWN_HOST
from claude_or.reply.absent import Absent
from claude_or.reply.breaker import Breakers, Guarded
from claude_or.reply.budget import Budget
from claude_or.reply.fallback import Fallback
from claude_or.reply.meter import Charge, Meter
from claude_or.reply.once import Once, Requests
from claude_or.reply.pins import Pins
from claude_or.reply.scales import Scales
from claude_or.reply.sight import Album, Sight
from claude_or.reply.structured import Structured
from claude_or.reply.web_search import WebSearch
from claude_or.routing.ask import Plan, Replier, Route
from claude_or.routing.catalog import Catalog, ModelInfo
from claude_or.routing.own_prices import own_price
from claude_or.routing.plan import vision_plan, window_of
from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.tokens import Measure, Weigh
from claude_or.translate.web_search import Search
from claude_or.upstream.chat import ChatReplier
from claude_or.upstream.hosts import limits_for
from claude_or.upstream.ids import NewId, random_id
from claude_or.upstream.native import NativeReplier
from claude_or.upstream.openrouter import OpenRouter
from claude_or.upstream.pdf import pdf_text
from claude_or.wire.anthropic import MessagesRequest
from claude_or.wire.events import Usage


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What chains are made of. `hosts` by `Route.provider`, `missing` why one is not there; `settings` and `catalog` give those of the moment."""

    hosts: Mapping[str, OpenRouter]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Callable[[], Settings]
    catalog: Callable[[], Catalog | None]
    charge: Callable[[Charge], None]
    budget: Budget | None = None
    search: Search | None = None
    new_id: NewId = random_id
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    breakers: Breakers = field(default_factory=Breakers)
    requests: Requests = field(default_factory=Requests)
    pins: Pins = field(default_factory=Pins)
    scales: Scales = field(default_factory=Scales)
    album: Album = field(default_factory=Album)
    refusing: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Host and slug of models that were found to take no JSON schema."""
    blind: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """The same of those that were found to take no pictures."""


def assemble(plan: Plan, parts: Parts) -> Replier:
    """Who answers a request of this plan."""
    routes = [(route, _answering(route, _guarded(route, parts), parts)) for route in plan.routes]
    return Once(inner=_fallback(routes, parts, parts.pins), requests=parts.requests)


def _fallback(routes: list[tuple[Route, Replier]], parts: Parts, pins: Pins) -> Fallback:
    return Fallback(
        routes=routes,
        attempts=parts.settings().limits.attempts,
        window_of=lambda route: window_of(route, parts.settings(), parts.catalog()),
        pins=pins,
        sleep=parts.sleep,
        clock=parts.clock,
        random=parts.random,
    )


def _guarded(route: Route, parts: Parts) -> Replier:
    return Guarded(inner=_metered(route, parts), route=route, breakers=parts.breakers)


def _answering(route: Route, inner: Replier, parts: Parts) -> Replier:
    """What the route's model or host cannot do, around who does the rest."""
    searching = _searching(route, _seeing(route, inner, parts), parts)
    settings = parts.settings()
    if not settings.structured_output.check:
        return searching
    return Structured(
        inner=searching,
        profile=profile_of(route, parts.catalog(), settings),
        route=route,
        retries=settings.structured_output.retries,
        refusing=parts.refusing,
    )


def _seeing(route: Route, inner: Replier, parts: Parts) -> Replier:
    profile = seen_by(profile_of(route, parts.catalog(), parts.settings()), parts.settings())
    if route.path == "native" or (profile.files and profile.images):
        return inner
    plan = eyes_for(profile, parts.settings(), parts.catalog())
    if plan and (plan.routes[0].provider, plan.routes[0].slug) in parts.blind:
        plan = None
    # Pins of their own: who describes a picture says nothing about who answers the conversation.
    eyes = _fallback([(other, _guarded(other, parts)) for other in plan.routes], parts, Pins()) if plan else None
    place = (route.provider, route.slug)
    return Sight(
        inner=inner,
        profile=profile,
        album=parts.album,
        read=pdf_text,
        place=place,
        blind=parts.blind,
        eyes=eyes,
        plan=plan,
    )


def seen_by(profile: ModelProfile, settings: Settings) -> ModelProfile:
    """What is put into words is what this profile cannot take; with `sight.pdf_text` off a PDF stays what it is."""
    return profile if settings.sight.pdf_text else msgspec.structs.replace(profile, files=True)


def eyes_for(profile: ModelProfile, settings: Settings, catalog: Catalog | None) -> Plan | None:
    """Who describes pictures for a model, should it see none; None for one that sees, and where nobody is named who is known to
    see better."""
    plan = None if profile.images else vision_plan(settings)
    if plan is None or profile_of(plan.routes[0], catalog, settings).images is False:
        return None  # a model that sees nothing either would make something up
    return plan


def _searching(route: Route, inner: Replier, parts: Parts) -> Replier:
    source = search_source(route, parts.settings())
    if not source:
        return inner
    search = None if source == "off" else parts.search
    return WebSearch(inner=inner, search=search, native=route.path == "native", new_id=parts.new_id)


def search_source(route: Route, settings: Settings) -> str:
    """Who searches the web for this route in place of its host; empty for the host. `off` holds for all.

    Claude models have a search of their own on the native path, and OpenRouter has one there for all; other hosts that
    speak the API seldom do.
    """
    source = settings.web_search.source
    if source == OWN_HOST:
        return ""
    searches = route.provider == DEFAULT_HOST or profile_of(route, None, settings).own_blocks
    return "" if route.path == "native" and searches and source != "off" else source


def _metered(route: Route, parts: Parts) -> Replier:
    catalog = parts.catalog()

    def price(slug: str, usage: Usage) -> Decimal | None:
        if route.provider != DEFAULT_HOST:
            # Elsewhere the same name may cost something else, or nothing.
            own = own_price(parts.settings().providers.get(route.provider) or Provider(), slug)
            return own.cost(usage) if own else None
        if catalog is None or catalog.is_bundled:  # no cap can be kept by what it once cost
            return None
        return catalog.price(slug, usage)

    # Measuring a long request takes milliseconds, so what the leaf found is kept until the answer's usage is known.
    measured: list[tuple[MessagesRequest, Measure]] = []

    def weigh(request: MessagesRequest, found: Measure) -> int:
        measured[:] = [(request, found)]
        return parts.scales.weigh(request, found, route.slug)

    def charge(made: Charge) -> None:
        found = next((found for request, found in measured if made.ask and made.ask.request is request), None)
        parts.scales.learn(made, profile_of(route, catalog, parts.settings()), found)
        parts.charge(made)

    return Meter(inner=_leaf(route, parts, weigh), route=route, charge=charge, price=price, budget=parts.budget)


def _leaf(route: Route, parts: Parts, weigh: Weigh) -> Replier:
    """Who asks the host: the path of the route decides."""
    host = parts.hosts.get(route.provider)
    if host is None:
        return Absent(route=route, why=parts.missing.get(route.provider, "it is not configured"))
    catalog, settings = parts.catalog(), parts.settings()
    elsewhere = settings.providers.get(route.provider)
    leaf = NativeReplier if route.path == "native" else ChatReplier
    return leaf(
        host=host,
        route=route,
        profile=profile_of(route, catalog, settings),
        limits=limits_for(elsewhere, settings.limits),
        new_id=parts.new_id,
        # The listing is OpenRouter's: its names mean nothing elsewhere.
        nearest=catalog.nearest if catalog and elsewhere is None else lambda _slug: (),
        weigh=weigh,
    )


def profile_of(route: Route, catalog: Catalog | None, settings: Settings) -> ModelProfile:
    """How to talk to the model of a route, as far as the listing or the configuration knows it."""
    if route.provider != DEFAULT_HOST:
        return _profile_elsewhere(route, settings.providers.get(route.provider) or Provider())
    known = catalog.get(route.slug) if catalog else None
    facts = facts_of(known) if known else None
    if facts and catalog and catalog.is_bundled:
        # Which fields a model takes changes most often, and one that is left out is missed more than one too many.
        facts = msgspec.structs.replace(facts, parameters=None)
    return profile_for(route.slug, facts)


_MESSAGES_HOST: Final = {
    "explicit_cache": True,
    "tool_marks": True,
    "files": True,
    "budget": True,
    "refused": frozenset[str](),
}
"""What a host that speaks the client's own API takes, unlike one of chat completions."""


def _profile_elsewhere(route: Route, provider: Provider) -> ModelProfile:
    told = provider.models.get(route.slug) or ProviderModel()
    facts = ModelFacts(
        context=told.context_window,
        max_output=told.max_output,
        inputs=None if told.images is None else frozenset({"text", "image"} if told.images else {"text"}),
        # Servers refuse the field for models that cannot think, and nobody else knows which can.
        reasons=told.reasoning if provider.kind == "chat" else None,
        efforts=("high", "medium", "low") if told.reasoning else (),
    )
    if provider.kind == "anthropic":
        return profile_for(route.slug, facts, openrouter=False, host=_MESSAGES_HOST)
    quirks = {"stream_options": provider.stream_options, "output_field": provider.output_field}
    return profile_for(route.slug, facts, openrouter=False, host=quirks)


def facts_of(model: ModelInfo) -> ModelFacts:
    """What the listing says, in the words of the profiles."""
    thinking = model.reasoning
    return ModelFacts(
        context=model.window,
        max_output=model.max_output,
        inputs=frozenset(model.inputs) or None,
        parameters=frozenset(model.parameters) or None,
        reasons=model.reasons,
        mandatory_reasoning=thinking.mandatory if thinking else False,
        efforts=thinking.efforts if thinking else None,
        reasoning_budget=thinking.max_tokens if thinking else None,
    )
