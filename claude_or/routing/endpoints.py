"""What the host says about one model's endpoints: who serves it, with which limits, prices and abilities.

Read as permissively as the listing: an entry of an unexpected form is left out, a field of one counts as unknown.
Source: OpenRouter's reference of `GET /models/{author}/{slug}/endpoints`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from claude_or.routing.catalog import Rates, count_of, mapping_of, rates_of, text_of, words_of

MOST_FAIL_BELOW = 50.0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One provider that serves the model. Windows in tokens, latency (median) in ms, uptime in percent: of the last day, and of
    the last half hour in `uptime_now`. `status` is 0 where all is well and negative in trouble."""

    provider: str
    tag: str = ""
    quantization: str = ""
    window: int | None = None
    max_output: int | None = None
    rates: Rates = Rates()
    parameters: tuple[str, ...] = ()
    caches: bool = False
    status: float | None = None
    uptime: float | None = None
    uptime_now: float | None = None
    latency_ms: float | None = None
    tokens_per_s: float | None = None

    @property
    def tools(self) -> bool:
        """Whether it takes tools."""
        return "tools" in self.parameters

    @property
    def is_up(self) -> bool:
        """Whether the host sends requests there and most of them succeed; what is not told counts as well."""
        return (self.status or 0) >= 0 and (self.uptime_now is None or self.uptime_now >= MOST_FAIL_BELOW)


class _Data(msgspec.Struct):
    endpoints: list[Any]


class _Answer(msgspec.Struct):
    data: _Data


def parse_endpoints(raw: bytes) -> tuple[Endpoint, ...]:
    """Read the body of the answer. Raises `ValueError` when it is no such list at all."""
    try:
        entries = msgspec.json.decode(raw, type=_Answer).data.endpoints
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return tuple(_endpoint(entry) for entry in map(mapping_of, entries) if text_of(entry.get("provider_name")))


def _endpoint(entry: dict[str, Any]) -> Endpoint:
    return Endpoint(
        provider=text_of(entry.get("provider_name")),
        tag=text_of(entry.get("tag")),
        quantization=text_of(entry.get("quantization")),
        window=count_of(entry.get("context_length")),
        max_output=count_of(entry.get("max_completion_tokens")),
        rates=rates_of(mapping_of(entry.get("pricing"))),
        parameters=words_of(entry.get("supported_parameters")),
        caches=entry.get("supports_implicit_caching") is True,
        status=_number(entry.get("status")),
        uptime=_number(entry.get("uptime_last_1d")),
        uptime_now=_number(entry.get("uptime_last_30m")),
        latency_ms=_number(mapping_of(entry.get("latency_last_30m")).get("p50")),
        tokens_per_s=_number(mapping_of(entry.get("throughput_last_30m")).get("p50")),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
