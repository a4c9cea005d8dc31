"""What may stand in a configuration, and what to say when something else does.

The types live in `config/schema.py`; pydantic compares a file's values with them, and this module turns its findings into
sentences with the key, what was expected and the nearest key that exists. What types cannot say follows below: addresses,
ranges, names that lead nowhere, and what a cloned project must not decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from claude_or.config.document import Path, Problem
from claude_or.config.names import DEFAULT_HOST, ROLE_WORDS, unresolvable
from claude_or.config.ready import READY
from claude_or.config.schema import Fallbacks, Models, Preferences, Profile, Provider, ProviderModel, Settings
from claude_or.config.search_sources import SOURCES, search_problems

LOG_LEVELS = ("debug", "info", "warning", "error")

PROJECT_MAY_NOT: dict[Path, str] = {
    ("openrouter", "base_url"): "it would send your key to an address that the project chose",
    ("openrouter", "key_command"): "it would run a command that the project chose",
    ("client", "auto_mode"): "it decides what runs without asking you",
    ("budget", "unknown_price"): "it would lift your own cap",
    ("ledger", "keep_days"): "the record is yours",
    ("log", "content"): "it would write down what you say",
}
"""Settings that a project's file must not touch, with the reason: the file came with somebody else's repository."""

RANGES: dict[Path, tuple[float, float]] = {
    ("limits", "connect"): (0.1, 600),
    ("limits", "first_byte"): (1, 7200),
    ("limits", "idle"): (1, 7200),
    ("limits", "ping"): (0.1, 600),
    ("limits", "attempts"): (1, 20),
    ("budget", "session"): (0, 1_000_000),
    ("budget", "day"): (0, 1_000_000),
    ("budget", "project"): (0, 1_000_000),
    ("budget", "month"): (0, 1_000_000),
    ("ledger", "keep_days"): (1, 36_500),
    ("sight", "keep_days"): (0, 3650),
    ("structured_output", "retries"): (0, 5),
    ("web_search", "max_results"): (1, 20),
    ("web_search", "seconds"): (1, 120),
}


CARRIES_KEYS = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})
"""Headers that are secrets by nature."""

QUANTIZATIONS = ("int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown")
_PROVIDER_RANGES = {"connect": (0.1, 600), "first_byte": (1, 7200), "idle": (1, 7200)}
_FEWEST_TOKENS = 256
_PRICES = ("input_price", "output_price", "cache_read_price", "cache_write_price")
_MOST_DOLLARS = 1_000_000


def type_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Every value of a file that does not fit `Settings`, in the file's words. Loads pydantic."""
    from pydantic import ValidationError
    from pydantic_core import to_json

    try:
        # By way of JSON, because strict validation of Python values takes dataclasses only as instances.
        _adapter().validate_json(to_json(values))
    except ValidationError as error:
        return list(_sentences(error.errors(include_url=False)))
    return []


def without_empty_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without keys that have nothing below them: `models:` with every line commented out means nothing."""
    found = {name: value for name, value in values.items() if value is not None}
    if isinstance(hosts := found.get("providers"), dict):
        # A ready host needs nothing below its name.
        found["providers"] = {name: {} if said is None else said for name, said in hosts.items()}
    return found


def rule_problems(values: Mapping[str, Any], *, is_project: bool = False) -> list[Problem]:
    """Mistakes in one file's values that their types allow. The types have been checked before."""
    problems: list[Problem] = []
    for (section, name), (low, high) in RANGES.items():
        number = values.get(section, {}).get(name)
        if number is not None and not low <= number <= high:
            problems.append(Problem(f"expected a number from {low:g} to {high:g}, got {number:g}", (section, name)))
    url = values.get("openrouter", {}).get("base_url")
    if url is not None and (wrong := address_problem(url)):
        problems.append(Problem(wrong, ("openrouter", "base_url")))
    problems.extend(
        Problem("this name is taken by a role; set it below `models:`", ("aliases", alias))
        for alias in values.get("aliases", {})
        if alias.lower() in ROLE_WORDS
    )
    problems += provider_problems(values.get("providers", {}))
    problems += preference_problems(values)
    problems += source_problems(values.get("web_search") or {})
    if is_project:
        problems += project_problems(values)
        problems.extend(
            Problem(f"a project's file may not set this: {reason}", (section, name))
            for (section, name), reason in PROJECT_MAY_NOT.items()
            if name in values.get(section, {})
        )
    return problems


