"""`POST /v1/messages`: the flow of one request.

    read the ask → plan → reply chain → bursts to the client, or the whole message

It runs inside the door of `app.py`, which has checked who asks and turns what is raised here into an answer.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, Final

import msgspec
from aiohttp import web

from claude_or.errors import ClaudeOrError
from claude_or.log import bound, get_log
from claude_or.proxy.bodies import read_json_body
from claude_or.proxy.house import House
from claude_or.proxy.refusals import Refused, json_answer
from claude_or.proxy.speaking import LAST, Speaking
from claude_or.proxy.toolchain import MOST, called_by, called_in
from claude_or.reply.assemble import profile_of
from claude_or.reply.base import whole_message
from claude_or.routing.ask import Ask, Plan, ReplyFailed
from claude_or.routing.names import meant_now
from claude_or.routing.plan import UnknownModel, for_length, plan_for
from claude_or.wire.anthropic import BadRequest, Failure, MessagesRequest, decode_request
from claude_or.wire.events import CUT

_ID_MOST: Final = 128
INTERNAL: Final = Failure(
    kind="api", status=500, type="api_error", message="claude-or made a mistake; its log file holds the details."
)
"""What the client is told about an exception in here."""

_log = get_log("proxy")


async def answer_messages(request: web.Request, house: House, request_id: str) -> web.StreamResponse:
    """Answer one request. Raises `Refused`, `ReplyFailed`."""
    ask = await read_ask(request, house, request_id)
    house.meet(request.headers.get("user-agent", ""))
    started = house.clock()
    with bound(session=ask.session_id, agent=ask.agent_id):
        _log.info(
            "request",
            model=ask.request.model,
            role=ask.plan.role,
            slug=ask.plan.routes[0].slug,
            path=ask.plan.routes[0].path,
            reason=ask.plan.reason,
            stream=ask.request.stream,
            messages=len(ask.request.messages),
            tools=len(ask.request.tools),
            bytes=len(ask.raw),
        )
        ending, calls = "left", list[str]()
        try:
            if ask.request.stream:
                response, ending = await _stream(request, ask, house, calls)
            else:
                message = await _whole(ask, house)
                calls += called_by(message)
                response, ending = json_answer(message, request_id), "whole"
        except ReplyFailed as failed:
            ending = failed.failure.kind
            raise
        finally:
            chain = {"calls": calls[:MOST]} if calls else {}
            _log.info("request over", ending=ending, seconds=round(house.clock() - started, 3), **chain)
    return response


async def _whole(ask: Ask, house: House) -> dict[str, Any]:
    """The answer in one piece, in the time that a client waits for a head which no ping can replace."""
    try:
        async with asyncio.timeout(house.whole_seconds):
            return await whole_message(house.replier_for(ask.plan), ask)
    except TimeoutError:
        raise ReplyFailed(
            Failure(
                kind="timeout",
                status=504,
                type="timeout_error",
                message=f"No whole answer in {house.whole_seconds:g} s; a stream may take longer.",
                # Ten more waits of this length would be an hour of calls that nobody reads.
                should_retry=False,
            )
        ) from None


async def _stream(request: web.Request, ask: Ask, house: House, calls: list[str]) -> tuple[web.StreamResponse, str]:
    """The answer burst by burst, and how it ended; `calls` gets the tools that it calls."""
    speaking = Speaking(request, ask.request_id, ping=house.settings().limits.ping, unread=house.unread_seconds)
    last = ""
    try:
        async with speaking.kept_alive(), aclosing(house.replier_for(ask.plan).reply(ask)) as bursts:
            async for burst in bursts:
                if burst.frames:
                    await speaking.send(burst.frames)
                    last = burst.frames[-1].event
                    calls += called_in(burst.frames)
        failure = None if last in LAST else CUT
    except ReplyFailed as failed:
        failure = failed.failure
    except ConnectionError:
        # The client is gone: nobody is left to be told.
        raise
    except Exception as bug:  # noqa: BLE001 - the boundary of one request, once its head is out
        _log.error("exception in a request", exception=bug)
        failure = INTERNAL
    if failure is None:
        return await speaking.end(), last
    state = speaking.state
    return await speaking.fail(failure), f"{failure.kind} while {state}"


async def read_ask(request: web.Request, house: House, request_id: str) -> Ask:
    """The request as an `Ask`, with its plan. Raises `Refused`."""
    raw = await read_json_body(request, house)
    try:
        decoded = decode_request(raw)
    except BadRequest as bad:
        raise Refused(bad.failure) from None
    session, agent = _session_of(request, decoded)
    await house.before_request()
    return Ask(
        request_id=request_id,
        request=decoded,
        raw=raw,
        session_id=session,
        agent_id=agent,
        betas=_betas(request),
        plan=_plan_for_length(plan_of(decoded.model, house), decoded, house),
    )


def plan_of(name: str, house: House) -> Plan:
    """Where requests for this name go. Raises `Refused` (404)."""
    settings = house.settings()
    try:
        plan = plan_for(meant_now(name, house.told, settings), settings, house.catalog())
    except UnknownModel as unknown:
        raise Refused(unknown_model(unknown)) from None
    return plan if plan.asked == name else msgspec.structs.replace(plan, asked=name)


def _plan_for_length(plan: Plan, request: MessagesRequest, house: House) -> Plan:
    """The estimate costs time, so it is made only where it can change something."""
    settings, catalog = house.settings(), house.catalog()
    if settings.models.long_context is None:
        return plan
    route = plan.routes[0]
    tokens = house.scales.tokens(request, route.slug, profile_of(route, catalog, settings))
    return for_length(plan, tokens, settings, catalog)


def unknown_model(unknown: ClaudeOrError) -> Failure:
    """The 404 for a name that means no model."""
    return Failure(
        kind="not_found",
        status=404,
        type="not_found_error",
        message=f"{unknown.message}. {unknown.hint}",
        should_retry=False,
        cause="model_missing",
    )


def _betas(request: web.Request) -> tuple[str, ...]:
    named = ",".join(request.headers.getall("anthropic-beta", []))
    return tuple(beta for part in named.split(",") if (beta := part.strip()))


def _session_of(request: web.Request, decoded: MessagesRequest) -> tuple[str, str]:
    """The client's ids of session and subagent: from its headers, else the session from `metadata.user_id`."""
    session = _clean(request.headers.get("x-claude-code-session-id", "")) or session_in(decoded.extra.get("metadata"))
    return session, _clean(request.headers.get("x-claude-code-agent-id", ""))


def session_in(metadata: Any) -> str:
    """Claude Code writes `user_id` as a JSON object in a string; older versions ended it with `_session_<id>`."""
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user_id, str):
        return ""
    try:
        told = msgspec.json.decode(user_id)
    except (ValueError, RecursionError):
        return _clean(user_id.rpartition("_session_")[2]) if "_session_" in user_id else ""
    return _clean(told.get("session_id", "")) if isinstance(told, dict) else ""


def _clean(value: object) -> str:
    """An id that may stand in a header: what is not printable ASCII, or has no sensible length, is none."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return ""
    return value.strip() if len(value) <= _ID_MOST else ""
