"""Where a web search goes when it is not the host's: one form of an HTTP request, and its filling for usual sources, as data.

What stands below `web_search:` overrules the filling of the source it names. Sources: the API references of Brave Search, Tavily and
SearXNG (whose JSON form its operator has to allow).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from claude_or.config.document import Problem
from claude_or.config.schema import WebSearch

OWN_HOST: Final = "openrouter"
"""The source that stands for the host's own search."""

MCP: Final = "mcp"
"""The source that stands for a tool of an MCP server which the session supervises."""

KEY_WORD: Final = "{key}"
"""Stands in a parameter for the key, where a source takes it there and in no header."""

FIELDS: Final = ("title", "url", "text", "age")
"""What is read of one result."""


@dataclass(frozen=True, kw_only=True)
class SearchForm:
    """One search as an HTTP request. `parameters` go into the query of a GET and the JSON body of a POST, `results` and the values of
    `fields` are dotted paths into the answer. `site_words`: lists of domains are told in the query (`site:…`)."""

    url: str = ""
    method: str = "GET"
    key_variable: str | None = None
    key_header: str = "authorization"
    headers: dict[str, str]
    parameters: dict[str, Any]
    results: str = "results"
    fields: dict[str, str]
    site_words: bool = True

    @property
    def key_is_parameter(self) -> bool:
        """Whether the key goes into a parameter, and into no header then."""
        return any(KEY_WORD in str(value) for value in self.parameters.values())


SOURCES: Final[dict[str, SearchForm]] = {
    "brave": SearchForm(
        url="https://api.search.brave.com/res/v1/web/search",
        key_variable="BRAVE_API_KEY",
        key_header="x-subscription-token",
        headers={},
        parameters={"q": "{query}", "count": "{count}", "country": "{country}"},
        results="web.results",
        fields={"title": "title", "url": "url", "text": "description", "age": "age"},
    ),
    "tavily": SearchForm(
        url="https://api.tavily.com/search",
        method="POST",
        key_variable="TAVILY_API_KEY",
        headers={},
        parameters={
            "query": "{query}",
            "max_results": "{count}",
            "include_domains": "{allowed}",
            "exclude_domains": "{blocked}",
        },
        fields={"title": "title", "url": "url", "text": "content", "age": "published_date"},
        site_words=False,
    ),
    "searxng": SearchForm(
        headers={},
        parameters={"q": "{query}", "format": "json"},
        fields={"title": "title", "url": "url", "text": "content", "age": "publishedDate"},
    ),
    "custom": SearchForm(
        headers={},
        parameters={},
        fields={"title": "title", "url": "url", "text": "text", "age": "age"},
        site_words=False,
    ),
}


def search_form(said: WebSearch) -> SearchForm | None:
    """The form of the configured source; None for the host's own search and for none at all."""
    form = SOURCES.get(said.source)
    if form is None:
        return None
    given = {
        name: value
        for name in ("url", "method", "key_variable", "key_header", "results", "site_words")
        if (value := getattr(said, name)) is not None
    }
    url = given.get("url", form.url)
    if said.source == "searxng" and url and not url.endswith("/search"):
        given["url"] = f"{url}/search"
    return replace(
        form,
        **given,
        headers={**form.headers, **said.headers},
        parameters={**form.parameters, **said.parameters},
        fields={**form.fields, **said.fields},
    )


def tool_form(said: WebSearch) -> SearchForm:
    """How the arguments of an MCP server's tool are filled in: `query` alone, where nothing else is said."""
    parameters = said.parameters or {"query": "{query}"}
    site_words = said.site_words if said.site_words is not None else True
    return SearchForm(headers={}, parameters=dict(parameters), fields={}, site_words=site_words)


def search_problems(said: WebSearch) -> Iterator[Problem]:
    """What a merged `web_search:` lacks to be asked."""
    place = ("web_search", "source")
    if said.source == MCP:
        for name, meaning in (("server", "the MCP server"), ("tool", "its tool")):
            if not getattr(said, name):
                yield Problem(f"`{name}` is missing: {meaning} that searches", place)
        form = tool_form(said)
    else:
        form = search_form(said)
    if form is None:
        return
    if said.source != MCP and not form.url:
        yield Problem(f"`url` is missing: where {said.source} is asked", place)
    if not any("{query}" in str(value) for value in form.parameters.values()):
        yield Problem("no parameter holds {query}, so nothing would be searched for", place)
    if form.key_is_parameter and (said.source == MCP or form.key_variable is None):
        why = "a server has its own key" if said.source == MCP else "`key_variable` is missing"
        yield Problem(f"nothing can be put in for {KEY_WORD}: {why}", ("web_search", "parameters"))
    for name in said.fields:
        if name not in FIELDS:
            yield Problem(f"expected one of {', '.join(FIELDS)}, got {name!r}", ("web_search", "fields"))
