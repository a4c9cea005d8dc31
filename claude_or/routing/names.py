"""Which model each role has, and which role or model a requested name means.

No heavy import: the launch asks these questions before `claude` is started. A name that Claude Code invents must never
fail, therefore every `claude-*` name means a role; only a name that nobody can have meant raises `UnknownModel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from claude_or.config.names import DEFAULT_HOST, FAMILIES, ROLES, bare, meaning_of, slug_of
from claude_or.config.schema import Settings
from claude_or.errors import EXIT_CONFIG, ClaudeOrError

if TYPE_CHECKING:
    from claude_or.routing.ask import Role

DEFAULT_SLUGS: dict[str, str] = {family: f"~anthropic/claude-{family}-latest" for family in FAMILIES}
"""OpenRouter's own advice for Claude Code: aliases that move with each family, so that the defaults do not rot."""

FOLLOWS: dict[str, tuple[str, ...]] = {
    "main": ("main", "big"),
    "small": ("small",),
    "opus": ("opus", "big"),
    "sonnet": ("sonnet", "big"),
    "haiku": ("haiku", "small"),
    "fable": ("fable", "big"),
    "subagent": ("subagent", "main", "big"),
    "background": ("background", "small"),
}
"""Role → the settings that may decide it, most special first."""

ROUTING_VARIANTS = frozenset({"nitro", "floor", "exacto", "online", "thinking", "extended"})
"""Suffixes that say how to route or add a tool; the model is the one in front. `:free` and `:batch` are listings of their own."""


def base_of(slug: str) -> str:
    """The model in front of a preset and of a variant that only says how to route."""
    slug = slug.partition("@preset/")[0] or slug
    front, colon, variant = slug.rpartition(":")
    return front if colon and variant in ROUTING_VARIANTS else slug


_DEFAULT_FAMILY = {"main": "sonnet", "subagent": "sonnet", "small": "haiku", "background": "haiku"}


class UnknownModel(ClaudeOrError):
    """A name that means no model. The proxy answers it with 404, the command line shows it."""

    def __init__(self, asked: str, why: str, nearest: tuple[str, ...] = ()) -> None:
        hint = f"Did you mean {_either(nearest)}?" if nearest else "`claude-or models` shows the names in use."
        super().__init__(f"unknown model {asked[:120]!r}: {why}", hint=hint, exit_code=EXIT_CONFIG)
        self.asked = asked
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """The model of a role. `origin` is the key of the setting that decided (`models.big`), empty for a default."""

    slug: str
    origin: str
    reason: str
    host: str = DEFAULT_HOST


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a requested name means: a model on a host, in which role, and why."""

    role: Role
    slug: str
    host: str
    reason: str


def roles(settings: Settings) -> Mapping[Role, RoleChoice]:
    """The model of every role. Raises `UnknownModel` when a configured name leads nowhere (`config.load` refuses those)."""
    if _decided and _decided[0][0] is settings:
        return _decided[0][1]
    found: dict[Role, RoleChoice] = {role: _choice(role, settings, ()) for role in ROLES}
    _decided[:] = [(settings, found)]
    return found


_decided: list[tuple[Settings, Mapping[Role, RoleChoice]]] = []
"""The last answer of `roles`: settings never change in place, and every request asks about the same ones."""


def resolve(asked: str, settings: Settings, known: Iterable[str] = ()) -> Resolved:
    """What `asked` means, in the order: role, alias, `claude-*`, `host:slug`, slug.

    `known` are further names to suggest from. Raises `UnknownModel`.
    """
    return _resolve(asked, asked, settings, known, ())


def _resolve(name: str, asked: str, settings: Settings, known: Iterable[str], seen: tuple[str, ...]) -> Resolved:
    meaning = meaning_of(name, settings.aliases, settings.providers)
    via = f"alias {seen[-1]} → " if seen else ""
    if meaning.kind == "unknown":
        raise UnknownModel(asked, meaning.value, nearest_names(bare(asked), [*settings.aliases, *ROLES, *known]))
    if meaning.kind == "alias":
        if meaning.value in seen:
            raise UnknownModel(asked, "its alias runs in a circle")
        return _resolve(settings.aliases[meaning.value], asked, settings, known, (*seen, meaning.value))
    if meaning.kind == "role":
        choice = _choice(meaning.value, settings, ())
        reason = f"{via}{meaning.value}: {choice.reason}"
        return Resolved(cast("Role", meaning.value), choice.slug, choice.host, reason)
    for role, choice in roles(settings).items():
        if (choice.slug, choice.host) == (meaning.value, meaning.host):
            return Resolved(role, choice.slug, choice.host, f"{via}slug of {role}: {choice.reason}")
    return Resolved("main", meaning.value, meaning.host, f"{via}slug asked for by name")


def _choice(role: str, settings: Settings, above: tuple[str, ...]) -> RoleChoice:
    """The model of one role; `above` are the roles being decided, so that a circle ends at a default."""
    for key in FOLLOWS[role]:
        value: str | None = getattr(settings.models, key, None)
        if value is not None:
            return _configured(value, key, role, settings, (*above, role))
    if role != "main" and "main" not in above:
        main = _choice("main", settings, (*above, role))
        if main.host != DEFAULT_HOST:
            # Who works elsewhere may have no key of OpenRouter's, and expects nothing to go there on the side.
            return RoleChoice(main.slug, main.origin, f"as main, which is not on OpenRouter ({main.reason})", main.host)
    slug = DEFAULT_SLUGS[_DEFAULT_FAMILY.get(role, role)]
    return RoleChoice(slug, "", "default")


def names_told(settings: Settings) -> dict[str, Role]:
    """The names under which a client that starts now gets the roles' models, and the role that each means."""
    found: dict[str, Role] = {}
    for role, choice in roles(settings).items():
        found.setdefault(written(choice.slug, choice.host), role)
    return found


