"""`/control/*`: how our other commands reach a running session. Its token is in the session's folder, which only the user can read.

`claude` never learns that token: a model that reads its environment cannot steer the proxy. Port and token stand as JSON in the
file `control` of the run folder; the token goes into `authorization: Bearer`.

* `GET /control/status`: what the session does and used
* `GET /control/mcp`: `{"servers": [{"name", "state", "pid", "uptime_s", "restarts", "last_error", "tools", "log"}]}`; `state` is pending,
  starting, up, degraded, backoff, failed or stopped; `pid` and `uptime_s` null when nothing runs, `tools` (how many) null
  when the client did not ask yet, `last_error` empty when there was none, `log` a path
* `POST /control/budget` `{"by": "2.50", "cap": "session"}`: raises a cap by so many dollars; `{"cap", "limit", "spent"}`; 404
  when there is no such cap
* `POST /control/mcp/NAME/restart` (empty JSON body or none): the server's object of the same form; 404 when there is no such server
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from claude_or import __version__
from claude_or.log import get_log
from claude_or.proxy.bodies import read_json_body
from claude_or.proxy.house import House
from claude_or.proxy.refusals import json_answer, refusal
from claude_or.reply.budget import Scope
from claude_or.reply.meter import Count

MOST_DOLLARS = 1_000_000
_log = get_log("control")


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


async def raise_cap(request: web.Request, house: House, request_id: str) -> web.Response:
    """Raise a cap of the running session. It lasts as long as the session: the configuration stays as it is."""
    try:
        said = msgspec.json.decode(await read_json_body(request, house), type=_Raise)
    except msgspec.DecodeError as error:
        raise refusal(400, "invalid_request_error", str(error)) from None
    if not said.by.is_finite() or not 0 < said.by <= MOST_DOLLARS:
        raise refusal(400, "invalid_request_error", f"by: expected dollars above 0, got {said.by}")
    if house.budget is None or said.cap not in house.budget.caps:
        raise refusal(404, "not_found_error", f"This session has no {said.cap} cap.")
    limit = house.budget.raise_by(said.cap, said.by)
    spent = house.budget.spent(said.cap)
    _log.info("cap raised", scope=said.cap, limit=str(limit))
    return json_answer({"cap": said.cap, "limit": format(limit, "f"), "spent": format(spent, "f")}, request_id)


class _Raise(msgspec.Struct, forbid_unknown_fields=True):
    by: Decimal
    cap: Scope = "session"


def _told(count: Count) -> dict[str, Any]:
    """Tokens in the Messages API's sense, cost in US dollars."""
    return {name: getattr(count, name) for name in Count.__slots__}
