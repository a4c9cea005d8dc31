"""`claude-or models search` and `refresh`: what there is to choose from, by the kept list of models and with its age."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_or.cli.known import abilities, rates_data
from claude_or.cli.models import (
    MODEL_COLUMNS,
    Listing,
    current_listing,
    key_or_none,
    listing_data,
    listing_findings,
    newest,
    price_text,
    tokens_text,
)
from claude_or.cli.result import CommandResult, Finding, Table
from claude_or.config.folders import cache_folder
from claude_or.config.load import load
from claude_or.errors import EXIT_USAGE, ClaudeOrError
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
    rows = tuple(
        (
            f"{info.slug}\nnow {info.alias_target}" if info.alias_target else info.slug,
            tokens_text(info.window),
            tokens_text(info.max_output),
            *price_cells(info.price.rates, is_free=info.is_free),
            " ".join(word for word, can in abilities(info).items() if can) or "text only",
        )
        for info in found
    )
    return Table("Models, with prices in US dollars per million tokens", MODEL_COLUMNS, rows)


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


def refresh(environ: Mapping[str, str], cwd: str, now: float) -> CommandResult:
    """Fetch the list of models now, however young the kept one is."""
    import asyncio

    loaded = load(environ, cwd)
    folder, base_url = cache_folder(environ), loaded.settings.openrouter.base_url
    try:
        catalog = asyncio.run(newest(base_url, key_or_none(environ, loaded.settings), folder, now, REFRESH_PATIENTLY_S))
    except Unreachable as error:
        kept = "The list kept before stays in use." if read_catalog(folder, base_url) else "Try again with a network."
        finding = Finding("error", "listing", f"not refreshed: {error}", "", kept)
        return CommandResult("models refresh", findings=(finding,), exit_code=1)
    findings = listing_findings(Listing(catalog), now)
    kept = read_catalog(folder, base_url)
    if kept is None or kept.fetched_at != catalog.fetched_at:
        text = f"the list could not be kept in {folder}"
        findings.append(Finding("warn", "cache", text, "", "Is the disk full or read-only?"))
    return CommandResult("models refresh", data={"listing": listing_data(catalog, now)}, findings=tuple(findings))
