"""Eyes for a model that has none, and the text of PDFs for a host that opens no files.

Before the model is asked, what it cannot take is put into words (`translate/sight.py`): a picture by the vision model of the
configuration, in a call that passes a meter of its own, a PDF by its text. Each content is looked at once, however many requests and turns
hold it, and pictures once for later sessions, too: another description would move the cached prefix. Nothing here ever fails a request: what could not be put into words becomes the note that stands there
without this wrapper.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from claude_or.log import get_log
from claude_or.reply.base import whole_message
from claude_or.routing.ask import Ask, Burst, Plan, Replier, ReplyFailed
from claude_or.translate.media import NO_VISION
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.sight import (
    Sighted,
    asking_to_see,
    body_to_see,
    description,
    has_pictures,
    in_words,
    is_blindness,
    unseen,
)

MOST_AT_ONCE: Final = 4
MOST_NEW: Final = 20
"""Pictures that one request may have described; the rest of a long history stays a note."""
MOST_TRIES: Final = 2
"""A picture that could not be described is tried again with a later request, so often in all: then its place stays as it is."""
MOST_KEPT: Final = 1000
LOOK_SECONDS: Final = 120.0
ALL_SECONDS: Final = 240.0
"""How long one picture, and all of one request, may keep its answer waiting."""

_log = get_log("reply")


class Kept(Protocol):
    """Descriptions of earlier sessions. Both may block; `write` raises `OSError`."""

    def read(self, slug: str, keys: Iterable[str]) -> dict[str, str]: ...

    def write(self, slug: str, key: str, words: str) -> None: ...


class Album:
    """What was put into words in this session, by content, and what `kept` has from earlier ones. One for all requests."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept
        self._recalled: set[str] = set()
        self._words: dict[str, str] = {}
        self._failed: dict[str, int] = {}
        self._running: dict[str, asyncio.Event] = {}

    def words(self, key: str) -> str | None:
        """What is known already."""
        return self._words.get(key)

    def is_hopeless(self, key: str) -> bool:
        """Whether it failed too often."""
        return self._failed.get(key, 0) >= MOST_TRIES

    def pass_over(self, key: str) -> None:
        """Leave it a note for good."""
        self._failed[key] = MOST_TRIES

    async def recall(self, slug: str, keys: Iterable[str]) -> None:
        """Learn what `slug` said of these in earlier sessions; each is asked for once."""
        new = [key for key in keys if key not in self._words and key not in self._recalled]
        if self._kept is None or not new:
            return
        for key, words in (await asyncio.to_thread(self._kept.read, slug, new)).items():
            self._add(key, words)
        self._recalled.update(new)

    async def keep(self, slug: str, key: str, words: str) -> None:
        """Keep what `slug` said for later sessions. A disk that does not take it is no failure."""
        if self._kept is None:
            return
        try:
            await asyncio.to_thread(self._kept.write, slug, key, words)
        except OSError as error:
            _log.warning("description not kept", reason=error.strerror)

    def _add(self, key: str, words: str) -> None:
        if len(self._words) >= MOST_KEPT:
            del self._words[next(iter(self._words))]
        self._words[key] = words

    async def look(self, key: str, how: Callable[[], Awaitable[str]]) -> None:
        """Have it put into words unless that was done, is being done, or is hopeless."""
        while not (key in self._words or self.is_hopeless(key)):
            running = self._running.get(key)
            if running is not None:
                await running.wait()  # whoever looked may have left before the answer: then it is our turn
                continue
            done = self._running[key] = asyncio.Event()
            try:
                if words := await how():
                    self._add(key, words)
                    return
                self._failed[key] = self._failed.get(key, 0) + 1
                return
            finally:
                del self._running[key]
                done.set()


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Passes requests on with words in place of what the model of `profile` cannot take.

    `place` is the model's host and slug, `blind` holds those of which it turned out that they take no pictures, though nobody knew.
    `eyes` answers under `plan`, the vision model's; None when there is none. `read` gives the text of a PDF from its base64.
    """

    inner: Replier
    profile: ModelProfile
    album: Album
    read: Callable[[str], Awaitable[str]]
    place: tuple[str, str] = ("", "")
    blind: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    eyes: Replier | None = None
    plan: Plan | None = None
    look_seconds: float = LOOK_SECONDS
    all_seconds: float = ALL_SECONDS

    def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """The inner answer. Raises `ReplyFailed` as that does."""
        may_be_blind = self.profile.images is None and has_pictures(ask.request)
        if may_be_blind or unseen(ask.request, self.profile, pictures=self.eyes is not None):
            return self._seen(ask)
        # Nothing to put into words: no hop for each delta either.
        return self.inner.reply(ask)

    async def _seen(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        if self.place not in self.blind:
            try:
                async with aclosing(self._answered(ask, self.profile)) as bursts:
                    async for burst in bursts:
                        yield burst
                return  # noqa: TRY300
            except ReplyFailed as failed:
                unknown = self.profile.images is None and has_pictures(ask.request)
                if not unknown or not is_blindness(failed.failure):
                    raise
                _log.warning("the model takes no pictures: they are put into words", place=self.place)
                self.blind.add(self.place)
        async with aclosing(self._answered(ask, msgspec.structs.replace(self.profile, images=False))) as bursts:
            async for burst in bursts:
                yield burst

    async def _answered(self, ask: Ask, profile: ModelProfile) -> AsyncGenerator[Burst, None]:
        # Whoever was found to be blind is not known as that where the request is written, so a note has to come from here.
        found_out = profile is not self.profile
        pictures = self.eyes is not None or found_out
        found = unseen(ask.request, profile, pictures=pictures)
        if found:
            await self._look_at(found, ask)
            words = {one.key: said for one in found if (said := self.album.words(one.key))}
            if found_out:
                words = {**{one.key: NO_VISION for one in found if one.kind == "picture"}, **words}
            ask = msgspec.structs.replace(ask, request=in_words(ask.request, profile, words, pictures=pictures))
        async with aclosing(self.inner.reply(ask)) as bursts:
            async for burst in bursts:
                yield burst

    async def _look_at(self, found: list[Sighted], ask: Ask) -> None:
        if self.plan is not None:
            pictures = (one.key for one in found if one.kind == "picture")
            await self.album.recall(self.plan.routes[0].slug, pictures)
        new = [one for one in found if self.album.words(one.key) is None and not self.album.is_hopeless(one.key)]
        # The newest matter most.
        for one in new[:-MOST_NEW]:
            self.album.pass_over(one.key)
        places = asyncio.Semaphore(MOST_AT_ONCE)
        last = asyncio.get_running_loop().time() + self.all_seconds

        async def look(one: Sighted) -> None:
            async with places:
                await self.album.look(one.key, lambda: self._words_for(one, ask, last))

        await asyncio.gather(*(look(one) for one in new[-MOST_NEW:]))

    async def _words_for(self, one: Sighted, ask: Ask, last: float) -> str:
        """Empty when there are none; `last` is when the loop's clock says that the answer has waited long enough."""
        if one.kind == "pdf":
            text = await self.read(one.block["source"]["data"])
            _log.info("pdf read", characters=len(text), content=one.key[:12])
            return text
        eyes, plan = self.eyes, self.plan
        now = asyncio.get_running_loop().time()
        if eyes is None or plan is None or now >= last:
            return ""
        slug = plan.routes[0].slug
        request = asking_to_see(one.block, plan.asked)
        raw = body_to_see(request)
        question = msgspec.structs.replace(ask, request=request, raw=raw, plan=plan, betas=(), replay_reasoning=True)
        try:
            async with asyncio.timeout_at(min(now + self.look_seconds, last)):
                words = description(await whole_message(eyes, question), slug)
        except (ReplyFailed, TimeoutError) as failed:
            reason = failed.failure.message if isinstance(failed, ReplyFailed) else "it took too long"
            _log.warning("picture not described", slug=slug, content=one.key[:12], reason=reason)
            return ""
        if words:
            await self.album.keep(slug, one.key, words)
        _log.info("picture described", slug=slug, characters=len(words), content=one.key[:12])
        return words
