"""Where the web is searched, as a configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_or.config.key import key_variables
from claude_or.config.schema import WebSearch, from_plain, to_plain
from claude_or.config.search_sources import search_form
from tests.config.test_load import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_usual_source_needs_its_name_only_and_its_key_is_kept_from_the_child(world: World) -> None:
    world.write_user("web_search: {source: brave, max_results: 3}\n")
    settings = world.load().settings
    assert settings.web_search == WebSearch(source="brave", max_results=3)
    assert "BRAVE_API_KEY" in key_variables(settings)
    assert from_plain(to_plain(settings)) == settings
    form = search_form(settings.web_search)
    assert form is not None
    assert form.url.startswith("https://")


def test_without_a_source_the_host_searches_and_no_key_is_looked_for(world: World) -> None:
    settings = world.load().settings
    assert search_form(settings.web_search) is None
    assert key_variables(settings) == ("OPENROUTER_API_KEY",)


def test_what_is_said_overrules_the_source_s_own(world: World) -> None:
    world.write_user(
        """
web_search:
  source: tavily
  key_variable: SEARCH_KEY
  key_header: x-key
  parameters: {search_depth: basic, days: 3, raw: true}
  fields: {text: raw_content}
"""
    )
    form = search_form(world.load().settings.web_search)
    assert form is not None
    assert (form.key_variable, form.key_header, form.method) == ("SEARCH_KEY", "x-key", "POST")
    assert form.parameters["query"] == "{query}"
    assert (form.parameters["days"], form.parameters["raw"]) == (3, True)
    assert (form.fields["text"], form.fields["url"]) == ("raw_content", "url")


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/search"),
        ("https://s.example.org/search", "https://s.example.org/search"),
    ],
)
def test_searxng_is_asked_below_its_address(world: World, address: str, asked: str) -> None:
    world.write_user(f"web_search: {{source: searxng, url: '{address}'}}\n")
    form = search_form(world.load().settings.web_search)
    assert form is not None
    assert form.url == asked


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{source: searxng}", "`url` is missing"),
        ("{source: custom, url: 'https://s.org'}", "no parameter holds {query}"),
        ("{source: brave, fields: {link: a}}", "expected one of title, url, text, age, got 'link'"),
        ("{source: google}", "expected openrouter, brave, tavily, searxng, custom, mcp or off"),
        ("{source: mcp, tool: look}", "`server` is missing"),
        ("{source: mcp, server: finder}", "`tool` is missing"),
        ("{source: mcp, server: finder, tool: look, parameters: {n: 5}}", "no parameter holds {query}"),
        (
            "{source: searxng, url: 'https://s.org', parameters: {k: '{key}'}}",
            "nothing can be put in for {key}: `key_variable` is missing",
        ),
        ("{source: mcp, server: a, tool: b, parameters: {q: '{query}', k: '{key}'}}", "a server has its own key"),
        ("{source: brave, max_results: 99}", "expected a number from 1 to 20, got 99"),
        ("{source: brave, url: 'http://search.example.org'}", "plain http is allowed to this machine only"),
        ("{source: brave, key_variable: 'a key'}", "expected the name of an environment variable"),
        ("{source: brave, headers: {Authorization: Bearer x}}", "a key never stands in a file"),
    ],
)
def test_a_source_that_could_not_be_asked_is_a_mistake(world: World, said: str, problem: str) -> None:
    world.write_user(f"web_search: {said}\n")
    (mistake,) = world.mistakes()
    assert problem in mistake
    assert "config.yaml:1" in mistake


def test_a_project_cannot_say_where_searches_go(world: World) -> None:
    world.write_project("web_search: {source: searxng, url: 'https://elsewhere.org'}\n")
    assert any("a project's file may not set this" in mistake for mistake in world.mistakes())
