"""`POST /v1/messages/count_tokens`: an estimate made here, without asking anybody, calibrated by the session's own usage.

Claude Code asks in bursts of twenty and more, and an error would only make it guess; so whatever is JSON gets a number.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from claude_or.proxy.bodies import read_json_body
from claude_or.proxy.house import House
from claude_or.proxy.messages import plan_of
from claude_or.proxy.refusals import Refused, json_answer
from claude_or.reply.assemble import profile_of
from claude_or.translate.tokens import estimate
from claude_or.wire.anthropic import BadRequest, decode_request

_BYTES_PER_TOKEN: Final = 4


async def count_tokens(request: web.Request, house: House, request_id: str) -> web.Response:
    """The input tokens of a request. Raises `Refused` for a body that is no JSON."""
    raw = await read_json_body(request, house)
    return json_answer({"input_tokens": _counted(raw, house)}, request_id)


def _counted(raw: bytes, house: House) -> int:
    try:
        decoded = decode_request(raw, counting=True)
    except BadRequest as bad:
        try:
            msgspec.json.decode(raw)
        except (ValueError, RecursionError):
            raise Refused(bad.failure) from None
        return max(1, len(raw) // _BYTES_PER_TOKEN)
    try:
        route = plan_of(decoded.model, house).routes[0]
    except Refused:
        return estimate(decoded)
    profile = profile_of(route, house.catalog(), house.settings())
    return house.scales.tokens(decoded, route.slug, profile)
