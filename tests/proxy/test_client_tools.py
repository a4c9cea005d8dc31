"""The tools that the API knows by type alone and the client runs, on a model of chat completions, as the official SDK uses them."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.lib.tools import BetaAsyncAbstractMemoryTool, ToolError

from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import text, tool_call
from tests.proxy.gateway import MODEL, TOKEN, WEATHER, Door, gateway

BASH: dict[str, Any] = {"type": "bash_20250124", "name": "bash"}
EDITOR: dict[str, Any] = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 9000}
OLD_EDITOR: dict[str, Any] = {"type": "text_editor_20250124", "name": "str_replace_editor"}
MEMORY: dict[str, Any] = {"type": "memory_20250818", "name": "memory"}
SCREEN: dict[str, Any] = {"name": "computer", "display_width_px": 800, "display_height_px": 600}
COMPUTER: dict[str, Any] = {"type": "computer_20250124", **SCREEN}
PATH = {"path": "/a.py"}


def client_of(door: Door) -> anthropic.AsyncAnthropic:
    """The SDK before the proxy."""
    return anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0)


async def read(door: Door, tools: list[Any], messages: list[Any], *, stream: bool = True) -> Any:
    """The message that the SDK reads."""
    request: dict[str, Any] = {"model": MODEL, "max_tokens": 4000, "tools": tools, "messages": messages}
    async with client_of(door) as client:
        if not stream:
            return await client.beta.messages.create(**request)
        async with client.beta.messages.stream(**request) as answer:
            return await answer.get_final_message()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("tool", "given"),
    [
        (BASH, {"command": "ls -l"}),
        (BASH, {"restart": True}),
        (EDITOR, {"command": "view", **PATH, "view_range": [1, -1]}),
        (EDITOR, {"command": "insert", **PATH, "insert_line": 0, "insert_text": "x\n"}),
        (OLD_EDITOR, {"command": "insert", **PATH, "insert_line": 3, "new_str": "x\n"}),
        (OLD_EDITOR, {"command": "undo_edit", **PATH}),
        (MEMORY, {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"}),
        (COMPUTER, {"action": "left_click", "coordinate": [10, 20], "text": "ctrl"}),
        (COMPUTER, {"action": "scroll", "coordinate": [1, 2], "scroll_direction": "down", "scroll_amount": 3}),
    ],
    ids=lambda value: str(value.get("type") or value.get("command") or value.get("action")),
)
async def test_a_call_and_its_result_go_both_ways_under_the_tools_own_name(
    tool: dict[str, Any], given: dict[str, Any], *, stream: bool
) -> None:
    asked: list[Any] = [{"role": "user", "content": "do it"}]
    async with OpenRouterFake([[tool_call(tool["name"], given)], [text("Done.")]]) as host, gateway(host) as door:
        message = await read(door, [WEATHER, tool], asked, stream=stream)
        (call,) = message.content
        assert (call.type, call.name, call.input) == ("tool_use", tool["name"], given)
        assert message.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "it worked"}
        history = [{"role": "assistant", "content": [call.model_dump()]}, {"role": "user", "content": [result]}]
        last = await read(door, [WEATHER, tool], [*asked, *history], stream=stream)
    assert last.content[0].text == "Done."
    first, second = host.asks
    function = first.body["tools"][1]["function"]
    assert function["name"] == tool["name"]
    assert set(function) == {"name", "description", "parameters"}
    properties = function["parameters"]["properties"]
    assert set(given) <= set(properties)
    for name in {"command", "action"} & set(given) & {n for n, said in properties.items() if "enum" in said}:
        assert given[name] in properties[name]["enum"]
    assert second.body["tools"] == first.body["tools"]
    called, answered = second.messages[-2:]
    assert called["tool_calls"][0]["function"]["name"] == tool["name"]
    assert (answered["role"], answered["content"]) == ("tool", "it worked")


class Notes(BetaAsyncAbstractMemoryTool):
    """The SDK's memory over a dictionary: it checks each command's arguments itself."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, str] = {}

    async def view(self, command: Any) -> str:
        if command.path == "/memories":
            return "\n".join(self.files) or "empty"
        if command.path not in self.files:
            raise ToolError(f"{command.path} does not exist")
        return self.files[command.path]

    async def create(self, command: Any) -> str:
        self.files[command.path] = command.file_text
        return "created"

    async def str_replace(self, command: Any) -> str:
        self.files[command.path] = self.files[command.path].replace(command.old_str, command.new_str)
        return "replaced"

    async def insert(self, command: Any) -> str:
        lines = self.files[command.path].splitlines()
        lines.insert(command.insert_line, command.insert_text)
        self.files[command.path] = "\n".join(lines)
        return "inserted"

    async def delete(self, command: Any) -> str:
        del self.files[command.path]
        return "deleted"

    async def rename(self, command: Any) -> str:
        self.files[command.new_path] = self.files.pop(command.old_path)
        return "renamed"


