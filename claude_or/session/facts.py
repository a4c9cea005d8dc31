"""What the settings and the listing mean for `claude`, as plain values: models, labels, window, output limit.

Computed when something changed, cached with the launch. Pure; this is where the client's own formula is used: it compacts when a
turn reached `window - min(output limit, 20000) - 13000` tokens (measured with Claude Code 2.1.330).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from claude_or.config.names import bare
from claude_or.config.schema import Settings
from claude_or.routing.names import fallbacks_of, resolve, roles, written
from claude_or.session.environment import MILLION

ASSUMED_WINDOW = 128_000
"""Tokens assumed for a model whose window nobody knows; said in log and summary."""
USUAL_OUTPUT = 32_000
"""What the client asks for by itself. More would only reserve credit."""
SUMMARY_RESERVE = 20_000
"""How much of the output limit the client's trigger takes into account."""
COMPACT_RESERVE = 13_000
SMALLEST_WINDOW = 64_000
"""Below this, the client's first prompt and its reserve for the answer leave hardly any room (at 32K, none)."""
EARLIEST = 0.73
"""Compaction must not come before this share of the window."""
SMALLEST_OUTPUT = 1_024
SHARED_ROLES = ("main", "opus", "sonnet", "fable", "subagent")
"""Roles that see the main history: the window told is the smallest of theirs."""
KNOWN_TO_CLIENT = "claude-"
"""An id that contains this is matched to a family whose window the client has built in …"""
UNKNOWN_MARK = "~"
"""… unless it begins so."""
LONG_MARK = "[1m]"
"""Tells the client that a model which it knows as a shorter one has a million tokens; it takes the mark off before it asks."""

TIERS = frozenset({"opus", "sonnet", "haiku", "fable", "best", "default"})
"""The client's words for models; `opusplan` means two of them and stays."""

LimitsOf = Callable[[str], tuple[int | None, int | None]]
PricesOf = Callable[[str], tuple[str, str]]
"""US dollars per million tokens read and written, empty when unknown."""


def no_prices(_slug: str) -> tuple[str, str]:
    """For where nobody knows a price."""
    return "", ""


def facts_of(
    settings: Settings, limits_of: LimitsOf, prices_of: PricesOf = no_prices, *, printing: bool = False
) -> dict[str, Any]:
    """The facts that `session/environment.py` needs, fit for `marshal`.

    `limits_of` gives window and output limit of a slug in tokens, None when unknown; `prices_of` its prices. `printing` is print
    mode. `assumed` lists models whose window is a guess, `bundled` is the day of the facts when they are those that came with the program.
    """
    limits_of = with_hosts(settings, limits_of)
    chosen = roles(settings)
    shown = {str(role): written(choice.slug, choice.host) for role, choice in chosen.items()}
    shared = list(dict.fromkeys((*(shown[role] for role in SHARED_ROLES), *_substitutes(settings))))
    windows = {slug: limits_of(slug)[0] for slug in shared}
    window = min(known or ASSUMED_WINDOW for known in windows.values())
    if settings.models.long_context is not None:
        # What no longer fits goes to the longer model, so its window is the one that ends a conversation.
        longest = resolve(settings.models.long_context, settings)
        window = max(window, limits_of(written(longest.slug, longest.host))[0] or 0)
    long = _long([*shown.values(), *_aliases(settings)], window, limits_of)
    outputs = [output for slug in shared if (output := limits_of(slug)[1])]
    return {
        "models": {role: _marked(slug, long) for role, slug in shown.items()},
        "long": long,
        "labels": {tier: _label(slug) for tier, slug in shown.items()},
        "descriptions": {tier: _described(slug, limits_of, prices_of) for tier, slug in shown.items()},
        "picker": [
            {**row, "model": _marked(row["model"], long)}
            for row in _picker(settings, shown, limits_of, prices_of, window)
        ],
        "window": window,
        "output": told_output(window, min(outputs, default=USUAL_OUTPUT)),
        "bundled": "",
        "assumed": [slug for slug, known in windows.items() if not known],
        "known_to_client": any(KNOWN_TO_CLIENT in slug and not slug.startswith(UNKNOWN_MARK) for slug in shared),
        "printing": printing,
        "tool_search": settings.client.tool_search,
        "nonessential_traffic": settings.client.nonessential_traffic,
        "auto_mode": settings.client.auto_mode,
        "status_line": settings.client.status_line,
        "notices": [*content_notice(settings), *_notices(settings, windows)],
        "loud": content_notice(settings),
    }


def content_notice(settings: Settings) -> list[str]:
    """That what is said goes to the log: told at each start, `--quiet` or not."""
    if not settings.log.content:
        return []
    if settings.log_level in {"warning", "error"}:
        return [f"log.content has no effect: log_level {settings.log_level} leaves prompts and answers out of the log."]
    return ["prompts and answers of this session are written to its log (log.content); `claude-or logs` shows them."]


