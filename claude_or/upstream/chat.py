"""The chat leaf: one call of `/chat/completions`, its stream translated burst by burst.

    request → to_chat → bytes ──► host ──► bytes → ChunkReader → StreamTranslator → encode → Burst

It always asks for a stream; who wants a whole message folds it. An answer counts as good only when the host told its end: a
connection that breaks, a limit that runs out, a page of HTML, an answer that just stops are failures, raised as long as nothing
was sent and told by an `error` frame afterwards. Closing the generator closes the connection.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp

from claude_or.config.schema import Limits
from claude_or.log import get_log
from claude_or.routing.ask import Ask, Burst, ReplyFailed, Report, Route
from claude_or.translate.failure import failure_in_stream, failure_of
from claude_or.translate.host_fetch import HostFetch
from claude_or.translate.host_search import HostSearch
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.reasoning import ReasoningCarry
from claude_or.translate.request import ChatOrder, to_chat
from claude_or.translate.stream import StreamFacts, StreamTranslator
from claude_or.translate.tokens import Weigh, as_estimated
from claude_or.translate.web_search import CALL_ID
from claude_or.upstream.chunks import ChunkReader
from claude_or.upstream.ids import NewId, random_id
from claude_or.upstream.openrouter import OpenRouter, error_body
from claude_or.upstream.silence import Silence
from claude_or.upstream.trouble import BROKEN, connection_failure, silence_failure
from claude_or.wire.anthropic import BadRequest, Failure
from claude_or.wire.events import Event, MessageDelta, MessageStart, MessageStop, Usage, encode

SESSION_KEY_MOST: Final = 256
"""Characters that OpenRouter takes for a session id."""

LAST_WORDS_S: Final = 15.0
"""Longest silence after a finish reason, in seconds: figures come at once, and hosts exist that then neither say `[DONE]` nor close."""

_log = get_log("chat")


def session_key(ask: Ask) -> str:
    """What the host's sticky routing and its cache go by: one conversation with one model, `<session>[:<agent>]:<role>`."""
    if not ask.session_id:
        return ""
    parts = (ask.session_id, ask.agent_id, ask.plan.role)
    return ":".join(part for part in parts if part)[:SESSION_KEY_MOST]


