"""What is known of a model in use, value by value, and who said it.

listing    the host's list of models
endpoint   the provider that the list names first, where it takes less than its model
config     the user's configuration, for a host of the user's own
bundled    the facts that came with claude-or
assumed    nobody: a session starts with this value all the same
unknown    nobody, and nothing is assumed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import ProviderModel
from claude_or.routing.own_prices import own_price
from claude_or.session.facts import ASSUMED_WINDOW

if TYPE_CHECKING:
    from claude_or.config.schema import Settings
    from claude_or.routing.catalog import Catalog, ModelInfo, Rates

ABILITIES = ("tools", "images", "reasoning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One model. Limits in tokens; None is unknown. `origins` has one word for each value (see above)."""

    window: int | None = None
    max_output: int | None = None
    rates: Rates | None = None
    is_free: bool = False
    abilities: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(ABILITIES))
    alias_target: str = ""
    expires: str = ""
    listed: bool | None = None
    origins: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def can(self) -> str:
        """Its abilities as a table tells them; `?` stands for what nobody said."""
        said = [word if can else f"{word}?" for word, can in self.abilities.items() if can is not False]
        return "?" if all(can is None for can in self.abilities.values()) else " ".join(said) or "text only"


def known_of(slug: str, host: str, settings: Settings, catalog: Catalog | None) -> Known:
    """All that is known of a model on a host."""
    return _listed(slug, catalog) if host == DEFAULT_HOST else _configured(slug, host, settings)


def _listed(slug: str, catalog: Catalog | None) -> Known:
    info = catalog.get(slug) if catalog else None
    if catalog is None or info is None:
        return _nothing(listed=False if catalog and not catalog.is_bundled else None)
    source = "bundled" if catalog.is_bundled else "listing"
    return Known(
        window=info.window,
        max_output=info.max_output,
        rates=info.price.rates,
        is_free=info.is_free,
        abilities=dict(abilities(info)),
        alias_target=info.alias_target,
        expires=info.expires,
        listed=None if catalog.is_bundled else True,
        origins={
            "window": "assumed" if not info.window else source if catalog.is_bundled else _said_by(info),
            "max_output": "unknown" if info.max_output is None else source if catalog.is_bundled else "endpoint",
            "price": "unknown" if info.price.rates.prompt is None else source,
            "abilities": source,
        },
    )


def _said_by(info: ModelInfo) -> str:
    return "endpoint" if info.top_context and info.top_context == info.window != info.context else "listing"


def _configured(slug: str, host: str, settings: Settings) -> Known:
    provider = settings.providers.get(host)
    if provider is None:
        return _nothing()
    told, price = provider.models.get(slug) or ProviderModel(), own_price(provider, slug)
    return Known(
        window=told.context_window,
        max_output=told.max_output,
        rates=price.rates if price else None,
        is_free=price is not None and price.rates.prompt == 0 and price.rates.completion == 0,
        # Whether it takes tools is nowhere said; Claude Code's first request shows it.
        abilities={"tools": None, "images": told.images, "reasoning": told.reasoning or None},
        origins={
            **_nothing().origins,
            **({"price": "assumed"} if price else {}),
            **{
                name: "config"
                for name, value in (
                    ("window", told.context_window),
                    ("max_output", told.max_output),
                    ("abilities", told.images is not None or told.reasoning or None),
                    ("price", None if told.input_price is None and provider.free is None else price),
                )
                if value is not None
            },
        },
    )


def _nothing(*, listed: bool | None = None) -> Known:
    unknown = dict.fromkeys(("max_output", "price", "abilities"), "unknown")
    return Known(listed=listed, origins={"window": "assumed", **unknown})


def abilities(info: ModelInfo) -> dict[str, bool]:
    """What a listed model can do beyond text."""
    return {"tools": info.tools, "images": info.images, "reasoning": info.reasons}


def facts_data(known: Known) -> dict[str, Any]:
    """For programs: the values, and below `origins` who said each."""
    return {
        "alias_target": known.alias_target or None,
        "listed": known.listed,
        "window": known.window,
        "window_assumed": None if known.window else ASSUMED_WINDOW,
        "max_output": known.max_output,
        "usd_per_million": rates_data(known.rates) if known.rates else None,
        **known.abilities,
        "expires": known.expires or None,
        "origins": known.origins,
    }


def rates_data(rates: Rates) -> dict[str, float | None]:
    """US dollars per million tokens, for programs."""
    told = {
        "input": rates.prompt,
        "output": rates.completion,
        "cache_read": rates.input_cache_read,
        "cache_write": rates.input_cache_write,
    }
    return {name: None if rate is None else float(rate * 1_000_000) for name, rate in told.items()}
