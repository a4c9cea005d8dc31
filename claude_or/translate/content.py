"""The history of a Messages request as chat messages.

The two protocols group differently. A Messages turn holds any blocks; in a chat the results of one assistant turn are `tool`
messages of plain text that must follow it at once, in the order of its calls, and pictures among them must wait for a user
message. So an assistant turn with calls is written together with all that follows it up to the next assistant turn::

    assistant(calls A, B)  user(result B, text, result A with picture)  system
    -> assistant(A, B)  tool(A)  tool(B)  user(picture of A, text)  system

*Prefix.* What is written for a turn depends on that turn and those before it, and every text has one shape per profile (a plain
string, or a list of parts where cache marks are honoured) whether or not it carries a mark now. So the messages of a longer
history begin with those of the shorter one, byte for byte but for the marks themselves.

*Marks.* Only a text part can hold a mark. One that stands on anything else moves to the last text part before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from claude_or.translate.billing_line import without_billing_line
from claude_or.translate.losses import Losses
from claude_or.translate.media import document_parts, image_part, search_text, text_part
from claude_or.translate.names import ToolNames
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.reasoning import Carried
from claude_or.translate.server_blocks import CALLS, RESULTS, server_text
from claude_or.translate.thinking import Replay
from claude_or.wire.anthropic import BadRequest, MessagesRequest

MOST_MARKS: Final = 4

_INTERRUPTED: Final = "[no result: interrupted]"
_NO_OUTPUT: Final = "(no output)"

_encode = msgspec.json.Encoder(decimal_format="number").encode

_Message = dict[str, Any]
_Placed = tuple[dict[str, Any], str]
"""A block and its path in the request."""


_SAYS_NOTHING: Final = frozenset({"fallback", "mcp_tool_listing", "tool_addition", "tool_removal"})
"""Blocks of answers that are records for the API's own server."""


class _Call(msgspec.Struct, frozen=True):
    """One tool call of an assistant turn: the client's id, and id and name as the host is told."""

    id: str
    upstream_id: str
    name: str


