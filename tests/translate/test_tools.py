"""Which tools are offered, in which order, and how they read upstream."""

from __future__ import annotations

from typing import Any

import pytest

from claude_or.translate.profiles import ModelProfile
from claude_or.translate.tools import offered_tools
from claude_or.wire.anthropic import BadRequest
from tests.translate.rows import shows
from tests.translate.shapes import (
    BUILT_INS,
    assistant,
    body,
    chat,
    losses,
    main_turn,
    result,
    searched_turn,
    system,
    text,
    tool,
    use,
    user,
)


def names(sent: dict[str, Any], **more: Any) -> list[str]:
    return [t["function"]["name"] for t in chat(sent, **more).get("tools", [])]


def refused(sent: dict[str, Any]) -> str:
    with pytest.raises(BadRequest) as error:
        chat(sent)
    return str(error.value)


def one(**more: Any) -> dict[str, Any]:
    return chat(body(tools=[{**tool("Read"), **more}]))["tools"][0]


@shows("tool custom", "field tools")
def test_a_tool_becomes_a_function_and_nothing_else_leaks() -> None:
    extras = {
        "eager_input_streaming": True,
        "allowed_callers": ["direct"],
        "cache_control": {"type": "ephemeral"},
        "defer_loading": False,
        "type": "custom",
        "brand_new": 1,
    }
    assert one(**extras) == {
        "type": "function",
        "function": {
            "name": "Read",
            "description": "What Read does.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "limit": {"type": "integer", "exclusiveMinimum": 0}},
                "required": ["path"],
                "additionalProperties": False,
            },
        },
    }


@shows("tool custom")
def test_examples_join_the_description_and_a_missing_one_stays_missing() -> None:
    shown = one(input_examples=[{"path": "/ä"}])["function"]["description"]
    assert shown == 'What Read does.\n\nExamples of input:\n{"path":"/ä"}'
    assert "description" not in one(description=None)["function"]
    assert "allowed_callers" in losses(body(tools=[tool("Read", allowed_callers=["code_execution_20260120"])]))


@shows("schema strict")
def test_strict_is_sent_only_for_a_schema_that_obeys() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert one(strict=True, input_schema=schema)["function"]["strict"] is True
    assert "strict" not in one(strict=True)["function"]
    assert "strict" in losses(body(tools=[tool("Read", strict=True)]))
    assert "strict" not in one(strict=False, input_schema=schema)["function"]


@shows("deferred stripped", "deferred placeholder")
def test_the_placeholder_and_waiting_tools_are_not_offered() -> None:
    sent = main_turn()
    sent["tools"] = [*BUILT_INS, tool("CronList", defer_loading=True)]
    assert names(sent) == ["Agent", "Bash", "Read", "ToolSearch", "Write"]
    assert "defer_loading" not in str(chat(searched_turn()))
    assert "placeholder_tool" in losses(sent)


@shows("deferred offered_on_reference", "deferred appended")
def test_tools_that_a_search_named_are_appended_in_the_order_of_their_naming() -> None:
    assert names(searched_turn()) == ["Agent", "Bash", "Read", "ToolSearch", "Write", "WebFetch", "CronList"]


@shows("deferred reference_text")
def test_a_reference_reads_as_text() -> None:
    results = [m["content"] for m in chat(searched_turn())["messages"] if m["role"] == "tool"]
    assert results == [
        "The tool WebFetch is loaded and can be called from now on.\nThe tool CronList is loaded and can be called from now on."
    ]


def test_a_waiting_tool_that_was_called_all_the_same_is_offered() -> None:
    sent = main_turn(assistant(use("t1", "CronList")), user(result("t1")))
    sent["tools"] = [tool("CronList", defer_loading=True), tool("Read")]
    assert names(sent) == ["Read", "CronList"]


def test_a_reference_to_a_tool_that_is_not_there_offers_nothing() -> None:
    sent = searched_turn()
    sent["tools"] = BUILT_INS
    assert "WebFetch" not in names(sent)


