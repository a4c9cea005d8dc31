"""The demo's model: a script instead of a host. No key, no network.

It answers with chat-completion chunks, as a host would, and they pass through the same decoder and translator: what a newcomer
sees working is the real path. What to say next is read from the request alone (which tool results are there since the
last prompt), so the script has no state and survives `--resume` like any model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from claude_or.routing.ask import Ask, Burst, ReplyFailed, Report
from claude_or.translate.failure import failure_in_stream
from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.stream import StreamTranslator
from claude_or.upstream.chunks import ChunkReader
from claude_or.upstream.ids import NewId, random_id
from claude_or.wire.anthropic import MessagesRequest
from claude_or.wire.events import encode

MODEL = "demo/scripted-model"
"""The name the demo's model goes by."""
TOUR = "Take the tour"
"""The prompt that drives the tools; matched without regard to case, anywhere in the prompt."""

_WORDS_PER_CHUNK = 3
_ARGUMENT_BYTES_PER_CHUNK = 17

_HELLO = (
    "Hello! I am a scripted model inside claude-or, so this answer was written in advance and nothing left your machine. "
    "Everything else is real: Claude Code asked the local proxy, and the proxy translated my chat-completion stream into "
    f'the Messages API. To see tools at work, ask me: "{TOUR}".'
)
_PROGRAM = 'print("Hello from the demo")\n'


@dataclass(frozen=True, kw_only=True)
class ScriptedReplier:
    """The demo's leaf. `folder` is where the tour's tools work; `pause` are seconds between two chunks, for the look of it."""

    folder: str
    pause: float = 0.02
    new_id: NewId = random_id
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The scripted answer under the contract of `routing/ask.py`."""
        translator = StreamTranslator(
            message_id=self.new_id("msg"),
            model=ask.request.model,
            name_out=str,
            id_out=str,
            carry=ReasoningCarry(family="demo", slug=MODEL),
            input_estimate=_usage(ask.request)["prompt_tokens"],
            new_id=partial(self.new_id, "toolu"),
            show_thinking=True,
            failure_in_stream=failure_in_stream,
        )
        reader = ChunkReader()
        for data in chunks(ask.request, self.folder):
            events = [event for chunk in reader.feed(data) for event in translator.feed(chunk)]
            if translator.failure is not None and not translator.started:
                raise ReplyFailed(translator.failure)
            facts = translator.report
            report = Report(model=facts.model, provider=facts.provider, usage=facts.usage, cost=facts.cost)
            yield Burst(frames=[encode(event) for event in events], report=report)
            await self.sleep(self.pause)


def chunks(request: MessagesRequest, folder: str) -> Iterator[bytes]:
    """The scripted answer to a request as server-sent `data:` lines of chat-completion chunks, `[DONE]` included.

    `folder` is the scratch folder in which the tour's tools work.
    """
    yield _chunk({"role": "assistant", "content": ""})
    prompt, results = _since_last_prompt(request)
    offered = {tool.get("name") for tool in request.tools}
    step = _TOUR_STEPS[len(results)] if TOUR.lower() in prompt.lower() and len(results) < len(_TOUR_STEPS) else None
    tool_used = False
    if step is None:
        yield from _say(_farewell(results) if results else _HELLO)
    else:
        text, name, arguments = step
        yield from _say(text)
        if name in offered:
            tool_used = True
            yield from _call(f"call_demo_{len(results) + 1}", name, arguments(folder))
        else:
            yield from _say(f" (Claude Code offers no {name} here, so the tour ends early.)")
    yield _chunk({"content": ""}, finish="tool_calls" if tool_used else "stop", usage=_usage(request))
    yield b"data: [DONE]\n\n"


def _write(folder: str) -> dict[str, Any]:
    return {"file_path": f"{folder}/hello.py", "content": _PROGRAM}


def _read(folder: str) -> dict[str, Any]:
    return {"file_path": f"{folder}/hello.py"}


def _edit(folder: str) -> dict[str, Any]:
    return {"file_path": f"{folder}/hello.py", "old_string": "the demo", "new_string": "claude-or"}


def _bash(folder: str) -> dict[str, Any]:
    del folder  # the session works there already, and the demo allows exactly this command
    return {"command": COMMAND, "description": "Run the demo program"}


COMMAND = "python3 hello.py"
"""The one command that the tour runs."""

_TOUR_STEPS: tuple[tuple[str, str, Callable[[str], dict[str, Any]]], ...] = (
    ("I am a scripted model; the tools are real. First I write a small program.", "Write", _write),
    ("Written. Now I read it back.", "Read", _read),
    ("Next I change one line of it.", "Edit", _edit),
    ("And now I run it.", "Bash", _bash),
)


def _farewell(results: list[str]) -> str:
    printed = results[-1].strip() or "nothing"
    return (
        f"The program printed: {printed}\n\n"
        "That was the tour: Write, Read, Edit and Bash, called by a scripted model and executed by the real Claude Code. "
        "With a key of your own the same session runs on any model: export OPENROUTER_API_KEY, then run claude-or."
    )


def _since_last_prompt(request: MessagesRequest) -> tuple[str, list[str]]:
    """The last thing the user typed, and the tool results that came after it."""
    prompt, results = "", list[str]()
    for message in request.messages:
        if message.get("role") != "user":
            continue
        blocks = message.get("content")
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks or []
        found = [_text_of(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
        if found:
            results += found
            continue
        typed = [block.get("text", "") for block in blocks if block.get("type") == "text"]
        if typed:
            prompt, results = typed[-1], []
    return prompt, results


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _say(text: str) -> Iterator[bytes]:
    words = text.split(" ")
    for start in range(0, len(words), _WORDS_PER_CHUNK):
        piece = " ".join(words[start : start + _WORDS_PER_CHUNK])
        yield _chunk({"content": piece if start == 0 else " " + piece})


def _call(call_id: str, name: str, arguments: dict[str, Any]) -> Iterator[bytes]:
    """One tool call, its arguments cut into small pieces as hosts do."""
    text = msgspec.json.encode(arguments).decode()
    function: dict[str, Any] = {"name": name, "arguments": ""}
    yield _chunk({"tool_calls": [{"index": 0, "id": call_id, "type": "function", "function": function}]})
    for start in range(0, len(text), _ARGUMENT_BYTES_PER_CHUNK):
        piece = text[start : start + _ARGUMENT_BYTES_PER_CHUNK]
        yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})


def _usage(request: MessagesRequest) -> dict[str, Any]:
    """Plausible token counts; the price is nothing, because nobody was asked."""
    prompt = len(msgspec.json.encode([request.system, request.messages, request.tools])) // 4
    return {"prompt_tokens": prompt, "completion_tokens": 60, "total_tokens": prompt + 60, "cost": 0}


def _chunk(delta: dict[str, Any], *, finish: str | None = None, usage: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {
        "id": "gen-demo",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": MODEL,
        "provider": "claude-or",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if usage is not None:
        body["usage"] = usage
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
