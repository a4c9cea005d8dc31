"""Doctor says when the search source has no key and when the eyes see nothing, before a session finds out."""

from __future__ import annotations

from typing import Any

import pytest

from claude_or.cli.doctor_abilities import check_abilities
from claude_or.config.schema import Models, Provider, ProviderModel, Settings, WebSearch

SECRET = "key-of-the-search-source"
LAB = {
    "lab": Provider(
        base_url="http://127.0.0.1:9/v1",
        models={"blind": ProviderModel(images=False), "seeing": ProviderModel(images=True), "untold": ProviderModel()},
    )
}


@pytest.mark.parametrize(
    ("said", "environ", "level", "words"),
    [
        ({"source": "brave"}, {}, "error", "BRAVE_API_KEY is not set"),
        ({"source": "brave"}, {"BRAVE_API_KEY": f"{SECRET} and more"}, "error", "cannot be one"),
        ({"source": "brave"}, {"BRAVE_API_KEY": SECRET}, "ok", "the key in BRAVE_API_KEY"),
        ({"source": "searxng", "url": "http://127.0.0.1:9"}, {}, "ok", "without a key"),
    ],
)
def test_a_search_source_is_looked_at(said: dict[str, Any], environ: dict[str, str], level: str, words: str) -> None:
    (found,) = check_abilities(Settings(web_search=WebSearch(**said)), environ)
    assert (found.check, found.level) == ("search", level)
    assert words in found.text
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("model", "level", "words"),
    [
        ("lab:blind", "warn", "sees none itself"),
        ("lab:seeing", "ok", "describes pictures"),
        ("lab:untold", "ok", "nobody knows whether it sees"),
    ],
)
def test_the_model_that_describes_pictures_is_looked_at(model: str, level: str, words: str, tmp_path: Any) -> None:
    (found,) = check_abilities(Settings(models=Models(vision=model), providers=LAB), {"HOME": str(tmp_path)})
    assert (found.check, found.level) == ("eyes", level)
    assert words in found.text


def test_where_nothing_stands_in_nothing_is_said(tmp_path: Any) -> None:
    assert check_abilities(Settings(), {"HOME": str(tmp_path)}) == []
