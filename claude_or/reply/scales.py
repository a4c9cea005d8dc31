"""The session's knowledge of how models count: fed with each answer's usage, asked for each estimate.

Kept by the model that served. An alias (`~…-latest`, a preset) may be served by several, so what a route's slug was last served by
is remembered with it; a slug that nobody has answered for yet is estimated plainly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from claude_or.reply.meter import Charge
from claude_or.translate.calibration import Calibration, conversation_of
from claude_or.translate.profiles import ModelProfile
from claude_or.translate.tokens import Measure, measure
from claude_or.wire.anthropic import MessagesRequest

_UNKNOWN = Calibration()


@dataclass(slots=True)
class Scales:
    """One per proxy."""

    known: dict[str, Calibration] = field(default_factory=dict[str, Calibration])
    served_by: dict[str, str] = field(default_factory=dict[str, str])

    def tokens(self, request: MessagesRequest, slug: str, profile: ModelProfile) -> int:
        """Input tokens of a request on the model of this slug."""
        return self.weigh(request, measure(request, profile=profile), slug)

    def weigh(self, request: MessagesRequest, found: Measure, slug: str) -> int:
        """The same where the request is measured already."""
        learnt = self.known.get(self.served_by.get(slug, slug), _UNKNOWN)
        if not learnt.observations:
            return learnt.tokens(found)
        return learnt.tokens(found, conversation_of(request), len(request.messages))

    def learn(self, charge: Charge, profile: ModelProfile, found: Measure | None = None) -> None:
        """Take in one call. Calls that were not answered whole, or without figures, teach nothing. `found` is its request's measure, if known."""
        usage, ask = charge.report.usage, charge.ask
        if charge.outcome != "answered" or usage is None or ask is None:
            return
        actual = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        slug = charge.route.slug
        model = self.served_by[slug] = charge.report.model or slug
        request = ask.request
        self.known[model] = self.known.get(model, _UNKNOWN).observe(
            found or measure(request, profile=profile), actual, conversation_of(request), len(request.messages)
        )
