"""What the user wants of OpenRouter's providers, as the `provider` object of a request.

`order` and `sort` are never sent, because either switches the host's cache stickiness off. A strict order becomes one route per
provider instead, each narrowed to that one by `only`; the reply chain stays with the one that answered (`reply/pins.py`).
Source: OpenRouter's documentation of provider routing.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from claude_or.config.names import DEFAULT_HOST, ROLE_WORDS, bare, meaning_of
from claude_or.config.schema import MaxPrice, Preferences, Settings
from claude_or.routing.names import FOLLOWS, base_of

_NAMES = tuple(f.name for f in fields(Preferences))
_AS_SAID = ("ignore", "quantizations", "data_collection", "zdr", "require_parameters")


def preferences_for(role: str, slug: str, settings: Settings) -> Preferences:
    """What holds for one model in one role: the default, overruled by the role's, overruled by the model's, value by value.

    Roles follow `big` and `small` as they do for models: what is wanted of `big` is wanted of `opus` as well. What is wanted of a
    model is wanted of it in every variant and preset, too.
    """
    said: dict[str, Any] = _said(settings.preferences)
    named = {_role(name): one for name, one in settings.preferences_for.items()}
    by_role = [named[name] for name in reversed(FOLLOWS[role]) if name in named]
    base = base_of(slug)
    meant = [(_slug(name, settings), one) for name, one in settings.preferences_for.items()]
    by_model = [one for wanted in dict.fromkeys((base, slug)) for name, one in meant if name == wanted]
    for one in (*by_role, *by_model):
        said |= _said(one)
    return Preferences(**said)


def provider_objects(preferences: Preferences) -> list[dict[str, Any]]:
    """The `provider` object, empty when nothing is wanted; one per provider of a strict order, in that order."""
    wanted = _said(preferences)
    body: dict[str, Any] = {name: wanted[name] for name in _AS_SAID if name in wanted}
    if preferences.max_price is not None:
        body["max_price"] = {name: _text(amount) for name, amount in _amounts(preferences.max_price)}
    if not preferences.order:
        return [{"only": list(preferences.only), **body}] if preferences.only else [body]
    allowed = [name for name in preferences.order if not preferences.only or name in preferences.only]
    return [{"only": [name], **body} for name in allowed or preferences.order]


def _said(preferences: Preferences) -> dict[str, Any]:
    return {name: value for name in _NAMES if (value := getattr(preferences, name)) is not None}


def _role(name: str) -> str | None:
    """The role that a written name is about; `big` speaks for several."""
    word = bare(name).lower()
    return "big" if word == "big" else ROLE_WORDS.get(word)


def _slug(name: str, settings: Settings) -> str | None:
    """The slug on OpenRouter that a written name, possibly an alias, means; None for anything else."""
    for _ in range(len(settings.aliases) + 1):
        meaning = meaning_of(name, settings.aliases, settings.providers)
        if meaning.kind != "alias":
            return meaning.value if meaning.kind == "slug" and meaning.host == DEFAULT_HOST else None
        name = settings.aliases[meaning.value]
    return None


def _amounts(price: MaxPrice) -> list[tuple[str, float]]:
    return [(f.name, value) for f in fields(price) if (value := getattr(price, f.name)) is not None]


def _text(amount: float) -> str:
    """The host wants amounts as text, without an exponent."""
    return f"{amount:.10f}".rstrip("0").rstrip(".")