def provider_problems(providers: Mapping[str, Any]) -> list[Problem]:
    """Mistakes in the hosts that one file describes."""
    problems: list[Problem] = []
    for name, said in providers.items():
        path = ("providers", name)
        if name == DEFAULT_HOST or name.lower() in ROLE_WORDS:
            problems.append(Problem("this name is taken; choose another", path))
        elif not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            problems.append(Problem("a host's name is letters, digits, - and _", path))
        url = said.get("base_url")
        if url is None and name not in READY:
            ready = nearest_hint(name, READY)
            problems.append(Problem(f"`base_url` is missing, and there is no ready entry of this name{ready}", path))
        elif url is not None:
            keyless = said.get("key_variable", READY.get(name, {}).get("key_variable")) is None
            if wrong := address_problem(url, keyless=keyless):
                problems.append(Problem(wrong, (*path, "base_url")))
        variable = said.get("key_variable")
        if variable is not None and not variable.isidentifier():
            text = "expected the name of an environment variable; the key itself never stands in a file"
            problems.append(Problem(text, (*path, "key_variable")))
        for header in said.get("headers", {}):
            if header.lower() in CARRIES_KEYS:
                text = "a key never stands in a file; name its variable in `key_variable`, its header in `key_header`"
                problems.append(Problem(text, (*path, "headers", header)))
        problems += [
            Problem(f"expected a number from {low:g} to {high:g}, got {said[key]:g}", (*path, key))
            for key, (low, high) in _PROVIDER_RANGES.items()
            if said.get(key) is not None and not low <= said[key] <= high
        ]
        problems += [
            Problem(f"expected at least {_FEWEST_TOKENS} tokens, got {number}", (*path, "models", model, key))
            for model, facts in said.get("models", {}).items()
            for key in ("context_window", "max_output")
            if (number := facts.get(key)) is not None and number < _FEWEST_TOKENS
        ]
        problems += [
            problem
            for model, facts in said.get("models", {}).items()
            for problem in _price_problems(facts, (*path, "models", model))
        ]
    return problems


