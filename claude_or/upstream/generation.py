"""The bill of one call, asked for afterwards: `GET /generation`, for calls whose answer did not tell it.

A cancelled stream ends before its usage is told, and yet it was billed for what it made until then.
Source: OpenRouter's API reference, "Get a generation"; a bill may be unknown (404) for some moments after its call.
"""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

import msgspec

from claude_or.upstream.catalogue import Get, Unreachable


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """`cost` in US dollars, with the supplier's part where the user's own key was used; tokens of the model's own tokenizer."""

    cost: Decimal
    provider: str = ""
    input: int | None = None
    read: int | None = None
    output: int | None = None


class _Data(msgspec.Struct, kw_only=True):
    total_cost: Decimal | None = None
    is_byok: bool | None = None
    upstream_inference_cost: Decimal | None = None
    provider_name: str | None = None
    native_tokens_prompt: int | None = None
    native_tokens_cached: int | None = None
    native_tokens_completion: int | None = None


class _Answer(msgspec.Struct):
    data: _Data


async def bill_of(get: Get, generation: str) -> Bill | None:
    """The bill of a generation; None while the host does not know it, or does not say it in a known form."""
    try:
        answer = await get(f"/generation?id={quote(generation, safe='')}", {})
    except Unreachable:
        return None
    if answer.status != 200:
        return None
    try:
        data = msgspec.json.decode(answer.body, type=_Answer).data
    except msgspec.DecodeError:
        return None
    if data.total_cost is None or data.total_cost < 0:
        return None
    suppliers = data.upstream_inference_cost if data.is_byok else None
    read = data.native_tokens_cached or 0
    prompt = data.native_tokens_prompt
    return Bill(
        cost=data.total_cost + (suppliers or Decimal(0)),
        provider=data.provider_name or "",
        input=None if prompt is None else max(0, prompt - read),
        read=data.native_tokens_cached,
        output=data.native_tokens_completion,
    )
