"""Doctor's look at what stands in for abilities that a model or its host lacks: the web's search source, the eyes. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping

from claude_or.cli.result import Finding
from claude_or.config import key as keys
from claude_or.config.folders import cache_folder
from claude_or.config.schema import Settings
from claude_or.config.search_sources import search_form
from claude_or.errors import ClaudeOrError
from claude_or.reply.assemble import profile_of
from claude_or.routing.plan import vision_plan
from claude_or.upstream.catalogue import best_known


def check_abilities(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Whether the key of the search source is there, and whether the model that describes pictures sees any."""
    return [*_search(settings, environ), *_eyes(settings, environ)]


def _search(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    form, source = search_form(settings.web_search), settings.web_search.source
    if form is None:
        return []
    variable = form.key_variable
    if variable is None:
        return [Finding("ok", "search", f"{source}, without a key")]
    if not environ.get(variable, "").strip():
        fix = f"export {variable}=…, or leave `web_search.source` out, so that the model's host searches."
        return [
            Finding("error", "search", f"{source} needs a key, and {variable} is not set: every search fails", "", fix)
        ]
    try:
        keys.cleaned(environ[variable], variable)
    except ClaudeOrError as error:
        return [Finding("error", "search", error.message, "", error.hint)]
    return [Finding("ok", "search", f"{source}, with the key in {variable}, which was not tried")]


def _eyes(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    plan = vision_plan(settings)
    if plan is None:
        return []
    route = plan.routes[0]
    sees = profile_of(route, best_known(cache_folder(environ), settings.openrouter.base_url), settings).images
    if sees is False:
        fix = "Name one that does below `models:`; `claude-or models search --images` lists them."
        text = f"{plan.asked} describes pictures (models.vision) and sees none itself: it is not asked"
        return [Finding("warn", "eyes", text, "", fix)]
    unsure = "" if sees else ", of which nobody knows whether it sees"
    return [Finding("ok", "eyes", f"{plan.asked} describes pictures for models that see none{unsure}")]
