"""The facts that the wheel brings along for a first start without network: `uv run python -m tests.snapshot LISTING [--day DAY]`.

LISTING is a saved answer of the host's `GET /models`, as a file or an address. Of each chosen model only facts are kept: slug, window,
output limit, prices, inputs, parameters, reasoning, expiry; no names or descriptions. Chosen are the aliases that move with a
family (the default models are such), the host's routers, and for each author of `AUTHORS` the newest models that take tools.
Writes `claude_or/upstream/bundled.json`; the day is the listing's own, today's when it is not told.
"""

from __future__ import annotations

import argparse
import sys
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from claude_or.routing.catalog import BUNDLED, Catalog, ModelInfo, Price, dump, parse_models
from claude_or.upstream.catalogue import BUNDLED_FILE

AUTHORS = (
    "anthropic",
    "deepseek",
    "google",
    "meta",
    "minimax",
    "mistralai",
    "moonshotai",
    "openai",
    "qwen",
    "x-ai",
    "xiaomi",
    "z-ai",
)
EACH = 12
"""Models per author. The file stays small, and who wants an unusual model has a network."""


def facts(catalog: Catalog) -> Catalog:
    """The chosen models of a listing without anything that is no fact, in the order of their slugs."""
    bare = (
        msgspec.structs.replace(model, name="", price=_listed_price(model))
        for model in catalog.models
        if model.tools and not model.is_free
    )
    return Catalog(sorted(_chosen(bare), key=lambda model: model.slug), fetched_at=catalog.fetched_at, source=BUNDLED)


def _listed_price(model: ModelInfo) -> Price:
    """Prices that hold at some hours only go out of date at once."""
    return msgspec.structs.replace(
        model.price, overrides=tuple(step for step in model.price.overrides if not step.timed)
    )


def _chosen(models: Iterable[ModelInfo]) -> Iterable[ModelInfo]:
    taken: dict[str, int] = {}
    for model in sorted(models, key=lambda model: -model.created):
        author = model.slug.partition("/")[0]
        if author.startswith("~") or author == "openrouter":
            yield model
        elif author in AUTHORS and ":" not in model.slug and taken.get(author, 0) < EACH:
            taken[author] = taken.get(author, 0) + 1
            yield model


def text_of(catalog: Catalog) -> bytes:
    """The file's text: one model a line, so that a new version shows what changed."""
    return dump(catalog).replace(b'"models":[', b'"models":[\n').replace(b'},{"slug"', b'},\n{"slug"') + b"\n"


def main(arguments: list[str]) -> int:
    """Read the listing and write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.snapshot")
    parser.add_argument("listing")
    parser.add_argument("--day", type=datetime.fromisoformat, default=datetime.now(UTC))
    told = parser.parse_args(arguments)
    if told.listing.startswith(("http://", "https://")):
        with urllib.request.urlopen(told.listing, timeout=60) as answer:
            raw = answer.read()
    else:
        raw = Path(told.listing).read_bytes()
    day = told.day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    catalog = facts(parse_models(raw, day.timestamp()))
    Path(BUNDLED_FILE).write_bytes(text_of(catalog))
    print(f"{BUNDLED_FILE}: {len(catalog.models)} models, {len(text_of(catalog))} bytes, facts of {catalog.day}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
