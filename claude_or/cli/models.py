"""`claude-or models`: which model each role has, who said so, and what the host's listing says about it.

Answers from the cached listing; a stale one is refreshed when the host answers within two seconds, and used when it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_or.cli.known import Known, facts_data, known_of
from claude_or.cli.result import Column, CommandResult, Finding, Table, exit_code_of
from claude_or.config.folders import cache_folder
from claude_or.config.load import Loaded, Overrides, load
from claude_or.config.names import DEFAULT_HOST, ROLES
from claude_or.config.origin import DEFAULT, Origin
from claude_or.errors import ClaudeOrError
from claude_or.routing.expiry import expiring, models_in_use
from claude_or.routing.names import RoleChoice, hosts_in_use, resolve, roles, written
from claude_or.routing.paths import choose_path
from claude_or.session.facts import ASSUMED_WINDOW
from claude_or.session.keys import key_of
from claude_or.upstream.catalogue import Unreachable, bundled, is_stale, read_catalog, refresh

if TYPE_CHECKING:
    from claude_or.config.schema import Settings
    from claude_or.routing.ask import Role
    from claude_or.routing.catalog import Catalog

REFRESH_WITHIN_S = 2.0
TOO_SMALL_WINDOW = 64_000
"""Below this, Claude Code's first prompt and its reserve for the answer leave hardly any room (at 32K, none)."""
ROLES_WITHOUT_TOOLS = {"small", "background"}
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Listing:
    """The listing to show, and why it could not be refreshed (empty when it was, or needed not be)."""

    catalog: Catalog | None
    trouble: str = ""


def models(environ: Mapping[str, str], cwd: str, overrides: Overrides, now: float) -> CommandResult:
    """Roles, their models and what is known about them. Raises `ClaudeOrError` when the configuration is wrong."""
    loaded = load(environ, cwd, overrides)
    chosen = roles(loaded.settings)
    # Who works with hosts of their own alone is told nothing of OpenRouter's list, and it is not asked for on the side.
    is_asked = DEFAULT_HOST in hosts_in_use(loaded.settings)
    listing = current_listing(environ, loaded, now) if is_asked else Listing(None)
    told = listing_findings(listing, now) if is_asked else ()
    findings = (*told, *role_findings(loaded.settings, listing.catalog, now))
    return CommandResult(
        "models",
        data=_data(chosen, loaded, listing.catalog, now),
        tables=(_roles_table(chosen, loaded), _models_table(loaded, listing.catalog)),
        findings=findings,
        exit_code=exit_code_of(findings),
    )


def current_listing(environ: Mapping[str, str], loaded: Loaded, now: float) -> Listing:
    """The cached listing while it is fresh, else a new one, else the old one or the bundled facts with the reason."""
    folder, base_url = cache_folder(environ), loaded.settings.openrouter.base_url
    cached = read_catalog(folder, base_url)
    if cached and not is_stale(cached, now):
        return Listing(cached)
    import asyncio

    key = key_or_none(environ, loaded.settings)
    try:
        return Listing(asyncio.run(newest(base_url, key, folder, now, REFRESH_WITHIN_S)))
    except Unreachable as error:
        return Listing(cached or bundled(), str(error))


def key_or_none(environ: Mapping[str, str], settings: Settings) -> str | None:
    """The key from wherever a session takes it; None without one, which is enough for what is public."""
    try:
        return key_of(environ, settings).value
    except ClaudeOrError:
        return None


async def newest(base_url: str, key: str | None, folder: str, now: float, within_s: float) -> Catalog:
    """The host's listing of this moment, kept in `folder`. Raises `Unreachable`."""
    import asyncio

    from claude_or.upstream.probe import probing

    try:
        async with asyncio.timeout(within_s), probing(base_url, key, timeout_s=within_s) as get:
            return await refresh(get, folder, base_url, now, with_key=bool(key))
    except TimeoutError:
        raise Unreachable(f"no whole list came within {within_s:g} s") from None


