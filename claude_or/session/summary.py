"""What a session was: one line for the person, figures for a script."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_or.reply.meter import Count, Tally

if TYPE_CHECKING:
    from claude_or.session.books import Books
    from claude_or.session.conflicts import Conflict

SUMMARY_VERSION = 1


def summary_line(
    tally: Tally,
    *,
    seconds: float,
    log_path: str,
    assumed: Sequence[str] = (),
    bundled: str = "",
    books: Books | None = None,
    set_aside: str = "",
) -> str:
    """One line: models, calls, tokens, cost, caps, time, log; below it what else should be known.

    `assumed` are the models whose window was guessed, `bundled` is the day of the facts that came with the program, when those
    told the windows, `set_aside` names settings of Claude Code that did not count.
    """
    total = tally.total
    models = ", ".join(slug for slug, _ in tally) or "no model was asked"
    parts = [
        models,
        f"{total.calls} call{'s' * (total.calls != 1)}" + (f" ({total.failures} failed)" if total.failures else ""),
        f"{_tokens(total.input + total.read + total.written)} in" + _cached(total),
        f"{_tokens(total.output)} out",
        _cost(total),
        *(_caps(books) if books else ()),
        _time(seconds),
    ]
    if not total.calls:
        parts = [models, _time(seconds)]
    if assumed:
        parts.append(f"window assumed for {', '.join(assumed)}")
    if bundled:
        parts.append(f"no list of models, windows by facts of {bundled}")
    if log_path:
        parts.append(f"log {log_path}")
    lines = ["claude-or: " + " · ".join(parts)]
    if books and books.watch.drops:
        lines.append(f"claude-or: the prompt cache was missed {_times(books.watch.drops)}: {books.watch.reason}")
    if books:
        lines += [f"claude-or: {warning}" for warning in books.warnings]
    if set_aside:
        lines.append(f"claude-or: set aside for this session: {set_aside}")
    return "\n".join(lines) + "\n"


def summary_json(books: Books, *, seconds: float, exit_code: int, conflicts: Sequence[Conflict] = ()) -> dict[str, Any]:
    """The same for programs. Costs are text, because a float would not keep them exact."""
    tally = books.tally
    return {
        "version": SUMMARY_VERSION,
        "exit_code": exit_code,
        "seconds": round(seconds, 3),
        "total": _figures(tally.total),
        "models": {slug: _figures(count) for slug, count in tally},
        "session": books.session,
        "caps_usd": books.budget.told(),
        "calls_refused_by_caps": books.budget.refused,
        "cache_drops": books.watch.drops,
        "cache_drop_reason": books.watch.reason,
        "warnings": list(books.warnings),
        "settings_in_conflict": [
            {"scope": found.scope, "file": found.path, "key": found.key, "wins": found.wins} for found in conflicts
        ],
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
    said = _dollars(total.cost)
    if total.priced:
        said = f"about {said}"
    return f"{said} + {total.unknown} call{'s' * (total.unknown != 1)} of unknown cost" if total.unknown else said


def _caps(books: Books) -> list[str]:
    said = [
        f"{_dollars(Decimal(cap['spent']))} of {_dollars(Decimal(cap['limit']))} {scope} cap"
        for scope, cap in books.budget.told().items()
    ]
    return [*said, f"{_times(books.budget.refused)} refused by it"] if said and books.budget.refused else said


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}" if 0 < amount < Decimal("0.1") else f"${amount:.2f}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _tokens(number: int) -> str:
    if number < 10_000:
        return f"{number}"
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
