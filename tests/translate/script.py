"""What the tests of the stream's state machine share: scripts, the grammar as an automaton of its own, and the SDK as a reader.

    play().gets(text("a")).says(START, begins(TextBlock()), TextDelta(0, "a"))

`play` makes a translator; every event handed out passes the automaton, so that no test can overlook an illegal stream.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import anthropic
import httpx2
import msgspec

from claude_or.translate.reasoning import PREFIX, Carried, ReasoningCarry, open_signature
from claude_or.translate.stream import StreamTranslator
from claude_or.wire.anthropic import Failure
from claude_or.wire.events import (
    Block,
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    RawBlock,
    RedactedThinkingBlock,
    ServerToolUseBlock,
    SignatureDelta,
    StopReason,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
    encode,
    fold,
)
from claude_or.wire.openai import ChatChunk, decode_chunk

FAMILY, SLUG = "zai", "zai/model"
ESTIMATE = 77
START = MessageStart("msg_1", "asked/model", Usage(input_tokens=ESTIMATE))
DONE = ChatChunk(done=True)


def failure_of(error: Any) -> Failure:
    """A stand-in for the real classification: the error's own words."""
    message = error.get("message", "") if isinstance(error, dict) else str(error)
    return Failure(kind="api", status=502, type="api_error", message=str(message))


# -- chunks ---------------------------------------------------------------------------------------


def raw_chunk(body: dict[str, Any]) -> ChatChunk:
    """A chunk decoded from its JSON, as on the wire."""
    return decode_chunk(msgspec.json.encode(body))


def chunk(delta: dict[str, Any] | None, **choice: Any) -> ChatChunk:
    """A chunk with one choice."""
    return raw_chunk({"choices": [{"index": 0, "delta": delta, **choice}]})


def text(content: str) -> ChatChunk:
    """A chunk of text."""
    return chunk({"content": content})


def thought(content: str, **detail: Any) -> ChatChunk:
    """A chunk of reasoning as OpenRouter sends it: plain and as a detail."""
    detail = {"type": "reasoning.text", "text": content, "index": 0, **detail}
    return chunk({"content": "", "reasoning": content, "reasoning_details": [detail]})


