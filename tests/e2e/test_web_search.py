"""Claude Code's WebSearch on models of chat completions: it counts its searches and shows its links."""

from __future__ import annotations

import re

import pytest

from tests.fakes.openrouter import Ask, Brain, script
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import Reply, Scripted, Tokens, sources, text, tool_call
from tests.fakes.searching import KEY, PAGES, SearchFake
from tests.support.lab import Lab
from tests.support.mcp import configure
from tests.support.real_servers import real_servers

__all__ = ["real_servers"]


def searching(searches: list[Ask]) -> Brain:
    """A model that searches when it is asked something, on a host that finds one page."""

    def brain(ask: Ask, _n: int) -> Scripted:
        if any(tool.get("type") == "openrouter:web_search" for tool in ask.body.get("tools") or []):
            searches.append(ask)
            found = sources(("https://z.org/a", "Zebras", "Black and white."))
            return Reply([text("They have stripes."), found], usage=Tokens(searches=1))
        if any(message["role"] == "tool" for message in ask.messages):
            return text("They have stripes, I read.")
        return tool_call("WebSearch", {"query": "zebras"}) if ask.tools else text("A side remark.")

    return brain


IDLE = re.compile(r"^❯\s*$", re.MULTILINE)


async def test_a_search_on_a_plain_model_shows_its_links(lab: Lab) -> None:
    searches: list[Ask] = []

    lab.host.script(searching(searches))
    done = await lab.ask("what do zebras have?")
    assert (done.code, done.result["result"]) == (0, "They have stripes, I read."), done.stderr
    (search,) = searches
    assert search.path == "/chat/completions"
    assert [tool["parameters"]["max_uses"] for tool in search.body["tools"]] == [8]
    told = str(done.tool_results[-1]["content"])
    assert '"url":"https://z.org/a"' in told
    assert "They have stripes." in told
    assert not done.tool_results[-1].get("is_error")


async def test_a_local_model_searches_by_a_source_of_the_user_s_own(lab: Lab) -> None:
    script = [
        Say(calls=[("WebSearch", {"query": "zebras"})]),
        Say(calls=[("web_search", {"query": "zebra stripes"})]),
        Say("They have stripes."),
        Say("They have stripes, I read."),
    ]
    async with SearchFake() as source, plain_host(script=script) as local:
        lab.configure(
            "models: {big: 'ollama:tiny:1b'}\n"
            f"providers: {{ollama: {{base_url: '{local.base_url}', models: {{'tiny:1b': {{context_window: 150000}}}}}}}}\n"
            f"web_search: {{source: tavily, url: '{source.origin}/tavily'}}\n"
        )
        lab.extra |= {"OPENROUTER_API_KEY": "", "BIG_MODEL": "", "SMALL_MODEL": "", "TAVILY_API_KEY": KEY}
        done = await lab.ask("what do zebras have?")
        assert (done.code, done.result["result"].strip()) == (0, "They have stripes, I read."), done.stderr
        assert [asked.fields["query"] for asked in source.asked] == ["zebra stripes"]
        told = str(done.tool_results[-1]["content"])
        assert all(f'"url":"{url}"' in told for url, _, _ in PAGES)
        assert "They have stripes." in told
        assert KEY not in str([heard.body for heard in local.heard])
    logs = "".join(file.read_text() for file in (lab.home / ".local/state/claude-or/logs").glob("*.jsonl"))
    assert KEY not in logs


@pytest.mark.slow
async def test_the_screen_counts_the_search(lab: Lab) -> None:
    lab.host.script(searching([]))
    async with lab.terminal("--allowedTools", "WebSearch") as terminal:
        await terminal.wait_for(IDLE, timeout=90)
        await terminal.type_line("what do zebras have?")
        shown = await terminal.wait_for("They have stripes, I read.", timeout=90)
        assert "Did 1 search" in shown
        await terminal.type_line("/exit")
        assert await terminal.exit_code() == 0


@pytest.mark.slow
async def test_the_screen_counts_a_search_by_a_source_of_the_user_s_own_on_another_host(lab: Lab) -> None:
    script = [
        Say(calls=[("WebSearch", {"query": "zebras"})]),
        Say(calls=[("web_search", {"query": "zebra stripes"})]),
        Say("They have stripes."),
        Say("They have stripes, I read."),
    ]
    async with SearchFake() as source, plain_host(script=script) as local:
        lab.configure(
            "models: {big: 'ollama:tiny:1b', small: 'ollama:tiny:1b'}\n"
            f"providers: {{ollama: {{base_url: '{local.base_url}', models: {{'tiny:1b': {{context_window: 150000}}}}}}}}\n"
            f"web_search: {{source: searxng, url: '{source.origin}'}}\n"
        )
        lab.extra |= {"BIG_MODEL": "", "SMALL_MODEL": ""}
        async with lab.terminal("--allowedTools", "WebSearch") as terminal:
            await terminal.wait_for(IDLE, timeout=90)
            await terminal.type_line("what do zebras have?")
            shown = await terminal.wait_for("They have stripes, I read.", timeout=90)
            assert "Did 1 search" in shown
            await terminal.type_line("/exit")
            assert await terminal.exit_code() == 0
        last = local.heard[-1].body
    assert len(source.asked) == 1
    assert all(url in str(last["messages"]) for url, _, _ in PAGES)


async def test_a_plain_model_searches_by_a_tool_of_an_mcp_server(lab: Lab) -> None:
    configure(lab.home, finder=())
    lab.configure("web_search: {source: mcp, server: finder, tool: search}\n")
    lab.host.script(
        script(
            [tool_call("WebSearch", {"query": "zebras"})],
            [tool_call("web_search", {"query": "zebra stripes"})],
            text("They have stripes."),
            text("They have stripes, I read."),
        )
    )
    done = await lab.ask("what do zebras have?")
    assert (done.code, done.result["result"].strip()) == (0, "They have stripes, I read."), done.stderr
    told = str(done.tool_results[-1]["content"])
    assert all(f'"url":"{url}"' in told for url, _, _ in PAGES)
    assert "zebra stripes" in str(lab.host.asks[-2].body["messages"][-1])  # what the tool said of each page


@pytest.mark.slow
async def test_a_search_server_that_other_people_wrote_is_read(lab: Lab, real_servers: dict[str, str]) -> None:
    async with SearchFake() as source:
        entry = {"type": "command", "command": [real_servers["searxng"]], "environment": {"SEARXNG_URL": source.origin}}
        configure(lab.home, finder=entry)
        lab.configure("web_search: {source: mcp, server: finder, tool: searxng_web_search}\n")
        lab.host.script(
            script(
                [tool_call("WebSearch", {"query": "zebras"})],
                [tool_call("web_search", {"query": "zebra stripes"})],
                text("They have stripes."),
                text("They have stripes, I read."),
            )
        )
        done = await lab.ask("what do zebras have?", timeout=120)
    told = str(done.tool_results[-1]["content"])
    assert all(f'"url":"{url}"' in told for url, _, _ in PAGES), told
    assert source.asked[-1].fields["q"] == "zebra stripes"
