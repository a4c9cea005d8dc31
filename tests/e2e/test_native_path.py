"""The native path as the real client meets it: the host's own Messages endpoint, its oddities, and sessions that change paths."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.listing import GPT, SONNET
from tests.fakes.openrouter import Ask, script
from tests.fakes.replies import Reply, encrypted, reasoning, text, tool_call
from tests.fakes.skin import SEARCH_RESULTS, searched
from tests.support.lab import Lab

SIGNED = "EuYB-signed-by-the-host"


@pytest.fixture
def claude(lab: Lab) -> Lab:
    """The lab with a model that is reached natively for everything."""
    lab.extra |= {"BIG_MODEL": SONNET, "SMALL_MODEL": SONNET}
    return lab


def thought(words: str, n: int = 0) -> Any:
    """Thinking that the host signed."""
    return reasoning(words, signature=f"{SIGNED}-{n}", style="anthropic-claude-v1")


def blocks(ask: Ask, *kinds: str) -> list[dict[str, Any]]:
    """The blocks of these types in a request, in order."""
    contents = [message["content"] for message in ask.messages if isinstance(message["content"], list)]
    return [block for content in contents for block in content if block["type"] in kinds]


def assert_native(asks: list[Ask]) -> None:
    """All went to the Messages endpoint with one credential, the session, and nothing of this machine."""
    assert asks
    for ask in asks:
        assert ask.path == "/messages"
        assert "x-api-key" not in ask.headers
        assert ask.headers["x-session-id"] == ask.body["session_id"]
        assert ask.body["model"] == SONNET
        assert "user_id" not in (ask.body.get("metadata") or {})
        assert b"x-anthropic-billing-header" not in ask.raw


async def test_the_printed_result_is_the_text_and_not_the_empty_block_behind_it(claude: Lab) -> None:
    claude.host.script([[thought("Hm."), text("The answer.")]])
    done = await claude.run("-p", "a question")
    assert (done.code, done.stdout) == (0, "The answer.\n"), done.stderr
    assert_native(claude.host.asks)
    assert "openrouter.reasoning:" not in done.stdout


async def test_tools_run_and_thinking_comes_back_as_it_was_signed(claude: Lab) -> None:
    path = str(claude.project / "a.txt")
    given = {"file_path": path, "content": 'ünï "x"\n'}
    claude.host.script(
        script(
            [thought("Write.", 1), text("Writing."), tool_call("Write", given, cut="each", call_id="toolu_1")],
            [thought("Read.", 2), tool_call("Read", {"file_path": path}, call_id="toolu_2")],
            [thought("Done.", 3), text("Both done.")],
        )
    )
    done = await claude.ask("use the tools")
    assert (done.code, done.result["result"]) == (0, "Both done."), done.stderr
    assert (claude.project / "a.txt").read_text() == 'ünï "x"\n'
    assert [bool(result.get("is_error")) for result in done.tool_results] == [False, False]
    assert_native(claude.host.asks)
    last = claude.host.asks[-1]
    told = [(block["thinking"], block["signature"]) for block in blocks(last, "thinking")]
    assert told == [("Write.", f"{SIGNED}-1"), ("Read.", f"{SIGNED}-2")]
    assert blocks(last, "redacted_thinking") == []
    assert [block["id"] for block in blocks(last, "tool_use")] == ["toolu_1", "toolu_2"]
    assert done.result["usage"]["output_tokens"] > 0
    assert "thinking" in last.body
    assert last.headers["anthropic-beta"]


async def test_deferred_tools_go_as_the_client_wrote_them(claude: Lab) -> None:
    claude.host.script(
        script(
            tool_call("ToolSearch", {"query": "select:CronList", "max_results": 3}),
            tool_call("CronList", {}),
            text("Nothing is planned."),
        )
    )
    done = await claude.ask("what is planned?")
    assert (done.code, done.result["result"]) == (0, "Nothing is planned."), done.stderr
    assert any(tool.get("defer_loading") for ask in claude.host.asks for tool in ask.body["tools"])
    assert b'"tool_reference"' in claude.host.asks[-1].raw


async def test_a_web_search_is_the_hosts_and_its_answer_reaches_the_client(claude: Lab) -> None:
    searches: list[Ask] = []

    def brain(ask: Ask, _n: int) -> Reply | Any:
        if any(str(tool.get("type", "")).startswith("web_search_") for tool in ask.body.get("tools") or []):
            searches.append(ask)
            return searched("zebras", "They have stripes.")
        turn = len(blocks(ask, "tool_result"))
        if turn == 0:
            return tool_call("ToolSearch", {"query": "select:WebSearch", "max_results": 1})
        if turn == 1:
            return tool_call("WebSearch", {"query": "zebras"})
        return text("They have stripes, I read.")

    claude.host.script(brain)
    done = await claude.ask("what do zebras have?")
    assert (done.code, done.result["result"]) == (0, "They have stripes, I read."), done.stderr
    (search,) = searches
    assert search.path == "/messages"
    told = str(done.tool_results[-1]["content"])
    assert SEARCH_RESULTS[0]["url"] in told
    assert "They have stripes." in told
    assert "Did 0 searches" not in told


async def test_another_model_runs_natively_where_the_configuration_says_so(lab: Lab) -> None:
    path = str(lab.project / "a.txt")
    (lab.project / "a.txt").write_text("something to read\n")
    lab.configure(f"paths: {{'{GPT}': native}}\n")
    lab.extra |= {"BIG_MODEL": GPT, "SMALL_MODEL": GPT}
    sealed = encrypted("gAAAA-opaque", style="openai-responses-v1", detail_id="rs_1")
    lab.host.script(
        script(
            [sealed, tool_call("ToolSearch", {"query": "select:CronList", "max_results": 3})],
            tool_call("CronList", {}),
            tool_call("Read", {"file_path": path}),
            [reasoning("So."), text("All read.")],
        )
    )
    done = await lab.ask("go")
    assert (done.code, done.result["result"]) == (0, "All read."), done.stderr
    assert {ask.path for ask in lab.host.asks} == {"/messages"}
    first, second, *_, last = lab.host.asks
    assert "CronList" not in first.tools
    assert "CronList" in second.tools
    assert b'"tool_reference"' not in last.raw
    assert b"defer_loading" not in last.raw
    (kept,) = blocks(last, "redacted_thinking")
    assert kept["data"].startswith("openrouter.reasoning:")


async def test_a_session_goes_from_native_to_chat_and_back(lab: Lab) -> None:
    path = str(lab.project / "a.txt")
    (lab.project / "a.txt").write_text("something to read\n")
    reading = tool_call("Read", {"file_path": path})
    lab.extra["SMALL_MODEL"] = SONNET

    lab.extra["BIG_MODEL"] = SONNET
    lab.host.script(script([thought("One.", 1), reading], text("First.")))
    first = await lab.ask("read it")
    assert (first.code, first.result["result"]) == (0, "First."), first.stderr
    session = first.result["session_id"]

    lab.extra["BIG_MODEL"] = GPT
    lab.host.script(script([reasoning("Two."), tool_call("Read", {"file_path": path})], text("Second.")))
    count = len(lab.host.asks)
    second = await lab.ask("again", "--resume", session)
    assert (second.code, second.result["result"]) == (0, "Second."), second.stderr
    translated = lab.host.asks[count:]
    assert {ask.path for ask in translated} == {"/chat/completions"}
    assert all(SIGNED.encode() not in ask.raw for ask in translated)
    assert b"First." in translated[-1].raw

    lab.extra["BIG_MODEL"] = SONNET
    lab.host.script(lambda _ask, _n: [thought("Three.", 3), text("Third.")])
    count = len(lab.host.asks)
    third = await lab.ask("and now?", "--resume", session)
    assert (third.code, third.result["result"]) == (0, "Third."), third.stderr
    (last,) = lab.host.asks[count:]
    assert last.path == "/messages"
    assert b"claude-or.1." not in last.raw
    assert [block["signature"] for block in blocks(last, "thinking")] == [f"{SIGNED}-1"]
    assert len(blocks(last, "tool_use")) == len(blocks(last, "tool_result")) == 2
    said = msgspec.json.encode(last.messages)
    assert all(word in said for word in (b"First.", b"Second.", b"and now?"))
