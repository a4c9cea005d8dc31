"""`GET /v1/models` and `/v1/models/{id}`: the names in use, then everything listed that can run tools."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from claude_or.proxy.house import House
from claude_or.proxy.messages import plan_of, unknown_model
from claude_or.proxy.refusals import Refused, json_answer
from claude_or.routing.catalog import ModelInfo
from claude_or.routing.names import UnknownModel
from claude_or.routing.plan import roles
from claude_or.wire.anthropic import BadRequest, ListedModel, model_body, models_page


async def list_models(request: web.Request, house: House, request_id: str) -> web.Response:
    """One page of names. Raises `Refused` for a limit that is none."""
    try:
        return json_answer(models_page(list(_listed(house)), request.query), request_id)
    except BadRequest as bad:
        raise Refused(bad.failure) from None


async def one_model(request: web.Request, house: House, request_id: str) -> web.Response:
    """One name; slashes in it may be written plain or encoded. Raises `Refused` (404)."""
    name = request.match_info["id"]
    slug = plan_of(name, house).routes[0].slug
    catalog = house.catalog()
    found = catalog.get(slug) if catalog else None
    if catalog is not None and found is None and not catalog.is_bundled:
        raise Refused(unknown_model(UnknownModel(name, f"{slug} is not listed", catalog.nearest(slug))))
    return json_answer(model_body(_described(name, found)), request_id)


def _listed(house: House) -> Iterator[ListedModel]:
    settings, catalog = house.settings(), house.catalog()
    seen: set[str] = set()
    for name in (*(choice.slug for choice in roles(settings).values()), *settings.aliases):
        if name not in seen:
            seen.add(name)
            slug = plan_of(name, house).routes[0].slug
            yield _described(name, catalog.get(slug) if catalog else None)
    for model in catalog.models if catalog else ():
        if model.slug not in seen and model.tools:
            yield _described(model.slug, model)


def _described(name: str, model: ModelInfo | None) -> ListedModel:
    if model is None:
        return ListedModel(id=name)
    return ListedModel(
        id=name,
        display_name=model.name,
        created=model.created,
        max_input_tokens=model.window,
        max_tokens=model.max_output,
        images=model.images,
        pdfs="file" in model.inputs,
        structured_outputs="structured_outputs" in model.parameters,
        thinking=model.reasons,
        efforts=(model.reasoning.efforts or ()) if model.reasoning else (),
    )
