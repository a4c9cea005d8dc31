"""Requests in the shapes that Claude Code sends, with filler for every text.

Each builder returns a whole body as plain data, so that a test can change it. Field names, nesting, roles, marks and the
order of things follow the client; the words mean nothing.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.request import ChatOrder, to_chat
from claude_or.wire.anthropic import decode_request

Body = dict[str, Any]
MARK = {"type": "ephemeral"}


def png(width: int = 96, height: int = 64) -> str:
    """A picture that is only its head: enough for whoever reads its size."""
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    raw = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return base64.b64encode(raw).decode()


def pdf(pages: int = 2) -> str:
    """A document that is only its page objects."""
    objects = b"".join(b"<< /Type /Page /Parent 1 0 R >>\n" for _ in range(pages))
    return base64.b64encode(b"%%PDF-1.4\n<< /Type /Pages /Count %d >>\n" % pages + objects).decode()


def text(words: str, **more: Any) -> Body:
    """A text block."""
    return {"type": "text", "text": words, **more}


def image(**more: Any) -> Body:
    """A picture block."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png()}, **more}


def document(**more: Any) -> Body:
    """A PDF block."""
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf()}, **more}


def use(call_id: str, name: str = "Read", **given: Any) -> Body:
    """A call block."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, content: Any = "done", **more: Any) -> Body:
    """A result block, its keys in the client's order."""
    return {"tool_use_id": call_id, "type": "tool_result", "content": content, **more}


def user(*blocks: Body | str) -> Body:
    """A user message; one string alone stays a string."""
    if len(blocks) == 1 and isinstance(blocks[0], str):
        return {"role": "user", "content": blocks[0]}
    return {"role": "user", "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def assistant(*blocks: Body | str) -> Body:
    """An assistant message."""
    return {**user(*blocks), "role": "assistant"}


def system(content: Any = "Environment and deferred tools.", **more: Any) -> Body:
    """A system message in the middle."""
    return {"role": "system", "content": content, **more}


def tool(name: str, **more: Any) -> Body:
    """A tool with a small schema."""
    return {
        "name": name,
        "description": f"What {name} does.",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"path": {"type": "string"}, "limit": {"type": "integer", "exclusiveMinimum": 0}},
            "required": ["path"],
            "additionalProperties": False,
        },
        **more,
    }


PLACEHOLDER = {
    "name": "DeferredToolPlaceholder",
    "description": "Never called.",
    "input_schema": {"type": "object", "properties": {}},
    "defer_loading": True,
}
BUILT_INS = [tool("Agent"), tool("Bash"), tool("Read"), tool("ToolSearch"), PLACEHOLDER, tool("Write")]


def body(*messages: Body, **more: Any) -> Body:
    """A small request of an SDK: no tools, no system."""
    return {"model": "asked/model", "max_tokens": 1000, "messages": list(messages or (user("hi"),)), **more}


def main_turn(*later: Body, **more: Any) -> Body:
    """A main turn for a model that the client does not know. Its last block carries a mark."""
    first = user("<system-reminder>\nbasin isle\n</system-reminder>", "hello")
    messages = [
        first,
        system([text("fjord mesa tarn", cache_control=MARK)] if not later else "fjord mesa tarn"),
        *later,
    ]
    if later and isinstance(messages[-1]["content"], list):
        *before, last = messages[-1]["content"]
        messages[-1] = {**messages[-1], "content": [*before, {**last, "cache_control": MARK}]}
    return {
        "model": "asked/model",
        "messages": messages,
        "system": [
            text("x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=sdk-cli;"),
            text("knoll ridge", cache_control=MARK),
            text("\number heath", cache_control=MARK),
        ],
        "tools": BUILT_INS,
        "metadata": {"user_id": '{"device_id":"0","account_uuid":"","session_id":"s"}'},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive", "display": "updates"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
        **more,
    }


def quiet_turn() -> Body:
    """A main turn with the newer betas off: budget thinking, all tools inline, no system role."""
    turn = main_turn(thinking={"budget_tokens": 31999, "type": "enabled"})
    turn["messages"] = [user(*[f"<system-reminder>\npart {i}\n</system-reminder>" for i in range(5)], "hi")]
    turn["tools"] = [tool(name) for name in ("Bash", "CronList", "Read", "WebFetch", "WebSearch", "Write")]
    return {k: v for k, v in turn.items() if k not in {"context_management", "output_config"}}


def tool_loop() -> Body:
    """Calls and their results: one alone, two in parallel, an error, a text beside a result."""
    return main_turn(
        assistant(use("toolu_1", path="/a")),
        user(result("toolu_1", "1\tbeta")),
        assistant("Two at once.", use("toolu_2", path="/b"), use("toolu_3", "Bash", command="echo par")),
        user(result("toolu_2", "quartz"), result("toolu_3", "par", is_error=False)),
        assistant(use("toolu_4", "Grep", pattern="x")),
        user(result("toolu_4", "<tool_use_error>No such tool</tool_use_error>", is_error=True)),
        assistant(use("toolu_5", "Skill", skill="greet")),
        user(result("toolu_5", "launching"), text("the skill's text")),
    )


def media_turn() -> Body:
    """A picture and a document, each inside a result."""
    return main_turn(
        assistant(use("toolu_1", path="/img.png")),
        user(result("toolu_1", [image()])),
        assistant(use("toolu_2", path="/doc.pdf")),
        user(result("toolu_2", [text("PDF file read"), document()])),
    )


