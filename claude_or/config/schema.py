"""The settings a user may write, as plain frozen dataclasses.

They are standard dataclasses on purpose: the running proxy reads them without pydantic, whose import alone costs more than
the whole launch. `config/check.py` validates against these same classes with `pydantic.TypeAdapter` when a file changed, and
`to_plain` and `from_plain` carry them through the launch cache without it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Model per role: a slug, an alias, another role's name or `host:slug`. None follows `big` or `small`, then the default.

    `haiku` and `background` follow `small`; everything else follows `big`, `subagent` by way of `main`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    big: str | None = None
    small: str | None = None
    main: str | None = None
    opus: str | None = None
    sonnet: str | None = None
    haiku: str | None = None
    fable: str | None = None
    subagent: str | None = None
    background: str | None = None
    long_context: str | None = None
    """Takes over a request that is estimated to be longer than its own model's window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallbacks:
    """Models per role that are tried in order when the role's own cannot answer. None follows like `Models` does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    big: list[str] | None = None
    small: list[str] | None = None
    main: list[str] | None = None
    opus: list[str] | None = None
    sonnet: list[str] | None = None
    haiku: list[str] | None = None
    fable: list[str] | None = None
    subagent: list[str] | None = None
    background: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPrice:
    """US dollars per million tokens."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    prompt: float | None = None
    completion: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Which of OpenRouter's providers may serve, and how they must treat what they see. None says nothing.

    `order` is kept by asking the providers one after the other, never by OpenRouter's own `order`, which would switch its
    cache stickiness off.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    only: list[str] | None = None
    ignore: list[str] | None = None
    order: list[str] | None = None
    quantizations: list[str] | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    require_parameters: bool | None = None
    max_price: MaxPrice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderModel:
    """What is known about one model of a host of the user's own; limits in tokens, None is unknown."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    context_window: int | None = None
    max_output: int | None = None
    images: bool | None = None
    reasoning: bool = False
    """Whether the host is told how much to think (`reasoning_effort`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Another host. Its models are written `name:model`. Usual ones have ready entries (`config/ready.py`).

    `key_variable` names the environment variable that holds the key; None sends none. Times are in seconds, None is that of
    `limits`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    base_url: str = ""
    kind: Literal["chat", "anthropic", "litellm"] = "chat"
    key_variable: str | None = None
    key_header: str = "authorization"
    """Header that carries the key; any but `authorization` carries it bare."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    models: dict[str, ProviderModel] = field(default_factory=dict[str, ProviderModel])
    connect: float | None = None
    first_byte: float | None = None
    idle: float | None = None
    variables: list[str] = field(default_factory=list[str])
    """Environment variables that the process with LiteLLM in it may see, its hosts' credentials among them."""
    stream_options: bool = True
    """Whether the host takes the field that asks for usage in a stream."""
    output_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRouter:
    """The default host."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    base_url: str = "https://openrouter.ai/api/v1"
    attribution: bool = True
    """Send the project's name with each request (OpenRouter shows it in its public app rankings)."""
    key_command: str | None = None
    """A command line whose first line of output is the key, for password managers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits in seconds, and how often a failed call is tried."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    ping: float = 10.0
    attempts: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How Claude Code itself is started."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    auto_mode: Literal["off", "local"] = "off"
    tool_search: bool = True
    nonessential_traffic: bool = False
    status_line: bool = True
    """Show models, cost and cache below the prompt; a status line of the user's own stands above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps on spending in US dollars; None is no cap. Days and months are local; `project` counts everything ever spent there."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    session: float | None = None
    day: float | None = None
    project: float | None = None
    month: float | None = None
    unknown_price: Literal["refuse", "allow"] = "refuse"
    """What becomes of a call to a model whose price nobody knows, while there is a cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The record of what was paid."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    keep_days: int = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a configuration file may say, after defaults < user < project < environment < flags.

    A profile is a set of models chosen by name (`--profile cheap`); the chosen one is already merged into `models`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    models: Models = field(default_factory=Models)
    profiles: dict[str, Models] = field(default_factory=dict[str, Models])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    paths: dict[str, Literal["chat", "native"]] = field(default_factory=dict[str, Literal["chat", "native"]])
    """How models are reached, by patterns of their slugs; what is not named here goes the way that suits it."""
    fallbacks: Fallbacks = field(default_factory=Fallbacks)
    preferences: Preferences = field(default_factory=Preferences)
    preferences_for: dict[str, Preferences] = field(default_factory=dict[str, Preferences])
    """By role or model; each value said here beats the one in `preferences`."""
    providers: dict[str, Provider] = field(default_factory=dict[str, Provider])
    openrouter: OpenRouter = field(default_factory=OpenRouter)
    limits: Limits = field(default_factory=Limits)
    client: Client = field(default_factory=Client)
    budget: Budget = field(default_factory=Budget)
    ledger: Ledger = field(default_factory=Ledger)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def to_plain(settings: Settings) -> dict[str, Any]:
    """The settings as dictionaries, strings, numbers, booleans and None only, fit for `marshal`."""
    return asdict(settings)


def from_plain(plain: dict[str, Any]) -> Settings:
    """The inverse of `to_plain`. Trusts its argument: validation happened before `to_plain`.

    Raises `KeyError` or `TypeError` when the form is of another version.
    """
    return Settings(
        models=Models(**plain["models"]),
        profiles={name: Models(**models) for name, models in plain["profiles"].items()},
        aliases=dict(plain["aliases"]),
        paths=dict(plain["paths"]),
        fallbacks=Fallbacks(**plain["fallbacks"]),
        preferences=_preferences(plain["preferences"]),
        preferences_for={name: _preferences(said) for name, said in plain["preferences_for"].items()},
        providers={name: _provider(said) for name, said in plain["providers"].items()},
        openrouter=OpenRouter(**plain["openrouter"]),
        limits=Limits(**plain["limits"]),
        client=Client(**plain["client"]),
        budget=Budget(**plain["budget"]),
        ledger=Ledger(**plain["ledger"]),
        log_level=plain["log_level"],
    )


def _preferences(plain: dict[str, Any]) -> Preferences:
    price = plain.get("max_price")
    fields: dict[str, Any] = {**plain, "max_price": None if price is None else MaxPrice(**price)}
    return Preferences(**fields)


def _provider(plain: dict[str, Any]) -> Provider:
    models = {name: ProviderModel(**said) for name, said in plain.get("models", {}).items()}
    fields: dict[str, Any] = {**plain, "models": models}
    return Provider(**fields)
