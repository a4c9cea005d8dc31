"""`/control/*`: how our other commands reach a running session. Its token is in the session's folder, which only the user can read.

`claude` never learns that token: a model that reads its environment cannot steer the proxy. Port and token stand as JSON in the
file `control` of the run folder; the token goes into `authorization: Bearer`.

* `GET /control/status`: what the session does and used
* `GET /control/mcp`: `{"servers": [{"name", "state", "pid", "uptime_s", "restarts", "last_error", "tools", "log"}]}`; `state` is pending,
  starting, up, degraded, backoff, failed or stopped; `pid` and `uptime_s` null when nothing runs, `tools` (how many) null
  when the client did not ask yet, `last_error` empty when there was none, `log` a path
* `POST /control/mcp/NAME/restart` (empty JSON body or none): the server's object of the same form; 404 when there is no such server
"""

from __future__ import annotations

import os
from typing import Any

from aiohttp import web

from claude_or import __version__
from claude_or.proxy.house import House
from claude_or.proxy.refusals import json_answer, refusal
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


async def tell_servers(request: web.Request, house: House, request_id: str) -> web.Response:
    """The MCP servers of the session."""
    del request
    return json_answer({"servers": house.servers.told() if house.servers else []}, request_id)


async def restart_server(request: web.Request, house: House, request_id: str) -> web.Response:
    """Start one MCP server anew, and tell how it stands then."""
    name = request.match_info["name"]
    told = await house.servers.restart(name) if house.servers else None
    if told is None:
        raise refusal(404, "not_found_error", f"This session supervises no MCP server named {name[:60]}.")
    return json_answer(told, request_id)


def _told(count: Count) -> dict[str, Any]:
    """Tokens in the Messages API's sense, cost in US dollars."""
    return {name: getattr(count, name) for name in Count.__slots__}