def searched_turn() -> Body:
    """A tool search whose result holds references; the tools found stand in the list, still deferred, in the client's order."""
    turn = main_turn(
        assistant(use("toolu_1", "ToolSearch", query="select:WebFetch,CronList", max_results=5)),
        user(result("toolu_1", [{"type": "tool_reference", "tool_name": name} for name in ("WebFetch", "CronList")])),
    )
    turn["tools"] = [
        tool("Agent"),
        tool("Bash"),
        tool("CronList", defer_loading=True),
        tool("Read"),
        tool("ToolSearch"),
        tool("WebFetch", defer_loading=True),
        PLACEHOLDER,
        tool("Write"),
    ]
    return turn


def thinking_turn(signature: str) -> Body:
    """A loop whose earlier answers hold thinking blocks."""
    return main_turn(
        assistant(
            {"type": "thinking", "thinking": "weigh it", "signature": signature}, "First.", use("toolu_1", path="/a")
        ),
        user(result("toolu_1", "1", is_error=False)),
        assistant({"type": "thinking", "thinking": "weigh it", "signature": signature}, use("toolu_2", path="/b")),
        user(result("toolu_2", "2", is_error=False)),
    )


def compact_turn() -> Body:
    """The order to summarise: the mark stands on a call, the order beside the last result."""
    turn = tool_loop()
    turn["messages"] = [
        user("hello"),
        system(),
        assistant(use("toolu_1", "Bash", command="echo 0")),
        user(result("toolu_1", "0")),
        assistant({**use("toolu_2", "Bash", command="echo 1"), "cache_control": MARK}),
        user(result("toolu_2", "1"), text("TEXT ONLY summary please")),
    ]
    return turn


def title_call() -> Body:
    """The session title on the small model: no tools, structured output."""
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    return {
        **{k: v for k, v in main_turn().items() if k not in {"tools", "thinking", "context_management"}},
        "messages": [user("<session>\nochre vale\n</session>")],
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": schema}},
    }


def web_fetch_call() -> Body:
    """The small model reads a page."""
    return {
        **{k: v for k, v in main_turn().items() if k not in {"tools", "thinking", "context_management"}},
        "messages": [user("a page and a question")],
    }


def web_search_call() -> Body:
    """The side request behind the client's web search."""
    return {
        **{k: v for k, v in main_turn().items() if k not in {"thinking", "context_management"}},
        "messages": [user("Perform a web search")],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        "tool_choice": {"type": "auto"},
    }


def auto_mode_turn() -> Body:
    """Auto permission mode with the server's check."""
    return main_turn(safeguards=[{"type": "dangerous_tool_use", "classifier_context": {"v": 1}}])


def classifier_call() -> Body:
    """Auto permission mode with the client's own check: not streamed, with a stop sequence."""
    return {
        "model": "mid/model",
        "max_tokens": 2112,
        "system": [text("x-anthropic-billing-header: cc_version=1;"), text("rules", cache_control=MARK)],
        "messages": [user("<transcript>\n", text("a", cache_control=MARK), text("b", cache_control=MARK), "c")],
        "stop_sequences": ["</block>"],
        "metadata": {"user_id": "{}"},
    }


def default_model_turn() -> Body:
    """A built-in model's first turn: effort on the system message itself."""
    turn = main_turn(max_tokens=128000, output_config={"effort": "medium"})
    turn["messages"][1]["output_config"] = {"effort": "medium"}
    return turn


def mcp_turn() -> Body:
    """A tool of an MCP server, inline, and its result."""
    turn = main_turn(
        assistant(use("toolu_1", "mcp__echo__echo_it", text="yo")), user(result("toolu_1", [text("umber basin")]))
    )
    return {**turn, "tools": [*BUILT_INS, tool("mcp__echo__echo_it")]}


SHAPES: dict[str, Callable[[], Body]] = {
    "main turn, unknown model": main_turn,
    "main turn, default model": default_model_turn,
    "main turn, betas off": quiet_turn,
    "title call": title_call,
    "results, single and parallel": tool_loop,
    "picture and document": media_turn,
    "tool search": searched_turn,
    "web fetch": web_fetch_call,
    "auto mode, server": auto_mode_turn,
    "auto mode, client": classifier_call,
    "thinking, foreign signature": lambda: thinking_turn("c2lnbmF0dXJl"),
    "thinking, no signature": lambda: thinking_turn(""),
    "MCP tool": mcp_turn,
    "compaction": compact_turn,
}

FACTS = ModelFacts(
    context=200_000,
    max_output=64_000,
    inputs=frozenset({"text", "image", "file"}),
    reasons=True,
    efforts=("max", "xhigh", "high", "medium", "low", "none"),
)


def order(sent: Body, slug: str = "z-ai/glm-5.3", profile: ModelProfile | None = None, **more: Any) -> ChatOrder:
    """The chat order for a body, as it would come over the wire."""
    request = decode_request(msgspec.json.encode(sent))
    return to_chat(request, profile or profile_for(slug, FACTS), slug=slug, **more)


def chat(sent: Body, slug: str = "z-ai/glm-5.3", profile: ModelProfile | None = None, **more: Any) -> dict[str, Any]:
    """The chat request for a body, read back from its bytes."""
    return msgspec.json.decode(order(sent, slug, profile, **more).body)


def losses(sent: Body, slug: str = "z-ai/glm-5.3", profile: ModelProfile | None = None, **more: Any) -> set[str]:
    """The kinds of loss that a body meets."""
    return {loss.kind for loss in order(sent, slug, profile, **more).losses}
