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
    """Model per role: a slug, an alias, another role's name or `host:slug`.

    Of those that are left out `haiku` and `background` follow `small`, everything else follows `big` (`subagent` by way of
    `main`); without these the default holds.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    big: str | None = None
    """The main conversation, opus, sonnet, fable and subagents, each unless it has a line of its own."""
    small: str | None = None
    """haiku and background jobs (summaries, titles, web pages), each unless it has a line of its own."""
    main: str | None = None
    """What a session begins with."""
    opus: str | None = None
    """What `opus` means in `/model`, agents and skills."""
    sonnet: str | None = None
    """What `sonnet` means in `/model`, agents and skills."""
    haiku: str | None = None
    """What `haiku` means in `/model`, agents and skills, and the model of Claude Code's own small jobs."""
    fable: str | None = None
    """What `fable` means in `/model`, agents and skills."""
    subagent: str | None = None
    """Agents that Claude Code starts, whatever model they ask for."""
    background: str | None = None
    """The role of that name, for requests that ask for it."""
    long_context: str | None = None
    """Takes over a request that is estimated to be longer than its own model's window."""
    vision: str | None = None
    """Describes pictures for models that see none. Without it such a model reads a note in a picture's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallbacks:
    """Models per role that are tried in order when the role's own cannot answer; roles follow each other as in `models`."""

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
    """For what is read."""
    completion: float | None = None
    """For what is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Which of OpenRouter's providers may serve, and how they must treat what they see.

    `order` is kept by asking the providers one after the other, never by OpenRouter's own `order`, which would switch its
    cache stickiness off.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    only: list[str] | None = None
    """Providers that may serve; no other one does."""
    ignore: list[str] | None = None
    """Providers that may not."""
    order: list[str] | None = None
    """Providers to ask one after the other, and no other."""
    quantizations: list[str] | None = None
    """Precisions that may serve, such as `fp8` and `bf16`."""
    data_collection: Literal["allow", "deny"] | None = None
    """`deny`: no provider that keeps prompts or trains on them."""
    zdr: bool | None = None
    """Only providers with zero data retention."""
    require_parameters: bool | None = None
    """Only providers that heed every parameter of the request."""
    max_price: MaxPrice | None = None
    """Nobody who asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Models):
    """A set of models by a name of the user's, with what belongs to them."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    fallbacks: Fallbacks = field(default_factory=Fallbacks)
    """In the place of those of the same roles in the section of that name."""
    preferences: Preferences = field(default_factory=Preferences)
    """Beats the section of that name, value by value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderModel:
    """What is known about one model of a host of the user's own; limits in tokens."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    context_window: int | None = None
    """What goes into it; without it 128,000 are assumed."""
    max_output: int | None = None
    """The longest answer."""
    images: bool | None = None
    """Whether it sees pictures."""
    reasoning: bool = False
    """Whether the host is told how much to think (`reasoning_effort`)."""
    input_price: float | None = None
    """What it costs, in US dollars per million tokens; nobody else can tell. Together with `output_price`."""
    output_price: float | None = None
    cache_read_price: float | None = None
    """For what was read from the cache; without it that costs what other input costs."""
    cache_write_price: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Another host. Its models are written `name:model`. Usual hosts need no entry.

    `key_variable` names the environment variable that holds the key; without it none is sent. Times are in seconds; without
    them those of `limits` hold.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    base_url: str = ""
    """Address below which `/chat/completions` stands (`/messages` for `kind: anthropic`).

    Plain http only without a key, or on this machine."""
    kind: Literal["chat", "anthropic", "litellm"] = "chat"
    """What it speaks: chat completions, the Messages API, or whatever LiteLLM makes of it."""
    key_variable: str | None = None
    """Environment variable with the key, which is kept from Claude Code."""
    key_header: str = "authorization"
    """Header that carries the key; any but `authorization` carries it bare."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """Further headers; never a key."""
    models: dict[str, ProviderModel] = field(default_factory=dict[str, ProviderModel])
    """Its models, by the names that it knows them by."""
    connect: float | None = None
    """Seconds to connect."""
    first_byte: float | None = None
    """Seconds until the answer begins."""
    idle: float | None = None
    """Seconds of silence within an answer."""
    variables: list[str] = field(default_factory=list[str])
    """Environment variables that the process with LiteLLM in it may see, its hosts' credentials among them."""
    stream_options: bool = True
    """Whether the host takes the field that asks for usage in a stream."""
    output_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The name that the host gives the limit of an answer."""
    free: bool | None = None
    """Whether its calls cost nothing. Left out, this is so for a host without a key on this machine or in this network, except LiteLLM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRouter:
    """The default host."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    base_url: str = "https://openrouter.ai/api/v1"
    """Another address of the same API."""
    attribution: bool = True
    """Send the project's name with each request (OpenRouter shows it in its public app rankings)."""
    key_command: str | None = None
    """A command line whose first line of output is the key, for password managers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits in seconds, and how often a failed call is tried."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    connect: float = 10.0
    """To connect."""
    first_byte: float = 600.0
    """Until an answer begins."""
    idle: float = 300.0
    """Silence within an answer."""
    ping: float = 10.0
    """Silence after which Claude Code is sent a sign of life."""
    attempts: int = 3
    """How often a call is tried, the first time included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How Claude Code itself is started."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    auto_mode: Literal["off", "local"] = "off"
    """`local`: in Claude Code's auto mode your own sonnet model decides what runs unasked."""
    tool_search: bool = True
    """Whether Claude Code offers the tools of MCP servers when they are looked for, instead of all at once."""
    nonessential_traffic: bool = False
    """Whether Claude Code may send telemetry and look for updates, as it does by itself."""
    status_line: bool = True
    """Show models, cost and cache below the prompt; a status line of the user's own stands above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps on spending in US dollars. Days and months are local; `project` counts everything ever spent there."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    session: float | None = None
    """One session."""
    day: float | None = None
    """All sessions of a day."""
    project: float | None = None
    """Everything ever spent in this folder."""
    month: float | None = None
    """All sessions of a calendar month."""
    unknown_price: Literal["refuse", "allow"] = "refuse"
    """What becomes of a call to a model whose price nobody knows, while there is a cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The record of what was paid."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    keep_days: int = 730
    """Days after which a row is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What else goes to the log of a session."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    content: bool = False
    """Prompts and answers, too. An edit applies to the next session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearch:
    """Who searches the web for a model whose host does not. `openrouter` leaves it to OpenRouter, for models there.

    `mcp` asks a tool of a supervised MCP server. The other sources are one form of an HTTP request, filled for `brave`,
    `tavily` and `searxng`: what is left out is as the source has it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    source: Literal["openrouter", "brave", "tavily", "searxng", "custom", "mcp", "off"] = "openrouter"
    url: str | None = None
    method: Literal["GET", "POST"] | None = None
    key_variable: str | None = None
    """Environment variable that holds the source's key."""
    key_header: str | None = None
    """Header that carries the key; any but `authorization` carries it bare."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    parameters: dict[str, str | int | float | bool] = field(default_factory=dict[str, str | int | float | bool])
    """Query of a GET, JSON body of a POST, arguments of a tool; `{query}`, `{count}`, `{country}`, `{allowed}`, `{blocked}`
    and, for sources that take it there, `{key}` are filled in."""
    results: str | None = None
    """Dotted path to the list of results in the answer."""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    """Dotted paths to `title`, `url`, `text` and `age` in one result."""
    site_words: bool | None = None
    """Tell lists of domains in the query, as `site:` words."""
    server: str | None = None
    """With `mcp`: the name of the server."""
    tool: str | None = None
    """With `mcp`: the name of its tool; what is left of `parameters`, `results` and `fields` is found by what is usual."""
    max_results: int = 8
    seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What happens with pictures and PDFs that a model or its host cannot take. Who describes pictures is `models.vision`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    keep_days: int = 30
    """Days that the description of a picture is kept on disk after it was last needed; 0 keeps none."""
    pdf_text: bool = True
    """Give hosts that open no files the text of PDFs, extracted on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredOutput:
    """What happens when a request wants its answer to fit a JSON schema and the model's host does not see to it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    check: bool = True
    """Hold the answer back until it was checked; otherwise it goes out as it comes."""
    retries: int = 2
    """How often the model is asked again, told what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a configuration file may say, after defaults < user < project < environment < flags.

    A profile is a set of models chosen by name (`--profile cheap`); the chosen one is already merged into `models`, `fallbacks` and
    `preferences`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    models: Models = field(default_factory=Models)
    profiles: dict[str, Profile] = field(default_factory=dict[str, Profile])
    """Sets of models by a name of yours, for `--profile NAME`. Beside the models `fallbacks` and `preferences` may stand there."""
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Names of your own for models, also listed in `/model`."""
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
    web_search: WebSearch = field(default_factory=WebSearch)
    sight: Sight = field(default_factory=Sight)
    structured_output: StructuredOutput = field(default_factory=StructuredOutput)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much goes to the log of a session."""
    log: Log = field(default_factory=Log)


