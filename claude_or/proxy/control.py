"""`/control/*`: how our other commands reach a running session. Its token is in the session's folder, which only the user can read.

`claude` never learns that token: a model that reads its environment cannot steer the proxy.
"""

from __future__ import annotations

import os
from typing import Any

from aiohttp import web

from claude_or import __version__
from claude_or.proxy.house import House
from claude_or.proxy.refusals import json_answer
from claude_or.reply.meter import Count


async def tell_status(request: web.Request, house: House, request_id: str) -> web.Response:
    """What the session is doing and what it has used."""
    del request
    status: dict[str, Any] = {
        "version": __version__,
        "pid": os.getpid(),
        "open_requests": house.open_requests,
        "served": house.served,
        "total": _told(house.tally.total),
        "models": {slug: _told(count) for slug, count in house.tally},
        **house.status(),
    }
    return json_answer(status, request_id)


def _told(count: Count) -> dict[str, Any]:
    """Tokens in the Messages API's sense, cost in US dollars."""
    return {name: getattr(count, name) for name in Count.__slots__}
