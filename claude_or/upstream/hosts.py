"""All hosts of a session, opened together: OpenRouter when there is a key for it, and those of the user's own.

Each host is one pool with one credential, so that no key can ever reach another host. A changed configuration is followed
while requests run: a host whose description changed is opened anew, and the old one stays open until the session ends, since
somebody may still read from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from claude_or.config.key import provider_key
from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Limits, Provider, Settings
from claude_or.errors import ClaudeOrError
from claude_or.log import get_log, keep_secret
from claude_or.upstream import litellm
from claude_or.upstream.openrouter import OpenRouter

_log = get_log("upstream")


class Hosts:
    """Hosts by name. An async context manager; `opened` may be read at any time, `missing` says why a host is not there.

    `key` is OpenRouter's, empty when there is none. `environ` is where the other hosts' keys are read.
    """

    def __init__(self, settings: Settings, key: str, environ: Mapping[str, str]) -> None:
        self.opened: dict[str, OpenRouter] = {}
        self.missing: dict[str, str] = {}
        self.guard: Callable[[str], None] = lambda _line: None
        """Writes a line to the guardian, about processes of ours."""
        self._settings = settings
        self._key = key
        self._environ = environ
        self._descriptions: dict[str, Any] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.follow(self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.opened.clear()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every key in use, for whoever masks them."""
        return tuple(secret for host in self.opened.values() for secret in host.secrets)

    async def follow(self, settings: Settings) -> None:
        """Make the hosts those of these settings."""
        wanted: dict[str, Any] = {name: (provider, settings.limits) for name, provider in settings.providers.items()}
        wanted[DEFAULT_HOST] = (settings.openrouter, settings.limits)
        for name in self._descriptions.keys() - wanted.keys():
            self.opened.pop(name, None)
            self.missing.pop(name, None)
            del self._descriptions[name]
        for name, description in wanted.items():
            if self._descriptions.get(name) != description:
                self._descriptions[name] = description
                await self._open(name, settings)

    async def _open(self, name: str, settings: Settings) -> None:
        self.opened.pop(name, None)
        self.missing.pop(name, None)
        if name == DEFAULT_HOST:
            if not self._key:
                self.missing[name] = "there is no OpenRouter API key: set OPENROUTER_API_KEY"
                return
            said = settings.openrouter
            host = OpenRouter(said.base_url, self._key, attribution=said.attribution, limits=settings.limits)
        elif settings.providers[name].kind == "litellm":
            if why := litellm.missing():
                self.missing[name] = why
                return
            provider = settings.providers[name]
            limits = limits_for(provider, settings.limits)
            host = litellm.LiteLlm(environ=self._environ, variables=provider.variables, limits=limits, guard=self.guard)
        else:
            provider = settings.providers[name]
            try:
                host = own_host(name, provider, self._environ, settings.limits)
            except ClaudeOrError as error:
                self.missing[name] = f"{error.message}. {error.hint}"
                return
        keep_secret(*host.secrets)
        self.opened[name] = await self._stack.enter_async_context(host)
        _log.info("host opened", host=name, address=host.base_url)


def own_host(name: str, provider: Provider, environ: Mapping[str, str], limits: Limits) -> OpenRouter:
    """The client of a host of the user's own. Raises `ClaudeOrError` when its key is not there."""
    key = provider_key(environ, name, provider)
    return OpenRouter(
        provider.base_url,
        key.value if key else None,
        attribution=False,
        limits=limits_for(provider, limits),
        name=name,
        headers=provider.headers,
        key_header=provider.key_header,
        sessions=False,
    )


def limits_for(provider: Provider | None, limits: Limits) -> Limits:
    """The time limits of a host: its own where it says some."""
    if provider is None:
        return limits
    return Limits(
        connect=provider.connect or limits.connect,
        first_byte=provider.first_byte or limits.first_byte,
        idle=provider.idle or limits.idle,
        ping=limits.ping,
        attempts=limits.attempts,
    )
