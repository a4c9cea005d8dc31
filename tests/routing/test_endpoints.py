"""What the host says about a model's endpoints."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from claude_or.routing.endpoints import parse_endpoints
from tests.fakes.listing import default_listing, endpoints


def test_each_provider_is_told_with_its_own_limits_and_prices() -> None:
    glm = default_listing()[0]
    found = parse_endpoints(json.dumps({"data": endpoints(glm)}).encode())
    assert [(e.provider, e.tag, e.quantization, e.window) for e in found] == [
        ("DeepInfra", "deepinfra/fp8", "fp8", 202_752),
        ("Novita", "novita", "", 1_048_576),
    ]
    assert found[0].rates.input_cache_read == Decimal("0.00000011")
    assert found[0].tools
    assert (found[0].uptime, found[0].latency_ms, found[0].tokens_per_s) == (99.0, 700.0, 70.0)


def test_odd_fields_are_unknown_and_nameless_entries_left_out() -> None:
    odd = {
        "provider_name": "One",
        "context_length": 0,
        "pricing": 7,
        "uptime_last_1d": None,
        "supported_parameters": "x",
    }
    (found,) = parse_endpoints(json.dumps({"data": {"endpoints": [odd, {"tag": "nobody"}, 3, None]}}).encode())
    assert (found.provider, found.window, found.rates.prompt, found.uptime, found.tools) == (
        "One",
        None,
        None,
        None,
        False,
    )


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"data":{}}', b'{"data":{"endpoints":{}}}', b"[" * 100_000])
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_endpoints(raw)
