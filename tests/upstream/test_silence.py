"""One timer for all the reads of an answer: it must count each silence from its own beginning."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from claude_or.upstream.silence import Silence


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time goes on only where the test says so, so that an hour takes no time."""

    now = 1000.0

    def time(self) -> float:
        return self.now


def content_in(loop: asyncio.AbstractEventLoop) -> StreamReader:
    protocol = Mock(spec=BaseProtocol)
    protocol._reading_paused = False
    return StreamReader(protocol, 2**16, loop=loop)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_each_silence_is_counted_from_its_own_beginning() -> None:
    loop = Clock()

    async def story() -> None:
        content = content_in(loop)
        with Silence(content) as silence:
            for _ in range(10):
                silence.begins(300)
                reading = asyncio.ensure_future(content.readany())
                await settle()
                loop.now += 200
                await settle()
                content.feed_data(b"x")
                assert await reading == b"x"
                silence.ends()
                # The client reads slowly: nobody waits for the host meanwhile.
                loop.now += 400
                await settle()
            assert not silence.expired
            silence.begins(300)
            reading = asyncio.ensure_future(content.readany())
            await settle()
            loop.now += 299
            await settle()
            assert not silence.expired
            loop.now += 1.1
            await settle()
            assert silence.expired
            with pytest.raises(TimeoutError):
                await reading

    loop.run_until_complete(story())
    loop.close()


def test_a_shorter_limit_holds_at_once() -> None:
    loop = Clock()

    async def story() -> None:
        content = content_in(loop)
        with Silence(content) as silence:
            silence.begins(600)
            silence.ends()
            silence.begins(10)
            reading = asyncio.ensure_future(content.readany())
            await settle()
            loop.now += 11
            await settle()
            assert silence.expired
            with pytest.raises(TimeoutError):
                await reading

    loop.run_until_complete(story())
    loop.close()


def test_nothing_is_left_of_it() -> None:
    loop = Clock()

    async def story() -> None:
        content = content_in(loop)
        with Silence(content) as silence:
            silence.begins(10)
        loop.now += 100
        await settle()
        assert not silence.expired

    loop.run_until_complete(story())
    loop.close()
