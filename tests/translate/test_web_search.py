"""Server tools for the web, as they come in and as the host is asked."""

from __future__ import annotations

from typing import Any

import pytest
from openrouter.components import WebSearchConfig

from claude_or.translate.profiles import profile_for
from claude_or.translate.web_search import Hit, WebTool, is_wanted, query_of, result_block, unsealed
from claude_or.wire.anthropic import BadRequest
from tests.translate.rows import shows
from tests.translate.shapes import body, chat, order, text, tool, user, web_search_call

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}


def refused(sent: dict[str, Any], **more: Any) -> str:
    """Why a request is refused."""
    with pytest.raises(BadRequest) as caught:
        order(sent, **more)
    return str(caught.value)


@shows("tool web_search")
@pytest.mark.parametrize(
    ("more", "parameters"),
    [
        ({}, None),
        ({"max_uses": 8}, {"max_uses": 8}),
        ({"allowed_domains": ["a.org"]}, {"allowed_domains": ["a.org"]}),
        ({"blocked_domains": ["a.org", "b.org/x"]}, {"excluded_domains": ["a.org", "b.org/x"]}),
        (
            {"user_location": {"type": "approximate", "city": "Ghent", "country": "BE", "odd": 1}},
            {"user_location": {"type": "approximate", "city": "Ghent", "country": "BE"}},
        ),
    ],
)
def test_a_search_is_the_host_s_own_tool_with_its_limits(more: dict[str, Any], parameters: Any) -> None:
    (sent,) = chat(body(tools=[{**SEARCH, **more}]))["tools"]
    assert sent.pop("type") == "openrouter:web_search"
    assert sent.get("parameters") == parameters
    assert set(parameters or ()) <= set(WebSearchConfig.model_fields)


@shows("tool other_server_tools")
def test_a_fetch_is_the_host_s_own_tool_and_stands_where_it_was_sent() -> None:
    fetch = {**FETCH, "max_uses": 2, "blocked_domains": ["a.org"], "max_content_tokens": 9000}
    read, sent = chat(body(tools=[tool("Read"), fetch]))["tools"]
    assert read["function"]["name"] == "Read"
    assert sent == {
        "type": "openrouter:web_fetch",
        "parameters": {"max_uses": 2, "blocked_domains": ["a.org"], "max_content_tokens": 9000},
    }


@shows("tool web_search")
def test_a_search_that_is_demanded_is_demanded_of_the_host() -> None:
    sent = chat(body(tools=[SEARCH], tool_choice={"type": "tool", "name": "web_search"}))
    assert sent["tool_choice"] == {"type": "openrouter:web_search"}


@shows("tool web_search")
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({**SEARCH, "max_uses": 0}, "tools.0.max_uses: Input should be greater than 0"),
        ({**SEARCH, "max_uses": "8"}, "tools.0.max_uses: Input should be greater than 0"),
        (
            {**SEARCH, "allowed_domains": "a.org"},
            "tools.0.allowed_domains: Input should be a valid list of domains",
        ),
        (
            {**SEARCH, "allowed_domains": ["a.org"], "blocked_domains": ["b.org"]},
            "tools.0: only one of allowed_domains and blocked_domains may be given",
        ),
        ({**SEARCH, "user_location": "Ghent"}, "tools.0.user_location: Input should be a valid dictionary"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(sent: dict[str, Any], message: str) -> None:
    assert refused(body(tools=[sent])) == message


@shows("tool web_search", "tool other_server_tools")
def test_a_plain_host_refuses_both_in_clear_words() -> None:
    plain = profile_for("llama", None, openrouter=False)
    assert "name a source under web_search" in refused(body(tools=[SEARCH]), profile=plain)
    assert "needs a model on OpenRouter" in refused(body(tools=[FETCH]), profile=plain)


@shows("tool web_search")
def test_the_client_s_own_search_is_known_as_one_with_its_query() -> None:
    sent = web_search_call()
    sent["messages"] = [user(text("Perform a web search for the query: zebra\n stripes "))]
    asked = order(sent).search
    assert asked is not None
    assert (asked.name, asked.query, asked.alone) == ("web_search", "zebra stripes", True)
    beside = order({**sent, "tools": [*sent["tools"], tool("Read")]}).search
    assert beside is not None
    assert not beside.alone
    assert order(body(tools=[FETCH])).search is None


def test_the_query_is_the_last_that_the_user_said() -> None:
    assert query_of([user("first"), user("second"), {"role": "assistant", "content": "third"}]) == "second"
    assert query_of([user({"type": "image", "source": {}})]) == ""


@pytest.mark.parametrize(
    ("lists", "wanted", "unwanted"),
    [
        ({}, ["https://a.org/x"], []),
        ({"allowed": ("a.org",)}, ["https://a.org/x", "http://www.a.org"], ["https://ba.org", "https://b.org/a.org"]),
        ({"allowed": ("a.org/docs",)}, ["https://a.org/docs/x", "https://a.org/docs"], ["https://a.org/docsx"]),
        ({"blocked": ("https://a.org",)}, ["https://b.org"], ["https://deep.a.org/x"]),
    ],
)
def test_lists_of_domains_hold_for_subdomains_and_paths(
    lists: dict[str, Any], wanted: list[str], unwanted: list[str]
) -> None:
    search = WebTool(kind="search", name="web_search", **lists)
    assert [url for url in wanted + unwanted if is_wanted(url, search)] == wanted


def test_the_text_of_a_hit_comes_back_from_its_block_and_foreign_ones_stay_closed() -> None:
    block = result_block("srvtoolu_1", [Hit(url="https://a.org", text="ümlaut", age="2 days")])
    (found,) = block["content"]
    assert (found["title"], found["page_age"]) == ("https://a.org", "2 days")
    assert unsealed(found["encrypted_content"]) == "ümlaut"
    assert [unsealed(other) for other in ("EqgfCioIARgB", "claude-or1:%", None)] == ["", "", ""]