@shows("block tool_changes")
def test_tools_come_and_go_by_changes_in_the_conversation() -> None:
    added = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Late"}}
    defined = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("New")}}
    removed = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Old"}}
    tools = [tool("Old"), tool("Late", defer_loading=True), tool("Read")]
    turns = [user("a"), system([text("x"), added, defined])]
    assert names(body(*turns, tools=tools)) == ["Old", "Read", "Late", "New"]
    assert names(body(*turns, system([removed]), tools=tools)) == ["Read", "Late", "New"]
    back = system([{"type": "tool_addition", "tool": {"name": "Old"}}])
    assert names(body(*turns, system([removed]), back, tools=tools)) == ["Read", "Late", "New", "Old"]
    odd = [{"type": "tool_addition"}, {"type": "tool_addition", "tool": {"name": 7}}, {"type": "tool_use", "name": 7}]
    assert offered_tools(tools, [user(*odd)]) == [tools[0], tools[2]]


def test_a_model_that_never_searches_is_offered_all_where_they_stand() -> None:
    sent = names(searched_turn(), profile=ModelProfile(deferral=False))
    assert sent == ["Agent", "Bash", "CronList", "Read", "ToolSearch", "WebFetch", "Write"]


def test_results_of_a_server_s_search_offer_what_they_name() -> None:
    found = {
        "type": "tool_search_tool_result",
        "content": {"tool_references": [{"type": "tool_reference", "tool_name": "Late"}, {"type": "x"}, 7]},
    }
    tools = [tool("Late", defer_loading=True), tool("Later", defer_loading=True)]
    assert names(body(user("a"), assistant(found), tools=tools)) == ["Late"]
    assert offered_tools(tools, [assistant({"type": "tool_search_tool_result", "content": "x"})]) == []


@shows("tool bash", "tool text_editor", "tool memory", "tool computer")
@pytest.mark.parametrize(
    ("type_", "name", "arguments"),
    [
        ("bash_20241022", "bash", {"command", "restart"}),
        ("bash_20250124", "bash", {"command", "restart"}),
        ("text_editor_20241022", "str_replace_editor", {"command", "path", "insert_line", "view_range"}),
        ("text_editor_20250124", "str_replace_editor", {"command", "path", "new_str"}),
        ("text_editor_20250429", "str_replace_based_edit_tool", {"command", "insert_text"}),
        ("text_editor_20250728", "str_replace_based_edit_tool", {"command", "insert_text", "old_str"}),
        ("memory_20250818", "memory", {"command", "old_path", "new_path"}),
        ("computer_20241022", "computer", {"action", "coordinate"}),
        ("computer_20250124", "computer", {"action", "scroll_direction"}),
        ("computer_20251124", "computer", {"action", "start_coordinate"}),
    ],
)
def test_tools_known_by_type_alone_are_written_out(type_: str, name: str, arguments: set[str]) -> None:
    sent = {"type": type_, "name": name, "display_width_px": 800, "display_height_px": 600}
    function = chat(body(tools=[sent]))["tools"][0]["function"]
    assert function["name"] == name
    assert function["description"].endswith("The screen is 800 x 600 pixels.")
    assert arguments <= set(function["parameters"]["properties"])
    unsized = chat(body(tools=[{"type": type_, "name": name}]))["tools"][0]["function"]
    assert function["description"] == f"{unsized['description']} The screen is 800 x 600 pixels."