def _price_problems(facts: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for key in _PRICES:
        if (amount := facts.get(key)) is not None and not 0 <= amount <= _MOST_DOLLARS:
            yield Problem(f"expected US dollars per million tokens, got {amount:g}", (*path, key))
    told = [key for key in _PRICES if facts.get(key) is not None]
    if told and not {"input_price", "output_price"} <= {*told}:
        yield Problem("a price needs `input_price` and `output_price`", (*path, told[0]))


def source_problems(said: Mapping[str, Any]) -> list[Problem]:
    """Mistakes in where one file lets the web be searched."""
    problems: list[Problem] = []
    form = SOURCES.get(said.get("source", ""))
    variable = said.get("key_variable")
    keyless = variable is None and (form is None or form.key_variable is None)
    if (url := said.get("url")) is not None and (wrong := address_problem(url, keyless=keyless)):
        problems.append(Problem(wrong, ("web_search", "url")))
    if variable is not None and not variable.isidentifier():
        text = "expected the name of an environment variable; the key itself never stands in a file"
        problems.append(Problem(text, ("web_search", "key_variable")))
    for header in said.get("headers", {}):
        if header.lower() in CARRIES_KEYS | {"x-subscription-token"}:
            text = "a key never stands in a file; name its variable in `key_variable`, its header in `key_header`"
            problems.append(Problem(text, ("web_search", "headers", header)))
    return problems


def _preferences_said(values: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every set of preferences in one file's values, with its place."""
    yield ("preferences",), values.get("preferences") or {}
    for name, one in (values.get("preferences_for") or {}).items():
        yield ("preferences_for", name), one
    for name, profile in (values.get("profiles") or {}).items():
        yield ("profiles", name, "preferences"), profile.get("preferences") or {}


def preference_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Preferences that cannot be kept."""
    problems: list[Problem] = []
    for path, one in _preferences_said(values):
        problems += [
            Problem("an empty list would leave nobody; leave the line out", (*path, key))
            for key in ("only", "order", "quantizations")
            if one.get(key) == []
        ]
        problems += [
            Problem(f"expected one of {', '.join(QUANTIZATIONS)}, got {word!r}", (*path, "quantizations"))
            for word in one.get("quantizations") or ()
            if word not in QUANTIZATIONS
        ]
        problems += [
            Problem("expected an amount of 0 or more", (*path, "max_price", key))
            for key, amount in (one.get("max_price") or {}).items()
            if amount is not None and amount < 0
        ]
    return problems


def project_problems(values: Mapping[str, Any]) -> list[Problem]:
    """What a cloned project must not decide: where keys go, and less care with the user's data."""
    text = "a project's file may not set this: it would send your text, and a key of yours, to an address that it chose"
    problems = [Problem(text, (section,)) for section in ("providers", "web_search") if values.get(section)]
    return problems + [
        Problem("a project's file may not loosen what becomes of your data", (*path, key))
        for path, one in _preferences_said(values)
        for key, loose in (("data_collection", "allow"), ("zdr", False))
        if one.get(key) == loose and key in one
    ]


def name_problems(settings: Settings) -> list[Problem]:
    """Model names that lead nowhere, in the merged settings: an alias may be defined in another file."""
    named = [(("models", role), slug) for role, slug in model_items(settings.models)]
    named += [(("aliases", alias), target) for alias, target in settings.aliases.items()]
    named += _fallback_items(settings.fallbacks)
    for name, profile in settings.profiles.items():
        below = [*(((role,), slug) for role, slug in model_items(profile)), *_fallback_items(profile.fallbacks)]
        named += [(("profiles", name, *path), slug) for path, slug in below]
    named += [(("preferences_for", name), name) for name in settings.preferences_for]
    known = [*settings.aliases, *ROLE_WORDS]
    return [*search_problems(settings.web_search)] + [
        Problem(f"{name!r} is no model: {why}" + ("" if name in settings.aliases else _name_hint(name, known)), path)
        for path, name in named
        if (why := unresolvable(name, settings.aliases, settings.providers))
    ]


def model_items(models: Models) -> list[tuple[str, str]]:
    """The roles that are set, with their values."""
    return [(f.name, value) for f in fields(Models) if (value := getattr(models, f.name)) is not None]


def _fallback_items(fallbacks: Fallbacks) -> list[tuple[Path, str]]:
    return [(("fallbacks", f.name), slug) for f in fields(fallbacks) for slug in getattr(fallbacks, f.name) or ()]


def address_problem(url: str, *, keyless: bool = False) -> str:
    """Why this cannot be the host's address; empty when it can.

    Plain http would show the key to the network; a host that gets none may be a machine in the user's own network.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{url!r} is no web address: {error}"
    if parts.scheme not in {"http", "https"} or not host:
        return f"expected an address that begins with https://, got {url!r}"
    if parts.username or parts.password:
        return "the address must not hold a user name or password"
    if parts.query or parts.fragment:
        return "the address must end with its path, without ? or #"
    if parts.scheme == "http" and not keyless and not _is_loopback(host):
        return "plain http is allowed to this machine only, because it would show the key to the network; use https://"
    return ""


def _is_loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Settings)


def _sentences(errors: Iterable[Any]) -> Iterator[Problem]:
    for error in errors:
        path = tuple(str(part) for part in error["loc"] if part != "[key]")
        yield Problem(_sentence(error["type"], path, error.get("ctx") or {}, error["input"]), path)


def _sentence(kind: str, path: Path, context: Mapping[str, Any], given: Any) -> str:
    """One sentence for one finding of pydantic's (source of the kinds: its documentation of validation errors)."""
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"unknown key{nearest_hint(''.join(path[-1:]), known_keys(path[:-1]), '.'.join(path[:-1]))}"
    if kind == "literal_error":
        choices = str(context.get("expected", "")).replace("'", "")
        return f"expected {choices}, got {_shown(given)}{_near(str(given), choices.replace(' or ', ', ').split(', '))}"
    expected = {
        "string_type": "text",
        "bool_type": "true or false",
        "list_type": "a list such as [one, two]",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "dict_type": "`name: value` lines below it",
        "dataclass_type": "`key: value` lines below it",
        "finite_number": "a number",
    }.get(kind)
    return f"expected {expected}, got {_shown(given)}" if expected else f"not understood ({kind})"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str() if value.startswith("sk-"):
            return "what looks like a key"
        case str():
            return f"the text {value[:60]!r}"
        case list():
            return "a list"
        case _:  # JSON has nothing else
            return "`key: value` lines"


def known_keys(section: Path) -> list[str]:
    """The keys that may stand below `section`; empty where the user chooses the names."""
    kinds: dict[str, Any] = {f.name: getattr(Settings(), f.name) for f in fields(Settings)}
    if not section:
        return list(kinds)
    named = {"profiles": Profile(), "preferences_for": Preferences(), "providers": Provider()}
    below = named.get(section[0]) if len(section) == 2 else kinds.get(section[0])
    if section[0] == "providers" and len(section) == 4:
        below = ProviderModel()
    if section[0] == "profiles" and len(section) == 3:
        below = {"fallbacks": Fallbacks(), "preferences": Preferences()}.get(section[2])
    return [f.name for f in fields(below)] if below is not None and is_dataclass(below) else []


def nearest_hint(name: str, known: Iterable[str], prefix: str = "") -> str:
    """`; did you mean x?`, or the list of what exists when nothing is near, or nothing."""
    known = list(known)
    listed = f"; known here: {', '.join(known)}" if 0 < len(known) <= _FEW else ""
    return _near(name, known, prefix) or listed


_FEW = 12


def _name_hint(name: str, known: Iterable[str]) -> str:
    """The nearest alias or role; for what may be a part of a slug, the command that finds it in the list of models."""
    near = _near(name, known)
    plain = not near and name.replace("-", "").replace(".", "").replace("_", "").isalnum()
    return f"; `claude-or models search {name}` looks for it" if plain else near


def _near(name: str, known: Iterable[str], prefix: str = "") -> str:
    import difflib

    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {prefix + '.' if prefix else ''}{by_lower[near[0]]}?" if near else ""
