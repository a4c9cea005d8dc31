"""What hosts of the user's own cost: told prices, nothing nearby without a key, and otherwise nobody knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from claude_or.config.ready import READY
from claude_or.config.schema import Provider, ProviderModel
from claude_or.routing.own_prices import is_free, own_price
from claude_or.wire.events import Usage


@pytest.mark.parametrize(
    ("told", "free"),
    [
        (READY["ollama"], True),
        (READY["vllm"], True),
        (READY["litellm"], False),
        (READY["groq"], False),
        ({"base_url": "http://192.168.1.20:8000/v1"}, True),
        ({"base_url": "http://[::1]:8000/v1"}, True),
        ({"base_url": "http://gpu-box:8000/v1"}, True),
        ({"base_url": "https://gpu.lan/v1"}, True),
        ({"base_url": "https://llm.example.com/v1"}, False),
        ({"base_url": "https://8.8.8.8/v1"}, False),
        ({"base_url": "http://127.0.0.1:4000/v1", "key_variable": "GATEWAY_KEY"}, False),
        ({"base_url": "http://127.0.0.1:4000/v1", "free": False}, False),
        ({"base_url": "https://llm.example.com/v1", "key_variable": "KEY", "free": True}, True),
    ],
)
def test_only_a_near_host_without_a_key_costs_nothing_by_itself(told: dict[str, Any], free: bool) -> None:
    provider = Provider(**told)
    assert is_free(provider) is free
    price = own_price(provider, "any")
    assert (price.cost(Usage(input_tokens=10**6, output_tokens=10**6)) if price else None) == (0 if free else None)


def test_told_prices_are_per_million_and_exact() -> None:
    model = ProviderModel(input_price=0.1, output_price=0.6, cache_read_price=0.01)
    price = own_price(Provider(base_url="http://127.0.0.1:1/v1", models={"m": model}), "m")
    assert price is not None
    usage = Usage(input_tokens=3, cache_read_input_tokens=5, cache_creation_input_tokens=7, output_tokens=11)
    assert price.cost(usage) == Decimal("0.0000001") * 10 + Decimal("0.00000001") * 5 + Decimal("0.0000006") * 11
