"""What helps against which failure: the same route once more, another one, or nothing.

One row per kind of failure, read by the fallback. While another route is left, a route is tried fewer times: a model that is busy
now is not worth seconds of waiting when the next one is ready. Sources: OpenRouter's table of errors; field reports.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from claude_or.wire.anthropic import Failure, FailureKind

Elsewhere = Literal["never", "any", "other_host", "longer"]
"""Which other routes may help: any, those on another host (with another key), or those with a longer window."""


class Remedy(NamedTuple):
    """`retry`: it may be over in a moment. `tries`: how often a route is tried while another is left."""

    retry: bool
    elsewhere: Elsewhere
    tries: int = 1


NOTHING: Final = Remedy(False, "never")

REMEDIES: Final[dict[FailureKind, Remedy]] = {
    "rate_limit": Remedy(True, "any"),
    "overloaded": Remedy(True, "any", 2),
    "api": Remedy(True, "any", 2),
    # A host that was silent to the end of a limit has cost enough already.
    "timeout": Remedy(True, "any"),
    "not_found": Remedy(False, "any"),
    "permission": Remedy(False, "any"),
    "context_overflow": Remedy(False, "longer"),
    # The user's own account: another model of the same host suffers from it, too.
    "authentication": Remedy(False, "other_host"),
    "billing": Remedy(False, "other_host"),
    # The request itself, or the user's own cap.
    "invalid_request": NOTHING,
    "too_large": NOTHING,
    "budget": NOTHING,
    "cancelled": NOTHING,
}


def may_help(failure: Failure, *, same_host: bool, window: int | None, other_window: int | None, spare: bool) -> bool:
    """Whether another route is worth trying after this failure.

    `window` and `other_window` are those of the failed and of the other model in tokens, None when unknown; `spare` marks a
    route that is there for requests that are too long and for nothing else.
    """
    match REMEDIES[failure.kind].elsewhere:
        case "never":
            return False
        case "any":
            return not spare
        case "other_host":
            return not spare and not same_host
        case "longer":
            known = failure.limit_tokens or window
            return spare or other_window is None or known is None or other_window > known
