"""What calls to hosts of the user's own cost: by the prices that the configuration tells, or nothing where nobody could send a bill.

Nobody bills who takes no key and stands on this machine or in this network, as servers of local models do. A gateway there that asks
paid hosts is told by `free: false` or by prices.
"""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from claude_or.config.schema import Provider, ProviderModel
from claude_or.routing.catalog import Price, Rates

_MILLION: Final = Decimal(1_000_000)
_NEAR_NAMES: Final = (".local", ".internal", ".lan", ".localhost")


def own_price(provider: Provider, slug: str) -> Price | None:
    """The price of a model of a host of the user's own; None when nobody told it."""
    told = provider.models.get(slug) or ProviderModel()
    if told.input_price is not None and told.output_price is not None:
        return Price(
            rates=Rates(
                prompt=_each(told.input_price),
                completion=_each(told.output_price),
                input_cache_read=None if told.cache_read_price is None else _each(told.cache_read_price),
                input_cache_write=None if told.cache_write_price is None else _each(told.cache_write_price),
            )
        )
    return Price(rates=Rates(prompt=Decimal(0), completion=Decimal(0))) if is_free(provider) else None


def is_free(provider: Provider) -> bool:
    """Whether calls to a host cost nothing."""
    if provider.free is not None:
        return provider.free
    return provider.key_variable is None and provider.kind != "litellm" and _is_near(provider.base_url)


def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_NEAR_NAMES)
    return address.is_private or address.is_loopback


def _each(dollars_per_million: float) -> Decimal:
    return Decimal(str(dollars_per_million)) / _MILLION