class Conversation:
    """Writes the messages of one request. Raises `BadRequest` where a block cannot be carried."""

    def __init__(self, profile: ModelProfile, names: ToolNames, losses: Losses, replay: Replay) -> None:
        self._profile = profile
        self._names = names
        self._losses = losses
        self._replay = replay
        self._out: list[_Message] = []
        self._marked: list[dict[str, Any]] = []
        self._last_text: dict[str, Any] | None = None

    def messages(self, request: MessagesRequest, *, appendix: str = "") -> list[_Message]:
        """All chat messages, the system message first. `appendix` is added to the end of the system text."""
        self._system(request.system, appendix)
        leading = len(self._out)
        turns = request.messages
        at = 0
        while at < len(turns):
            at = self._assistant(turns, at) if turns[at]["role"] == "assistant" else self._other(turns, at)
        if len(self._out) == leading:
            raise BadRequest("at least one message with content is required", "messages")
        return self._out

    def limit_marks(self, tools: Sequence[dict[str, Any]], top: dict[str, Any] | None) -> None:
        """Mark the last text for a request-wide `cache_control`, then keep the newest marks that the host counts."""
        if top is not None:
            self._mark(top)
        holders = [*(tool for tool in tools if "cache_control" in tool), *self._marked]
        for holder in holders[: max(0, len(holders) - MOST_MARKS)]:
            self._losses.add("cache_control_limit", "cache_control", f"only {MOST_MARKS} marks are taken")
            del holder["cache_control"]

    # -- text and marks ---------------------------------------------------------------------------

    def _mark(self, control: Any) -> None:
        """Put a mark on the last text part that was written."""
        if not isinstance(control, dict):
            return
        if not self._profile.explicit_cache:
            self._losses.add("cache_control", "cache_control", "the host caches by itself")
        elif self._last_text is not None and "cache_control" not in self._last_text:
            ttl = control.get("ttl")
            self._last_text["cache_control"] = {"type": "ephemeral", **({"ttl": ttl} if ttl in {"5m", "1h"} else {})}
            self._marked.append(self._last_text)

    def _write(self, role: str, parts: list[dict[str, Any]], **fields: Any) -> None:
        """Append a message whose content has the profile's one shape for its parts."""
        only_text = all(part["type"] == "text" for part in parts)
        content: Any = parts
        if not self._profile.explicit_cache and only_text:
            content = "\n\n".join(part["text"] for part in parts)
        self._out.append({"role": role, **fields, "content": content})

    def _text(self, text: str, control: Any = None) -> dict[str, Any]:
        part = text_part(text)
        self._last_text = part
        self._mark(control)
        return part

    # -- system -----------------------------------------------------------------------------------

    def _system(self, system: str | list[dict[str, Any]] | None, appendix: str) -> None:
        parts: list[dict[str, Any]] = []
        for block, place in _placed(system, "system"):
            if block["type"] != "text":
                raise BadRequest("Input should be 'text'", f"{place}.type")
            said = _string(block, "text", place)
            text = without_billing_line(said)
            if text != said:
                self._losses.add("billing_line", place, "it changes from build to build and would spoil the cache")
            if text:
                parts.append(self._text(text, block.get("cache_control")))
        if appendix:
            parts.append(self._text(appendix))
        if parts:
            self._write("system", parts)

    # -- user and system turns --------------------------------------------------------------------

    def _other(self, turns: Sequence[_Message], at: int) -> int:
        """A user or system turn that answers no calls."""
        self._turn(turns[at], at, [], set())
        return at + 1

    def _turn(self, message: _Message, at: int, lead: list[dict[str, Any]], done: set[str]) -> None:
        """A user or system turn without the blocks in `done` (their paths); `lead` stands before it."""
        place = f"messages.{at}"
        if message["role"] == "system":
            self._system_turn(message, place)
            return
        parts = list(lead)
        for block, inner in _placed(message["content"], f"{place}.content"):
            if inner not in done:
                parts += self._user_parts(block, inner)
        if parts:
            self._write("user", parts)

    def _system_turn(self, message: _Message, place: str) -> None:
        if message.get("clear_at") not in {None, "never"}:
            self._losses.add("clear_at", f"{place}.clear_at", "the message stays, so that what follows can be cached")
        parts: list[dict[str, Any]] = []
        wrap = self._profile.system == "reminder"
        for block, inner in _placed(message.get("content"), f"{place}.content"):
            text = self._system_text(block, inner)
            if text and wrap and not text.lstrip().startswith("<system-reminder>"):
                text = f"<system-reminder>\n{text}\n</system-reminder>"
            if text:
                parts.append(self._text(text, block.get("cache_control")))
            else:
                self._mark(block.get("cache_control"))
        if parts:
            self._write("user" if wrap else "system", parts)

    def _system_text(self, block: dict[str, Any], place: str) -> str:
        kind = block["type"]
        if kind == "text":
            return _string(block, "text", place)
        if kind in {"tool_addition", "tool_removal"}:
            tool = block.get("tool")
            definition = tool.get("definition") if isinstance(tool, dict) else None
            name = (definition if isinstance(definition, dict) else tool or {}).get("name")
            if not isinstance(name, str):
                raise BadRequest("Field required", f"{place}.tool.name")
            change = "can be called from now on" if kind == "tool_addition" else "can no longer be called"
            return f"The tool {self._names.upstream(name)} {change}."
        raise _unknown(kind, place)

    def _user_parts(self, block: dict[str, Any], place: str) -> list[dict[str, Any]]:
        """The parts of one block of a user turn; results that answer no call here become text."""
        kind = block["type"]
        control = block.get("cache_control")
        if kind == "text":
            text = _string(block, "text", place)
            if text:
                return [self._text(text, control)]
            self._mark(control)
            return []
        if kind == "tool_result":
            texts, media = self._result(block, place)
            head = f"[result of earlier tool call {_string(block, 'tool_use_id', place)}]"
            return [self._text(f"{head}\n{texts}", control), *media]
        if kind == "compaction":
            return self._summary(block, place)
        parts = self._attached(block, place)
        for part in parts:
            if part["type"] == "text":
                self._last_text = part
        self._mark(control)
        return parts

    def _attached(self, block: dict[str, Any], place: str) -> list[dict[str, Any]]:
        """The parts of a block that may stand in a user turn and in a tool result alike."""
        kind = block["type"]
        if kind == "image":
            parts = [image_part(block, place, self._profile, self._losses)]
        elif kind == "document":
            parts = document_parts(block, place, self._profile, self._losses)
        elif kind == "search_result":
            parts = [text_part(search_text(block, place))]
        elif kind == "container_upload":
            raise BadRequest("uploaded files cannot be reached from here", f"{place}.type")
        else:
            raise _unknown(kind, place)
        return parts

    def _summary(self, block: dict[str, Any], place: str) -> list[dict[str, Any]]:
        """What a compaction left. One that failed left nothing and means nothing."""
        content = block.get("content")
        if isinstance(content, str) and content:
            return [self._text(f"[summary of earlier conversation]\n{content}", block.get("cache_control"))]
        if block.get("encrypted_content"):
            raise BadRequest("a compaction without readable content cannot be carried", place)
        self._losses.add("compaction", place, "a compaction without content")
        return []

    # -- assistant turns and the results of their calls ---------------------------------------------

    def _assistant(self, turns: Sequence[_Message], at: int) -> int:
        """An assistant turn with all that follows it up to the next one. Returns where to go on."""
        blocks = list(_placed(turns[at]["content"], f"messages.{at}.content"))
        after = at + 1
        while after < len(turns) and turns[after]["role"] == "assistant" and _has_call(blocks):
            # Nothing may stand between a call and its results, so a turn in two messages is one.
            blocks += _placed(turns[after]["content"], f"messages.{after}.content")
            after += 1
        calls = self._assistant_message(blocks)
        if not calls:
            return after
        end = after
        while end < len(turns) and turns[end]["role"] != "assistant":
            end += 1
        done, lead = self._results(calls, turns, after, end)
        for i in range(after, end):
            if turns[i]["role"] == "user":
                self._turn(turns[i], i, lead, done)
                lead = []
            else:
                self._turn(turns[i], i, [], done)
        return end

    def _assistant_message(self, blocks: list[_Placed]) -> list[_Call]:
        texts: list[str] = []
        carried: list[Carried] = []
        tool_calls: list[dict[str, Any]] = []
        calls: list[_Call] = []
        apart = False
        for block, place in blocks:
            kind = block["type"]
            if kind in {"thinking", "redacted_thinking"}:
                if (brought := self._replay.open(block, place)) is not None:
                    carried.append(brought)
            elif kind == "tool_use":
                call, tool_call = self._call(block, place, calls)
                calls.append(call)
                tool_calls.append(tool_call)
                apart = True
            elif kind in _SAYS_NOTHING:
                self._losses.add(kind, place, "it says nothing to the model")
            elif kind == "compaction":
                if parts := self._summary(block, place):
                    self._write("user", parts)
            elif text := self._assistant_text(block, place):
                # A text that thinking alone interrupted is one text; beside calls it is a new paragraph.
                server = kind != "text"
                if texts and (apart or server):
                    texts.append("\n\n")
                texts.append(text)
                apart = server
        message: _Message = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
        message.update(self._replay.fields(carried, calls=bool(calls)))
        if tool_calls:
            message["tool_calls"] = tool_calls
        self._out.append(message)
        for block, _ in blocks:
            self._mark(block.get("cache_control"))
        return calls

    def _assistant_text(self, block: dict[str, Any], place: str) -> str:
        kind = block["type"]
        if kind == "text":
            return _string(block, "text", place)
        if kind in CALLS or kind in RESULTS:
            self._losses.add("server_tool", place, "told as text")
            return server_text(block)
        raise _unknown(kind, place)

    def _call(self, block: dict[str, Any], place: str, earlier: list[_Call]) -> tuple[_Call, dict[str, Any]]:
        """One call, and how the chat message tells it."""
        call_id = _string(block, "id", place)
        given = block.get("input")
        if given is not None and not isinstance(given, dict):
            raise BadRequest("Input should be a valid dictionary", f"{place}.input")
        # An id that one turn has twice would make its results ambiguous.
        again = sum(call.id == call_id for call in earlier)
        upstream_id = self._names.upstream_id(call_id)
        if again:
            upstream_id = self._names.upstream_id(f"{upstream_id}-{again}")
        name = self._names.upstream(_string(block, "name", place))
        function = {"name": name, "arguments": _encode(given or {}).decode()}
        return _Call(call_id, upstream_id, name), {"id": upstream_id, "type": "function", "function": function}

    def _results(
        self, calls: list[_Call], turns: Sequence[_Message], start: int, end: int
    ) -> tuple[set[str], list[dict[str, Any]]]:
        """Write one `tool` message per call. Returns the blocks that are done and the media that must come after."""
        found: dict[str, list[_Placed]] = {}
        for i in range(start, end):
            if turns[i]["role"] == "user":
                for block, place in _placed(turns[i]["content"], f"messages.{i}.content"):
                    if block["type"] == "tool_result":
                        found.setdefault(_string(block, "tool_use_id", place), []).append((block, place))
        done: set[str] = set()
        lead: list[dict[str, Any]] = []
        for call in calls:
            waiting = found.get(call.id)
            text, control, media = _INTERRUPTED, None, list[dict[str, Any]]()
            if waiting:
                block, place = waiting.pop(0)
                done.add(place)
                text, media = self._result(block, place)
                control = block.get("cache_control")
            else:
                self._losses.add("missing_result", "messages", "a call without result is told as interrupted")
            self._write("tool", [self._text(text, control)], tool_call_id=call.upstream_id)
            if media:
                lead += [text_part(f"[attached to the result of {call.name}, call {call.upstream_id}]"), *media]
        return done, lead

    def _result(self, block: dict[str, Any], place: str) -> tuple[str, list[dict[str, Any]]]:
        """The text of one result, and the media that no tool message can hold."""
        content = block.get("content")
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        for inner, inner_place in _placed(content, f"{place}.content"):
            kind = inner["type"]
            if kind == "text":
                texts.append(_string(inner, "text", inner_place))
            elif kind == "tool_reference":
                name = _string(inner, "tool_name", inner_place)
                texts.append(f"The tool {self._names.upstream(name)} is loaded and can be called from now on.")
            elif kind == "browser_state":
                self._losses.add("browser_state", inner_place, "only its own server can render it")
            else:
                attached = self._attached(inner, inner_place)
                texts += [part["text"] for part in attached if part["type"] == "text"]
                beside = [part for part in attached if part["type"] != "text"]
                if beside:
                    texts.append(f"[{kind}: see the user message after the tool results]")
                    media += beside
        text = "\n".join(text for text in texts if text) or _NO_OUTPUT
        return (f"Error: {text}" if block.get("is_error") else text), media


def _placed(content: Any, place: str) -> Iterator[_Placed]:
    """The blocks of a content with their paths; a string is one text block."""
    if isinstance(content, str):
        yield {"type": "text", "text": content}, place
    elif isinstance(content, list):
        for i, block in enumerate(content):
            if not isinstance(block, dict) or not isinstance(block.get("type"), str):
                raise BadRequest("Input should be a content block", f"{place}.{i}")
            yield block, f"{place}.{i}"
    elif content is not None:
        raise BadRequest("Input should be a valid string or list", place)


def _has_call(blocks: list[_Placed]) -> bool:
    return any(block["type"] == "tool_use" for block, _ in blocks)


def _string(block: dict[str, Any], key: str, place: str) -> str:
    value = block.get(key)
    if not isinstance(value, str):
        raise BadRequest("Field required" if value is None else "Input should be a valid string", f"{place}.{key}")
    return value


def _unknown(kind: str, place: str) -> BadRequest:
    return BadRequest(f"the block type {kind!r} cannot be carried here", f"{place}.type")