async def test_the_sdks_own_memory_runs_on_any_model() -> None:
    a, b = {"path": "/memories/a"}, {"path": "/memories/b"}
    commands: list[dict[str, Any]] = [
        {"command": "view", "path": "/memories"},
        {"command": "create", **a, "file_text": "Zebras are red."},
        {"command": "str_replace", **a, "old_str": "red", "new_str": "striped"},
        {"command": "insert", **a, "insert_line": 1, "insert_text": "Horses are not."},
        {"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"},
        {"command": "create", **a, "file_text": "x"},
        {"command": "delete", **a},
        {"command": "view", **b},
        {"command": "view", **a},
    ]
    script = [*([tool_call("memory", given)] for given in commands), [text("Noted.")]]
    notes = Notes()
    async with OpenRouterFake(script) as host, gateway(host) as door, client_of(door) as client:
        runner = client.beta.messages.tool_runner(
            model=MODEL, max_tokens=4000, tools=[notes], messages=[{"role": "user", "content": "note it"}]
        )
        message = await runner.until_done()
    assert message.content[0].model_dump()["text"] == "Noted."
    assert notes.files == {"/memories/b": "Zebras are striped.\nHorses are not."}
    assert len(host.asks) == len(script)
    results = [ask.messages[-1]["content"] for ask in host.asks[1:]]
    assert results[0] == "empty"
    assert results[-2] == notes.files["/memories/b"]
    assert "does not exist" in results[-1]


@pytest.mark.parametrize(
    ("tool", "offered", "withheld"),
    [
        ({"type": "computer_20241022", **SCREEN}, "cursor_position", "scroll"),
        (COMPUTER, "hold_key", "zoom"),
        ({"type": "computer_20251124", **SCREEN}, "wait", "zoom"),
        ({"type": "computer_20251124", "enable_zoom": True, **SCREEN}, "zoom", "undo_edit"),
        ({"type": "text_editor_20241022", "name": "str_replace_editor"}, "undo_edit", "rename"),
        ({"type": "text_editor_20250429", "name": "str_replace_based_edit_tool"}, "insert", "undo_edit"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else value,
)
async def test_only_what_the_version_knows_is_offered(tool: dict[str, Any], offered: str, withheld: str) -> None:
    async with OpenRouterFake([[text("Hm.")]]) as host, gateway(host) as door:
        await read(door, [tool], [{"role": "user", "content": "look"}])
    properties = host.asks[0].body["tools"][0]["function"]["parameters"]["properties"]
    commands = (properties.get("action") or properties["command"])["enum"]
    assert offered in commands
    assert withheld not in commands


async def test_a_demanded_tool_is_demanded_by_its_name() -> None:
    script = [[tool_call("bash", {"command": "ls"})]]
    async with OpenRouterFake(script) as host, gateway(host) as door, client_of(door) as client:
        message = await client.messages.create(
            model=MODEL,
            max_tokens=4000,
            tools=[{"type": "bash_20250124", "name": "bash"}],
            tool_choice={"type": "tool", "name": "bash"},
            messages=[{"role": "user", "content": "list"}],
        )
    assert host.asks[0].body["tool_choice"] == {"type": "function", "function": {"name": "bash"}}
    assert message.content[0].type == "tool_use"


async def test_a_thread_of_the_sdk_goes_on_though_none_is_kept_here() -> None:
    script = [[text("One.")], [text("Two.")], [text("Three.")]]
    async with OpenRouterFake(script) as host, gateway(host) as door, client_of(door) as client:
        thread = client.beta.messages.thread(model=MODEL, max_tokens=4000)
        said: list[str] = []
        for words in ("a", "b", "c"):
            answer = await thread.send({"role": "user", "content": words})
            said.append(answer.content[0].model_dump()["text"])
    assert said == ["One.", "Two.", "Three."]
    assert [message["content"] for message in host.asks[2].messages] == ["a", "One.", "b", "Two.", "c"]
