"""Chat chunks in, Messages events out: the state machine of a streamed answer.

Theory of operation
===================

A chat stream is loose: text, reasoning and pieces of several tool calls come in any order and mixed, ends are told twice or
never. A Messages stream is strict: one block open at a time, indexes from 0, a block's kind never changes::

    MessageStart (BlockStart delta* BlockStop)* (MessageDelta MessageStop | StreamError)

Three things make the one out of the other.

*The writer* (`blocks.py`) keeps the grammar: it closes what is open before it opens something else.

*The line*. What must not be mixed stands in line, in order of arrival. At its front is at most one tool call, the *head*;
only the head streams. While its arguments are incomplete, everything else that comes waits behind it; once they are, the next
in line moves up. So two calls whose pieces alternate come out one after the other, each whole, and nothing is reordered.

===================  =========================  ==========================================  ==============================
comes \\ front is    nothing                    a head whose arguments are not whole yet    a head whose arguments are whole
===================  =========================  ==========================================  ==============================
text, reasoning      written                    waits behind it                             head ends, written
its arguments        (cannot be)                written                                     left out, listed if not blank
a new named call     becomes the head           waits behind it                             head ends, becomes the head
a call without name  kept aside until its name comes, then as a new named call (any state)
end of the stream    all that waits is written in order, then the end
===================  =========================  ==========================================  ==============================

*The end* is written only when it is certain: at `[DONE]`, or when the host closed after a finish reason. Finish reason and
usage may come before, after, twice or on every chunk; the last one counts. A stream that stops with neither was cut and is a
failure, never an `end_turn`.

==========================  ================================================================================================
finish reason               stop reason
==========================  ================================================================================================
stop, anything unknown,     `tool_use` if a call was written, else `end_turn` (`stop_sequence` when the host says that one
none but `[DONE]`           matched, and only one was asked for)
tool_calls, function_call   the same: `tool_use` means that there is a call to run
length                      `max_tokens`, or `model_context_window_exceeded` when the figures reach the window
model_length                `model_context_window_exceeded`
content_filter, refusal     `refusal`
error                       a failure
==========================  ================================================================================================

`ending.py` knows the other spellings of these, which hosts of one's own use.

Failures: an error in a chunk, a cut, an answer with nothing in it, a call without a name, arguments that are no JSON object
(unless the length limit cut them, as in the API itself). `failure` is set; when something was sent the events end in
`StreamError`, otherwise there are none, and the caller may still answer with a status or try elsewhere.

Blank text opens no block: it waits for text that is not blank, since a block of white space alone is refused when it comes
back in a later request. Reasoning is explained in `reasoning.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from claude_or.translate.blocks import BlockWriter, start_of
from claude_or.translate.calls import Call, CallBook
from claude_or.translate.ending import BROKEN_OFF, EMPTY, MALFORMED_CALL, NAMELESS_CALL, Ending
from claude_or.translate.host_fetch import HostFetch
from claude_or.translate.host_search import HostSearch
from claude_or.translate.line import Line
from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.sidelines import Citations, StopCut, picture_note
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import CUT, Event, Usage
from claude_or.wire.openai import ChatChunk, Choice, ChunkUsage, Delta, ToolPiece, usage_from


class StreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the host told about the call. `model` is the model that served; `usage` (with its cost) None while unknown."""

    model: str = ""
    provider: str = ""
    generation_id: str = ""
    usage: Usage | None = None

    @property
    def cost(self) -> Decimal | None:
        """What the host says the call cost, in US dollars."""
        return None if self.usage is None else self.usage.cost


_REDACTED: Final = "[REDACTED]"
_NO_USAGE: Final = ChunkUsage()


def _error_named(choice: Choice) -> dict[str, Any]:
    """The error of a host that names none and only finishes with one."""
    reason = choice.finish_reason or ""
    named = choice.native_finish_reason or ("an error" if reason.lower() == "error" else reason)
    return {"code": 502, "message": f"the model stopped with {named}"}


