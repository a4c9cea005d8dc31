"""The native leaf: one call of a host's own `/messages`, its frames watched and passed on as they came.

    raw body → to_native → bytes ──► host ──► bytes → FrameReader → NativeStream → Burst

The counterpart of `chat.py`, under the same rules: always a stream, and good only when the host told its end. A host that refuses the
thinking of earlier answers says so in a failure of its own; the fallback then asks once more without it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from claude_or.config.schema import Limits
from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, ReplyFailed, Report, Route
from claude_or.translate.failure import failure_in_stream
from claude_or.translate.native import NativeOrder, to_native
from claude_or.translate.native_stream import NativeStream
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.tokens import Weigh, as_estimated
from claude_or.upstream.chat import refusal_of, report_of, session_key
from claude_or.upstream.frames import FrameReader
from claude_or.upstream.ids import NewId, random_id
from claude_or.upstream.openrouter import OpenRouter
from claude_or.upstream.silence import Silence
from claude_or.upstream.trouble import BROKEN, connection_failure, silence_failure
from claude_or.wire.anthropic import BadRequest, Failure
from claude_or.wire.events import MessageDelta, MessageStart, MessageStop, Usage, encode
from claude_or.wire.sse import Frame

VERSION: Final = "2023-06-01"
"""The API's version; there is no other."""

_log = get_log("native")


@dataclass(frozen=True, kw_only=True)
class NativeReplier:
    """Answers by one model of one host that speaks the Messages API. The fields are those of `ChatReplier`."""

    host: OpenRouter
    route: Route
    profile: ModelProfile
    limits: Limits
    new_id: NewId = random_id
    nearest: Callable[[str], Sequence[str]] = lambda _slug: ()
    weigh: Weigh = as_estimated
    wall: Callable[[], float] = time.time

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """One call under the contract of `routing/ask.py`."""
        order = self._order(ask)
        if order.warm_only:
            yield Burst(frames=self._nothing(ask, order))
            return
        stream = self._stream(ask, order)
        # From here on somebody is asked, and whoever meters knows it, also when no answer comes.
        yield Burst(report=Report())
        async with self.host.answer_to(
            "/messages",
            order.body,
            session_key=session_key(ask),
            first_byte=self.limits.first_byte,
            headers=_headers(order.betas),
        ) as response:
            report = Report(generation_id=response.headers.get("x-generation-id", ""))
            if response.status != 200:
                failure = await refusal_of(
                    response, self.host, slug=self.route.slug, nearest=self.nearest, now=self.wall()
                )
                raise ReplyFailed(failure, report=report)
            yield Burst(report=report)
            reader = FrameReader()
            facts = stream.report
            with Silence(response.content) as silence:
                while not stream.over:
                    frames = await self._read(response, silence, reader, stream)
                    if stream.report is not facts:
                        facts = stream.report
                        report = report_of(facts, report)
                    if stream.failure is not None and not stream.started:
                        raise ReplyFailed(stream.failure, report=report)
                    yield Burst(frames=frames, report=report)
            if stream.failure is not None:
                # It may go on behind our back, and on our bill.
                response.close()
        if stream.losses:
            _log.info("answer lost something", losses=stream.losses, slug=self.route.slug)

    def _order(self, ask: Ask) -> NativeOrder:
        try:
            order = to_native(
                ask.request,
                ask.raw,
                self.profile,
                slug=self.route.slug,
                session_key=session_key(ask),
                preferences=self.route.preferences,
                betas=ask.betas,
                replay_reasoning=ask.replay_reasoning,
                weigh=self.weigh,
            )
        except BadRequest as refused:
            raise ReplyFailed(refused.failure) from refused
        if len(order.losses):
            _log.info(
                "request lost something",
                losses=[f"{loss.kind}: {loss.where}" for loss in order.losses],
                slug=self.route.slug,
            )
        return order

    def _stream(self, ask: Ask, order: NativeOrder) -> NativeStream:
        # A model that signs its own thinking has it back with the signed block; only others need it carried.
        carry = None if self.profile.own_blocks else ReasoningCarry(family=self.profile.family, slug=self.route.slug)
        return NativeStream(
            message_id=self.new_id("msg"),
            model=ask.request.model,
            input_estimate=order.input_estimate,
            failure_in_stream=self._failure_in_stream,
            carry=carry,
            thinking=self.profile.takes_thinking,
        )

    async def _read(
        self, response: aiohttp.ClientResponse, silence: Silence, reader: FrameReader, stream: NativeStream
    ) -> list[Frame]:
        """What goes on of one read; a read that fails or ends is one, too."""
        # Until the model speaks, the longer limit holds: comments show that the host is alive, and a head is no answer.
        limit = self.limits.idle if reader.seen else max(self.limits.first_byte, self.limits.idle)
        silence.begins(limit)
        try:
            data = await response.content.readany()
        except BROKEN as error:
            if stream.finished:
                return stream.close()
            return stream.fail(
                silence_failure(self.host.name, limit) if silence.expired else connection_failure(error, self.host.name)
            )
        silence.ends()
        frames = stream.feed(reader.feed(data) if data else reader.close())
        return frames if data or stream.over else frames + stream.close()

    def _failure_in_stream(self, error: Any) -> Failure:
        host = self.host
        return failure_in_stream(error, now=self.wall(), secrets=host.secrets, host=host.name, elsewhere=host.is_own)

    def _nothing(self, ask: Ask, order: NativeOrder) -> list[Frame]:
        usage = Usage(input_tokens=order.input_estimate)
        start = MessageStart(self.new_id("msg"), ask.request.model, usage)
        return [encode(event) for event in (start, MessageDelta("max_tokens", usage=usage), MessageStop())]


def _headers(betas: Sequence[str]) -> dict[str, str]:
    # What cannot stand in a header names no beta.
    named = [beta for beta in betas if beta.isascii() and beta.isprintable()]
    return {"anthropic-version": VERSION, **({"anthropic-beta": ",".join(named)} if named else {})}
