"""What the local door needs from the session that opened it, handed down as values and functions."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from claude_or.config.schema import Settings
from claude_or.reply.budget import Budget
from claude_or.reply.meter import Tally
from claude_or.reply.scales import Scales
from claude_or.routing.ask import Plan, Replier, Role
from claude_or.routing.catalog import Catalog
from claude_or.upstream.ids import NewId, random_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web


class Servers(Protocol):
    """The MCP servers behind this door, as the session hands them down."""

    def routes(self) -> Sequence[web.RouteDef]:
        """What is served below `/mcp/`."""
        ...

    def token_of(self, path: str) -> str:
        """The token that a path below `/mcp/` asks for; empty when there is no such server."""
        ...

    def told(self) -> list[dict[str, Any]]:
        """Each server as `/control/mcp` tells it."""
        ...

    async def restart(self, name: str) -> dict[str, Any] | None:
        """Start a server anew; how it is told then, None when there is none of this name."""
        ...


def _nothing_more() -> dict[str, Any]:
    return {}


async def _nothing_before() -> None:
    pass


def _ignore(told: object) -> None:
    del told


@dataclass(slots=True, kw_only=True)
class House:
    """One proxy.

    `token` is what the client must bring, `control_token` what our other commands must. `settings` and `catalog` give those of
    the moment; a request takes one snapshot. `replier_for` is `reply.assemble` with its parts. `status` adds to what `/control/status` tells. `on_fatal` is called, at most once, when
    the proxy cannot go on.
    """

    token: str
    control_token: str
    settings: Callable[[], Settings]
    catalog: Callable[[], Catalog | None]
    replier_for: Callable[[Plan], Replier]
    tally: Tally = field(default_factory=Tally)
    scales: Scales = field(default_factory=Scales)
    on_fatal: Callable[[BaseException], None] = _ignore
    meet: Callable[[str], None] = _ignore
    """Is told what each client that asks a model says it is (`User-Agent`)."""
    status: Callable[[], dict[str, Any]] = _nothing_more
    before_request: Callable[[], Awaitable[None]] = _nothing_before
    """Awaited before a request's name is looked up: a changed configuration applies to it."""
    told: Mapping[str, Role] = field(default_factory=dict[str, Role])
    """Names of models that the client was given for roles at its start (`routing.names.names_told`)."""
    new_id: NewId = random_id
    clock: Callable[[], float] = time.monotonic
    servers: Servers | None = None
    budget: Budget | None = None
    body_limit: int = 32 * 1024 * 1024
    """Bytes of a request's body, as sent and as decoded."""
    head_seconds: float = 20.0
    """How long a request's head may take to arrive."""
    body_seconds: float = 60.0
    """How long a body may take to arrive."""
    unread_seconds: float = 300.0
    """How long a client may take nothing of an answer that waits for it. Claude Code stopped by Ctrl-Z is no such client: we are
    stopped with it."""
    whole_seconds: float = 340.0
    """How long an answer that is not streamed may take. Claude Code waits some 360 s for a head, then it goes and repeats."""
    most_requests: int = 1_500
    """Requests answered at the same time; more are told to come back."""
    open_requests: int = 0
    served: int = 0
    turned_away: int = 0
    """How often somebody came to the door whom it does not open for."""
