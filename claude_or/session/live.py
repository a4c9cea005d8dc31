"""The part of a session that needs the heavy libraries: serve the proxy until the child ends.

Imported after `claude` was started. It waits for the child or for a failure that the session cannot go on with, whichever comes
first; everything that was opened is closed by `gateway`, in reverse and within its bounds.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from claude_or.errors import EXIT_PROXY, ClaudeOrError
from claude_or.session.gateway import Gateway, gateway

if TYPE_CHECKING:
    from claude_or.session.flow import Session

SERVICE_LIMIT = 15.0
"""Seconds from here until the proxy must serve; without it the child would repeat its request in silence for minutes."""
TERM_GRACE = 5.0
"""Seconds that the child gets after a signal was passed on to it before it is killed."""


def live(session: Session) -> Gateway:
    """Serve until the child is reaped; `session.status` holds its wait status then. Returns the closed gateway, for its figures.

    Raises `ClaudeOrError` (`EXIT_PROXY`) when the proxy cannot serve or cannot go on; the child may still run then.
    """
    return asyncio.run(_live(session))


async def _live(session: Session) -> Gateway:
    loop = asyncio.get_running_loop()
    child = _watch(session, loop)
    fatal: asyncio.Future[BaseException] = loop.create_future()

    def give_up(error: BaseException) -> None:
        if not fatal.done():
            fatal.set_result(error)

    def start_grace(number: int) -> None:
        del number
        loop.call_soon_threadsafe(loop.call_later, TERM_GRACE, _kill, session)

    session.on_signal = start_grace
    gate = gateway(session, on_fatal=give_up)
    try:
        async with asyncio.timeout(SERVICE_LIMIT):
            await gate.__aenter__()
    except TimeoutError:
        raise ClaudeOrError(
            f"the proxy did not come up within {SERVICE_LIMIT:g} s",
            hint="The machine may be overloaded; try again. `claude-or doctor` checks the set-up.",
            exit_code=EXIT_PROXY,
        ) from None
    try:
        await asyncio.wait({child, fatal}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await gate.__aexit__(None, None, None)
    if not child.done():
        raise ClaudeOrError(
            f"the proxy could not go on: {fatal.result()}",
            hint=f"The session was ended. The log is {gate.log_path}.",
            exit_code=EXIT_PROXY,
        )
    return gate


def _kill(session: Session) -> None:
    if session.status is None:
        try:
            os.kill(session.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _watch(session: Session, loop: asyncio.AbstractEventLoop) -> asyncio.Future[int]:
    """A future that is done when the child is reaped. It was born before the loop, so asyncio's own watchers do not know it."""
    done: asyncio.Future[int] = loop.create_future()

    def reap() -> None:
        try:
            pid, status = os.waitpid(session.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = session.pid, 0
        if pid:
            session.status = status
            done.set_result(status)

    if hasattr(os, "pidfd_open"):
        handle = os.pidfd_open(session.pid)

        def readable() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            reap()

        loop.add_reader(handle, readable)
        return done

    async def poll() -> None:  # macOS has no pidfd
        while not done.done():
            reap()
            await asyncio.sleep(0.05)

    task = loop.create_task(poll())
    done.add_done_callback(lambda _: task.cancel())
    return done
