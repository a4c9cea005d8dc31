"""Searches the web at the source that the user configured: one HTTP request with its JSON answer, or a tool of an MCP server.

For HTTP the same care as with hosts: redirects are never followed, since they would carry the key elsewhere; certificates and proxies are
those of `trust.py` and the environment; time and size are bounded. Searches are rare, so each one opens its own connection.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from claude_or import __version__
from claude_or.config import key as keys
from claude_or.config.schema import WebSearch
from claude_or.config.search_sources import KEY_WORD, MCP, SearchForm, search_form, tool_form
from claude_or.errors import ClaudeOrError
from claude_or.log import keep_secret
from claude_or.translate.search_hits import hits_at, hits_of_tool, kept_of
from claude_or.translate.web_search import Hit, Search, SearchFailed, WebTool
from claude_or.upstream.openrouter import proxy_for, read_up_to
from claude_or.upstream.trouble import BROKEN, reason_of
from claude_or.upstream.trust import trusted

ANSWER_BYTES: Final = 4_000_000


CallTool = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool: server, tool and arguments to the protocol's `CallToolResult`. Raises `SearchFailed`."""


def search_by(settings: Callable[[], WebSearch], environ: Mapping[str, str], call: CallTool | None = None) -> Search:
    """The search of the moment's settings; keys are read from `environ`, `call` reaches the session's MCP servers."""

    async def search(query: str, tool: WebTool) -> list[Hit]:
        said = settings()
        if said.source == MCP:
            return await _called(said, query, tool, call)
        form = search_form(said)
        if form is None:
            raise SearchFailed("unavailable", "no source is configured")
        return await _asked(form, said, query, tool, environ)

    return search


async def _called(said: WebSearch, query: str, tool: WebTool, call: CallTool | None) -> list[Hit]:
    server, name = said.server or "", said.tool or ""
    if call is None:
        raise SearchFailed("unavailable", f"no MCP server {server} is supervised in this session")
    form = tool_form(said)
    try:
        async with asyncio.timeout(said.seconds):
            result = await call(server, name, filled(form, query, tool, said.max_results))
    except TimeoutError:
        why = f"{name} of MCP server {server} did not answer within {said.seconds:g} s"
        raise SearchFailed("unavailable", why) from None
    return kept_of(hits_of_tool(result, said.results, said.fields), tool, said.max_results)


async def _asked(form: SearchForm, said: WebSearch, query: str, tool: WebTool, environ: Mapping[str, str]) -> list[Hit]:
    headers = {"user-agent": f"claude-or/{__version__}", "accept": "application/json", **form.headers}
    key = _key(form, environ)
    if key and not form.key_is_parameter:
        headers[form.key_header] = f"Bearer {key}" if form.key_header.lower() == "authorization" else key
    fields = filled(form, query, tool, said.max_results, key)
    parts = urlsplit(form.url)
    proxy, proxy_headers = proxy_for(parts.scheme, parts.hostname or "")
    given: dict[str, Any] = (
        {"params": _query(fields)} if form.method == "GET" else {"data": msgspec.json.encode(fields)}
    )
    if form.method == "POST":
        headers["content-type"] = "application/json"
    try:
        async with (
            asyncio.timeout(said.seconds),
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted(os.environ)),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session,
            session.request(
                form.method,
                form.url,
                headers=headers,
                allow_redirects=False,
                proxy=proxy,
                proxy_headers=proxy_headers,
                **given,
            ) as response,
        ):
            if response.status != 200:
                raise _refused(response.status, said.source)
            body = await read_up_to(response, ANSWER_BYTES)
    except BROKEN as error:
        raise SearchFailed("unavailable", reason_of(error, said.source)) from None
    if body is None:
        raise SearchFailed("unavailable", f"the answer of {said.source} is larger than {ANSWER_BYTES // 1_000_000} MB")
    return kept_of(hits_in(body, form), tool, said.max_results)


def _refused(status: int, source: str) -> SearchFailed:
    busy = status in {402, 429}
    return SearchFailed("too_many_requests" if busy else "unavailable", f"{source} answered with status {status}")


def _key(form: SearchForm, environ: Mapping[str, str]) -> str:
    """Empty for a source that takes none."""
    variable = form.key_variable
    if variable is None:
        return ""
    if not environ.get(variable, "").strip():
        raise SearchFailed("unavailable", f"{variable} is not set")
    try:
        key = keys.cleaned(environ[variable], variable).value
    except ClaudeOrError as error:
        raise SearchFailed("unavailable", error.message) from None
    keep_secret(key)
    return key


def filled(form: SearchForm, query: str, tool: WebTool, count: int, key: str = "") -> dict[str, Any]:
    """The form's parameters for one search; one that has nothing to say is left out."""
    if form.site_words:
        query = " ".join([query, *_sites(tool)])
    words: dict[str, Any] = {
        "{query}": query,
        "{count}": count,
        KEY_WORD: key,
        "{country}": tool.location.get("country", ""),
        "{allowed}": list(tool.allowed),
        "{blocked}": list(tool.blocked),
    }
    filling = {name: _put_in(template, words) for name, template in form.parameters.items()}
    return {name: value for name, value in filling.items() if value not in ("", [])}


def _put_in(template: Any, words: Mapping[str, Any]) -> Any:
    """A value with its words filled in: as they are when it is nothing else, as text within other text."""
    if not isinstance(template, str):
        return template
    if template in words:
        return words[template]

    def text(found: re.Match[str]) -> str:
        word = words.get(found[0], found[0])
        return ",".join(word) if isinstance(word, list) else str(word)

    return re.sub(r"\{\w+\}", text, template)


def _sites(tool: WebTool) -> list[str]:
    if tool.allowed:
        return [" OR ".join(f"site:{domain}" for domain in tool.allowed)]
    return [f"-site:{domain}" for domain in tool.blocked]


def _query(fields: Mapping[str, Any]) -> dict[str, str]:
    """The parameters as a query has them."""
    written: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, bool):
            written[name] = "true" if value else "false"
        else:
            written[name] = ",".join(value) if isinstance(value, list) else str(value)
    return written


def hits_in(body: bytes, form: SearchForm) -> list[Hit]:
    """The hits of an answer. Raises `SearchFailed` for an answer that is none."""
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise SearchFailed("unavailable", "the answer is no JSON") from None
    return hits_at(answer, form.results, form.fields)
