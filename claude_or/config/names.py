"""The grammar of model names: what a written name can mean, before anybody asks which model that is.

Shared by the check of the configuration and by `routing`, so that whatever passes the one can be resolved by the other.
Two kinds of names meet here: those a user writes (slugs, aliases, roles, `host:slug`) and those that Claude Code invents
(`claude-opus-5-5`, `sonnet[1m]`, tomorrow's name), which must always mean something.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

ROLES = ("main", "small", "opus", "sonnet", "haiku", "fable", "subagent", "background")
"""In the order in which a slug that serves several roles is attributed to one."""

FAMILIES = ("opus", "sonnet", "haiku", "fable")

ROLE_WORDS: dict[str, str] = {
    **{role: role for role in ROLES},
    "big": "main",
    # Words of Claude Code's own model switch, in case one ever reaches us unresolved.
    "default": "main",
    "best": "opus",
    "opusplan": "sonnet",
}

OUR_PREFIX = "claude-or/"
DEFAULT_HOST = "openrouter"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name stands for: `value` is the role, the alias, the slug, or for `unknown` why nothing fits.

    `host` is set for slugs only.
    """

    kind: Literal["role", "alias", "slug", "unknown"]
    value: str
    host: str = DEFAULT_HOST


def bare(name: str) -> str:
    """The name without our own prefix and without the client's window suffix (`[1m]`)."""
    name = name.strip().removeprefix(OUR_PREFIX)
    if name.endswith("]"):
        front, bracket, suffix = name[:-1].rpartition("[")
        if bracket and suffix[-1:].lower() in {"m", "k"} and suffix[:-1].isdigit():
            name = front
    return name.strip()


def family_of(name: str) -> str:
    """Which role a name of Anthropic's form stands for: the family whose word is in it, else `main`."""
    lowered = name.lower()
    return next((family for family in FAMILIES if family in lowered), "main")


def slug_of(name: str) -> str:
    """OpenRouter's slug: a leading `openrouter/` is dropped, unless it is the slug's own author (`openrouter/auto`)."""
    author, _, rest = name.partition("/")
    return rest if author == DEFAULT_HOST and "/" in rest else name


def meaning_of(name: str, aliases: Collection[str], hosts: Collection[str] = ()) -> Meaning:
    """Read one name; `hosts` are those the user configured. The order is that of docs/architecture.md."""
    name = bare(name)
    lowered = name.lower()
    if lowered in ROLE_WORDS:
        return Meaning("role", ROLE_WORDS[lowered])
    if name in aliases:
        return Meaning("alias", name)
    if lowered.startswith("claude-") or lowered == "claude":
        return Meaning("role", family_of(lowered))
    host, colon, rest = name.partition(":")
    if colon and rest and "/" not in host:
        if host == DEFAULT_HOST and "/" in rest:
            return Meaning("slug", slug_of(rest))
        if host in hosts:
            return Meaning("slug", rest, host)
        if not any(char.isspace() for char in name):
            return Meaning("unknown", _hostless(host))
    author, slash, rest = name.partition("/")
    if slash and author and rest and not any(char.isspace() for char in name):
        return Meaning("slug", slug_of(name))
    return Meaning("unknown", "a model is written author/name, as in z-ai/glm-5.3")


def _hostless(host: str) -> str:
    from claude_or.config.ready import READY

    if host in READY:
        return f"the host {host} is not in use; write `{host}:` below `providers:` in the configuration"
    return f"there is no host {host!r}; describe it below `providers:`"


def unresolvable(name: str, aliases: Mapping[str, str], hosts: Collection[str] = ()) -> str:
    """Why a *configured* name leads nowhere, following aliases; empty when it leads to a slug or a role."""
    seen: list[str] = []
    while True:
        meaning = meaning_of(name, aliases, hosts)
        if meaning.kind == "unknown":
            return meaning.value
        if meaning.kind != "alias":
            return ""
        if meaning.value in seen:
            return "the aliases run in a circle: " + " → ".join([*seen, meaning.value])
        seen.append(meaning.value)
        name = aliases[meaning.value]