class StreamTranslator:
    """One answer. Feed it chunks, then close it or let it fail; it never raises, and after the end it says nothing.

    `name_out` and `id_out` turn the host's tool names and call ids into the client's; `is_tool` knows whole tool names as the
    host has them. `new_id` makes a tool-call id where the host gave none or one twice. `failure_in_stream` classifies an
    error object. `stop_sequences` are those of the request; `cut_at` those the host was not told of, at which the text is
    cut here. `context_window` is in tokens. `search` and `fetch` tell of the host's own search and fetches where they were offered.
    """

    def __init__(
        self,
        *,
        message_id: str,
        model: str,
        name_out: Callable[[str], str],
        id_out: Callable[[str], str],
        carry: ReasoningCarry,
        input_estimate: int,
        new_id: Callable[[], str],
        show_thinking: bool,
        failure_in_stream: Callable[[Any], Failure],
        is_tool: Callable[[str], bool] | None = None,
        stop_sequences: tuple[str, ...] = (),
        cut_at: tuple[str, ...] = (),
        context_window: int | None = None,
        search: HostSearch | None = None,
        fetch: HostFetch | None = None,
    ) -> None:
        self.failure: Failure | None = None
        self.losses: list[str] = []
        self.report = StreamFacts()
        self.citations = Citations()
        self._search = search
        self._fetch = fetch
        self._writer = BlockWriter(start_of(message_id, model, input_estimate), carry, show_thinking=show_thinking)
        self._carry = carry
        self._book = CallBook(is_tool)
        self._line = Line(self._writer, self._announce)
        self._ids: set[str] = set()
        self._name_out = name_out
        self._id_out = id_out
        self._new_id = new_id
        self._failure_in_stream = failure_in_stream
        self._cut = StopCut(cut_at) if cut_at else None
        self._ending = Ending(stop_sequences, context_window, input_estimate)
        self._over = False
        self._known = False
        self._read: list[str] = []
        """Reasoning read so far, its length, and where it came from: the other source may tell it all again."""
        self._read_length = 0
        self._read_plain = False

    @property
    def started(self) -> bool:
        """Whether an event was handed out: from then on a failure is an event."""
        return (self._search or self._writer).started

    @property
    def finished(self) -> bool:
        """Whether the host has told an end. A connection that dies after it is closed, not failed."""
        return self._ending.told

    @property
    def over(self) -> bool:
        """Whether the last event was handed out. What the host still sends is only read for its usage."""
        return self._over

    def feed(self, chunk: ChatChunk) -> list[Event]:
        """The events that a chunk brings, often none."""
        if not self._known or chunk.usage is not None:
            self._learn(chunk)
        if self._over:
            return []
        if chunk.error:
            return self.fail(self._failure_in_stream(chunk.error))
        for choice in chunk.choices or ():
            if choice.index:
                self._lose("a second choice")
                continue
            if choice.error or (choice.finish_reason and choice.finish_reason.lower() in BROKEN_OFF):
                return self.fail(self._failure_in_stream(choice.error or _error_named(choice)))
            delta = choice.delta
            if delta is not None:
                self._take_in(delta)
            if choice.finish_reason:
                self._ending.tell(choice.finish_reason, choice.native_finish_reason or "")
            if choice.usage is not None:
                self._learn(ChatChunk(usage=choice.usage))
        if self._cut is not None and self._cut.reached:
            self._ending.stop_at(self._cut.reached)
            self._end()
        elif chunk.done:
            self._end()
        return self._take()

    def close(self) -> list[Event]:
        """The host closed its stream. Without a told end that is a cut."""
        if self._over:
            return []
        if not self._ending.told:
            return self.fail(CUT)
        self._end()
        return self._take()

    def fail(self, failure: Failure) -> list[Event]:
        """End in `failure`. No events when nothing was sent."""
        if self._over:
            return []
        self._over = True
        self.failure = failure
        self._writer.fail(failure)
        return self._take()

    def _take(self) -> list[Event]:
        events = self._writer.take()
        if self._fetch is not None:
            events = self._fetch.weave(events)
        return events if self._search is None else self._search.weave(events, self.citations.found)

    # -- what a chunk brings ----------------------------------------------------------------------

    def _learn(self, chunk: ChatChunk) -> None:
        facts = self.report
        usage = facts.usage
        if chunk.usage is not None and chunk.usage != _NO_USAGE:
            self._ending.usage = chunk.usage
            usage = usage_from(chunk.usage)
            if usage.cost is None and facts.usage is not None:
                usage = msgspec.structs.replace(usage, cost=facts.usage.cost)
        self.report = StreamFacts(
            model=chunk.model or facts.model,
            provider=chunk.provider or facts.provider,
            generation_id=chunk.id or facts.generation_id,
            usage=usage,
        )
        self._carry.host = self.report.provider
        self._known = bool(self.report.model and self.report.generation_id)

    def _take_in(self, delta: Delta) -> None:
        if delta.reasoning_details is not None or delta.reasoning or delta.reasoning_content:
            self._take_reasoning(delta)
        if delta.content:
            self._text(delta.content)
        if delta.tool_calls is not None:
            for piece in delta.tool_calls:
                self._take_call(piece)
        if delta.refusal:
            self._ending.refusal += delta.refusal
            self._text(delta.refusal)
        if delta.function_call is not None:
            self._take_call(ToolPiece(index=0, function=delta.function_call))
        if delta.annotations is not None:
            for annotation in delta.annotations:
                if not self.citations.add(annotation):
                    self._lose("an annotation that is no link")
        for image in delta.images or ():
            self._lose("a picture in the answer")
            self._text(picture_note(image))
        if delta.audio is not None:
            self._lose("sound in the answer")

    def _take_reasoning(self, delta: Delta) -> None:
        """Details and plain text tell the same; the details win, and what is read twice is shown once."""
        details = delta.reasoning_details
        if details:
            # An array that was only ever empty means something else to the carry.
            details = self._told_apart(details) or None
        text = self._carry.add(details) if details is not None else ""
        plain = not text
        if plain:
            text = delta.reasoning or delta.reasoning_content or ""
            if text.strip() == _REDACTED:
                return
        if not text:
            return
        if self._read_plain != plain and len(text) == self._read_length and text == "".join(self._read):
            return
        self._read.append(text)
        self._read_length += len(text)
        self._read_plain = plain
        self._text_ends()
        self._line.think(text, plain=plain)

    def _told_apart(self, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The details that are reasoning, once what the host tells of its own tools is noted."""
        if self._search is not None:
            self._search.note(details)
        return details if self._fetch is None else self._fetch.note(details)

    def _text(self, text: str) -> None:
        self._line.text(text if self._cut is None else self._cut.feed(text))

    def _text_ends(self) -> None:
        """Something else begins: what was held back as the beginning of a stop sequence is text after all."""
        if self._cut is not None:
            self._line.text(self._cut.rest())

    def _take_call(self, piece: ToolPiece) -> None:
        call = self._book.add(piece)
        if not call.queued:
            if not call.name:
                return
            call.queued = True
            self._text_ends()
            self._line.begin(call)
        self._line.go_on(call)

    def _announce(self, call: Call) -> tuple[str, str]:
        tool_id = self._id_out(call.id) if call.id else self._new_id()
        while tool_id in self._ids:
            tool_id = self._new_id()
        self._ids.add(tool_id)
        return tool_id, self._name_out(call.name)

    # -- the end --------------------------------------------------------------------------------

    def _end(self) -> None:
        failure = self._settle_calls()
        if failure is None:
            self._write_rest()
            if not self._writer.blocks and self._ending.needs_content:
                failure = EMPTY
        if failure is not None:
            self._writer.fail(self._set_failure(failure))
            return
        if self._carry.pending:
            self._carry_rest()
        writer = self._writer
        writer.end(self._ending.delta(self.report.usage, tools=writer.tools, characters=writer.characters))
        self.losses += self._carry.losses
        self._over = True

    def _settle_calls(self) -> Failure | None:
        """Bring every call to its last state; the failure if one of them can neither be written nor left out."""
        cut = self._ending.cuts_calls
        nameless = self._book.settle()
        for call in self._book.calls:
            if call.arguments.excess():
                self._lose("text after the end of a call's arguments")
            if not call.arguments.valid() and not (cut and call.arguments.is_begun):
                return MALFORMED_CALL
        if nameless:
            self._lose("a call without a name")
        return NAMELESS_CALL if any(nameless) and not cut else None

    def _write_rest(self) -> None:
        self._text_ends()
        if self._line.finish(cut=self._ending.cuts_calls):
            self._lose("a call cut before its arguments")
        # A search is told by blocks of its own, which hold the links.
        links = "" if self._search else self.citations.links(self._writer.open == "text")
        if links and self._writer.tools:
            self._lose("links to sources")
        elif links:
            self._line.text(links)

    def _carry_rest(self) -> None:
        """Reasoning that came too late for its block. After a call it may trail; after the final text it must not.

        A thinking block behind the final text hides that text in the client's print mode, and without a call the host does
        not need the rest.
        """
        if self._writer.open == "thinking":
            return
        if self._writer.tools or not self._writer.blocks:
            self._writer.carry_alone()
        else:
            self._lose("reasoning that came after the text it belongs to")

    def _set_failure(self, failure: Failure) -> Failure:
        self._over = True
        self.failure = failure
        return failure

    def _lose(self, what: str) -> None:
        if what not in self.losses:
            self.losses.append(what)
