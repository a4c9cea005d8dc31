"""Doctor's look at the hosts of the user's own: does each answer, is its key there, has it the models, is their window known."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from claude_or.cli.result import Finding
from claude_or.config.schema import Settings
from claude_or.errors import ClaudeOrError
from claude_or.routing.names import nearest_names, roles, written
from claude_or.routing.own_models import listed_models, listed_name
from claude_or.upstream import litellm
from claude_or.upstream.catalogue import Unreachable
from claude_or.upstream.hosts import own_host


async def check_own_host(name: str, settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """One host: a single `GET /models` with its own key."""
    found = window_findings(name, settings, {})
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
    listed = listed_models(answer.body) if answer.status == 200 else {}
    return [
        *window_findings(name, settings, listed),
        *name_findings(name, settings, listed),
        Finding("ok", name, f"{client.name} answered in {took_ms:.0f} ms"),
    ]


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


def window_findings(name: str, settings: Settings, listed: Mapping[str, int | None]) -> list[Finding]:
    """Models of this host whose window nobody told, or told larger than the host does; `listed` is what it says."""
    known = settings.providers[name].models
    found: list[Finding] = []
    for slug in slugs_on(name, settings):
        told = listed.get(listed_name(slug, listed) or "")
        said = known[slug].context_window if slug in known else None
        place = f"`providers.{name}.models.{slug}.context_window`"
        if said is None:
            text = f"the window of {slug} is not known; 128K are assumed"
            fix = f"Set {place} to {told}, as the host says." if told else f"Set {place}."
            found.append(Finding("warn", name, text, "", fix))
        elif told and said > told:
            text = f"the window of {slug} is {told} by the host's own word, and {said} in the configuration"
            found.append(Finding("warn", name, text, "", f"Set {place} to {told}."))
    return found


def name_findings(name: str, settings: Settings, listed: Mapping[str, int | None]) -> list[Finding]:
    """Models in use that the host does not list. Hosts of the Messages API list pages of dated names, and answer to shorter ones."""
    if settings.providers[name].kind == "anthropic":
        return []
    found: list[Finding] = []
    for slug in slugs_on(name, settings):
        if not listed or listed_name(slug, listed):
            continue
        near = nearest_names(slug, listed)
        fix = f"Did you mean {written(near[0], name)}?" if near else "It may have to be loaded there first."
        # A server of one model often answers to any name.
        level = "warn" if len(listed) > 1 else "note"
        found.append(Finding(level, name, f"{slug} is not among the models that it lists ({len(listed)})", "", fix))
    return found


def slugs_on(name: str, settings: Settings) -> list[str]:
    """The models of this host that roles have, in their order."""
    return list(dict.fromkeys(choice.slug for choice in roles(settings).values() if choice.host == name))
