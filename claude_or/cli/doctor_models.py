"""Doctor's look at the models of the roles: is each one listed, fit for Claude Code, here to stay, and does somebody serve it now?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from claude_or.cli.models import (
    ROLES_WITHOUT_TOOLS,
    Listing,
    by_model,
    listing_findings,
    newest,
    price_text,
    role_findings,
    tokens_text,
)
from claude_or.cli.one_model import endpoints_of
from claude_or.cli.result import Finding
from claude_or.config.folders import cache_folder
from claude_or.config.key import Key
from claude_or.config.load import Loaded
from claude_or.routing.catalog import Catalog, ModelInfo
from claude_or.routing.endpoints import Endpoint
from claude_or.routing.names import roles
from claude_or.upstream.catalogue import Get, Unreachable, bundled, is_stale, read_catalog

Served = dict[str, tuple[Endpoint, ...] | str]
"""Slug → its providers, or why they are not known."""


async def check_models(
    loaded: Loaded, key: Key | None, environ: Mapping[str, str], now: float, within_s: float
) -> list[Finding]:
    """Whether the chosen models exist and can do what Claude Code needs. A request has `within_s` seconds."""
    listing = await _listing(loaded, key, environ, now, within_s)
    found = [*listing_findings(listing, now), *role_findings(loaded.settings, listing.catalog, now)]
    if not listing.catalog or listing.catalog.is_bundled:
        return found
    named = by_model(roles(loaded.settings))
    known = {slug: info for slug in named if (info := listing.catalog.get(slug))}
    served = await _served(known, loaded.settings.openrouter.base_url, key, within_s) if not listing.trouble else {}
    found += [one for slug, answer in served.items() for one in _served_findings(slug, named[slug], answer)]
    if known and not any(one.check == "models" and one.level in {"error", "warn"} for one in found):
        text = f"{', '.join(known)}: listed, with tools where they are needed"
        found.append(Finding("ok", "models", text, _facts(known, listing.catalog, served)))
    return found


async def _listing(loaded: Loaded, key: Key | None, environ: Mapping[str, str], now: float, within_s: float) -> Listing:
    base_url, folder = loaded.settings.openrouter.base_url, cache_folder(environ)
    cached = read_catalog(folder, base_url)
    if not is_stale(cached, now):
        return Listing(cached)
    try:
        return Listing(await newest(base_url, key.value if key else None, folder, now, within_s))
    except Unreachable as error:
        return Listing(cached or bundled(), str(error))


async def _served(known: Mapping[str, ModelInfo], base_url: str, key: Key | None, within_s: float) -> Served:
    """The providers of each model, asked for side by side."""
    from claude_or.upstream.probe import probing

    async def ask(get: Get, info: ModelInfo) -> tuple[Endpoint, ...] | str:
        try:
            return await endpoints_of(info.alias_target or info.slug, get)
        except Unreachable as error:
            return str(error)

    async with probing(base_url, key.value if key else None, timeout_s=within_s) as get:
        answers = await asyncio.gather(*(ask(get, info) for info in known.values()))
    return dict(zip(known, answers, strict=True))


def _served_findings(slug: str, names: list[str], answer: tuple[Endpoint, ...] | str) -> list[Finding]:
    """What is wrong with the providers of one model; nothing where the host does not tell."""
    if isinstance(answer, str):
        return []
    served = f"{slug} ({', '.join(names)})"
    show = f"`claude-or models show {slug}` tells who serves it; another model, or one below `fallbacks`, goes on."
    if not answer:
        return [Finding("error", "models", f"no provider serves {served} now", "", show)]
    up = [one for one in answer if one.is_up]
    if not up:
        who = "its one provider is" if len(answer) == 1 else f"all {len(answer)} providers are"
        return [Finding("warn", "models", f"{served} may not answer: {who} in trouble", _told(answer), show)]
    if not set(names) <= ROLES_WITHOUT_TOOLS and not any(one.tools for one in up):
        return [Finding("warn", "models", f"no provider of {served} that is up takes tools", _told(answer), show)]
    return []


def _told(answer: tuple[Endpoint, ...]) -> str:
    return "\n".join(
        f"{one.tag or one.provider}: {'up' if one.is_up else 'in trouble'}"
        + (f", {one.uptime_now:.0f} % of the last half hour" if one.uptime_now is not None else "")
        for one in answer
    )


def _facts(known: Mapping[str, ModelInfo], catalog: Catalog, served: Served) -> str:
    """A line for each model: window, price, providers."""
    lines: list[str] = []
    for slug, info in known.items():
        rates, answer = info.price.rates, served.get(slug, "not asked")
        says = (
            f"not known ({answer})"
            if isinstance(answer, str)
            else f"{sum(one.is_up for one in answer)} of {len(answer)} up"
        )
        price = f"${price_text(rates.prompt)} in, ${price_text(rates.completion)} out"
        lines.append(f"{slug}: window {tokens_text(info.window)}, {price} per million tokens, providers: {says}")
    return "\n".join([*lines, f"source: the host's list of {len(catalog.models)} models"])