def listing_findings(listing: Listing, now: float) -> list[Finding]:
    """How good the listing is that everything else rests on."""
    if listing.catalog is None:
        return [
            Finding(
                "warn",
                "listing",
                f"no list of models: {listing.trouble}",
                "Windows and prices are unknown; a session would assume a window of 128K.",
                "Try again with a network; the list is then kept for the next time.",
            )
        ]
    if listing.catalog.is_bundled:
        return [
            Finding(
                "warn",
                "listing",
                f"no list of models, only the facts of {listing.catalog.day} that came with claude-or: {listing.trouble}",
                f"They tell of {len(listing.catalog.models)} models; prices and limits may have changed since.",
                "Try again with a network; the list is then kept for the next time.",
            )
        ]
    age = age_text(now - listing.catalog.fetched_at)
    if listing.trouble:
        return [Finding("warn", "listing", f"the list of models was {age}: {listing.trouble}")]
    return [Finding("note", "listing", f"{len(listing.catalog.models)} models, {age}")]


def role_findings(settings: Settings, catalog: Catalog | None, now: float) -> list[Finding]:
    """What is wrong with the chosen models, as far as the listing knows."""
    if catalog is None:
        return []
    stale = is_stale(catalog, now)
    findings: list[Finding] = []
    for slug, names in by_model(roles(settings)).items():
        info = catalog.get(slug)
        served = f"{slug} ({', '.join(names)})"
        if info is None:
            near = f"Did you mean {found[0]}?" if (found := catalog.nearest(slug)) else ""
            if catalog.is_bundled:
                findings.append(Finding("note", "models", f"of {served} nothing is known without the list", "", near))
            elif "@preset/" not in slug:
                fix = near or "`models.…` in the configuration sets another."
                findings.append(
                    Finding("warn" if stale else "error", "models", f"{served} is not in the list", "", fix)
                )
            continue
        works = not set(names) <= ROLES_WITHOUT_TOOLS
        if works and not info.tools:
            text = f"{served} takes no tools; Claude Code cannot work with it"
            findings.append(Finding("error", "models", text, "", "Choose a model that the host lists with tools."))
        if works and info.window and info.window < TOO_SMALL_WINDOW:
            text = f"{served} has a window of {tokens_text(info.window)}, too small for Claude Code"
            findings.append(Finding("warn", "models", text, "", "Choose a model with 64K or more."))
        if info.is_free:
            text = f"{served} is free: hosts of free models often keep prompts and train on them"
            fix = "`preferences: {data_collection: deny}` in the configuration keeps to hosts that do not; see docs/privacy.md."
            findings.append(Finding("note", "models", text, "", fix))
    soon = expiring(settings, catalog, now)
    return findings + [Finding("warn", "models", text, "", "Choose its successor in time.") for text in soon]


def by_model(chosen: Mapping[Role, RoleChoice]) -> dict[str, list[str]]:
    """Slug → roles that have it, for OpenRouter's models."""
    found: dict[str, list[str]] = {}
    for role, choice in chosen.items():
        if choice.host == DEFAULT_HOST:
            found.setdefault(choice.slug, []).append(role)
    return found


def named(chosen: Mapping[Role, RoleChoice], settings: Settings) -> dict[str, RoleChoice]:
    """The roles, and what else the configuration names a model for (`long_context`, `vision`)."""
    found: dict[str, RoleChoice] = dict(chosen.items())
    for use in ("long_context", "vision"):
        name: str | None = getattr(settings.models, use)
        if name is not None:
            other = resolve(name, settings)
            found[use] = RoleChoice(other.slug, f"models.{use}", f"models.{use} is {name}", other.host)
    return found


def _roles_table(chosen: Mapping[Role, RoleChoice], loaded: Loaded) -> Table:
    rows = tuple(
        (
            role.replace("_", " "),
            written(choice.slug, choice.host),
            choose_path(choice.slug, choice.host, loaded.settings).path,
            brief(loaded.origin(choice.origin) if choice.origin else DEFAULT),
        )
        for role, choice in named(chosen, loaded.settings).items()
    )
    columns = (Column("role"), Column("model"), Column("path", minor=1), Column("set by", is_path=True))
    return Table("Roles", columns, rows)


def brief(origin: Origin) -> str:
    """The origin without the file's folder, which `doctor` and the JSON form tell."""
    who, comma, where = str(origin).rpartition(", ")
    return who + comma + (where.rpartition("/")[2] if origin.line else where)


