"""`claude-or models search`, `show` and `refresh`: what there is to choose from.

All three read the kept list of models and say how old it is; `show` asks the host for the model's providers as well, and does
without them when nobody answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from claude_or.cli.known import abilities, rates_data
from claude_or.cli.models import (
    REFRESH_WITHIN_S,
    Listing,
    current_listing,
    listing_data,
    listing_findings,
    newest,
    price_text,
    tokens_text,
)
from claude_or.cli.result import Column, CommandResult, Finding, Table, exit_code_of
from claude_or.config.folders import cache_folder
from claude_or.config.key import find_key
from claude_or.config.load import Loaded, load
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.routing.endpoints import Endpoint, parse_endpoints
from claude_or.routing.names import ROUTING_VARIANTS, slug_of
from claude_or.upstream.catalogue import Unreachable, read_catalog

if TYPE_CHECKING:
    from claude_or.routing.catalog import Catalog, ModelInfo, Rates

REFRESH_PATIENTLY_S = 30.0
FAR = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. `max_price` is in US dollars per million input tokens, `min_context` in tokens."""

    text: str = ""
    max_price: Decimal | None = None
    min_context: int | None = None
    images: bool = False
    reasoning: bool = False
    free: bool = False
    without_tools: bool = False
    sort: str = "match"
    limit: int = 30


def search(asked: Search, environ: Mapping[str, str], cwd: str, now: float) -> CommandResult:
    """The models that fit, best first. Raises `ClaudeOrError` for an unknown order and a wrong configuration."""
    if asked.sort not in _ORDERS:
        raise ClaudeOrError(
            f"unknown order {asked.sort!r}", hint=f"It is one of {', '.join(_ORDERS)}.", exit_code=EXIT_USAGE
        )
    listing = current_listing(environ, load(environ, cwd), now)
    found = _matching(asked, listing.catalog)
    shown = found[: asked.limit]
    findings = (*listing_findings(listing, now), *_search_findings(asked, listing.catalog, len(found), len(shown)))
    return CommandResult(
        "models search",
        data={
            "found": len(found),
            "models": [model_data(info) for info in shown],
            "listing": listing_data(listing.catalog, now),
        },
        tables=(_models_table(shown),) if shown else (),
        findings=findings,
        # Like grep: nothing found is told by the code, too.
        exit_code=0 if found else 1,
    )


def _matching(asked: Search, catalog: Catalog | None) -> list[ModelInfo]:
    words = asked.text.lower().split()
    found = [info for info in (catalog.models if catalog else ()) if _fits(info, words, asked)]
    order = _ORDERS[asked.sort]
    return sorted(found, key=lambda info: (*order(info, words), info.slug))


def _fits(info: ModelInfo, words: list[str], asked: Search) -> bool:
    told = f"{info.slug} {info.name} {info.alias_target}".lower()
    price = info.price.rates.prompt
    return (
        all(word in told or _letters(word) in _letters(told) for word in words)
        and (info.tools or asked.without_tools)
        and (asked.max_price is None or (price is not None and price * 1_000_000 <= asked.max_price))
        and (asked.min_context is None or (info.window or 0) >= asked.min_context)
        and (info.images or not asked.images)
        and (info.reasons or not asked.reasoning)
        and (info.is_free or not asked.free)
    )


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum()) or text


def _by_match(info: ModelInfo, words: list[str]) -> tuple[Any, ...]:
    """Who is called so comes before whose name only holds it; then the newest."""
    tail = info.slug.rpartition("/")[2].lower()
    wanted = "".join(map(_letters, words))
    return (not _letters(tail).startswith(wanted), -info.created)


_ORDERS: dict[str, Callable[[ModelInfo, list[str]], tuple[Any, ...]]] = {
    "match": _by_match,
    "price": lambda info, _: (_known(info.price.rates.prompt), _known(info.price.rates.completion)),
    "output-price": lambda info, _: (_known(info.price.rates.completion),),
    "context": lambda info, _: (-(info.window or 0),),
    "newest": lambda info, _: (-info.created,),
    "name": lambda _info, _words: (),
}
"""Orders by name; each ends with the slug, so that the same list always comes out."""
SORTS = tuple(_ORDERS)


def _known(price: Decimal | None) -> Decimal:
    return FAR if price is None else price


def _search_findings(asked: Search, catalog: Catalog | None, found: int, shown: int) -> list[Finding]:
    if catalog is None:
        return []
    if found > shown:
        return [Finding("note", "search", f"{found} models fit, {shown} are shown", "", "`--limit` shows more.")]
    if found:
        return []
    near = catalog.nearest(asked.text) if asked.text else ()
    fix = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else "Fewer words or filters find more; `--all` adds those without tools."
    )
    return [Finding("warn", "search", "no model fits", "", fix)]


