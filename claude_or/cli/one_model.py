"""`claude-or models show`: one model, whatever it is called here, with everybody who serves it.

A role, an alias or `host:model` is followed first. What OpenRouter lists is told from the kept list, and its providers are asked for
at once; of a model elsewhere only the configuration can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from claude_or.cli.known import abilities, facts_data, known_of, rates_data
from claude_or.cli.market import model_data, price_cells
from claude_or.cli.models import (
    REFRESH_WITHIN_S,
    current_listing,
    key_or_none,
    listing_data,
    listing_findings,
    tokens_text,
)
from claude_or.cli.result import Column, CommandResult, Finding, Table, exit_code_of
from claude_or.config.load import Loaded, Overrides, load
from claude_or.config.names import DEFAULT_HOST
from claude_or.config.ready import host_named
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.routing.endpoints import Endpoint, parse_endpoints
from claude_or.routing.names import ROUTING_VARIANTS, Resolved, UnknownModel, resolve, slug_of, written
from claude_or.session.facts import ASSUMED_WINDOW
from claude_or.upstream.catalogue import Get, Unreachable

if TYPE_CHECKING:
    from claude_or.routing.catalog import ModelInfo, Rates


def show(name: str, environ: Mapping[str, str], cwd: str, now: float) -> CommandResult:
    """One model with its providers. Raises `ClaudeOrError` when the list does not know it."""
    # A ready host is there once something of its own is named.
    loaded = load(environ, cwd, Overrides(big=name) if host_named(name) else None)
    meant = _meant(name, loaded)
    if meant is not None and meant.host != DEFAULT_HOST:
        return _show_elsewhere(meant, loaded)
    listing = current_listing(environ, loaded, now)
    catalog, slug = listing.catalog, meant.slug if meant else slug_of(name)
    info = catalog.get(slug) if catalog else None
    near = catalog.nearest(slug) if catalog else ()
    perhaps = f"Did you mean {' or '.join(near)}?" if near else ""
    # The facts in the wheel are of some models only, but what has no author is no slug at all.
    if info is None and (meant is None or (catalog and not catalog.is_bundled)):
        hint = perhaps or "`claude-or models search TEXT` looks for one."
        raise ClaudeOrError(f"{slug} is not in the list of models", hint=hint, exit_code=EXIT_USAGE)
    endpoints, trouble = _endpoints(info.slug if info else slug, environ, loaded)
    findings = [*listing_findings(listing, now), *_variant_findings(slug, info), *_name_findings(name, meant)]
    if info is None:
        findings.append(Finding("note", "models", f"of {slug} nothing is known without the list", "", perhaps))
    if trouble:
        findings.append(Finding("warn", "providers", f"its providers could not be asked: {trouble}"))
    elif not endpoints:
        findings.append(Finding("warn", "providers", "no provider serves it at present"))
    return CommandResult(
        "models show",
        data={
            "model": model_data(info) if info else None,
            "endpoints": [_endpoint_data(endpoint) for endpoint in endpoints] if not trouble else None,
            "listing": listing_data(catalog, now),
        },
        tables=tuple(table for table in (_facts_table(info), _endpoints_table(endpoints)) if table),
        findings=tuple(findings),
        exit_code=exit_code_of(tuple(findings)),
    )


def _meant(name: str, loaded: Loaded) -> Resolved | None:
    """What a role, an alias or `host:model` stands for; None for what only the listing can tell."""
    if name.replace(" ", "_") in {"long_context", "vision"}:
        name = getattr(loaded.settings.models, name.replace(" ", "_")) or name
    try:
        return resolve(name, loaded.settings)
    except UnknownModel:
        return None


def _name_findings(name: str, meant: Resolved | None) -> list[Finding]:
    return (
        []
        if meant is None or slug_of(name) == meant.slug
        else [Finding("note", "name", f"{meant.slug} ({meant.reason})")]
    )


def _show_elsewhere(meant: Resolved, loaded: Loaded) -> CommandResult:
    """A model of a host of the user's own, of which the configuration alone can tell."""
    known = known_of(meant.slug, meant.host, loaded.settings, None)
    host = loaded.settings.providers[meant.host]
    rows = (
        ("host", f"{meant.host}, {host.base_url}" if host.kind != "litellm" else meant.host),
        ("window", tokens_text(known.window) if known.window else f"{tokens_text(ASSUMED_WINDOW)}? (nobody told it)"),
        ("output", tokens_text(known.max_output)),
        ("price", "?"),
        ("can", known.can),
    )
    name = written(meant.slug, meant.host)
    path = f"`providers.{meant.host}.models` in the configuration tells window, output limit and abilities."
    findings = (
        Finding("note", "host", f"of {name} only the configuration can tell", "", "" if known.window else path),
    )
    return CommandResult(
        "models show",
        data={
            "model": {"slug": meant.slug, "host": meant.host, **facts_data(known)},
            "endpoints": None,
            "listing": None,
        },
        tables=(Table(name, (Column("fact"), Column("value", is_prose=True)), rows),),
        findings=findings,
    )


