"""A scripted model with the manners of an agent: it does what the prompt's steps say, one tool call a turn.

A prompt is a line of steps joined by ` then `:

    say WORDS                        run COMMAND                     read PATH
    write PATH: TEXT                 edit PATH: OLD -> NEW           find TOOL   (ToolSearch)
    ask PROMPT                       (a subagent, in the foreground) call TOOL {json}

Anything else is answered with words. The state is the conversation: the steps come from the last thing the user typed, and
as many are done as calls were made since. So it can be resumed, and it holds no session in memory.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.replies import Part, Reply, Text, text, tool_call

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_CWD = re.compile(r"working directory:\s*(/[^\n]*)", re.IGNORECASE)


def agent(request: Mapping[str, Any]) -> Reply:
    """The next answer to a chat-completions or Messages request."""
    messages: list[Mapping[str, Any]] = request.get("messages") or []
    typed, since = last_typed(messages)
    steps = [_step(words, _folder(request)) for words in re.split(r"\s+then\s+", typed)]
    calls = [step for step in steps if step is not None and not isinstance(step, Text)]
    done = sum(_called(message) for message in messages[since:])
    if done < len(calls) and request.get("tools"):
        return Reply([calls[done]])
    spoken = [step.text for step in steps if isinstance(step, Text)]
    if calls:
        spoken.append("Finished. The last tool said: " + _last_result(messages)[-1000:])
    return Reply([text(" ".join(spoken) or f"You said: {typed[:200]}")])


def last_typed(messages: list[Mapping[str, Any]]) -> tuple[str, int]:
    """What the user typed last, without the client's reminders, and the index of the message that holds it."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "user":
            parts = [_REMINDER.sub("", words).strip() for words in texts(messages[index].get("content"))]
            if typed := [words for words in parts if words]:
                return typed[-1], index
    return "", 0


def texts(content: object) -> list[str]:
    """The text parts of a message's content in either API."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    found: list[str] = []
    for part in content:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(part["text"])
    return found


def _step(words: str, folder: str) -> Part | None:
    verb, _, rest = words.strip().partition(" ")
    make = _VERBS.get(verb.lower())
    return make(rest.strip(), folder) if make else None


def _write(rest: str, folder: str) -> Part:
    path, _, content = rest.partition(": ")
    return tool_call("Write", {"file_path": os.path.join(folder, path), "content": content})


def _edit(rest: str, folder: str) -> Part:
    path, _, change = rest.partition(": ")
    old, _, new = change.partition(" -> ")
    return tool_call("Edit", {"file_path": os.path.join(folder, path), "old_string": old, "new_string": new})


def _call(rest: str, _folder: str) -> Part:
    name, _, arguments = rest.partition(" ")
    return tool_call(name, arguments or "{}")


def _ask(rest: str, _folder: str) -> Part:
    wanted = {"description": "a small task", "prompt": rest, "subagent_type": "general-purpose"}
    return tool_call("Agent", {**wanted, "run_in_background": False})


_VERBS: dict[str, Callable[[str, str], Part]] = {
    "say": lambda rest, _: text(rest),
    "run": lambda rest, _: tool_call("Bash", {"command": rest, "description": "a step of the script"}),
    "read": lambda rest, folder: tool_call("Read", {"file_path": os.path.join(folder, rest)}),
    "find": lambda rest, _: tool_call("ToolSearch", {"query": f"select:{rest}", "max_results": 5}),
    "write": _write,
    "edit": _edit,
    "call": _call,
    "ask": _ask,
}


def _folder(request: Mapping[str, Any]) -> str:
    """The client tells its working directory somewhere in its prompt; relative paths are meant from there."""
    told = [*texts(request.get("system")), *(t for m in request.get("messages") or [] for t in texts(m.get("content")))]
    found = _CWD.search("\n".join(told))
    return found[1].strip() if found else "."


def _called(message: Mapping[str, Any]) -> int:
    if message.get("role") != "assistant":
        return 0
    content = message.get("content")
    blocks = [b for b in content if b.get("type") == "tool_use"] if isinstance(content, list) else []
    return len(message.get("tool_calls") or []) + len(blocks)


def _last_result(messages: list[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        content = message.get("content")
        if message.get("role") == "tool":
            return " ".join(texts(content)).strip()
        if isinstance(content, list):
            for block in content:
                if isinstance(block, dict) and block.get("type") == "tool_result":
                    return " ".join(texts(block.get("content"))).strip()
    return ""
