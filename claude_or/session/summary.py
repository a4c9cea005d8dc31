"""What a session was: one line for the person, figures for a script."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from claude_or.reply.meter import Count, Tally

SUMMARY_VERSION = 1


def summary_line(tally: Tally, *, seconds: float, log_path: str, assumed: Sequence[str] = ()) -> str:
    """One line: models, calls, tokens, cost, time, log."""
    total = tally.total
    models = ", ".join(slug for slug, _ in tally) or "no model was asked"
    parts = [
        models,
        f"{total.calls} call{'s' * (total.calls != 1)}" + (f" ({total.failures} failed)" if total.failures else ""),
        f"{_tokens(total.input + total.read + total.written)} in" + _cached(total),
        f"{_tokens(total.output)} out",
        _cost(total),
        _time(seconds),
    ]
    if not total.calls:
        parts = [models, _time(seconds)]
    if assumed:
        parts.append(f"window assumed for {', '.join(assumed)}")
    if log_path:
        parts.append(f"log {log_path}")
    return "claude-or: " + " · ".join(parts) + "\n"


def summary_json(tally: Tally, *, seconds: float, exit_code: int) -> dict[str, Any]:
    """The same for programs. Costs are text, because a float would not keep them exact."""
    return {
        "version": SUMMARY_VERSION,
        "exit_code": exit_code,
        "seconds": round(seconds, 3),
        "total": _figures(tally.total),
        "models": {slug: _figures(count) for slug, count in tally},
    }


def _figures(count: Count) -> dict[str, Any]:
    return {
        "calls": count.calls,
        "failed": count.failures,
        "cancelled": count.cancelled,
        "input_tokens": count.input,
        "cache_read_tokens": count.read,
        "cache_write_tokens": count.written,
        "output_tokens": count.output,
        "cost_usd": format(count.cost, "f"),
        "calls_of_unknown_cost": count.unknown,
        "calls_priced_by_listing": count.priced,
    }


def _cached(total: Count) -> str:
    prompt = total.input + total.read + total.written
    return f" ({total.read * 100 // prompt} % cached)" if total.read and prompt else ""


def _cost(total: Count) -> str:
    said = f"${total.cost:.4f}" if total.cost and total.cost < Decimal("0.1") else f"${total.cost:.2f}"
    if total.priced:
        said = f"about {said}"
    return f"{said} + {total.unknown} call{'s' * (total.unknown != 1)} of unknown cost" if total.unknown else said


def _tokens(number: int) -> str:
    if number < 10_000:
        return f"{number}"
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