@shows("tool other_server_tools", "tool toolsets", "tool unknown")
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            {"type": "code_execution_20260521", "name": "code_execution"},
            "the code execution server tool is not available on this model",
        ),
        ({"type": "advisor_20260301", "name": "advisor"}, "the advisor server tool is not available on this model"),
        (
            {"type": "mcp_toolset", "mcp_server_name": "x"},
            "MCP toolsets are not available on this model; connect the server in the client",
        ),
        ({"type": "computer_toolset_20260801", "name": "c"}, "computer toolsets are not available on this model"),
        ({"type": "browser_toolset_20260801", "name": "b"}, "browser toolsets are not available on this model"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_tools_that_a_server_would_run_are_refused(sent: dict[str, Any], message: str) -> None:
    assert refused(body(tools=[tool("Read"), sent])) == f"tools.1: {message}"


@shows("tool unknown")
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"type": "hologram_2027", "name": "h"}, "tools.0.type: the tool type 'hologram_2027' is not known here"),
        ({"type": 7, "name": "h"}, "tools.0.type: Input should be a valid string"),
        ({"input_schema": {}}, "tools.0.name: Field required"),
        ({"name": 7}, "tools.0.name: Input should be a valid string"),
        ({"name": "x", "input_schema": []}, "tools.0.input_schema: Input should be a valid dictionary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tool_that_is_not_understood_is_refused(sent: dict[str, Any], message: str) -> None:
    assert refused(body(tools=[sent])) == message


def test_two_tools_of_one_name_are_refused() -> None:
    assert refused(body(tools=[tool("A"), tool("B"), tool("A")])) == "tools.2.name: Tool names must be unique"


@shows("tool other_server_tools")
def test_without_the_server_s_tool_search_all_tools_are_offered() -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    sent = body(tools=[search, tool("A", defer_loading=True), tool("B")])
    assert names(sent) == ["A", "B"]
    assert "tool_search" in losses(sent)


@shows("schema too_many")
def test_more_tools_than_the_host_takes_are_cut_at_the_end_and_listed() -> None:
    sent = body(tools=[tool(f"T{i}") for i in range(130)])
    assert names(sent, slug="openai/gpt-9") == [f"T{i}" for i in range(128)]
    assert "tools_over_limit" in losses(sent, "openai/gpt-9")
    assert len(names(sent)) == 130


@shows("name long", "field tool_choice")
def test_a_long_name_reads_the_same_in_tools_history_and_choice() -> None:
    name = "mcp__" + "server" * 20
    sent = chat(
        body(
            user("go"),
            assistant(use("t1", name)),
            user(result("t1")),
            tools=[tool(name)],
            tool_choice={"type": "tool", "name": name},
        )
    )
    alias = sent["tools"][0]["function"]["name"]
    assert len(alias) <= 64
    assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == alias
    assert sent["tool_choice"]["function"]["name"] == alias


@shows("field tool_choice")
@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "Read"}, {"type": "function", "function": {"name": "Read"}}),
    ],
    ids=lambda value: str(value),
)
def test_each_tool_choice_has_its_word(choice: dict[str, Any], wanted: Any) -> None:
    sent = chat(body(tools=[tool("Read")], tool_choice=choice))
    assert sent["tool_choice"] == wanted
    assert len(sent["tools"]) == 1
    assert "parallel_tool_calls" not in sent


@shows("field tool_choice")
def test_parallel_calls_are_switched_off_where_the_model_has_the_switch() -> None:
    sent = body(tools=[tool("Read")], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert chat(sent)["parallel_tool_calls"] is False
    without = ModelProfile(parameters=frozenset({"tools"}))
    assert "parallel_tool_calls" not in chat(sent, profile=without)
    assert "parallel_tool_calls" in losses(sent, profile=without)


@shows("field tool_choice")
def test_a_model_without_choice_decides_itself() -> None:
    without = ModelProfile(parameters=frozenset({"tools"}))
    forced = body(tools=[tool("Read")], tool_choice={"type": "any"})
    assert "tool_choice" not in chat(forced, profile=without)
    assert "tool_choice" in losses(forced, profile=without)
    assert "tool_choice" not in losses(body(tools=[tool("Read")], tool_choice={"type": "auto"}), profile=without)


def test_a_choice_without_tools_is_not_sent() -> None:
    sent = chat(body(tool_choice={"type": "auto", "disable_parallel_tool_use": True}))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent)
    waiting = body(tools=[tool("Read", defer_loading=True)], tool_choice={"type": "any"})
    assert not {"tools", "tool_choice"} & set(chat(waiting))
    assert "tool_choice" in losses(waiting)


@shows("field tool_choice")
@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"type": "tool", "name": "Nope"}, "tool_choice.name: Tool 'Nope' not found in the tools provided"),
        ({"type": "tool"}, "tool_choice.name: Field required"),
        ({"type": "some"}, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_choice_that_is_not_understood_is_refused(choice: dict[str, Any], message: str) -> None:
    assert refused(body(tools=[tool("Read")], tool_choice=choice)) == message
    assert refused(body(tool_choice=choice)) == message
