"""`claude-or explain REQUEST.json`: what a saved Messages request becomes, without asking anybody.

The route with its reason, the request as the host would get it, and what could not be carried. It rests on the listing kept last time
and reads no key. What people see is shortened; the JSON form holds every byte.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from claude_or.cli.result import Column, CommandResult, Finding, Table, exit_code_of
from claude_or.config.folders import cache_folder
from claude_or.config.load import Overrides, load
from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Settings
from claude_or.config.search_sources import MCP
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.proxy.messages import session_in
from claude_or.reply.assemble import eyes_for, profile_of, search_source, seen_by
from claude_or.routing.ask import Ask, Plan, Route
from claude_or.routing.catalog import Catalog
from claude_or.routing.paths import PathChoice, choose_path
from claude_or.routing.plan import plan_for
from claude_or.translate.host_fetch import fetch_asked
from claude_or.translate.native import NativeOrder, to_native
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.request import ChatOrder, to_chat
from claude_or.translate.search_calls import offered_search, with_function
from claude_or.translate.sight import unseen
from claude_or.translate.structured import body_of, check_schemas, in_words, is_asked, unenforced
from claude_or.upstream.catalogue import best_known
from claude_or.upstream.chat import session_key
from claude_or.wire.anthropic import BadRequest, decode_request

STANDARD_INPUT: Final = "-"
_SHOWN: Final = 160
"""Characters of a string that people are shown."""
_RUN: Final = 12
"""Entries of a list that people are shown: its first ones, and the last."""


def explain(path: str, environ: Mapping[str, str], cwd: str, overrides: Overrides) -> CommandResult:
    """What the request in the file would become. Raises `ClaudeOrError` when it cannot be read, understood or routed."""
    raw = _body_in(_read(path))
    try:
        request = decode_request(raw)
    except BadRequest as bad:
        raise ClaudeOrError(
            f"{_named(path)} holds no valid Messages request: {bad}",
            hint='Save the body of a POST /v1/messages as it was sent, or as {"body": …}.',
        ) from None
    loaded = load(environ, cwd, overrides)
    catalog = best_known(cache_folder(environ), loaded.settings.openrouter.base_url)
    plan = plan_for(request.model, loaded.settings, catalog)
    ask = Ask(
        request_id="",
        request=request,
        raw=raw,
        session_id=session_in(request.extra.get("metadata")),
        plan=plan,
    )
    findings: list[Finding] = []
    if catalog is None or catalog.is_bundled:
        day = f", by the facts of {catalog.day}" if catalog and catalog.get(plan.routes[0].slug) else ""
        text = f"no list of models is kept: what this one can do is a guess{day}"
        findings.append(Finding("warn", "listing", text, "", "`claude-or models` fetches one."))
    route = plan.routes[0]
    ask, web, lost = _with_web(ask, route, loaded.settings)
    chosen = choose_path(route.slug, route.provider, loaded.settings)
    profile = profile_of(route, catalog, loaded.settings)
    try:
        web |= _schema_kept(ask, route, profile, loaded.settings)
        web |= _put_in_words(ask, route, profile, loaded.settings, catalog)
        order = _order(ask, route, profile, checked=loaded.settings.structured_output.check)
    except BadRequest as refused:
        findings.append(Finding("error", "request", f"refused with {refused.failure.status}: {refused}"))
        order = None
    findings += _losses(order, lost)
    return CommandResult(
        "explain",
        data=_data(plan, order, chosen) | web,
        tables=(_route_table(plan, route, order, chosen, web),),
        findings=tuple(findings),
        summary=_pretty(order) if order else "",
        exit_code=exit_code_of(tuple(findings)),
    )


def _with_web(ask: Ask, route: Route, settings: Settings) -> tuple[Ask, dict[str, str], list[Finding]]:
    """The ask as it goes on when we search ourselves, who searches (`web_search`) and fetches (`web_fetch`) where that is offered,
    and what is lost by it."""
    try:
        search, fetch = offered_search(ask.request), fetch_asked(ask.request)
    except BadRequest:
        return ask, {}, []  # it is refused, and that is said where the order is made
    web = {"web_search": _by_host("search", route)} if search else {}
    if fetch:
        web["web_fetch"] = _by_host("fetch", route)
    source = search_source(route, settings)
    if not search or not source:
        return ask, web, []
    if source == "off":
        return ask, {**web, "web_search": "off: the request is refused"}, []
    said = settings.web_search
    who = f"{said.tool} of MCP server {said.server}" if source == MCP else source
    web["web_search"] = f"{who}, by a function of ours: each step is one more call of the model"
    lost: list[Finding] = []
    if search.location.keys() - {"type", "country"}:
        lost.append(Finding("note", "loss", "user_location: a source is told the country at most", "tools"))
    request = with_function(ask.request, search)
    raw = body_of(request, ask.request, ask.raw) if route.path == "native" else ask.raw
    return msgspec.structs.replace(ask, request=request, raw=raw), web, lost


def _schema_kept(ask: Ask, route: Route, profile: ModelProfile, settings: Settings) -> dict[str, str]:
    """Who sees to it that the answer fits the schema of the request, where it wants one. Raises `BadRequest`."""
    if not is_asked(ask.request):
        return {}
    if unenforced(ask.request, profile, native=route.path == "native") is None:
        return {"structured_output": f"the host, {route.provider}"}
    said = settings.structured_output
    if not said.check:
        return {"structured_output": "nobody: structured_output.check is off"}
    check_schemas(ask.request)
    return {"structured_output": f"claude-or: the answer is checked, and asked for again up to {said.retries} times"}


def _put_in_words(
    ask: Ask, route: Route, profile: ModelProfile, settings: Settings, catalog: Catalog | None
) -> dict[str, str]:
    """Who looks at what the model or its host cannot take. The request that is shown still has it as a note."""
    if route.path == "native":
        return {}
    eyes = eyes_for(profile, settings, catalog) is not None
    kinds = [one.kind for one in unseen(ask.request, seen_by(profile, settings), pictures=eyes)]
    said: dict[str, str] = {}
    if count := kinds.count("picture"):
        said["pictures"] = f"{count}, described by models.vision, {settings.models.vision}, in calls of their own"
    if count := kinds.count("pdf"):
        said["pdf"] = f"{count}, as text that is extracted here"
    return said


def _by_host(what: str, route: Route) -> str:
    if route.path == "native":
        return f"the host, {route.provider}, by its own tool"
    if route.provider == DEFAULT_HOST:
        return f"the host, {route.provider}, by openrouter:web_{what}"
    return f"nobody: {route.provider} has no tool for it"


def _order(ask: Ask, route: Route, profile: ModelProfile, *, checked: bool) -> ChatOrder | NativeOrder:
    """The request as the leaf of the route's path would send it; `checked`: answers are held to schemas. Raises `BadRequest`."""
    key, preferences = session_key(ask), route.preferences
    if route.path == "native":
        if is_asked(ask.request) and checked and unenforced(ask.request, profile, native=True):
            request = in_words(ask.request, profile)
            ask = msgspec.structs.replace(ask, request=request, raw=body_of(request, ask.request, ask.raw))
        return to_native(ask.request, ask.raw, profile, slug=route.slug, session_key=key, preferences=preferences)
    return to_chat(ask.request, profile, slug=route.slug, session_key=key, preferences=preferences)


