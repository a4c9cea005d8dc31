"""The answer on the native path: the host's own frames, watched by the grammar and repaired where that is safe.

A frame that needs no repair goes on as the bytes it came in. What is done to the others:

* `message_start` gets the name that the client asked for, and an estimate where the host counts no input yet.
* The block in which OpenRouter's endpoint tells its reasoning once more is held back: behind a final text it hides that text in
  the client's print mode. Its model's reasoning is either signed anyway, or travels in a thinking block of ours behind a tool call.
* `[DONE]`, comments and whatever follows the end are left out.
* Safe repairs: a block or message that was not closed or not begun, an index that is not the next, an event without its name, JSON
  that is not strict, a `message_delta` in parts, or with figures before the end. None of them adds or loses content.
* Everything else that breaks the grammar ends the answer in an error, as does an end before the end; the open block is closed first.

    message_start (content_block_start content_block_delta* content_block_stop)* (message_delta message_stop | error)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from claude_or.translate.history import HOST_PREFIX, THOUGHTS, host_detail
from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.stream import StreamFacts
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import (
    CUT,
    ILLEGAL,
    BlockStart,
    BlockStop,
    MessageStart,
    MessageStop,
    SignatureDelta,
    ThinkingBlock,
    Usage,
    encode,
    error_frame,
    frame_of,
)
from claude_or.wire.messages import DELTAS, FIELDS, Piece, decode_delta, read_event, usage_of
from claude_or.wire.sse import COMMENT, DONE, Frame

_EVENTS: Final = frozenset({
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
})
"""Events that mean something: one of these that cannot be read is not passed over."""

_NONE: Final[tuple[type[Piece], ...]] = ()


class NativeStream:
    """One answer. Feed it frames, then close it or let it fail; it never raises, and after the end it says nothing.

    `model` is the name the client asked for; `carry` takes held-back reasoning along, None drops it. `message_id` is only used
    where the host begins without a beginning. `failure_in_stream` classifies an error object. Without `thinking` thoughts that the
    model tells all the same are held back.
    """

    def __init__(
        self,
        *,
        message_id: str,
        model: str,
        input_estimate: int,
        failure_in_stream: Callable[[Any], Failure],
        carry: ReasoningCarry | None = None,
        thinking: bool = True,
    ) -> None:
        self.failure: Failure | None = None
        self.losses: list[str] = []
        self.report = StreamFacts()
        self.started = False
        """Whether a frame was handed out: from then on a failure is an event."""
        self.over = False
        """Whether the last frame was handed out."""
        self._model = model
        self._estimate = max(input_estimate, 1)
        self._failure_in_stream = failure_in_stream
        self._carry = carry
        self._thinking = thinking
        self._start = encode(MessageStart(message_id, model, Usage(input_tokens=self._estimate)))
        self._start_usage: dict[str, Any] = {}
        self._open: int | None = None
        """The host's index of the block that is open; ours is `_index`, that of the last block that was begun."""
        self._index = -1
        self._held = False
        """The open block is one that is held back."""
        self._kind = ""
        self._takes = _NONE
        """Deltas that the open block may have and that need no edit."""
        self._tools = 0
        self._ending: dict[str, Any] | None = None
        self._ending_frame: Frame | None = None

    @property
    def finished(self) -> bool:
        """Whether the host has told an end. A connection that dies after it is closed, not failed."""
        return self._ending is not None and isinstance(self._ending["delta"].get("stop_reason"), str)

    def feed(self, frames: Iterable[Frame]) -> list[Frame]:
        """What goes to the client for the frames of one read."""
        out: list[Frame] = []
        for frame in frames:
            if self._takes and frame.event == "content_block_delta":
                try:
                    seen = decode_delta(frame.data)
                except (ValueError, RecursionError):
                    pass
                else:
                    if seen.index == self._open and type(seen.delta) in self._takes:
                        out.append(frame)
                        continue
            self._read(frame, out)
        return out

    def close(self) -> list[Frame]:
        """The host has closed the connection."""
        if self.over:
            return []
        if not self.finished:
            return self.fail(CUT)
        out: list[Frame] = []
        self._finish(encode(MessageStop()), out)
        return out

    def fail(self, failure: Failure) -> list[Frame]:
        """The answer failed. Says nothing when nothing was sent: a real status is still possible then."""
        out: list[Frame] = []
        if not self.over:
            self._fail(failure, out)
        return out

    # -- events -----------------------------------------------------------------------------------

    def _read(self, frame: Frame, out: list[Frame]) -> None:
        """Any event that is no plain delta."""
        if self.over or frame.event == COMMENT or frame.data.strip() == DONE:
            return
        event, exact = read_event(frame.data)
        if not isinstance(event, dict):
            if frame.event in _EVENTS or frame.event == "message":
                self._fail(ILLEGAL, out)
            else:
                self._lose("an event that is no JSON")
            return
        kind = named = _text(event.get("type"))
        if kind not in _EVENTS and event.get("error") is not None:
            kind = "error"
        elif not kind:
            kind = frame.event
        if kind != named:
            event, exact = {**event, "type": kind}, False
        if kind in _EVENTS:
            self._apply(kind, event, frame if exact and frame.event == kind else frame_of(event), out)
        else:
            self._pass(kind, frame, out)

    def _apply(self, kind: str, event: dict[str, Any], frame: Frame, out: list[Frame]) -> None:
        """An event of the grammar. `frame` is what goes on when nothing is changed about it."""
        match kind:
            case "content_block_start":
                self._begin(event, frame, out)
            case "content_block_delta":
                self._delta(event, frame, out)
            case "content_block_stop":
                self._end(event, frame, out)
            case "message_start":
                self._begin_message(event, out)
            case "message_delta":
                self._near_end(event, frame, out)
            case "message_stop" if self.finished:
                self._finish(frame, out)
            case "message_stop":
                self._fail(ILLEGAL, out)
            case _:
                self._fail(self._failure_in_stream(event.get("error") or event), out)

    def _pass(self, kind: str, frame: Frame, out: list[Frame]) -> None:
        """A ping, or an event that is not known here: it goes on as it is, within the answer."""
        if self.started and not self.finished:
            out.append(frame)
        elif kind != "ping":
            self._lose(f"an event {kind[:40]!r} outside the answer")

    def _begin_message(self, event: dict[str, Any], out: list[Frame]) -> None:
        message = event.get("message")
        if not isinstance(message, dict) or self.started or self._open is not None:
            # A second beginning would tell again what was told.
            self._fail(ILLEGAL, out)
            return
        usage = message.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        self._start_usage = usage
        blank: dict[str, Any] = read_event(self._start.data)[0]["message"]
        self.report = StreamFacts(
            model=_text(message.get("model")),
            provider=_text(message.get("provider")),
            generation_id=_text(message.get("id")),
        )
        known = usage_of(usage)
        if not (known.input_tokens or known.cache_read_input_tokens or known.cache_creation_input_tokens):
            usage = {"output_tokens": 0, **usage, "input_tokens": self._estimate}
        self._start = frame_of({**event, "message": {**blank, **message, "model": self._model, "usage": usage}})

    def _begin(self, event: dict[str, Any], frame: Frame, out: list[Frame]) -> None:
        index, block = event.get("index"), event.get("content_block")
        if not _is_index(index) or not isinstance(block, dict) or self.finished:
            self._fail(ILLEGAL, out)
            return
        kind, data = _text(block.get("type")), block.get("data")
        whole = _whole_start(block)
        if whole is None:
            self._fail(ILLEGAL, out)
            return
        self._close(out)
        self._open, self._kind = index, kind
        if kind == "redacted_thinking" and isinstance(data, str) and data.startswith(HOST_PREFIX):
            self._held = True
            self._keep(data)
            return
        if kind in THOUGHTS and not self._thinking:
            self._held = True
            self._lose("thoughts that nobody asked for")
            return
        self._begin_answer(out)
        self._index += 1
        self._tools += kind == "tool_use"
        if index == self._index:
            self._takes = DELTAS.get(kind, _NONE)
        if index != self._index or whole is not block:
            frame = frame_of({**event, "index": self._index, "content_block": whole})
        out.append(frame)

    def _keep(self, data: str) -> None:
        """Take along what a held-back block tells, for models that want it back."""
        if self._carry is None:
            return
        detail = host_detail(data)
        if detail is None:
            self._lose("reasoning that cannot be read")
        else:
            self._carry.add([detail])

    def _delta(self, event: dict[str, Any], frame: Frame, out: list[Frame]) -> None:
        """A delta that is unusual, or whose block has another index here than at the host."""
        delta = event.get("delta")
        if self._open is None or event.get("index") != self._open or not isinstance(delta, dict):
            self._fail(ILLEGAL, out)
            return
        if self._held:
            return
        field, piece = FIELDS.get(_text(delta.get("type")), ("", None))
        if piece is not None:
            if piece not in DELTAS.get(self._kind, (piece,)):
                self._fail(ILLEGAL, out)
                return
            if delta.get(field) is None:
                self._lose("a delta without content")
                return
            if not isinstance(delta[field], str):
                self._fail(ILLEGAL, out)
                return
        out.append(frame if self._open == self._index else frame_of({**event, "index": self._index}))

    def _end(self, event: dict[str, Any], frame: Frame, out: list[Frame]) -> None:
        if self._open is None or event.get("index") != self._open:
            # Its block was closed already, or never begun: nothing is lost with it.
            self._lose("the end of a block that is not open")
        elif self._held or self._open != self._index:
            self._close(out)
        else:
            out.append(frame)
            self._forget()

    def _near_end(self, event: dict[str, Any], frame: Frame, out: list[Frame]) -> None:
        """Why the answer ends, or figures on the way. It waits for the end, since more may follow to be said before it."""
        if not isinstance(event.get("delta"), dict):
            self._fail(ILLEGAL, out)
            return
        if "usage" in event and not isinstance(event["usage"], dict):
            event = {name: value for name, value in event.items() if name != "usage"}
            frame = frame_of(event)
        if self._ending is not None:
            event = _joined(self._ending, event)
            frame = frame_of(event)
        self._ending, self._ending_frame = event, frame
        if self.finished:
            self._close(out)
        usage = event.get("usage")
        if isinstance(usage, dict):
            told = {**self._start_usage, **{name: value for name, value in usage.items() if value is not None}}
            self.report = StreamFacts(
                model=self.report.model,
                provider=self.report.provider,
                generation_id=self.report.generation_id,
                usage=usage_of(told),
            )

    # -- writing ----------------------------------------------------------------------------------

    def _begin_answer(self, out: list[Frame]) -> None:
        if not self.started:
            self.started = True
            out.append(self._start)

    def _close(self, out: list[Frame]) -> None:
        """End the block that is open, if one is."""
        if self._open is not None and not self._held:
            out.append(encode(BlockStop(self._index)))
        self._forget()

    def _forget(self) -> None:
        self._open, self._held, self._kind, self._takes = None, False, "", _NONE

    def _finish(self, stop: Frame, out: list[Frame]) -> None:
        self._begin_answer(out)
        self._seal(out)
        if self._ending_frame is not None:
            out.append(self._ending_frame)
        out.append(stop)
        self.over = True

    def _seal(self, out: list[Frame]) -> None:
        """Reasoning that was held back goes along behind a tool call; behind a final text nobody needs it."""
        carry = self._carry
        if carry is None or not carry.pending:
            return
        if not self._tools:
            self._lose("reasoning that came after the text it belongs to")
            return
        self._index += 1
        carry.host = self.report.provider
        parts = (ThinkingBlock(), carry.seal(""))
        out += [
            encode(BlockStart(self._index, parts[0])),
            encode(SignatureDelta(self._index, parts[1])),
            encode(BlockStop(self._index)),
        ]
        self.losses += carry.losses

    def _fail(self, failure: Failure, out: list[Frame]) -> None:
        self.failure = failure
        self.over = True
        if self.started:
            self._close(out)
            out.append(error_frame(failure))
        self._forget()

    def _lose(self, what: str) -> None:
        if what not in self.losses:
            self.losses.append(what)


def _joined(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Two `message_delta` as one: figures are cumulative, and what was said once holds."""
    whole = {**earlier, **later}
    for field in ("delta", "usage"):
        first, second = earlier.get(field), later.get(field)
        if isinstance(first, dict) and isinstance(second, dict):
            whole[field] = {**first, **{name: value for name, value in second.items() if value is not None}}
        elif isinstance(first, dict):
            whole[field] = first
    return whole


_STARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _whole_start(block: dict[str, Any]) -> dict[str, Any] | None:
    """The start of a block with every field that readers rely on; None where one is missing that nobody can make up."""
    kind = block.get("type")
    if not isinstance(kind, str) or (kind == "tool_use" and not (_text(block.get("id")) and _text(block.get("name")))):
        return None
    missing = {
        name: value for name, value in _STARTS.get(kind, {}).items() if not isinstance(block.get(name), type(value))
    }
    return {**block, **missing} if missing else block


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
