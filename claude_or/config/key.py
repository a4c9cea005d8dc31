"""The API key: where it comes from, and never shown.

The names of the variables that serve as sources are told as well, because the child must not inherit them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Provider, Settings
from claude_or.config.search_sources import search_form
from claude_or.errors import EXIT_KEY, ClaudeOrError

KEY_VARIABLE = "OPENROUTER_API_KEY"
COMMAND_SOURCE = "key_command"
_USUAL_START = "sk-or-"
_SHOWN_START = 9
_SHOWN_END = 3
_LONG_ENOUGH_TO_SHOW = 24


@dataclass(frozen=True, slots=True)
class Key:
    """A key that can be sent. `warnings` are things worth telling the user that do not prevent trying."""

    value: str
    source: str
    warnings: tuple[str, ...] = ()

    @property
    def masked(self) -> str:
        """Enough to recognise one's own key by, as OpenRouter's key page shows it; nothing of a short one."""
        if len(self.value) < _LONG_ENOUGH_TO_SHOW:
            return "…"
        start = self.value[:_SHOWN_START] if self.value.startswith(_USUAL_START) else ""
        return f"{start}…{self.value[-_SHOWN_END:]}"

    @property
    def renewal(self) -> str:
        """What to do with a new key, so that it takes this one's place."""
        if self.source == COMMAND_SOURCE:
            return "put it where `openrouter.key_command` finds it"
        return f"set {self.source}" if self.source.isupper() else "keep it by `claude-or login --key`"

    def __repr__(self) -> str:
        return f"Key({self.masked}, source={self.source!r})"

    __str__ = __repr__


def key_variables(settings: Settings) -> tuple[str, ...]:
    """Environment variables that hold key material for us: exactly these are removed from the child's environment."""
    search = search_form(settings.web_search)
    named = (
        *(provider.key_variable for provider in settings.providers.values()),
        search.key_variable if search else None,
    )
    return tuple(dict.fromkeys((KEY_VARIABLE, *(name for name in named if name))))


def keys_for(hosts: Collection[str], settings: Settings) -> dict[str, str]:
    """Host → the variable of its key, for those of these hosts that take one."""
    found = {name: settings.providers[name].key_variable for name in sorted(hosts) if name in settings.providers}
    if DEFAULT_HOST in hosts:
        found[DEFAULT_HOST] = KEY_VARIABLE
    return {name: variable for name, variable in found.items() if variable}


def find_key(environ: Mapping[str, str], settings: Settings) -> Key:
    """The key of the default host.

    Raises `ClaudeOrError` with `EXIT_KEY` when there is none, or one that no HTTP header can hold.
    """
    del settings  # it is the same variable for every address of OpenRouter's
    if environ.get(KEY_VARIABLE, "").strip():
        key = cleaned(environ[KEY_VARIABLE], KEY_VARIABLE, "https://openrouter.ai/keys")
        if key.value.startswith(_USUAL_START):
            return key
        unusual = f"the key in {KEY_VARIABLE} does not begin with {_USUAL_START}, as OpenRouter's keys do"
        return Key(key.value, key.source, (*key.warnings, unusual))
    raise ClaudeOrError(
        f"no OpenRouter API key: {KEY_VARIABLE} is not set",
        hint=f"Run `claude-or login`, or make a key at https://openrouter.ai/keys and run: export {KEY_VARIABLE}=sk-or-v1-…",
        exit_code=EXIT_KEY,
    )


def provider_key(environ: Mapping[str, str], name: str, provider: Provider) -> Key | None:
    """The key of a host of the user's own; None for one that takes none. Raises `ClaudeOrError` with `EXIT_KEY`."""
    variable = provider.key_variable
    if variable is None:
        return None
    if environ.get(variable, "").strip():
        return cleaned(environ[variable], variable)
    raise ClaudeOrError(
        f"no key for {name}: {variable} is not set",
        hint=f"Set {variable}, or take the models that begin with `{name}:` out of the configuration.",
        exit_code=EXIT_KEY,
    )


def cleaned(raw: str, source: str, where: str = "the page where it was made") -> Key:
    """A key without what copying adds. `source` names where it came from. Raises `ClaudeOrError` (`EXIT_KEY`)."""
    warnings: list[str] = []
    value = raw.strip()
    if value != raw:
        warnings.append(f"{source} has spaces or line ends around the key; they are ignored")
    quote = value[:1]
    if quote in {"'", '"'}:
        value = value.strip(quote).strip()
        warnings.append(f"{source} has quotes around the key; they are ignored")
    if not value or any(not "!" <= char <= "~" for char in value):
        raise ClaudeOrError(
            f"the key in {source} cannot be one: it "
            + ("is empty" if not value else "holds spaces or characters that no key has"),
            hint=f"Copy the key again from {where}" + (f" and set {source}." if source.isupper() else "."),
            exit_code=EXIT_KEY,
        )
    return Key(value, source, tuple(warnings))
