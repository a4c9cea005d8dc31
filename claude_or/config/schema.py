"""The settings a user may write, as plain frozen dataclasses.

They are standard dataclasses on purpose: the running proxy reads them without pydantic, whose import alone costs more than
the whole launch. `config/load.py` validates against these same classes with `pydantic.TypeAdapter` when a file changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Model per role, a slug, an alias or `provider:model`. None follows `big` or `small`, then the default."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRouter:
    """The default host."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    base_url: str = "https://openrouter.ai/api/v1"
    attribution: bool = True
    """Send the project's name with each request (OpenRouter shows it in its public app rankings)."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a configuration file may say, after defaults < user < project < environment < flags."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    models: Models = field(default_factory=Models)
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    openrouter: OpenRouter = field(default_factory=OpenRouter)
    limits: Limits = field(default_factory=Limits)
    client: Client = field(default_factory=Client)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