def detail(kind: str, **fields: Any) -> ChatChunk:
    """A chunk with one reasoning detail and no plain reasoning."""
    return chunk({"content": "", "reasoning": None, "reasoning_details": [{"type": f"reasoning.{kind}", **fields}]})


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, args: Any = None
) -> dict[str, Any]:
    """One entry of `tool_calls`, with only the given fields."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not None}
    fields = {"index": index, "id": call_id, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def call(index: int | None = None, call_id: str | None = None, name: str | None = None, args: Any = None) -> ChatChunk:
    """A chunk with one piece of a tool call."""
    return chunk({"content": None, "tool_calls": [piece(index, call_id, name, args)]})


def finish(reason: str, **choice: Any) -> ChatChunk:
    """A chunk with a finish reason."""
    return chunk({"content": ""}, finish_reason=reason, **choice)


def usage(prompt: int, completion: int, **more: Any) -> ChatChunk:
    """A chunk with nothing but usage."""
    return raw_chunk({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}})


# -- events ---------------------------------------------------------------------------------------


def begins(block: Block, index: int = 0) -> BlockStart:
    """A block begins."""
    return BlockStart(index, block)


def ends(reason: StopReason, usage: Usage | None = None, **more: Any) -> tuple[MessageDelta, MessageStop]:
    """The two last events of a whole answer; without usage, whatever was estimated."""
    return MessageDelta(reason, usage or Usage(input_tokens=ANY), **more), MessageStop()


ANY = -1
"""As `input_tokens` of an expected usage: any usage will do."""

SIGNED = "signed"
"""In place of a signature of ours that a test does not look into."""


def _plain(event: Event) -> Event:
    if isinstance(event, SignatureDelta) and event.signature.startswith(PREFIX):
        return SignatureDelta(event.index, SIGNED)
    return event


def _forget_usage(event: Event) -> Event:
    if isinstance(event, MessageDelta):
        return msgspec.structs.replace(event, usage=Usage(input_tokens=ANY))
    return event


class Play:
    """A translator and what it said since the last look."""

    def __init__(self, translator: StreamTranslator) -> None:
        self.translator = translator
        self.all: list[Event] = []
        self._new: list[Event] = []
        self._grammar = Grammar()

    def gets(self, *chunks: ChatChunk) -> Self:
        """Chunks come."""
        for one in chunks:
            self._take(self.translator.feed(one))
        return self

    def closes(self) -> Self:
        """The host closes its stream."""
        self._take(self.translator.close())
        return self

    def fails(self, message: str = "gone") -> Self:
        """The connection fails."""
        self._take(self.translator.fail(failure_of({"message": message})))
        return self

    def _take(self, events: list[Event]) -> None:
        for event in events:
            self._grammar.take(event)
        self.all += events
        self._new += events

    def says(self, *expected: Event | tuple[Event, ...]) -> Self:
        """Exactly these events came since the last look; signatures of ours are written `SIGNED`."""
        flat: list[Event] = []
        for item in expected:
            flat += item if isinstance(item, tuple) else (item,)
        new, self._new = [_plain(event) for event in self._new], []
        if any(isinstance(event, MessageDelta) and event.usage.input_tokens == ANY for event in flat):
            new = [_forget_usage(event) for event in new]
        assert new == flat
        return self

    def says_nothing(self) -> Self:
        """No event came since the last look."""
        return self.says()

    def skips(self) -> Self:
        """Whatever came since the last look is not what this test is about."""
        self._new = []
        return self

    def fails_with(self, message: str) -> Self:
        """The answer ended in a failure of that message."""
        assert self.translator.failure is not None
        assert self.translator.failure.message == message
        assert self.translator.over
        return self

    def loses(self, *what: str) -> Self:
        """Exactly these losses are listed."""
        assert self.translator.losses == list(what)
        return self

    @property
    def folded(self) -> dict[str, Any]:
        """The whole answer, folded."""
        return fold(encode(event) for event in self.all)

    @property
    def message(self) -> dict[str, Any]:
        """The whole answer, folded; the SDK must have read the same."""
        folded = self.folded
        assert read_by_sdk(b"".join(encode(event).raw for event in self.all)) == _as_sdk_sees(folded)
        return folded

    @property
    def story(self) -> list[Any]:
        """The answer's blocks in short: text as a string, thinking as `(text,)`, a call as `[id, name, input]`."""
        blocks: list[Any] = []
        for block in self.message["content"]:
            match block["type"]:
                case "text":
                    blocks.append(block["text"])
                case "thinking":
                    blocks.append((block["thinking"],))
                case _:
                    blocks.append([block["id"], block["name"], block["input"]])
        return blocks

    @property
    def carried(self) -> list[Carried]:
        """What each thinking block brings back."""
        opened = [
            open_signature(block["signature"], block["thinking"], family=FAMILY)
            for block in self.message["content"]
            if block["type"] == "thinking"
        ]
        assert None not in opened
        return [one for one in opened if one is not None]


def play(*, show_thinking: bool = True, limit: int = 512 * 1024, **options: Any) -> Play:
    """A play with a fresh translator; made-up ids are `new_0`, `new_1` …"""
    counter: Iterator[int] = iter(range(1_000_000))
    settings: dict[str, Any] = {
        "name_out": str,
        "id_out": str,
        "new_id": lambda: f"new_{next(counter)}",
        "failure_in_stream": failure_of,
        **options,
    }
    return Play(
        StreamTranslator(
            message_id="msg_1",
            model="asked/model",
            carry=ReasoningCarry(family=FAMILY, slug=SLUG, limit=limit),
            input_estimate=ESTIMATE,
            show_thinking=show_thinking,
            **settings,
        )
    )