def _notices(settings: Settings, windows: Mapping[str, int | None]) -> list[str]:
    """What the user should know before the session starts."""
    found = [
        f"{slug} has a window of {short_tokens(known)} tokens, too small for Claude Code: its first prompt nearly fills it. "
        "Choose a model with 64k or more."
        for slug, known in windows.items()
        if known and known < SMALLEST_WINDOW
    ]
    if settings.client.auto_mode == "local":
        found.append(
            "auto mode is on: what runs without asking you is judged by the model of the sonnet tier, "
            "not by Anthropic's safeguards; each check is a call that is billed."
        )
    return found


def with_hosts(settings: Settings, limits_of: LimitsOf) -> LimitsOf:
    """The same question for models on the user's own hosts too, which only the configuration can answer."""

    def limits(name: str) -> tuple[int | None, int | None]:
        host, colon, slug = name.partition(":")
        if not colon or host not in settings.providers:
            return limits_of(name)
        told = settings.providers[host].models.get(slug)
        return (told.context_window, told.max_output) if told else (None, None)

    return limits


def told_output(window: int, output: int) -> int:
    """The output limit to tell, so that compaction comes late but in time; both figures in tokens."""
    room = int(window * (1 - EARLIEST)) - COMPACT_RESERVE
    wanted = min(output, USUAL_OUTPUT)
    return wanted if room >= SUMMARY_RESERVE else min(wanted, max(room, SMALLEST_OUTPUT))


def model_argument(settings: Settings, long: Collection[str] = ()) -> Callable[[str], str]:
    """How a `--model` value is translated: aliases of ours and the tiers become what is shown to the client, the rest stays.

    A tier must not stay: the client turns `opus` into the slug *with* its window suffix, and then assumes a million tokens.
    `long` are the slugs of which that is true and which it would take for shorter ones.
    """

    def translate(value: str) -> str:
        name = bare(value)
        if name not in settings.aliases and name.lower() not in TIERS:
            # A slug with the client's mark would get a million tokens, whatever it has.
            return _marked(name, long) if "/" in name else value
        found = resolve(name, settings)
        return _marked(written(found.slug, found.host), long)

    return translate


def _long(slugs: Iterable[str], window: int, limits_of: LimitsOf) -> list[str]:
    """Which of these the client knows, perhaps as shorter ones than the million tokens that they have. Only where the session has as many."""
    if window < MILLION:
        return []
    known = (slug for slug in dict.fromkeys(slugs) if KNOWN_TO_CLIENT in slug and not slug.startswith(UNKNOWN_MARK))
    return [slug for slug in known if (limits_of(slug)[0] or 0) >= MILLION]


def _marked(slug: str, long: Collection[str]) -> str:
    return slug + LONG_MARK if slug in long else slug


def _aliases(settings: Settings) -> list[str]:
    found = (resolve(alias, settings) for alias in settings.aliases)
    return [written(model.slug, model.host) for model in found]


def _substitutes(settings: Settings) -> list[str]:
    """The fallbacks of the roles that see the main history: it must fit them as well."""
    found = (resolve(name, settings) for role in SHARED_ROLES for name in fallbacks_of(role, settings))
    return [written(model.slug, model.host) for model in found]


def _label(slug: str) -> str:
    return slug.rpartition("/")[2] or slug


def _described(slug: str, limits_of: LimitsOf, prices_of: PricesOf) -> str:
    window, _ = limits_of(slug)
    said = f"{slug}, {short_tokens(window)} window" if window else f"{slug}, window unknown"
    read, written_ = prices_of(slug)
    if not read or not written_:
        return said
    return (
        f"{said}, free"
        if read == written_ == "0"
        else f"{said}, ${_cents(read)} in and ${_cents(written_)} out per million"
    )


def _cents(price: str) -> str:
    """`0.6` as `0.60`."""
    whole, point, part = price.partition(".")
    return f"{whole}.{part:0<2}" if point else price


def short_tokens(tokens: int) -> str:
    """`200k`, `1M`: as people speak of windows."""
    return f"{tokens / 1_000_000:.3g}M" if tokens >= 1_000_000 else f"{tokens // 1000}k"


def _picker(
    settings: Settings, shown: Mapping[str, str], limits_of: LimitsOf, prices_of: PricesOf, window: int
) -> list[dict[str, str]]:
    """Rows of `/model`: what the roles use, then the user's aliases. Whose window is below the told `window` is marked."""
    uses: dict[str, list[str]] = {}
    for role in ("main", "opus", "sonnet", "haiku", "fable"):
        uses.setdefault(shown[role], []).append(role)
    for alias in settings.aliases:
        found = resolve(alias, settings)
        uses.setdefault(written(found.slug, found.host), []).append(alias)
    return [
        {
            "model": slug,
            "label": _label(slug),
            "description": f"{', '.join(names)} · {_described(slug, limits_of, prices_of)}{_mark(slug, limits_of, window)}",
        }
        for slug, names in uses.items()
    ]


def _mark(slug: str, limits_of: LimitsOf, window: int) -> str:
    """The client compacts by the told window; a long conversation does not fit a model that has less."""
    known = limits_of(slug)[0]
    if (known or ASSUMED_WINDOW) >= window:
        return ""
    less = "less than" if known else "perhaps less than"
    return f", {less} this session's {short_tokens(window)}: for short conversations"