def _models_table(loaded: Loaded, catalog: Catalog | None) -> Table:
    """Every model in use; what only roles are there for stands in the table above."""
    rows = tuple(
        _model_row(written(slug, host), uses, known_of(slug, host, loaded.settings, catalog))
        for (slug, host), uses in models_in_use(loaded.settings).items()
    )
    of_a_day = f", as of {catalog.day}" if catalog and catalog.is_bundled else ""
    return Table(f"Models, with prices in US dollars per million tokens{of_a_day}", MODEL_COLUMNS, rows)


MODEL_COLUMNS = (
    Column("model"),
    Column("window", is_number=True),
    Column("output", is_number=True, minor=3),
    Column("in", is_number=True),
    Column("out", is_number=True),
    Column("cached", is_number=True, minor=2),
    Column("can", is_prose=True, minor=1),
)
"""Of a table of models; without the least of them it fits 60 columns."""


def _model_row(name: str, uses: list[str], known: Known) -> tuple[str, ...]:
    notes = [use.replace("_", " ") for use in uses if use not in ROLES]
    below = [f"\nnow {known.alias_target}"] if known.alias_target else []
    below += [f"\n{', '.join(notes)}"] if notes else []
    rates = known.rates
    prices = (rates.prompt, rates.completion, rates.input_cache_read) if rates else (None, None, None)
    return (
        name + "".join(below),
        tokens_text(known.window) if known.window else f"{tokens_text(ASSUMED_WINDOW)}?",
        tokens_text(known.max_output),
        *(("free", "", "") if known.is_free else (price_text(price) for price in prices)),
        known.can,
    )


def _data(chosen: Mapping[Role, RoleChoice], loaded: Loaded, catalog: Catalog | None, now: float) -> dict[str, Any]:
    return {
        "roles": [_role_data(role, choice, loaded, catalog) for role, choice in named(chosen, loaded.settings).items()],
        "models": [
            {
                "slug": slug,
                "host": host,
                "uses": uses,
                **facts_data(known_of(slug, host, loaded.settings, catalog)),
            }
            for (slug, host), uses in models_in_use(loaded.settings).items()
        ],
        "listing": listing_data(catalog, now),
    }


def listing_data(catalog: Catalog | None, now: float) -> dict[str, Any] | None:
    """Where the list comes from and how old it is, for programs."""
    if catalog is None:
        return None
    return {
        "fetched_at": datetime.fromtimestamp(catalog.fetched_at, UTC).isoformat(timespec="seconds"),
        "age_seconds": round(now - catalog.fetched_at),
        "stale": is_stale(catalog, now),
        "source": catalog.source,
        "models": len(catalog.models),
        "skipped": catalog.skipped,
    }


def _role_data(role: str, choice: RoleChoice, loaded: Loaded, catalog: Catalog | None) -> dict[str, Any]:
    origin = loaded.origin(choice.origin) if choice.origin else DEFAULT
    chosen = choose_path(choice.slug, choice.host, loaded.settings)
    return {
        "role": role,
        "slug": choice.slug,
        "host": choice.host,
        "path": chosen.path,
        "path_reason": chosen.reason,
        "reason": choice.reason,
        "setting": choice.origin or None,
        "origin": {"layer": origin.layer, "where": origin.where, "line": origin.line or None},
        **facts_data(known_of(choice.slug, choice.host, loaded.settings, catalog)),
    }


def price_text(rate: Decimal | None) -> str:
    """US dollars per million tokens: two places, more where two would say nothing."""
    if rate is None:
        return UNKNOWN
    price = rate * 1_000_000
    if not price or price >= Decimal("0.1"):
        return f"{price:.2f}"
    return f"{price:.4f}"


def tokens_text(count: int | None) -> str:
    """`1M`, `1.05M`, `203K`."""
    if count is None:
        return UNKNOWN
    if count >= 999_500:
        return f"{count / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{count / 1000:.0f}K" if count >= 1000 else str(count)


def age_text(seconds: float) -> str:
    """`fetched now`, `fetched 4 min ago`, `fetched 3 h ago`, `fetched 12 days ago`."""
    if seconds < 60:
        return "fetched now"
    if seconds < 90 * 60:
        return f"fetched {seconds / 60:.0f} min ago"
    if seconds < 48 * 3600:
        return f"fetched {seconds / 3600:.0f} h ago"
    return f"fetched {seconds / 86_400:.0f} days ago"
