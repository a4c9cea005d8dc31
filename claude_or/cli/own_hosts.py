"""Doctor's look at the hosts of the user's own: does each answer, is its key there, is the window of its models known."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from claude_or.cli.result import Finding
from claude_or.config.schema import Settings
from claude_or.errors import ClaudeOrError
from claude_or.routing.names import roles
from claude_or.upstream import litellm
from claude_or.upstream.catalogue import Unreachable
from claude_or.upstream.hosts import own_host


async def check_own_host(name: str, settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """One host: a single `GET /models` with its own key. What it answers is not read, since few hosts tell windows there."""
    found = window_findings(name, settings)
    if settings.providers[name].kind == "litellm":
        return [*found, *litellm_findings(name, settings, environ)]
    try:
        client = own_host(name, settings.providers[name], environ, settings.limits)
    except ClaudeOrError as error:
        return [*found, Finding("error", name, error.message, "", error.hint)]
    try:
        async with client:
            started = perf_counter()
            answer = await client.models()
            took_ms = (perf_counter() - started) * 1000
    except Unreachable as error:
        fix = f"Is it running? Its address is {client.base_url} (`providers.{name}.base_url`)."
        return [*found, Finding("error", name, str(error), "", fix)]
    if answer.status in {401, 403}:
        variable = settings.providers[name].key_variable
        fix = f"Set a good key in {variable}." if variable else f"Name its variable in `providers.{name}.key_variable`."
        return [*found, Finding("error", name, f"the key was refused (status {answer.status})", "", fix)]
    return [*found, Finding("ok", name, f"{client.name} answered in {took_ms:.0f} ms")]


def litellm_findings(name: str, settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Whether the extra is installed, and which of the variables for it is not set. Nothing is started."""
    if why := litellm.missing():
        fault, _, fix = why.partition(". ")
        return [Finding("error", name, fault, "", f"{fix}.")]
    return [
        Finding("ok", name, "installed; its process starts at the first request"),
        *(
            Finding("warn", name, f"{variable} is not set", "", f"`providers.{name}.variables` would hand it on.")
            for variable in settings.providers[name].variables
            if variable not in environ
        ),
    ]


def window_findings(name: str, settings: Settings) -> list[Finding]:
    """Models of this host whose window nobody told."""
    known = settings.providers[name].models
    slugs = dict.fromkeys(choice.slug for choice in roles(settings).values() if choice.host == name)
    return [
        Finding(
            "warn",
            name,
            f"the window of {slug} is not known; 128K are assumed",
            "",
            f"Set `providers.{name}.models.{slug}.context_window`.",
        )
        for slug in slugs
        if slug not in known or known[slug].context_window is None
    ]
