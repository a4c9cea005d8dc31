"""The types that every leaf and every wrapper of the reply chain shares. Types only.

A `Replier` answers an `Ask` with bursts. Its contract:

* Until the first burst that holds frames it may raise `ReplyFailed`; nothing has been sent then, and the caller may try
  again or elsewhere. From that burst on it never raises `ReplyFailed`: a failure is told by an `error` frame, the last one.
* An empty burst is a sign of life from upstream.
* The first frame is `message_start`, held back until there is a content block to follow it (or the end of the answer), so
  that "frames were sent" and "content was sent" are one moment.
* Whoever iterates holds the generator in `contextlib.aclosing`; closing it closes the connection upstream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec

from claude_or.wire.anthropic import Failure, MessagesRequest
from claude_or.wire.events import Usage
from claude_or.wire.sse import Frame

Role = Literal["main", "small", "opus", "sonnet", "haiku", "fable", "subagent", "background"]
"""Why a model is asked: the part of a session that the name in the request stands for."""

Path = Literal["chat", "native"]
"""How a model is reached: `chat` through our translator, `native` through a host's own Messages endpoint."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one host. `provider` is a key of `Settings.providers`, or `"openrouter"`."""

    provider: str
    slug: str
    path: Path
    preferences: dict[str, Any] = {}
    """OpenRouter's `provider` object for this route, empty when the user asked for nothing."""
    turn: str = ""
    """Which provider of a strict order this route is; empty where there is no such order."""
    spare: bool = False
    """Only for requests that the routes before it find too long."""

    @property
    def label(self) -> str:
        """The model, and the provider where it is one of several in order."""
        return f"{self.slug} at {self.turn}" if self.turn else self.slug


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes: routes in the order they are tried, and why, in one line for log and `explain`."""

    asked: str
    role: Role
    routes: tuple[Route, ...]
    reason: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in. `raw` is the body as sent; `session_id` and `agent_id` are the client's own.

    `replay_reasoning` False leaves out what earlier answers thought: a host refused to have it back.
    """

    request_id: str
    request: MessagesRequest
    raw: bytes
    session_id: str = ""
    agent_id: str = ""
    betas: tuple[str, ...] = ()
    plan: Plan
    replay_reasoning: bool = True


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one upstream call has told about itself so far. Later reports of the same call replace earlier ones.

    `model` is the model that served, as the host names it; `cost` is in US dollars, None while unknown.
    """

    model: str = ""
    provider: str = ""
    generation_id: str = ""
    usage: Usage | None = None
    cost: Decimal | None = None


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """The whole frames that one read brought: one hop per wrapper, one write to the client."""

    frames: list[Frame] = []
    report: Report | None = None


class ReplyFailed(Exception):
    """No answer came, and nothing was sent. Caught by the fallback and, last, by the request handler."""

    def __init__(self, failure: Failure, *, report: Report | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.report = report


class Replier(Protocol):
    """Whoever answers an ask: a leaf (one call to one host) or a wrapper around another replier."""

    def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Answer with bursts under the contract in the module's docstring."""
        ...
