"""In the place of a host that cannot be asked: its key is missing, or nothing in the configuration describes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from claude_or.routing.ask import Ask, Burst, ReplyFailed, Route
from claude_or.wire.anthropic import Failure


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Refuses every request with `why`, in the words of a refused key: another route may still be tried."""

    route: Route
    why: str

    async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Raises `ReplyFailed`."""
        del ask
        raise ReplyFailed(
            Failure(
                kind="authentication",
                status=401,
                type="authentication_error",
                message=f"{self.route.slug} cannot be asked at {self.route.provider}: {self.why}",
                # The client would hide these words behind a hint to log in.
                should_retry=False,
            )
        )
        yield Burst()  # what makes this a generator