def _models_table(found: list[ModelInfo]) -> Table:
    numbers = (Column(title, is_number=True) for title in ("window", "output", "in", "out", "cached"))
    columns = (Column("model"), *numbers, Column("can", is_prose=True))
    rows = tuple(
        (
            f"{info.slug}\n  now {info.alias_target}" if info.alias_target else info.slug,
            tokens_text(info.window),
            tokens_text(info.max_output),
            *price_cells(info.price.rates, is_free=info.is_free),
            " ".join(word for word, can in abilities(info).items() if can) or "text only",
        )
        for info in found
    )
    return Table("Models, with prices in US dollars per million tokens", columns, rows)


def price_cells(rates: Rates, *, is_free: bool = False) -> tuple[str, ...]:
    """Input, output and cached input, for a table."""
    return (
        ("free", "", "")
        if is_free
        else tuple(price_text(rate) for rate in (rates.prompt, rates.completion, rates.input_cache_read))
    )


def model_data(info: ModelInfo) -> dict[str, Any]:
    """One model of the listing, for programs."""
    return {
        "slug": info.slug,
        "name": info.name,
        "alias_target": info.alias_target or None,
        "window": info.window,
        "context": info.context,
        "max_output": info.max_output,
        "usd_per_million": rates_data(info.price.rates),
        **abilities(info),
        "parameters": list(info.parameters),
        "expires": info.expires or None,
    }


def show(slug: str, environ: Mapping[str, str], cwd: str, now: float) -> CommandResult:
    """One model with its providers. Raises `ClaudeOrError` when the list does not know it."""
    loaded = load(environ, cwd)
    listing = current_listing(environ, loaded, now)
    catalog, slug = listing.catalog, slug_of(loaded.settings.aliases.get(slug, slug))
    info = catalog.get(slug) if catalog else None
    if catalog is not None and info is None and not catalog.is_bundled:
        near = catalog.nearest(slug)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`claude-or models search TEXT` looks for one."
        raise ClaudeOrError(f"{slug} is not in the list of models", hint=hint, exit_code=EXIT_USAGE)
    endpoints, trouble = _endpoints(info.slug if info else slug, environ, loaded)
    findings = [*listing_findings(listing, now), *_variant_findings(slug, info)]
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


def _variant_findings(slug: str, info: ModelInfo | None) -> list[Finding]:
    variant = slug.rpartition(":")[2] if ":" in slug else ""
    if info is None or variant not in ROUTING_VARIANTS:
        return []
    return [
        Finding("note", "variant", f":{variant} only says how to route; limits and prices are those of {info.slug}")
    ]


def _endpoints(slug: str, environ: Mapping[str, str], loaded: Loaded) -> tuple[tuple[Endpoint, ...], str]:
    """The model's providers, or why they are not known."""
    import asyncio

    base_url = loaded.settings.openrouter.base_url

    async def ask() -> tuple[Endpoint, ...]:
        from claude_or.upstream.probe import probing

        async with probing(base_url, _key(environ, loaded), timeout_s=REFRESH_WITHIN_S) as get:
            answer = await get(f"/models/{quote(slug, safe='/:~@')}/endpoints", {})
        if answer.status != 200:
            raise Unreachable(f"the answer had status {answer.status}")
        try:
            return parse_endpoints(answer.body)
        except ValueError:
            raise Unreachable("the answer was no list of endpoints") from None

    try:
        return asyncio.run(ask()), ""
    except Unreachable as error:
        return (), str(error)


def _key(environ: Mapping[str, str], loaded: Loaded) -> str | None:
    try:
        return find_key(environ, loaded.settings).value
    except ClaudeOrError:
        return None  # public data needs none


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
    numbers = ("window", "output", "in", "out", "cached", "up %", "tok/s")
    columns = (Column("provider"), *(Column(title, is_number=True) for title in numbers), Column("tools"))
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


def refresh(environ: Mapping[str, str], cwd: str, now: float) -> CommandResult:
    """Fetch the list of models now, however young the kept one is."""
    import asyncio

    loaded = load(environ, cwd)
    folder, base_url = cache_folder(environ), loaded.settings.openrouter.base_url
    try:
        catalog = asyncio.run(newest(base_url, _key(environ, loaded), folder, now, REFRESH_PATIENTLY_S))
    except Unreachable as error:
        finding = Finding("error", "listing", f"not refreshed: {error}", "", "The list kept before stays in use.")
        return CommandResult("models refresh", findings=(finding,), exit_code=1)
    findings = listing_findings(Listing(catalog), now)
    kept = read_catalog(folder, base_url)
    if kept is None or kept.fetched_at != catalog.fetched_at:
        text = f"the list could not be kept in {folder}"
        findings.append(Finding("warn", "cache", text, "", "Is the disk full or read-only?"))
    return CommandResult("models refresh", data={"listing": listing_data(catalog, now)}, findings=tuple(findings))