def to_plain(settings: Settings) -> dict[str, Any]:
    """The settings as dictionaries, strings, numbers, booleans and None only, fit for `marshal`."""
    return asdict(settings)


def from_plain(plain: dict[str, Any]) -> Settings:
    """The inverse of `to_plain`. Trusts its argument: validation happened before `to_plain`.

    Raises `KeyError` or `TypeError` when the form is of another version.
    """
    return Settings(
        models=Models(**plain["models"]),
        profiles={name: _profile(said) for name, said in plain["profiles"].items()},
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
        web_search=WebSearch(**plain["web_search"]),
        sight=Sight(**plain["sight"]),
        structured_output=StructuredOutput(**plain["structured_output"]),
        log_level=plain["log_level"],
        log=Log(**plain["log"]),
    )


def _profile(plain: dict[str, Any]) -> Profile:
    fields: dict[str, Any] = {
        **plain,
        "fallbacks": Fallbacks(**plain.get("fallbacks", {})),
        "preferences": _preferences(plain.get("preferences", {})),
    }
    return Profile(**fields)


def _preferences(plain: dict[str, Any]) -> Preferences:
    price = plain.get("max_price")
    fields: dict[str, Any] = {**plain, "max_price": None if price is None else MaxPrice(**price)}
    return Preferences(**fields)


def _provider(plain: dict[str, Any]) -> Provider:
    models = {name: ProviderModel(**said) for name, said in plain.get("models", {}).items()}
    fields: dict[str, Any] = {**plain, "models": models}
    return Provider(**fields)