@dataclass(frozen=True, kw_only=True)
class ChatReplier:
    """Answers by one model of one host.

    `nearest` names models like a slug, for the message that it does not exist; `weigh` calibrates the estimate of a request's tokens.
    """

    host: OpenRouter
    route: Route
    profile: ModelProfile
    limits: Limits
    new_id: NewId = random_id
    nearest: Callable[[str], Sequence[str]] = lambda _slug: ()
    weigh: Weigh = as_estimated
    wall: Callable[[], float] = time.time
    """Seconds since 1970, to resolve dates in `Retry-After`."""
    last_words: float = LAST_WORDS_S

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """One call under the contract of `routing/ask.py`."""
        order = self._order(ask)
        if order.warm_only:
            # "Only warm the cache": nothing to warm here, and hosts refuse a limit of 0.
            yield Burst(frames=[encode(event) for event in self._nothing(ask, order)])
            return
        translator = self._translator(ask, order)
        # From here on somebody is asked, and whoever meters knows it, also when no answer comes.
        yield Burst(report=Report())
        async with self.host.answer_to(
            "/chat/completions", order.body, session_key=session_key(ask), first_byte=self.limits.first_byte
        ) as response:
            report = Report(generation_id=response.headers.get("x-generation-id", ""))
            if response.status != 200:
                failure = await refusal_of(
                    response, self.host, slug=self.route.slug, nearest=self.nearest, now=self.wall()
                )
                raise ReplyFailed(failure, report=report)
            yield Burst(report=report)
            reader = ChunkReader()
            facts = translator.report
            with Silence(response.content) as silence:
                while not translator.over:
                    events = await self._read(response, silence, reader, translator)
                    if translator.report is not facts:
                        facts = translator.report
                        report = report_of(facts, report)
                    if translator.failure is not None and not translator.started:
                        raise ReplyFailed(translator.failure, report=report)
                    yield Burst(frames=[encode(event) for event in events], report=report)
            if not reader.ended:
                # Either the host is done and has closed, or it goes on behind our back: a stop sequence was reached.
                response.close()
        if translator.losses:
            _log.info("answer lost something", losses=translator.losses, slug=self.route.slug)

    def _order(self, ask: Ask) -> ChatOrder:
        try:
            order = to_chat(
                ask.request,
                self.profile,
                slug=self.route.slug,
                session_key=session_key(ask),
                preferences=self.route.preferences,
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

    def _translator(self, ask: Ask, order: ChatOrder) -> StreamTranslator:
        return StreamTranslator(
            message_id=self.new_id("msg"),
            model=ask.request.model,
            name_out=order.names.client,
            id_out=order.names.client_id,
            is_tool=order.names.is_known,
            carry=ReasoningCarry(family=self.profile.family, slug=self.route.slug),
            input_estimate=order.input_estimate,
            new_id=partial(self.new_id, "toolu"),
            show_thinking=order.show_thinking,
            failure_in_stream=self._failure_in_stream,
            stop_sequences=order.stop_sequences,
            cut_at=order.cut_at,
            context_window=self.profile.context,
            search=HostSearch(order.search, partial(self.new_id, CALL_ID)) if order.search else None,
            fetch=HostFetch(order.fetch, partial(self.new_id, CALL_ID)) if order.fetch else None,
        )

    async def _read(
        self, response: aiohttp.ClientResponse, silence: Silence, reader: ChunkReader, translator: StreamTranslator
    ) -> list[Event]:
        """The events of one read; a read that fails or ends is one, too."""
        limit = self._patience(reader, translator)
        silence.begins(limit)
        try:
            data = await response.content.readany()
        except BROKEN as error:
            if translator.finished:
                return translator.close()
            return translator.fail(
                silence_failure(self.host.name, limit) if silence.expired else connection_failure(error, self.host.name)
            )
        silence.ends()
        chunks = reader.feed(data) if data else reader.close()
        events: list[Event] = []
        for chunk in chunks:
            events += translator.feed(chunk)
        if not data:
            events += translator.close()
        return events

    def _patience(self, reader: ChunkReader, translator: StreamTranslator) -> float:
        """How long the next read may take, in seconds."""
        if translator.finished:
            return min(self.last_words, self.limits.idle)
        # Until the model speaks, the longer limit holds: comments show that the host is alive, and a head is no answer.
        return self.limits.idle if reader.seen else max(self.limits.first_byte, self.limits.idle)

    def _failure_in_stream(self, error: Any) -> Failure:
        host = self.host
        return failure_in_stream(error, now=self.wall(), secrets=host.secrets, host=host.name, elsewhere=host.is_own)

    def _nothing(self, ask: Ask, order: ChatOrder) -> list[Event]:
        usage = Usage(input_tokens=order.input_estimate)
        return [
            MessageStart(self.new_id("msg"), ask.request.model, usage),
            MessageDelta("max_tokens", usage=usage),
            MessageStop(),
        ]


async def refusal_of(
    response: aiohttp.ClientResponse,
    host: OpenRouter,
    *,
    slug: str,
    nearest: Callable[[str], Sequence[str]],
    now: float,
) -> Failure:
    """What an answer with another status than 200 says. `nearest` names models like a slug, `now` is in seconds since 1970."""
    body = await error_body(response)
    if response.status < 400:
        # A redirect, or a success that is none: nothing that a host of this kind should say.
        return Failure(
            kind="api",
            status=502,
            type="api_error",
            message=f"{host.name} answered with status {response.status} instead of a message.",
            upstream_status=response.status,
        )
    return failure_of(
        response.status,
        dict(response.headers),
        body,
        now=now,
        secrets=host.secrets,
        # Only these can mean that the name is wrong; for a busy model the names of others are no help.
        nearest=nearest(slug) if response.status in {400, 404} else (),
        host=host.name,
        elsewhere=host.is_own,
    )


def report_of(facts: StreamFacts, known: Report) -> Report:
    """The report of a call from what its stream told and what was known before."""
    return Report(
        model=facts.model,
        provider=facts.provider,
        generation_id=known.generation_id or facts.generation_id,
        usage=facts.usage,
        cost=facts.cost,
    )
