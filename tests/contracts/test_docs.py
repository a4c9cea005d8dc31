"""The documentation says what is so: its generated pages are current, and each page has a place on the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reference import DOCS, pages

ROOT = Path(__file__).parents[2]


PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_the_program_says_of_itself(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name], "run: uv run python -m tests.reference"


def test_every_page_has_one_place_in_the_sites_nav() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    placed = list(_leaves(site["nav"]))

    there = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert sorted(placed) == there, "mkdocs.yml: add the page to `nav`, or take it out"


def _leaves(nav: Any) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case list():
            for one in nav:
                yield from _leaves(one)
        case _:
            for one in nav.values():
                yield from _leaves(one)