def _variant_findings(slug: str, info: ModelInfo | None) -> list[Finding]:
    variant = slug.rpartition(":")[2] if ":" in slug else ""
    if info is None or variant not in ROUTING_VARIANTS:
        return []
    return [
        Finding("note", "variant", f":{variant} only says how to route; limits and prices are those of {info.slug}")
    ]


async def endpoints_of(slug: str, get: Get) -> tuple[Endpoint, ...]:
    """Who serves the model, as the host says. Raises `Unreachable` when it does not say."""
    answer = await get(f"/models/{quote(slug, safe='/:~@')}/endpoints", {})
    if answer.status != 200:
        raise Unreachable(f"the answer had status {answer.status}")
    try:
        return parse_endpoints(answer.body)
    except ValueError:
        raise Unreachable("the answer was no list of endpoints") from None


def _endpoints(slug: str, environ: Mapping[str, str], loaded: Loaded) -> tuple[tuple[Endpoint, ...], str]:
    """The model's providers, or why they are not known."""
    import asyncio

    base_url = loaded.settings.openrouter.base_url

    async def ask() -> tuple[Endpoint, ...]:
        from claude_or.upstream.probe import probing

        async with probing(base_url, key_or_none(environ, loaded.settings), timeout_s=REFRESH_WITHIN_S) as get:
            return await endpoints_of(slug, get)

    try:
        return asyncio.run(ask()), ""
    except Unreachable as error:
        return (), str(error)


def _facts_table(info: ModelInfo | None) -> Table | None:
    if info is None:
        return None
    rates, thinking = info.price.rates, info.reasoning
    prices = price_cells(rates, is_free=info.is_free)
    rows = [
        ("name", info.name),
        ("stands for", info.alias_target),
        ("window", tokens_text(info.window) + _larger(info)),
        ("output", tokens_text(info.max_output)),
        (
            "price",
            "free" if info.is_free else f"{prices[0]} in, {prices[1]} out, {prices[2]} cached (US dollars per million)",
        ),
        *(
            (f"from {tokens_text(step.min_prompt_tokens)}", _step_text(step.rates))
            for step in info.price.overrides
            if not step.timed
        ),
        ("can", ", ".join(word for word, can in abilities(info).items() if can) or "text only"),
        ("reads", ", ".join(info.inputs)),
        ("efforts", ", ".join((thinking.efforts or ()) if thinking else ())),
        ("parameters", ", ".join(info.parameters)),
        ("goes away", info.expires),
    ]
    return Table(
        info.slug, (Column("fact"), Column("value", is_prose=True)), tuple((key, told) for key, told in rows if told)
    )


def _larger(info: ModelInfo) -> str:
    larger = info.context if info.context and info.window and info.context > info.window else None
    return f" (the model's own is {tokens_text(larger)}; its first provider takes less)" if larger else ""


def _step_text(rates: Rates) -> str:
    prices = price_cells(rates)
    return f"{prices[0]} in, {prices[1]} out"


def _endpoints_table(endpoints: tuple[Endpoint, ...]) -> Table | None:
    if not endpoints:
        return None
    numbers = {"window": 0, "output": 3, "in": 0, "out": 0, "cached": 2, "up %": 0, "tok/s": 1}
    titled = (Column(title, is_number=True, minor=minor) for title, minor in numbers.items())
    columns = (Column("provider"), *titled, Column("tools"))
    rows = tuple(
        (
            endpoint.tag or endpoint.provider,
            tokens_text(endpoint.window),
            tokens_text(endpoint.max_output),
            *price_cells(endpoint.rates),
            "?" if endpoint.uptime is None else f"{endpoint.uptime:.1f}",
            "?" if endpoint.tokens_per_s is None else f"{endpoint.tokens_per_s:.0f}",
            "yes" if endpoint.tools else "no",
        )
        for endpoint in endpoints
    )
    return Table("Providers", columns, rows)


def _endpoint_data(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "provider": endpoint.provider,
        "tag": endpoint.tag or None,
        "quantization": endpoint.quantization or None,
        "window": endpoint.window,
        "max_output": endpoint.max_output,
        "usd_per_million": rates_data(endpoint.rates),
        "tools": endpoint.tools,
        "caches": endpoint.caches,
        "uptime_percent": endpoint.uptime,
        "latency_ms": endpoint.latency_ms,
        "tokens_per_second": endpoint.tokens_per_s,
        "parameters": list(endpoint.parameters),
    }