def _read(path: str) -> bytes:
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ClaudeOrError(
            f"{path} cannot be read: {error.strerror}",
            hint="Name a file with a saved Messages request, or `-` for the standard input.",
            exit_code=EXIT_USAGE,
        ) from None


def _named(path: str) -> str:
    return "the standard input" if path == STANDARD_INPUT else path


def _body_in(raw: bytes) -> bytes:
    """The request itself: the whole file, or what it holds under `body` as an object or as text."""
    try:
        outer = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if "messages" in outer or "body" not in outer:
            return raw
        inner = bytes(outer["body"])
        return msgspec.json.decode(inner, type=str).encode() if inner.startswith(b'"') else inner
    except (ValueError, RecursionError):
        return raw  # the decoder of requests says what is wrong with it


def _losses(order: ChatOrder | NativeOrder | None, lost: list[Finding]) -> list[Finding]:
    """What the request loses on its way; `lost` is known from before."""
    if order is None:
        return []
    if not len(order.losses) and not lost:
        return [Finding("ok", "losses", "none: everything is carried")]
    return lost + [
        Finding("note", "loss", f"{loss.kind}: {loss.detail}", f"{loss.where}{_times(loss.count)}")
        for loss in order.losses
    ]


def _times(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _data(plan: Plan, order: ChatOrder | NativeOrder | None, chosen: PathChoice) -> dict[str, Any]:
    routes = [
        {
            "host": route.provider,
            "slug": route.slug,
            "path": route.path,
            **({"preferences": route.preferences} if route.preferences else {}),
            **({"only_when_too_long": True} if route.spare else {}),
        }
        for route in plan.routes
    ]
    reasons = {"reason": plan.reason, "path_reason": chosen.reason}
    return {
        "route": {"asked": plan.asked, "role": plan.role, **reasons, "routes": routes},
        "upstream": msgspec.json.decode(order.body) if order else None,
        "input_estimate": order.input_estimate if order else None,
        "nobody_is_asked": order.warm_only if order else None,
        "losses": [msgspec.to_builtins(loss) for loss in order.losses] if order else None,
    }


def _route_table(
    plan: Plan, route: Route, order: ChatOrder | NativeOrder | None, chosen: PathChoice, web: Mapping[str, str]
) -> Table:
    rows = [
        ("asked for", plan.asked),
        ("model", route.slug),
        ("because", plan.reason),
        ("role", plan.role),
        ("host", route.provider),
        ("path", f"{route.path}: {chosen.reason}"),
    ]
    rows += [(name.replace("_", " "), who) for name, who in web.items()]
    if route.preferences:
        rows.append(("providers", msgspec.json.encode(route.preferences).decode()))
    rows += [
        ("when too long" if other.spare else "then", f"{other.label} ({other.provider})") for other in plan.routes[1:]
    ]
    if order is not None:
        rows += [("bytes upstream", f"{len(order.body):,}"), ("tokens, about", f"{order.input_estimate:,}")]
        if order.warm_only:
            rows.append(("asks nobody", "the client wants no tokens, only a warm cache"))
    return Table("Route", (Column(""), Column("", is_prose=True)), tuple(rows))


def _pretty(order: ChatOrder | NativeOrder) -> str:
    shown = msgspec.json.encode(_short(msgspec.json.decode(order.body)))
    text = msgspec.json.format(shown, indent=2).decode()
    return f"Upstream request (shortened; --json holds all of it)\n{text}"


def _short(value: Any) -> Any:
    """The value with long strings and lists cut."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value):,} characters)"
    if isinstance(value, list):
        if len(value) <= _RUN:
            return [_short(entry) for entry in value]
        left_out = f"… {len(value) - _RUN} more …"
        return [*(_short(entry) for entry in value[: _RUN - 1]), left_out, _short(value[-1])]
    if isinstance(value, dict):
        return {name: _short(entry) for name, entry in value.items()}
    return value