# -- the grammar ------------------------------------------------------------------------------------

_TAKES: dict[type[Block], tuple[type[Event], ...]] = {
    TextBlock: (TextDelta,),
    ThinkingBlock: (ThinkingDelta, SignatureDelta),
    ToolUseBlock: (InputJsonDelta,),
    ServerToolUseBlock: (InputJsonDelta,),
    RedactedThinkingBlock: (),
    RawBlock: (),
}


class Grammar:
    """The legal streams, written down apart from the code under test: what may follow what."""

    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.ending = False
        self.open: Block | None = None
        self.signed = False
        self.index = -1
        self.tool_ids: set[str] = set()

    def take(self, event: Event) -> None:
        """Fails when `event` may not come now."""
        assert not self.over, f"{event} after the end"
        match event:
            case Ping():
                pass
            case MessageStart():
                assert not self.begun
                self.begun = True
            case _:
                assert self.begun, f"{event} before the start"
                self._inside(event)

    def _inside(self, event: Event) -> None:
        match event:
            case BlockStart(index, block):
                assert self.open is None
                assert not self.ending
                self.index += 1
                assert index == self.index
                self.open, self.signed = block, False
                if isinstance(block, ToolUseBlock):
                    assert block.name
                    assert block.id not in self.tool_ids
                    self.tool_ids.add(block.id)
            case BlockStop(index):
                assert self.open is not None
                assert index == self.index
                self.open = None
            case TextDelta() | ThinkingDelta() | InputJsonDelta() | SignatureDelta():
                assert self.open is not None
                assert event.index == self.index
                assert isinstance(event, _TAKES[type(self.open)])
                assert not self.signed, "a signature is the last delta of its block"
                self.signed = isinstance(event, SignatureDelta)
            case MessageDelta():
                assert self.open is None
                assert not self.ending
                self.ending = True
                assert (event.stop_sequence is not None) == (event.stop_reason == "stop_sequence")
                if event.stop_reason == "tool_use":
                    assert self.tool_ids
                if event.stop_reason in {"end_turn", "stop_sequence"}:
                    assert not self.tool_ids
            case MessageStop():
                assert self.ending
                self.over = True
            case StreamError():
                assert self.open is None
                assert not self.ending
                self.over = True
            case _:
                raise AssertionError(f"{event} inside")


# -- the SDK --------------------------------------------------------------------------------------

_answer: list[bytes] = []


@functools.cache
def _sdk() -> anthropic.Anthropic:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=_answer[-1])

    client = httpx2.Client(transport=httpx2.MockTransport(handler))
    return anthropic.Anthropic(api_key="none", base_url="http://127.0.0.1:1", max_retries=0, http_client=client)


def read_by_sdk(stream: bytes) -> dict[str, Any]:
    """What the official SDK's accumulator makes of a stream."""
    _answer[:] = [stream]
    with _sdk().messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]) as reader:
        return _as_sdk_sees(reader.get_final_message().to_dict(mode="json", exclude_unset=False))


def _as_sdk_sees(message: dict[str, Any]) -> dict[str, Any]:
    """The fields that both the fold and the SDK know; half a call's arguments the SDK shows as far as they go."""
    half = message["stop_reason"] not in {"tool_use", "end_turn"}
    fields: dict[str, Callable[[dict[str, Any]], Any]] = {
        "text": lambda block: block["text"],
        "thinking": lambda block: (block["thinking"], block["signature"]),
        "tool_use": lambda block: (block["id"], block["name"], None if half else block["input"]),
    }
    return {
        "id": message["id"],
        "model": message["model"],
        "stop_reason": message["stop_reason"],
        "stop_sequence": message["stop_sequence"],
        "content": [fields[block["type"]](block) for block in message["content"]],
        "usage": {
            name: message["usage"][name]
            for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        },
    }


def events_of(chunks: Iterable[ChatChunk], **options: Any) -> Play:
    """A play that got all these chunks and was closed."""
    return play(**options).gets(*chunks).closes()