def meant_now(asked: str, told: Mapping[str, Role], settings: Settings) -> str:
    """The name to look up for `asked`: a model that was told for a role means the role, when that has another model by now.

    A client asks for the slug that it was told at its start as long as it runs, so without this an edit would never reach it.
    """
    role = told.get(bare(asked))
    if role is None:
        return asked
    choice = roles(settings)[role]
    return asked if written(choice.slug, choice.host) == bare(asked) else role


def hosts_in_use(settings: Settings) -> frozenset[str]:
    """The hosts that some role may ask, its fallbacks, the long context and the eyes included."""
    asked = [choice.host for choice in roles(settings).values()]
    asked += [
        found.host for role in ROLES for name in fallbacks_of(role, settings) if (found := resolve(name, settings))
    ]
    for name in (settings.models.long_context, settings.models.vision):
        if name is not None:
            asked.append(resolve(name, settings).host)
    return frozenset(asked)


def fallbacks_of(role: str, settings: Settings) -> tuple[str, ...]:
    """What is tried, in order, when a role's own model cannot answer, as it was written."""
    for key in FOLLOWS[role]:
        names: list[str] | None = getattr(settings.fallbacks, key, None)
        if names is not None:
            return tuple(names)
    return ()


def written(slug: str, host: str) -> str:
    """The name of a model as users write it and Claude Code is shown it."""
    return slug if host == DEFAULT_HOST else f"{host}:{slug}"


def _configured(value: str, key: str, role: str, settings: Settings, above: tuple[str, ...]) -> RoleChoice:
    origin = f"models.{key}"
    said = f"{origin} is {value}" if key == role else f"follows {origin}, {value}"
    name, aliases = value, settings.aliases
    for _ in range(len(aliases) + 1):
        meaning = meaning_of(name, aliases, settings.providers)
        if meaning.kind == "slug":
            return RoleChoice(meaning.value, origin, said, meaning.host)
        if meaning.kind == "role":
            target = meaning.value
            if target in above:  # `big: sonnet`, where sonnet follows big: the word means the family itself
                return RoleChoice(DEFAULT_SLUGS[_DEFAULT_FAMILY.get(target, target)], origin, said)
            other = _choice(target, settings, above)
            return RoleChoice(other.slug, origin, f"{said} ({other.reason})", other.host)
        if meaning.kind == "unknown":
            raise UnknownModel(value, f"{origin}: {meaning.value}", nearest_names(value, [*aliases, *ROLES]))
        name = aliases[meaning.value]
    raise UnknownModel(value, f"{origin}: its alias runs in a circle")


def nearest_names(name: str, known: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Names like `name`, best first. Compared without punctuation, whole and without the author: `glm5.3` finds
    `z-ai/glm-5.3`."""
    from difflib import SequenceMatcher

    wanted = _letters(slug_of(name))
    wanted_tail = _letters(name.rpartition("/")[2])
    if not wanted_tail:
        return ()
    scored: list[tuple[float, int, str]] = []
    whole, tail = SequenceMatcher(b=wanted), SequenceMatcher(b=wanted_tail)
    for candidate in dict.fromkeys(known):
        whole.set_seq1(_letters(candidate))
        tail.set_seq1(_letters(candidate.rpartition("/")[2]))
        best = max((m.ratio() if m.quick_ratio() > _NEAR else 0.0) for m in (whole, tail))
        if len(wanted_tail) >= _ENOUGH and wanted_tail in _letters(candidate):
            best = max(best, 0.9)
        if best > _NEAR:
            scored.append((-best, len(candidate), candidate))
    return tuple(candidate for _, _, candidate in sorted(scored)[:n])


_NEAR = 0.6
_ENOUGH = 3


def _letters(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _either(names: tuple[str, ...]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
